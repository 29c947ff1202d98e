//! Looks whether nodes without a link answer: a TCP connection that is taken, or refused, says that the machine lives.
//! Each is looked for about every quarter of a minute, never all of them at the same moment, a few at a time.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

use protocol::name::NodeName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::names::addresses;
use crate::manager::heart::Heart;

/// Between two looks, plus up to half of it more.
const EVERY: Duration = Duration::from_secs(12);
/// Before the first: nodes with an agent are back by themselves soon after the manager.
const FIRST: Duration = Duration::from_secs(2);
/// One that has not answered in so long does not answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Thousands that are silent are all looked for within their time.
const MOST: usize = 512;

pub type At = (String, u16);

pub enum Errand {
    /// Or not any more.
    One(NodeName, Option<At>),
    /// These and no others.
    All(Vec<(NodeName, At)>),
}

pub struct Looker {
    heart: Heart,
    nodes: HashMap<NodeName, (u64, At)>,
    /// Never the same number twice: what is not in `nodes` with it is past.
    due: BTreeMap<(Instant, u64), NodeName>,
    last: u64,
    looks: JoinSet<(NodeName, u64, bool)>,
}

impl Looker {
    pub fn new(heart: Heart) -> Self {
        Self { heart, nodes: HashMap::new(), due: BTreeMap::new(), last: 0, looks: JoinSet::new() }
    }

    pub async fn run(mut self, mut errands: mpsc::UnboundedReceiver<Errand>) {
        loop {
            let next = self.due.first_key_value().map(|((at, _), _)| *at).filter(|_| self.looks.len() < MOST);
            tokio::select! {
                errand = errands.recv() => match errand {
                    Some(errand) => self.take(errand),
                    None => return,
                },
                Some(looked) = self.looks.join_next() => {
                    if let Ok((node, number, answers)) = looked {
                        self.looked(node, number, answers).await;
                    }
                }
                () = sleep_until(next) => self.look(),
            }
        }
    }

    fn take(&mut self, errand: Errand) {
        match errand {
            Errand::One(node, Some(at)) => self.look_for(node, at),
            Errand::One(node, None) => drop(self.nodes.remove(&node)),
            Errand::All(nodes) => {
                self.nodes.clear();
                nodes.into_iter().for_each(|(node, at)| self.look_for(node, at));
            }
        }
    }

    fn look_for(&mut self, node: NodeName, at: At) {
        let number = self.remember(node.clone(), at);
        self.due.insert((Instant::now() + FIRST + spread(&node, number, FIRST * 2), number), node);
    }

    fn remember(&mut self, node: NodeName, at: At) -> u64 {
        self.last += 1;
        self.nodes.insert(node, (self.last, at));
        self.last
    }

    fn look(&mut self) {
        let Some(((_, number), node)) = self.due.pop_first() else { return };
        let Some((_, at)) = self.nodes.get(&node).filter(|(current, _)| *current == number) else { return };
        let at = at.clone();
        self.looks.spawn(async move {
            let answers = answers(&at).await;
            (node, number, answers)
        });
    }

    async fn looked(&mut self, node: NodeName, number: u64, answers: bool) {
        if self.nodes.get(&node).is_none_or(|(current, _)| *current != number) {
            return;
        }
        let again = Instant::now() + EVERY + spread(&node, number.wrapping_add(self.last), EVERY / 2);
        self.due.insert((again, number), node.clone());
        self.heart.answers(node, answers).await;
    }
}

/// Up to so much, another for each node and each time.
fn spread(node: &NodeName, salt: u64, most: Duration) -> Duration {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (node, salt).hash(&mut hasher);
    most.mul_f64((hasher.finish() % 1024) as f64 / 1024.0)
}

async fn answers((host, port): &At) -> bool {
    let connecting = async {
        let addresses = addresses(host, *port).await?;
        TcpStream::connect(&addresses[..]).await
    };
    match timeout(PATIENCE, connecting).await {
        Ok(Ok(_)) => true,
        // Somebody has refused it.
        Ok(Err(error)) => error.kind() == io::ErrorKind::ConnectionRefused,
        Err(_) => false,
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_machine_that_refuses_a_connection_answers_too() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        assert!(answers(&at).await);
        drop(listener);
        assert!(answers(&at).await);
        assert!(!answers(&("no-such-host.invalid".to_owned(), 22)).await);
    }

    #[test]
    fn nodes_are_not_looked_for_all_at_once() {
        let when: std::collections::BTreeSet<_> =
            (0..100).map(|n| spread(&format!("pi-{n}").parse().unwrap(), 1, EVERY)).collect();
        assert!(when.len() > 80 && when.iter().all(|one| *one < EVERY));
    }
}
