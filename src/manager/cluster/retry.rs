//! Running ended tasks again, on request.

use std::collections::BTreeSet;

use protocol::api::{Refusal, Reply};
use protocol::event::What;
use protocol::id::{Target, TaskId};
use protocol::job::TaskState;

use super::Cluster;
use super::port::Caller;
use super::targets::Meant;
use super::turn::Turn;

impl Cluster {
    /// A task that is named is run again however it ended; of a job or a range, those that did not succeed.
    pub(super) fn retry(&mut self, caller: &Caller, targets: &[Target], turn: &mut Turn<'_>) -> Result<Reply, Refusal> {
        let meant = self.meant(targets)?;
        for &job in meant.keys() {
            self.owned(caller, job, "retry")?;
        }
        for &target in targets {
            self.may_be_named(target)?;
        }
        let again = self.to_be_retried(&meant, targets)?;
        if again.is_empty() {
            return Err(Refusal::refused(if self.any_unfinished(&meant) {
                "nothing to retry: what has ended of this succeeded, and the rest has not ended yet; stop it first"
            } else {
                "nothing to retry: all of this succeeded; to run a task again all the same, name it, as in 17.3"
            }));
        }
        for job in again.iter().map(|id| id.job).collect::<BTreeSet<_>>() {
            self.still_has_secrets(job)?;
        }
        for &id in &again {
            self.bury(id, turn);
            self.update(id, turn, |task| {
                task.clear_attempt();
                task.state = TaskState::Queued;
                task.losses = 0;
            });
            turn.publish_of(Some(caller.person.clone()), What::TaskRetried { task: id });
            self.enqueue(id);
        }
        Ok(Reply::Done { tasks: u32::try_from(again.len()).unwrap_or(u32::MAX) })
    }

    /// A single task that has not ended cannot be run again.
    fn may_be_named(&self, target: Target) -> Result<(), Refusal> {
        let id = match target {
            Target::Task(id) => id,
            Target::Attempt(attempt) => attempt.task,
            Target::Job(_) | Target::Range { .. } => return Ok(()),
        };
        let (_, task) = self.known_task(id)?;
        if task.state.ended() {
            return Ok(());
        }
        Err(Refusal::refused(format!("{id} has not ended: it is {}; stop it first, then retry", task.state)))
    }

    fn to_be_retried(&self, meant: &Meant, targets: &[Target]) -> Result<Vec<TaskId>, Refusal> {
        let named: BTreeSet<TaskId> = targets
            .iter()
            .filter_map(|target| match target {
                Target::Task(task) => Some(*task),
                Target::Attempt(attempt) => Some(attempt.task),
                Target::Job(_) | Target::Range { .. } => None,
            })
            .collect();
        let mut again = vec![];
        for (&job_id, ranges) in meant {
            let Some(job) = self.jobs.get(job_id) else { continue };
            let mut of_job = vec![];
            // Of a job or a range that has the one that reduces.
            let reduced = job.reducer().map(|index| TaskId { job: job_id, index }).is_some_and(|reducer| {
                ranges.last().is_some_and(|range| range.1 == reducer.index) && !named.contains(&reducer)
            });
            for index in ranges.iter().flat_map(|&(first, last)| first..=last) {
                let id = TaskId { job: job_id, index };
                let state = job.task(index).state;
                // The only task of a job is named by its job.
                let chosen = || state != TaskState::Succeeded || job.tasks() == 1 || named.contains(&id);
                if state.ended() && (chosen() || reduced && self.lacks_part(job, id)) {
                    of_job.push(id);
                }
            }
            self.retry_parts(job_id, job, &mut of_job)?;
            again.append(&mut of_job);
        }
        Ok(again)
    }

    fn any_unfinished(&self, meant: &Meant) -> bool {
        meant.keys().any(|job| self.jobs.active.contains(job))
    }
}
