//! The task that reduces. It waits until all others of its job have succeeded, and is given what they left. Where one of
//! them does not give its part it ends, says which that is, and is queued again with it. Whether it waits follows from the
//! states of all of them, so nothing more is kept of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::agent::Given;
use protocol::api::Refusal;
use protocol::event::What;
use protocol::file::{ContentHash, FileKind};
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::{Outcome, TaskState};
use protocol::result::Reduce;

use super::Cluster;
use super::jobs::Job;
use super::results::KeptResult;
use super::turn::Turn;

/// How the sentences end by which it says why it was stopped, and by which it is known after a restart that it was for
/// want of a part.
const MISSING: &str = "so its part is missing";
const NOTHING: &str = "so there is nothing of it to reduce";

/// What one of the others gives.
enum Part<'a> {
    UnderWay,
    There(&'a KeptResult),
    Missing,
}

impl Cluster {
    /// A task has ended: the one that waits for it and others may begin now, or never will.
    pub(super) fn part_ended(&mut self, id: TaskId, turn: &mut Turn<'_>) {
        let Some(job) = self.jobs.get(id.job) else { return };
        let waiting = |last: &u32| *last != id.index && job.task(*last).state == TaskState::Queued;
        let Some(index) = job.reducer().filter(waiting) else { return };
        let reducer = TaskId { index, ..id };
        let reason = if let Part::Missing = self.part(job, id) {
            match job.task(id.index).state {
                TaskState::Succeeded => format!("{id} left nothing in out/ that could be kept, {NOTHING}"),
                _ => missing(job, id),
            }
        } else if job.waits(index) {
            return;
        } else if let Some(gone) = self.first_missing(id.job, job, &BTreeSet::new()) {
            missing(job, gone)
        } else {
            return self.enqueue(reducer);
        };
        turn.publish(What::StopAsked { target: Target::Task(reducer), reason: reason.clone() });
        self.stop_queued(reducer, &reason, turn);
    }

    fn part(&self, job: &Job, id: TaskId) -> Part<'_> {
        let task = job.task(id.index);
        match task.state {
            TaskState::Succeeded => self.results.of(id.attempt(task.attempt)).map_or(Part::Missing, Part::There),
            state if state.ended() => Part::Missing,
            _ => Part::UnderWay,
        }
    }

    /// But for some that are to run again.
    fn first_missing(&self, id: JobId, job: &Job, but: &BTreeSet<u32>) -> Option<TaskId> {
        let mut tasks = job.maps().filter(|index| !but.contains(index)).map(|index| TaskId { job: id, index });
        tasks.find(|id| matches!(self.part(job, *id), Part::Missing))
    }

    /// Everything a task finds in its folder.
    pub(super) fn given_to(&self, id: TaskId) -> Arc<[Given]> {
        let files = self.supplies.of_task(id);
        match self.reduced_by(id) {
            Some(job) => files.iter().cloned().chain(self.parts(id.job, job)).collect(),
            None => files,
        }
    }

    /// How large a content is that the one that reduces is given of another.
    pub(super) fn find_part(&self, id: TaskId, hash: &ContentHash) -> Option<u64> {
        let job = self.reduced_by(id)?;
        self.parts(id.job, job).find(|part| part.hash == *hash).map(|part| part.size)
    }

    /// The task that reduces what this attempt left, where it has not ended.
    pub(super) fn needed_by(&self, attempt: AttemptId) -> Option<TaskId> {
        let (job, task) = self.jobs.task(attempt.task)?;
        let index = job.reducer().filter(|last| *last != attempt.task.index && !job.task(*last).state.ended())?;
        (task.attempt == attempt.number).then_some(TaskId { index, ..attempt.task })
    }

    pub(super) fn reduces(&self, id: TaskId) -> bool {
        self.reduced_by(id).is_some()
    }

    /// The job whose others this one reduces.
    fn reduced_by(&self, id: TaskId) -> Option<&Job> {
        self.jobs.get(id.job).filter(|job| job.reducer() == Some(id.index))
    }

    fn parts(&self, id: JobId, job: &Job) -> impl Iterator<Item = Given> {
        job.maps().filter_map(move |index| {
            let Part::There(KeptResult { left, hash, .. }) = self.part(job, TaskId { job: id, index }) else {
                return None;
            };
            let name = Reduce::folder(index).parse().ok()?;
            let (kind, size, hash) = (FileKind::Folder, left.size, *hash);
            Some(Given { name, kind, size, hash, executable: false, writable: false })
        })
    }

    /// Whether of this task, which succeeded, there is nothing to be reduced when all that did not succeed runs again.
    pub(super) fn lacks_part(&self, job: &Job, id: TaskId) -> bool {
        let to_run = job.reducer().map(|last| job.task(last).state);
        to_run.is_some_and(|state| state.ended() && state != TaskState::Succeeded)
            && matches!(self.part(job, id), Part::Missing)
    }

    /// The one that reduces runs again with the task for want of whose part it ended. It is not run again without all
    /// parts, nor is one of the others while it works on what they left.
    pub(super) fn retry_parts(&self, id: JobId, job: &Job, again: &mut Vec<TaskId>) -> Result<(), Refusal> {
        let (Some(index), Some(first)) = (job.reducer(), again.first()) else { return Ok(()) };
        let (reducer, task) = (TaskId { job: id, index }, job.task(index));
        if !task.state.ended() && !job.waits(index) {
            return Err(Refusal::refused(format!(
                "{reducer} works on what {first} left, and has not ended: it is {}; stop it first, then retry",
                task.state
            )));
        }
        let lacking = self.first_missing(id, job, &again.iter().map(|id| id.index).collect());
        let for_a_part = || matches!(task.end.outcome(), Some(Outcome::Stopped { reason }) if is_for_a_part(&reason));
        match lacking {
            Some(part) if again.contains(&reducer) => {
                return Err(Refusal::refused(format!("{reducer} cannot run again: {}", missing(job, part))));
            }
            None if !again.contains(&reducer) && for_a_part() => again.push(reducer),
            _ => {}
        }
        Ok(())
    }
}

/// Why the one that reduces cannot run.
fn missing(job: &Job, id: TaskId) -> String {
    let what = match job.task(id.index).state {
        TaskState::Stopped => format!("{id} was stopped"),
        TaskState::Lost => format!("{id} was lost"),
        TaskState::Succeeded => format!("what {id} left is not kept any more"),
        _ => format!("{id} failed"),
    };
    format!("{what}, {MISSING}; bramble retry {} runs it again and then this", id.job)
}

fn is_for_a_part(reason: &str) -> bool {
    reason.contains(MISSING) || reason.ends_with(NOTHING)
}
