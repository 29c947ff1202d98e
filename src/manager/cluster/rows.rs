//! The one way tasks and nodes change: what changes is kept, shown, and told to whoever waits for it.

use protocol::id::TaskId;

use super::Cluster;
use super::change::{AttemptRow, Change, TaskRow};
use super::ids::NodeIx;
use super::jobs::{Changed, Past};
use super::task::Task;
use super::turn::Turn;

impl Cluster {
    pub(super) fn update(
        &mut self,
        id: TaskId,
        turn: &mut Turn<'_>,
        change: impl FnOnce(&mut Task),
    ) -> Option<Changed> {
        let changed = self.jobs.change(id, turn.now.wall, change)?;
        self.persist_task(id, turn);
        turn.touch_job(id.job);
        if changed.ended() {
            if self.jobs.get(id.job).is_some_and(|job| !job.unfinished()) {
                self.agenda.trim = true;
                self.begin_to_age(id.job, turn);
                self.outbox.job_ended(id.job);
            }
            self.waits_end(id, turn);
        } else if changed.reopened() {
            self.waits.reopened(id);
            self.stop_aging(id.job, turn);
        }
        self.look_again(id, turn);
        Some(changed)
    }

    pub(super) fn persist_task(&self, id: TaskId, turn: &mut Turn<'_>) {
        let Some((_, task)) = self.jobs.task(id) else { return };
        turn.persist(Change::Task(TaskRow {
            id,
            state: task.state,
            attempt: task.attempt,
            losses: task.losses.into(),
            node: task.node.map(|ix| self.nodes.name(ix).clone()),
            started_at: task.started_at(),
            ended_at: task.ended_at(),
            ran_ms: task.ran_ms(),
            outcome: task.end.outcome(),
            stopping: self.jobs.stopping.get(&id).cloned(),
        }));
    }

    pub(super) fn persist_node(&self, ix: NodeIx, turn: &mut Turn<'_>) {
        if let Some(row) = self.nodes.row(ix, |by| self.people.name(by).clone()) {
            turn.persist(Change::Node(Box::new(row)));
        }
    }

    /// Puts the latest attempt of a task aside, where it is over and will not be what the task says: before another
    /// begins, or before the task ends without it.
    pub(super) fn bury(&mut self, id: TaskId, turn: &mut Turn<'_>) {
        let Some((_, task)) = self.jobs.task(id) else { return };
        let attempt = id.attempt(task.attempt);
        if let Some(outcome) = task.end.outcome().filter(|_| !self.jobs.past.contains_key(&attempt)) {
            let past = Past {
                node: task.node,
                started_at: task.started_at(),
                ended_at: task.ended_at(),
                ran_ms: task.ran_ms(),
                outcome,
                late: None,
            };
            self.jobs.past.insert(attempt, past);
            self.persist_attempt(attempt, turn);
        }
    }

    pub(super) fn persist_attempt(&self, id: protocol::id::AttemptId, turn: &mut Turn<'_>) {
        let Some(past) = self.jobs.past.get(&id) else { return };
        turn.persist(Change::Attempt(AttemptRow {
            id,
            node: past.node.map(|ix| self.nodes.name(ix).clone()),
            started_at: past.started_at,
            ended_at: past.ended_at,
            ran_ms: past.ran_ms,
            outcome: past.outcome.clone(),
            late: past.late.clone(),
        }));
    }
}
