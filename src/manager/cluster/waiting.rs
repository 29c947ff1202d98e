//! People who wait for tasks to end.

use std::collections::BTreeMap;

use protocol::api::{Refusal, Reply, Waited};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Counts, TaskState};

use super::Cluster;
use super::jobs::Job;
use super::port::{CallId, Told};
use super::targets::Meant;
use super::turn::Turn;

#[derive(Debug, Default)]
pub struct Waits {
    waits: BTreeMap<CallId, Wait>,
    by_job: BTreeMap<JobId, Vec<CallId>>,
}

#[derive(Debug)]
struct Wait {
    meant: Meant,
    unfinished: u64,
    /// Of jobs that were forgotten with age while others are still waited for.
    forgotten: Counts,
}

impl Waits {
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.waits.is_empty() && self.by_job.is_empty()
    }

    pub fn forget(&mut self, call: CallId) {
        let Some(wait) = self.waits.remove(&call) else { return };
        for job in wait.meant.keys() {
            if let Some(calls) = self.by_job.get_mut(job) {
                calls.retain(|other| *other != call);
                if calls.is_empty() {
                    self.by_job.remove(job);
                }
            }
        }
    }

    /// A task somebody may wait for runs again.
    pub fn reopened(&mut self, id: TaskId) {
        for call in self.concerned(id) {
            if let Some(wait) = self.waits.get_mut(&call) {
                wait.unfinished += 1;
            }
        }
    }

    fn concerned(&self, id: TaskId) -> Vec<CallId> {
        let Some(calls) = self.by_job.get(&id.job) else { return vec![] };
        let covers = |call: &&CallId| {
            let ranges = self.waits.get(call).and_then(|wait| wait.meant.get(&id.job));
            ranges.is_some_and(|ranges| {
                let after = ranges.partition_point(|(first, _)| *first <= id.index);
                after > 0 && id.index <= ranges[after - 1].1
            })
        };
        calls.iter().filter(covers).copied().collect()
    }
}

impl Cluster {
    pub(super) fn wait(&mut self, call: CallId, targets: &[Target], turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let meant = self.meant(targets)?;
        let counts = self.count(&meant);
        let unfinished = u64::from(counts.total() - counts.ended());
        let wait = Wait { meant, unfinished, forgotten: Counts::default() };
        if unfinished == 0 {
            turn.tell(call, Told::Reply(self.waited(&wait)));
            return Ok(());
        }
        for job in wait.meant.keys() {
            self.waits.by_job.entry(*job).or_default().push(call);
        }
        self.waits.waits.insert(call, wait);
        Ok(())
    }

    /// A task has ended: tell those for whom it was the last.
    pub(super) fn waits_end(&mut self, id: TaskId, turn: &mut Turn<'_>) {
        for call in self.waits.concerned(id) {
            let Some(wait) = self.waits.waits.get_mut(&call) else { continue };
            wait.unfinished = wait.unfinished.saturating_sub(1);
            if wait.unfinished == 0 {
                let reply = self.waits.waits.get(&call).map(|wait| self.waited(wait));
                self.waits.forget(call);
                if let Some(reply) = reply {
                    turn.tell(call, Told::Reply(reply));
                }
            }
        }
    }

    /// A job is about to be forgotten: what came of it still counts for those who wait for others as well.
    pub(super) fn waits_forget_job(&mut self, id: JobId) {
        for call in self.waits.by_job.remove(&id).unwrap_or_default() {
            let Some(ranges) = self.waits.waits.get_mut(&call).and_then(|wait| wait.meant.remove(&id)) else {
                continue;
            };
            let counts = self.count(&Meant::from([(id, ranges)]));
            if let Some(wait) = self.waits.waits.get_mut(&call) {
                add(&mut wait.forgotten, &counts);
            }
        }
    }

    fn waited(&self, wait: &Wait) -> Reply {
        let mut counts = wait.forgotten;
        add(&mut counts, &self.count(&wait.meant));
        let (code, reason) = match self.only(&wait.meant).filter(|_| wait.forgotten.total() == 0) {
            Some((job, index)) => {
                let end = &job.task(index).end;
                (end.code(), end.reason())
            }
            None => (None, several(&counts)),
        };
        Reply::Waited(Waited { counts, code, reason })
    }

    fn only(&self, meant: &Meant) -> Option<(&Job, u32)> {
        let (id, ranges) = meant.first_key_value().filter(|_| meant.len() == 1)?;
        let [(first, last)] = ranges[..] else { return None };
        (first == last).then_some((self.jobs.get(*id)?, first))
    }

    fn count(&self, meant: &Meant) -> Counts {
        let mut counts = Counts::default();
        for (id, ranges) in meant {
            let Some(job) = self.jobs.get(*id) else { continue };
            if ranges[..] == [(job.first, job.last)] {
                add(&mut counts, &job.counts);
                continue;
            }
            for index in ranges.iter().flat_map(|&(first, last)| first..=last) {
                *counts.of(job.task(index).state) += 1;
            }
        }
        counts
    }
}

fn add(to: &mut Counts, from: &Counts) {
    for state in TaskState::ALL {
        let more = *from.clone().of(state);
        let sum = to.of(state);
        *sum = sum.saturating_add(more);
    }
}

/// What came of several tasks, where not all succeeded.
fn several(counts: &Counts) -> String {
    let told = [(counts.failed, "failed"), (counts.stopped, "stopped"), (counts.lost, "lost")];
    let parts: Vec<String> = told.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    if parts.is_empty() { String::new() } else { format!("of {} tasks {}", counts.total(), parts.join(", ")) }
}
