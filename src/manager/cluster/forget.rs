//! Forgetting jobs, with all that came of them: on request. What goes by itself is [`super::trim`]'s.

use std::collections::BTreeSet;

use protocol::api::{Refusal, Reply};
use protocol::event::What;
use protocol::id::{JobId, TaskId};
use protocol::name::PersonName;

use super::Cluster;
use super::change::Change;
use super::port::Caller;
use super::turn::Turn;

/// The most jobs of one request.
const MOST: usize = 10_000;

impl Cluster {
    /// All of them or none.
    pub(super) fn remove_jobs(
        &mut self,
        caller: &Caller,
        jobs: &[JobId],
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let jobs: BTreeSet<JobId> = jobs.iter().copied().collect();
        if jobs.is_empty() {
            return Err(Refusal::usage("name at least one job, as in 17"));
        }
        if jobs.len() > MOST {
            return Err(Refusal::usage(format!("at most {MOST} jobs at once")));
        }
        for &id in &jobs {
            let unfinished = self.known_job(id)?.unfinished();
            self.owned(caller, id, "remove")?;
            if unfinished {
                let first = format!("job {id} has not ended; stop it first, with: bramble stop {id}");
                return Err(Refusal::refused(first));
            }
        }
        let mut size = 0_u64;
        for &job in &jobs {
            size = size.saturating_add(self.forget(job, Some(&caller.person), What::JobRemoved { job }, turn));
        }
        Ok(Reply::Removed { count: u32::try_from(jobs.len()).unwrap_or(u32::MAX), size })
    }

    /// Returns what its results took.
    pub(super) fn forget(&mut self, id: JobId, person: Option<&PersonName>, what: What, turn: &mut Turn<'_>) -> u64 {
        let owner = self.owner_of(id);
        self.waits_forget_job(id);
        let followed: Vec<TaskId> = self.lookers.tasks_of(id);
        self.jobs.forget(id);
        self.outbox.forget(id);
        turn.persist(Change::JobGone(id));
        self.end_supply(id, turn);
        self.secrets.end(id);
        let size = owner.map_or(0, |owner| self.end_results(id, &owner, turn));
        turn.publish_of(person.cloned(), what);
        turn.touch_job(id);
        for task in followed {
            self.look_again(task, turn);
        }
        size
    }
}
