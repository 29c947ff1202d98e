//! What a request means by `17`, `17.3`, `17.3#2` and `17.0-99`: tasks that exist, or a sentence that says which do.

use std::collections::BTreeMap;

use protocol::api::{Refusal, Right};
use protocol::id::{AttemptId, JobId, Target, TaskId};

use super::Cluster;
use super::jobs::Job;
use super::port::Caller;

/// The most targets of one request.
const MOST: usize = 10_000;

/// Indices of each job, as ranges that do not overlap, in order.
pub type Meant = BTreeMap<JobId, Vec<(u32, u32)>>;

impl Cluster {
    pub(super) fn meant(&self, targets: &[Target]) -> Result<Meant, Refusal> {
        if targets.is_empty() {
            return Err(Refusal::usage("name at least one job, task or range, as in 17, 17.3 or 17.0-99"));
        }
        if targets.len() > MOST {
            return Err(Refusal::usage(format!("at most {MOST} targets at once; ranges such as 17.0-99 name many")));
        }
        let mut meant = Meant::new();
        for &target in targets {
            let range = self.range(target)?;
            meant.entry(target.job()).or_default().push(range);
        }
        meant.values_mut().for_each(merge);
        Ok(meant)
    }

    fn range(&self, target: Target) -> Result<(u32, u32), Refusal> {
        let job = self.known_job(target.job())?;
        let missing = || Refusal::not_found(format!("there is no {target}: {}", tasks_of(target.job(), job)));
        match target {
            Target::Job(_) => Ok((job.first, job.last)),
            Target::Task(task) if job.has(task.index) => Ok((task.index, task.index)),
            Target::Attempt(attempt) if job.has(attempt.task.index) => {
                let task = attempt.task;
                let latest = job.task(task.index).attempt;
                match attempt.number {
                    number if number == latest && number > 0 => Ok((task.index, task.index)),
                    number if number < latest => {
                        Err(Refusal::refused(format!("{attempt} is over: the latest attempt of {task} is #{latest}")))
                    }
                    _ if latest == 0 => {
                        Err(Refusal::not_found(format!("there is no {attempt}: {task} was never tried")))
                    }
                    _ => Err(Refusal::not_found(format!(
                        "there is no {attempt}: the latest attempt of {task} is #{latest}"
                    ))),
                }
            }
            Target::Range { first, last, .. } if first <= job.last && last >= job.first => {
                Ok((first.max(job.first), last.min(job.last)))
            }
            _ => Err(missing()),
        }
    }

    pub(super) fn known_job(&self, id: JobId) -> Result<&Job, Refusal> {
        self.jobs.get(id).ok_or_else(|| {
            Refusal::not_found(if self.runs.has(id) {
                format!("{id} is a run and no job; bramble script result {id} shows what came of it")
            } else if id.0 > 0 && id.0 <= self.jobs.last {
                format!("job {id} is not remembered any more: it ended long ago")
            } else {
                format!("there is no job {id}")
            })
        })
    }

    pub(super) fn known_task(&self, id: TaskId) -> Result<(&Job, &super::task::Task), Refusal> {
        let job = self.known_job(id.job)?;
        if !job.has(id.index) {
            return Err(Refusal::not_found(format!("there is no {id}: {}", tasks_of(id.job, job))));
        }
        Ok((job, job.task(id.index)))
    }

    /// One that there is, or was.
    pub(super) fn known_attempt(&self, attempt: AttemptId) -> Result<(), Refusal> {
        let (id, (_, task)) = (attempt.task, self.known_task(attempt.task)?);
        if (1..=task.attempt).contains(&attempt.number) {
            return Ok(());
        }
        Err(Refusal::not_found(match task.attempt {
            0 => format!("there is no {attempt}: {id} was never tried"),
            latest => format!("there is no {attempt}: the latest attempt of {id} is #{latest}"),
        }))
    }

    /// An operator acts on own jobs only, an admin on all.
    pub(super) fn owned(&self, caller: &Caller, job: JobId, to: &str) -> Result<(), Refusal> {
        if caller.right == Right::Admin {
            return Ok(());
        }
        let owner = self.people.name(self.known_job(job)?.owner);
        if *owner == caller.person {
            return Ok(());
        }
        Err(Refusal::refused(format!("job {job} is {owner}'s: {} may {to} own jobs only", caller.person)))
    }
}

pub fn tasks_of(id: JobId, job: &Job) -> String {
    if job.first == job.last {
        format!("the one task of job {id} is {id}.{}", job.first)
    } else {
        format!("the tasks of job {id} are {id}.{} to {id}.{}", job.first, job.last)
    }
}

fn merge(ranges: &mut Vec<(u32, u32)>) {
    ranges.sort_unstable();
    ranges.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1.saturating_add(1);
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_twice_is_meant_once() {
        let mut ranges = vec![(5, 9), (0, 3), (4, 6), (20, 20), (20, 30)];
        merge(&mut ranges);
        assert_eq!(ranges, [(0, 9), (20, 30)]);
    }
}
