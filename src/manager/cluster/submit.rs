//! New work.

use std::sync::Arc;

use protocol::api::{Refusal, Reply};
use protocol::event::What;
use protocol::job::JobSpec;

use super::Cluster;
use super::change::{Change, JobRow};
use super::jobs::Job;
use super::port::Caller;
use super::queue::Key;
use super::turn::Turn;

impl Cluster {
    pub(super) fn submit(&mut self, caller: &Caller, spec: JobSpec, turn: &mut Turn<'_>) -> Result<Reply, Refusal> {
        spec.check().map_err(|bad| Refusal::usage(bad.to_string()))?;
        let pin = spec.node.as_ref().map(|name| self.worker(name)).transpose()?;
        let Some(id) = self.jobs.next_id() else {
            return Err(Refusal::refused("all job numbers there are have been given"));
        };
        let owner = self.people.intern(&caller.person);
        self.people.serial(owner, turn);
        let job = Job::new(&spec, owner, pin, turn.now.wall);
        let (key, first, last, tasks) = (Key::of(&job), job.first, job.last, job.tasks());
        let name = job.name.clone();
        let row = JobRow { id, owner: caller.person.clone(), submitted_at: turn.now.wall, spec };
        turn.persist(Change::Job(Arc::new(row)));
        turn.publish_of(Some(caller.person.clone()), What::JobSubmitted { job: id, tasks, name });
        turn.touch_job(id);
        self.jobs.add(id, job);
        let class = self.queue.insert_range(key, id, first, last);
        self.agenda.fresh.insert(class);
        Ok(Reply::Submitted { job: id, tasks })
    }
}
