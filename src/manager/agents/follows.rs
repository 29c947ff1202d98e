//! Follows that were ordered and whose node has not dialled back yet.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use link::{FrameReader, Stream};
use protocol::name::NodeName;
use tokio::sync::oneshot;

/// A bulk stream on which `FollowFrame`s come.
pub type Frames = FrameReader<Stream>;

/// A short table between the tasks that wait and the connections that arrive; nothing is decided in it.
#[derive(Clone, Default)]
pub struct Follows(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    waiting: HashMap<u64, (NodeName, oneshot::Sender<Frames>)>,
}

impl Follows {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for the order, and the stream to come; `None` where the node cannot serve it. Dropping the future
    /// takes the number back.
    pub fn expect(&self, node: NodeName) -> (u64, impl Future<Output = Option<Frames>> + use<>) {
        let (tell, told) = oneshot::channel();
        let mut table = self.table();
        table.last += 1;
        let id = table.last;
        table.waiting.insert(id, (node, tell));
        let taken_back = TakenBack { follows: self.clone(), id };
        (id, async move {
            let frames = told.await.ok();
            drop(taken_back);
            frames
        })
    }

    /// The node dialled back. A number that is not waited for, or another node's, goes nowhere.
    pub fn arrived(&self, id: u64, node: &NodeName, frames: Frames) {
        let mut table = self.table();
        if table.waiting.get(&id).is_some_and(|(of, _)| of == node)
            && let Some((_, tell)) = table.waiting.remove(&id)
        {
            // Whoever waited may have just gone away.
            let _ = tell.send(frames);
        }
    }

    pub fn failed(&self, id: u64, node: &NodeName, reason: &str) {
        let mut table = self.table();
        if table.waiting.get(&id).is_some_and(|(of, _)| of == node) {
            tracing::debug!("{node} cannot serve a follow: {reason}");
            table.waiting.remove(&id);
        }
    }
}

struct TakenBack {
    follows: Follows,
    id: u64,
}

impl Drop for TakenBack {
    fn drop(&mut self) {
        self.follows.table().waiting.remove(&self.id);
    }
}
