//! A task that needs many CPUs must not starve behind small ones. When the head of a class is passed over because
//! no node has so many CPUs free, and a younger task is given to a node it could use, it counts as overtaken from
//! then on. After `patience_ms` (a minute) of that, the node that is nearest to being free is kept free for it: it
//! takes nothing younger, gives back what is younger and has not started there, and the task begins as soon as
//! enough has ended, there or on any other node.
//!
//! So slots may stay empty while younger tasks wait: on one node for each kind of task that waits like this, and for
//! as long as what ran there already takes. Nobody knows how long that is; a node may idle behind one long task. To
//! let others in meanwhile would be to let them overtake again, without end.

use protocol::id::TaskId;

use super::Cluster;
use super::ids::{ClassIx, NodeIx};
use super::nodes::Node;
use super::timers::Timer;
use super::turn::Turn;

impl Cluster {
    /// `id` is about to go to a node: older heads that could have used it are being overtaken.
    pub(super) fn note_overtaken(&mut self, id: TaskId, ix: NodeIx, turn: &mut Turn<'_>) {
        let older = self.queue.heads_for(ix).take_while(|(head, _)| *head < id);
        let older: Vec<(TaskId, ClassIx)> = older.collect();
        for (head, class) in older {
            let could = self.could_use(class, ix);
            let Some(class_row) = self.queue.class_mut(class) else { continue };
            if could && class_row.overtaken.is_none() {
                class_row.overtaken = Some((head, turn.now.mono));
                self.timers.set(turn.now.mono.plus(self.config.patience_ms), Timer::Patience(class));
            }
        }
    }

    /// A node that is kept free takes what has waited longer than what it is kept free for, and nothing younger.
    pub(super) fn may_use(&self, node: &Node, task: TaskId) -> bool {
        let kept_for = node.reserved_for.and_then(|class| self.queue.head(class));
        kept_for.is_none_or(|(head, _)| task <= head)
    }

    fn could_use(&self, class: ClassIx, ix: NodeIx) -> bool {
        let (Some((_, key)), Some(node)) = (self.queue.head(class), self.nodes.get(ix)) else { return false };
        node.open() && node.orders.slots() >= key.cpus && self.suits(ix, node, &key)
    }

    pub(super) fn patience_due(&mut self, class: ClassIx, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(row) = self.queue.class(class) else { return };
        let due = row.overtaken.is_some_and(|(_, since)| since.plus(self.config.patience_ms) <= now);
        if !due || row.reserved.is_some() {
            return;
        }
        let Some(ix) = self.nearest_to_free(class) else {
            // None could ever take it just now: look again later.
            return self.timers.set(now.plus(self.config.patience_ms.max(1)), Timer::Patience(class));
        };
        if let Some(row) = self.queue.class_mut(class) {
            row.reserved = Some(ix);
        }
        if let Some(node) = self.nodes.get_mut(ix) {
            node.reserved_for = Some(class);
        }
        let head = self.queue.head(class).map(|(head, _)| head);
        self.recall_all(ix, turn, |task, _| head.is_some_and(|head| task > head));
        self.room_on(ix);
    }

    fn nearest_to_free(&self, class: ClassIx) -> Option<NodeIx> {
        let (_, key) = self.queue.head(class)?;
        let could = self.nodes.iter().filter(|(ix, node)| {
            let meant = key.pin.is_none_or(|pin| pin == *ix);
            meant && node.reserved_for.is_none() && self.could_use(class, *ix)
        });
        // The first by name among equals: `max_by_key` would take the last.
        could
            .min_by_key(|(_, node)| (std::cmp::Reverse(node.orders.free()), node.orders.waiting_cpus()))
            .map(|(ix, _)| ix)
    }

    /// The node is not kept free any more.
    pub(super) fn release(&mut self, ix: NodeIx) {
        if let Some(node) = self.nodes.get_mut(ix) {
            node.reserved_for = None;
            self.room_on(ix);
        }
    }

    /// A node that was kept free is not to be had: another one is looked for at once.
    pub(super) fn give_up_reservation(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        let Some(class) = self.nodes.get_mut(ix).and_then(|node| node.reserved_for.take()) else { return };
        if let Some(row) = self.queue.class_mut(class) {
            row.reserved = None;
        }
        self.timers.set(turn.now.mono, Timer::Patience(class));
    }
}
