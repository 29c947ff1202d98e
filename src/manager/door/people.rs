//! Who looks: everyone with a watch open, known to everyone else with one.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::name::PersonName;
use tokio::sync::watch;

/// How many watches each person has open.
type Watches = BTreeMap<PersonName, usize>;

#[derive(Clone, Default)]
pub struct People {
    all: Arc<watch::Sender<Watches>>,
}

impl People {
    /// Whether they have a watch open.
    pub fn has(&self, person: &PersonName) -> bool {
        self.all.borrow().contains_key(person)
    }

    /// Present until the seat is dropped, however the connection ends.
    pub fn enter(&self, person: PersonName) -> Seat {
        self.all.send_if_modified(|all| {
            let watches = all.entry(person.clone()).or_default();
            *watches += 1;
            *watches == 1
        });
        Seat { person, known: self.all.subscribe(), all: self.all.clone() }
    }
}

pub struct Seat {
    person: PersonName,
    all: Arc<watch::Sender<Watches>>,
    known: watch::Receiver<Watches>,
}

impl Seat {
    /// By name; from now on changes are news.
    pub fn people(&mut self) -> Vec<PersonName> {
        self.known.borrow_and_update().keys().cloned().collect()
    }

    pub async fn changed(&mut self) {
        if self.known.changed().await.is_err() {
            // This seat holds the sender too: it never ends.
            std::future::pending().await
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.all.send_if_modified(|all| {
            let left = all.get_mut(&self.person).map(|watches| {
                *watches -= 1;
                *watches
            });
            if left == Some(0) {
                all.remove(&self.person);
            }
            left == Some(0)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_person_with_two_watches_is_there_once_until_both_are_closed() {
        let people = People::default();
        let mut bo = people.enter("bo".parse().unwrap());
        assert_eq!(bo.people(), ["bo".parse().unwrap()]);
        let one = people.enter("ana".parse().unwrap());
        assert!(bo.changed().now_or_never().is_some());
        assert_eq!(bo.people(), ["ana".parse().unwrap(), "bo".parse().unwrap()]);
        let other = people.enter("ana".parse().unwrap());
        drop(one);
        assert!(bo.changed().now_or_never().is_none(), "nothing to tell");
        drop(other);
        assert!(bo.changed().now_or_never().is_some());
        assert_eq!(bo.people(), ["bo".parse().unwrap()]);
    }
}
