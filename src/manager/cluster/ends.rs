//! How an attempt is over: its task ends with it, is queued again, or has long gone on without it.

use protocol::agent::{Finished, Output};
use protocol::event::What;
use protocol::id::{AttemptId, TaskId};
use protocol::job::{Outcome, TaskState};
use protocol::time::UnixMillis;

use super::Cluster;
use super::change::Change;
use super::ids::NodeIx;
use super::orders::Phase;
use super::queue::Key;
use super::task::End;
use super::turn::Turn;

/// The end of a task, as it will be kept.
pub struct Over {
    pub outcome: Outcome,
    pub started_at: Option<UnixMillis>,
    pub ended_at: UnixMillis,
    pub ran_ms: Option<u64>,
    pub output: Option<(Output, Output)>,
}

impl Cluster {
    /// The task has ended.
    pub(super) fn conclude(&mut self, id: TaskId, over: Over, turn: &mut Turn<'_>) {
        let state = over.outcome.state();
        let (code, reason) = (over.outcome.code(), over.outcome.reason());
        self.jobs.stopping.remove(&id);
        self.update(id, turn, |task| {
            task.state = state;
            task.end = End::of(over.outcome);
            task.set_started_at(over.started_at);
            task.set_ended_at(Some(over.ended_at));
            task.set_ran_ms(over.ran_ms);
        });
        let Some((_, task)) = self.jobs.task(id) else { return };
        let (attempt, node) = (id.attempt(task.attempt), task.node);
        if let Some((stdout, stderr)) = over.output {
            turn.persist(Change::Output { attempt, stdout, stderr });
        }
        // A task that was not under way ends with the request that ended it, and needs no event of its own: a
        // hundred thousand of them are stopped at once.
        if let Some(ix) = node {
            if let Some(node) = self.nodes.get_mut(ix) {
                node.finished += 1;
            }
            let node = self.nodes.name(ix).clone();
            turn.touch_metrics(&node);
            turn.publish(What::TaskEnded { attempt, node: Some(node), state, code, reason });
        }
        self.part_ended(id, turn);
    }

    /// A stop has come true without a result from the node.
    pub(super) fn end_stopped(&mut self, id: TaskId, but: &str, turn: &mut Turn<'_>) {
        let reason = self.jobs.stopping.get(&id).cloned().unwrap_or_default();
        let started_at = self.jobs.task(id).and_then(|(_, task)| task.started_at());
        let outcome = Outcome::Stopped { reason: format!("{reason}{but}") };
        self.conclude(id, Over { outcome, started_at, ended_at: turn.now.wall, ran_ms: None, output: None }, turn);
    }

    /// A task that waits is stopped: nothing of it runs anywhere.
    pub(super) fn stop_queued(&mut self, id: TaskId, reason: &str, turn: &mut Turn<'_>) {
        let Some(key) = self.jobs.get(id.job).map(|job| Key::of(job, id.index)) else { return };
        self.unqueue(id, key);
        self.bury(id, turn);
        self.jobs.change(id, turn.now.wall, |task| task.clear_attempt());
        let outcome = Outcome::Stopped { reason: reason.to_owned() };
        let over = Over { outcome, started_at: None, ended_at: turn.now.wall, ran_ms: None, output: None };
        self.conclude(id, over, turn);
    }

    /// Nobody will hear the end of the attempt that was on this node: the task is queued again, at most so often.
    /// An order that only waited there (`phase`) does not count: a task is not to blame for a node that comes and
    /// goes.
    pub(super) fn lose(&mut self, id: TaskId, on: NodeIx, phase: Phase, reason: String, turn: &mut Turn<'_>) {
        self.take_order(on, id);
        let counts = phase != Phase::Waiting;
        let name = self.nodes.name(on).clone();
        turn.touch_metrics(&name);
        if self.jobs.stopping.contains_key(&id) {
            return self.end_stopped(id, &format!("; {reason}"), turn);
        }
        let Some((_, task)) = self.jobs.task(id) else { return };
        let (attempt, losses, started_at) = (id.attempt(task.attempt), task.losses, task.started_at());
        let ended_at = turn.now.wall;
        if counts && u32::from(losses) >= self.config.most_losses {
            let times = u32::from(losses) + 1;
            let reason = format!("{reason}; lost {times} times, so it is not tried again by itself");
            let outcome = Outcome::Lost { reason, again: false };
            return self.conclude(id, Over { outcome, started_at, ended_at, ran_ms: None, output: None }, turn);
        }
        self.update(id, turn, |task| {
            task.state = TaskState::Queued;
            task.losses = task.losses.saturating_add(counts.into());
            task.end = End::of(Outcome::Lost { reason: reason.clone(), again: true });
            task.set_ended_at(Some(ended_at));
        });
        turn.publish(What::TaskRequeued { attempt, node: name, reason });
        self.enqueue(id);
    }

    /// A node that was given up for lost is back with an attempt that no other has replaced: it goes on, and the
    /// loss is undone.
    pub(super) fn take_back(&mut self, id: TaskId, on: NodeIx, started_at: UnixMillis, turn: &mut Turn<'_>) {
        let Some(key) = self.jobs.get(id.job).map(|job| Key::of(job, id.index)) else { return };
        self.unqueue(id, key);
        self.update(id, turn, |task| {
            task.state = TaskState::Running;
            task.losses = task.losses.saturating_sub(1);
            task.end = End::None;
            task.set_started_at(Some(started_at));
            task.set_ended_at(None);
        });
        let Some((_, task)) = self.jobs.task(id) else { return };
        let attempt = id.attempt(task.attempt);
        if let Some(node) = self.nodes.get_mut(on) {
            node.orders.give(id, attempt.number, key.cpus, key.pin.is_none());
        }
        turn.publish(What::TaskStarted { attempt, node: self.nodes.name(on).clone() });
    }

    /// Whether this node may still bring an attempt back that was declared lost: none has replaced it.
    pub(super) fn may_take_back(&self, attempt: AttemptId, on: NodeIx) -> bool {
        self.jobs
            .task(attempt.task)
            .is_some_and(|(_, task)| task.lost_and_queued() && task.attempt == attempt.number && task.node == Some(on))
            && !self.jobs.past.contains_key(&attempt)
    }

    /// Whether this node may deliver a late result of an attempt its task has gone on without.
    pub(super) fn may_be_late(&self, attempt: AttemptId, on: NodeIx) -> bool {
        match self.jobs.past.get(&attempt) {
            Some(past) => past.node == Some(on) && past.late.is_none(),
            None => self.ended_without_word(attempt, on),
        }
    }

    /// The task ended with this very attempt, but the node has not told how.
    fn ended_without_word(&self, attempt: AttemptId, on: NodeIx) -> bool {
        self.jobs.task(attempt.task).is_some_and(|(_, task)| {
            let guessed = matches!(task.state, TaskState::Lost | TaskState::Stopped);
            guessed && task.attempt == attempt.number && task.node == Some(on)
        })
    }

    /// A result for an attempt that is not live on this node. Returns whether the node should just forget it
    /// (`true`), or be told that it never was its own.
    pub(super) fn result_of_the_past(&mut self, on: NodeIx, report: Finished, turn: &mut Turn<'_>) -> bool {
        let attempt = report.attempt;
        if let Some(past) = self.jobs.past.get(&attempt) {
            if past.node != Some(on) {
                return false;
            }
            // What never began left nothing to keep.
            let began = !matches!(report.outcome, Outcome::NotStarted { .. });
            if past.late.is_none() && past.outcome != report.outcome && began {
                self.keep_apart(on, report, turn);
            }
            return true;
        }
        let Some((_, task)) = self.jobs.task(attempt.task) else { return false };
        if task.attempt != attempt.number || task.node != Some(on) {
            return false;
        }
        // The same once more is only a repetition: the first was acked, and the ack was lost.
        if !task.end.is(&report.outcome) && self.ended_without_word(attempt, on) {
            self.bury(attempt.task, turn);
            self.keep_apart(on, report, turn);
        }
        true
    }

    fn keep_apart(&mut self, on: NodeIx, report: Finished, turn: &mut Turn<'_>) {
        let attempt = report.attempt;
        let state = report.outcome.state();
        let Some(past) = self.jobs.past.get_mut(&attempt) else { return };
        past.late = Some(report.outcome);
        self.persist_attempt(attempt, turn);
        turn.persist(Change::Output { attempt, stdout: report.stdout, stderr: report.stderr });
        self.tell_result_lost(attempt, on, report.result_lost, turn);
        turn.publish(What::LateResult { attempt, node: self.nodes.name(on).clone(), state });
        turn.touch_job(attempt.task.job);
    }
}
