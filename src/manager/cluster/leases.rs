//! Leases: a node that is away keeps its attempts for a while; when its lease lapses they are lost.

use super::Cluster;
use super::ids::NodeIx;
use super::timers::Timer;
use super::turn::Turn;

impl Cluster {
    /// The node is away from now.
    pub(super) fn start_lease(&mut self, ix: NodeIx, turn: &Turn<'_>) {
        let until = turn.now.mono.plus(self.config.lease_ms);
        let owes = self.runs.has_any_on(ix);
        let Some(node) = self.nodes.get_mut(ix).filter(|node| owes || !node.orders.is_empty()) else { return };
        node.lease = Some(until);
        self.timers.set(until, Timer::Lease(ix));
    }

    pub(super) fn lease_due(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        let Some(node) = self.nodes.get_mut(ix) else { return };
        if node.lease.is_none_or(|until| until > turn.now.mono) {
            return;
        }
        node.lease = None;
        self.lose_all(ix, "its node did not come back", turn);
    }

    pub(super) fn lose_all(&mut self, ix: NodeIx, reason: &str, turn: &mut Turn<'_>) {
        let Some(node) = self.nodes.get(ix) else { return };
        let given: Vec<_> = node.orders.iter().map(|(task, order)| (task, order.phase)).collect();
        for (task, phase) in given {
            self.lose(task, ix, phase, reason.to_owned(), turn);
        }
        self.lose_answers_on(ix, reason, turn);
    }
}
