//! What is promised of secrets, by what was on the disk and when.

use std::collections::BTreeMap;

use protocol::agent::Order;
use protocol::api::{Reply, Request, Right};
use protocol::id::TaskId;
use protocol::job::TaskState;
use protocol::name::{PersonName, SecretName};
use protocol::secret::{Hidden, SecretAs};

use super::super::super::kept::Kept;
use super::super::agenda::Instant;
use super::super::people::Ask;
use crate::manager::cluster::{Caller, JobRow, SecretRow, Told};

/// All values that each ever had, and until when; the last may still be the one it has.
#[derive(Default)]
pub struct Secrets(BTreeMap<(PersonName, SecretName), Values>);

/// With the end of each but the last.
type Values = Vec<(Hidden, Option<Instant>)>;

impl Secrets {
    pub fn set(&mut self, row: &SecretRow, now: Instant) {
        self.over(&row.owner, &row.name, now);
        let values = self.0.entry((row.owner.clone(), row.name.clone())).or_default();
        values.push((row.value.clone(), None));
    }

    pub fn gone(&mut self, disk: &Kept, owner: &PersonName, name: &SecretName, now: Instant) {
        self.over(owner, name, now);
        for job in disk.jobs.values().filter(|job| job.owner == *owner && has(job, name)) {
            let of = |index| disk.tasks.get(&TaskId { job: job.id, index });
            let ended = |index| of(index).map_or(TaskState::Queued, |row| row.state).ended();
            assert!(
                job.spec.indices().all(ended),
                "promise broken: {name} of {owner} goes, and job {} that is given it has not ended",
                job.id
            );
        }
    }

    fn over(&mut self, owner: &PersonName, name: &SecretName, now: Instant) {
        let values = self.0.get_mut(&(owner.clone(), name.clone()));
        if let Some((_, until @ None)) = values.and_then(|values| values.last_mut()) {
            *until = Some(now);
        }
    }

    /// An order arrives with what its job asked for, each as it was at some time since the job was submitted.
    pub fn told(&self, job: &JobRow, order: &Order, submitted: Option<Instant>) {
        let attempt = order.attempt;
        let given: Vec<&SecretAs> = order.secrets.iter().map(|one| &one.given).collect();
        let asked: Vec<&SecretAs> = job.spec.secrets.iter().map(|one| &one.given).collect();
        assert_eq!(given, asked, "promise broken: the secrets of {attempt}");
        for (asked, told) in job.spec.secrets.iter().zip(order.secrets.iter()) {
            let values = self.0.get(&(job.owner.clone(), asked.secret.clone()));
            let lately = |until: &Option<Instant>| until.is_none_or(|until| submitted.is_none_or(|at| until >= at));
            let so = values.into_iter().flatten().any(|(value, until)| *value == told.value && lately(until));
            assert!(so, "promise broken: {attempt} is told a value that {} of {} never had", asked.secret, job.owner);
            let text = told.value.text().is_some() || matches!(told.given, SecretAs::File(_));
            assert!(text, "promise broken: {attempt} is given as a variable what cannot be one");
        }
    }
}

/// What people are told of secrets is so, and is theirs to know.
pub fn answered(disk: &Kept, caller: &Caller, ask: &Ask, told: &Told) {
    let (Ask::Request(request), Told::Reply(Reply::Secrets(views))) = (ask, told) else { return };
    let whose = |owner: &Option<PersonName>| {
        let owner = owner.as_ref().unwrap_or(&caller.person);
        let may = *owner == caller.person || caller.right == Right::Admin;
        assert!(may, "promise broken: {} is told of the secrets of {owner}", caller.person);
        owner.clone()
    };
    let shown: Vec<_> = views.iter().map(|view| (view.owner.clone(), view.name.clone())).collect();
    match request {
        Request::SecretSet { name, value } => {
            let key = (caller.person.clone(), name.clone());
            let kept = disk.secrets.get(&key).map(|row| &row.value);
            assert_eq!(kept, Some(value), "promise broken: {} has set {name}", caller.person);
            assert_eq!(shown, [key]);
        }
        Request::SecretRemove { name, owner } => {
            let key = (whose(owner), name.clone());
            assert!(!disk.secrets.contains_key(&key), "promise broken: {name} of {} is removed", key.0);
            assert_eq!(shown, [key]);
        }
        Request::Secrets { owner } => {
            let owner = whose(owner);
            let there: Vec<_> = disk.secrets.keys().filter(|(of, _)| *of == owner).cloned().collect();
            assert_eq!(shown, there, "promise broken: the secrets of {owner} are shown");
        }
        _ => {}
    }
}

fn has(job: &JobRow, name: &SecretName) -> bool {
    job.spec.secrets.iter().any(|one| one.secret == *name)
}

/// What is to run has all of them.
pub fn are_there(disk: &Kept, job: &JobRow) {
    for secret in &job.spec.secrets {
        let there = disk.secrets.contains_key(&(job.owner.clone(), secret.secret.clone()));
        assert!(there, "promise broken: job {} is to run, and {} has no {}", job.id, job.owner, secret.secret);
    }
}
