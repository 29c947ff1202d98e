//! A bounded number of places: overall, and for each who takes them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub(super) struct Places<K> {
    overall: usize,
    each: usize,
    taken: Arc<Mutex<Taken<K>>>,
    freed: Arc<Notify>,
}

struct Taken<K> {
    overall: usize,
    by: HashMap<K, usize>,
}

/// One place, free again when dropped.
pub(super) struct Place<K: Eq + Hash> {
    who: K,
    taken: Arc<Mutex<Taken<K>>>,
    freed: Arc<Notify>,
}

impl<K: Eq + Hash + Clone> Places<K> {
    pub(super) fn new(overall: usize, each: usize) -> Self {
        let taken = Arc::new(Mutex::new(Taken { overall: 0, by: HashMap::new() }));
        Places { overall, each, taken, freed: Arc::default() }
    }

    pub(super) fn take(&self, who: K) -> Option<Place<K>> {
        let mut taken = lock(&self.taken);
        let has = taken.by.get(&who).copied().unwrap_or(0);
        if has >= self.each || taken.overall >= self.overall {
            return None;
        }
        taken.by.insert(who.clone(), has + 1);
        taken.overall += 1;
        Some(Place { who, taken: self.taken.clone(), freed: self.freed.clone() })
    }

    /// Places became free since this was last awaited.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl<K: Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.overall -= 1;
        match taken.by.get_mut(&self.who) {
            Some(has) if *has > 1 => *has -= 1,
            _ => drop(taken.by.remove(&self.who)),
        }
        self.freed.notify_one();
    }
}

fn lock<K>(taken: &Mutex<Taken<K>>) -> MutexGuard<'_, Taken<K>> {
    // No code under the lock can fail halfway.
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_can_take_all_places_and_all_together_no_more_than_there_are() {
        let places = Places::new(5, 2);
        let first: Vec<_> = (0..3).filter_map(|_| places.take("a")).collect();
        assert_eq!(first.len(), 2, "no more than two for one");
        let others: Vec<_> = ["b", "c", "d", "e"].into_iter().filter_map(|who| places.take(who)).collect();
        assert_eq!(others.len(), 3, "no more than five overall");
        drop(first);
        assert!(places.take("a").is_some(), "places are free again");
        drop(others);
        let taken = lock(&places.taken);
        assert!(taken.overall == 0 && taken.by.is_empty(), "nothing is remembered of those who left");
    }
}
