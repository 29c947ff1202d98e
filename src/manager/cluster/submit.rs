//! New work.

use std::sync::Arc;

use protocol::api::{Refusal, Reply};
use protocol::event::What;
use protocol::job::JobSpec;
use protocol::name::NodeName;

use super::Cluster;
use super::change::{Change, JobRow};
use super::ids::NodeIx;
use super::jobs::Job;
use super::lengths;
use super::port::Caller;
use super::queue::Key;
use super::turn::Turn;

impl Cluster {
    pub(super) fn submit(&mut self, caller: &Caller, spec: JobSpec, turn: &mut Turn<'_>) -> Result<Reply, Refusal> {
        spec.check().map_err(|bad| Refusal::usage(bad.to_string()))?;
        let pin = spec.node.as_ref().map(|name| self.pin(name)).transpose()?;
        let given = self.resolve(caller, &spec.files)?;
        self.has_secrets(caller, &spec.secrets)?;
        lengths::fits(&spec, &given)?;
        let Some(id) = self.jobs.next_id() else {
            return Err(Refusal::refused("all job numbers there are have been given"));
        };
        let owner = self.people.intern(&caller.person);
        self.people.serial(owner, turn);
        let job = Job::new(&spec, owner, pin, turn.now.wall);
        let (tasks, name) = (job.tasks(), job.name.clone());
        // One that waits for all others is not in the queue yet.
        let ((first, last), key) = (job.maps().into_inner(), Key::of(&job, job.first));
        self.supply(id, &caller.person, &spec.files, given.clone());
        self.outbox.want(id, &spec.notify);
        self.secrets.give(id, &spec.secrets);
        let row = JobRow { id, owner: caller.person.clone(), submitted_at: turn.now.wall, spec, given };
        turn.persist(Change::Job(Arc::new(row)));
        turn.publish_of(Some(caller.person.clone()), What::JobSubmitted { job: id, tasks, name });
        turn.touch_job(id);
        self.jobs.add(id, job);
        self.agenda.fresh.extend(self.queue.insert_range(key, id, first, last));
        Ok(Reply::Submitted { job: id, tasks })
    }

    /// A node that may be asked for by name: one that is down comes back, one whose key is revoked does not.
    fn pin(&self, name: &NodeName) -> Result<NodeIx, Refusal> {
        let ix = self.worker(name)?;
        match self.nodes.get(ix) {
            Some(node) if node.revoked => Err(Refusal::refused(format!(
                "the key of {name} is revoked, so nothing would ever run there; choose another node, or remove it (bramble node rm {name}) and let it join again"
            ))),
            _ => Ok(ix),
        }
    }
}
