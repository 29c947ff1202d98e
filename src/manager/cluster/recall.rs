//! Calling back orders that wait on a node: for another that has CPUs free, or because their own is to be emptied.
//! An order that has started by then is simply kept; one that is given back was never tried, so its attempt number
//! is free again.

use protocol::agent::ToAgent;
use protocol::id::{AttemptId, TaskId};
use protocol::job::TaskState;

use super::Cluster;
use super::ids::NodeIx;
use super::orders::{Order, Phase, Recall};
use super::queue::Key;
use super::turn::Turn;

impl Cluster {
    /// Calls back for a node what its free CPUs could run.
    pub(super) fn pull(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        while let Some((from, task)) = self.find_pull(ix) {
            self.recall(from, task, Recall::For(ix), turn);
        }
    }

    /// The same for every node with free CPUs.
    pub(super) fn pull_for_all(&mut self, turn: &mut Turn<'_>) {
        let idle: Vec<NodeIx> = self.openings.with_free(1).collect();
        for ix in idle {
            self.pull(ix, turn);
        }
    }

    fn find_pull(&self, ix: NodeIx) -> Option<(NodeIx, TaskId)> {
        let node = self.nodes.get(ix).filter(|node| node.open())?;
        let room = u64::from(node.orders.free()).saturating_sub(node.expecting);
        if room == 0 {
            return None;
        }
        self.openings.with_backlog_for(room).filter(|&from| from != ix).find_map(|from| {
            let wanted = |(task, order): &(TaskId, &Order)| {
                let fits = order.movable && order.recall.is_none() && u64::from(order.cpus) <= room;
                fits && self.may_use(node, *task)
                    && self.jobs.get(task.job).is_some_and(|job| self.suits(ix, node, &Key::of(job, task.index)))
            };
            let (task, _) = self.nodes.get(from)?.orders.waiting_youngest().find(wanted)?;
            Some((from, task))
        })
    }

    /// Empties a node of what has not started.
    pub(super) fn recall_all(&mut self, ix: NodeIx, turn: &mut Turn<'_>, which: impl Fn(TaskId, &Order) -> bool) {
        let Some(node) = self.nodes.get(ix) else { return };
        let unstarted = node.orders.iter().filter(|(task, order)| {
            matches!(order.phase, Phase::Waiting | Phase::Sent) && order.recall.is_none() && which(*task, order)
        });
        let tasks: Vec<TaskId> = unstarted.map(|(task, _)| task).collect();
        for task in tasks {
            self.recall(ix, task, Recall::Away, turn);
        }
    }

    fn recall(&mut self, from: NodeIx, task: TaskId, why: Recall, turn: &mut Turn<'_>) {
        let Some(node) = self.nodes.get_mut(from) else { return };
        let (Some(link), Some(order)) = (node.link, node.orders.get(task)) else { return };
        let (attempt, cpus) = (task.attempt(order.number), u64::from(order.cpus));
        node.orders.set_recall(task, Some(why));
        if let Recall::For(to) = why
            && let Some(to) = self.nodes.get_mut(to)
        {
            to.expecting += cpus;
        }
        turn.send(link, ToAgent::Recall { attempt });
        self.refresh(from);
    }

    /// A node is removed: what was called back for it comes to whoever takes it.
    pub(super) fn expect_no_more(&mut self, gone: NodeIx) {
        let all: Vec<NodeIx> = self.nodes.iter().map(|(ix, _)| ix).collect();
        for ix in all {
            let Some(node) = self.nodes.get_mut(ix) else { continue };
            let meant = node.orders.iter().filter(|(_, order)| order.recall == Some(Recall::For(gone)));
            let tasks: Vec<TaskId> = meant.map(|(task, _)| task).collect();
            tasks.into_iter().for_each(|task| node.orders.set_recall(task, Some(Recall::Away)));
        }
    }

    /// Whatever was called back will not come after all, or has come.
    pub(super) fn end_recall(&mut self, on: NodeIx, task: TaskId) {
        let Some(node) = self.nodes.get_mut(on) else { return };
        let Some((recall, cpus)) = node.orders.get(task).and_then(|o| Some((o.recall?, u64::from(o.cpus)))) else {
            return;
        };
        node.orders.set_recall(task, None);
        self.refresh(on);
        if let Recall::For(to) = recall {
            if let Some(to) = self.nodes.get_mut(to) {
                to.expecting = to.expecting.saturating_sub(cpus);
            }
            self.agenda.rooms.insert(to);
        }
    }

    /// The node gave an order back.
    pub(super) fn recalled(&mut self, on: NodeIx, attempt: AttemptId, turn: &mut Turn<'_>) {
        let id = attempt.task;
        let order = self.nodes.get(on).and_then(|node| node.orders.get(id));
        // What was not called back, or has started, is not given back: such a report is old or wrong.
        let expected = order.is_some_and(|order| {
            order.number == attempt.number && order.recall.is_some() && order.phase != Phase::Running
        });
        if !expected {
            self.ignored += 1;
            return;
        }
        self.take_order(on, id);
        if self.jobs.stopping.contains_key(&id) {
            return self.end_stopped(id, "", turn);
        }
        self.unassign(id, turn);
    }

    /// A task whose order was never begun goes back to its place in the queue.
    pub(super) fn unassign(&mut self, id: TaskId, turn: &mut Turn<'_>) {
        // Its number is given again: what a node that never began it says it left is not to be taken for what another leaves.
        if let Some((_, task)) = self.jobs.task(id) {
            self.remove_result(id.attempt(task.attempt), turn);
        }
        self.update(id, turn, |task| {
            task.clear_attempt();
            task.state = TaskState::Queued;
            task.attempt = task.attempt.saturating_sub(1);
        });
        self.enqueue(id);
    }

    /// An order leaves its node, however it went; the node may take more now.
    pub(super) fn take_order(&mut self, on: NodeIx, id: TaskId) -> Option<Order> {
        self.end_recall(on, id);
        let order = self.nodes.get_mut(on)?.orders.take(id);
        self.room_on(on);
        order
    }
}
