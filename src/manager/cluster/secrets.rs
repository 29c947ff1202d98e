//! Secrets: what people have set, and which jobs are given them. A value leaves this room in an order and in a row for the
//! store, and no other way: not even its owner is shown it again.
//!
//! A job has all of its secrets for as long as it has not ended, each as it can be given: it is not taken without them, nor
//! run again; until then none of them is removed, or set to what could not be given. What a task is told is the value at
//! the moment its order leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::api::{Refusal, Reply, Right};
use protocol::event::What;
use protocol::id::JobId;
use protocol::name::{PersonName, SecretName};
use protocol::secret::{Hidden, JobSecret, MOST_SECRET_BYTES, SecretAs, SecretGiven, SecretView};
use protocol::time::UnixMillis;

use super::Cluster;
use super::change::{Change, SecretRow};
use super::port::Caller;
use super::turn::Turn;

/// One person's.
const MOST: usize = 200;
/// Jobs that are named where some stand in the way.
const SOME: usize = 3;

#[derive(Debug)]
pub struct Secrets {
    by_owner: BTreeMap<PersonName, BTreeMap<SecretName, Secret>>,
    /// Beside the table of jobs: most are given none, and cost nothing here.
    by_job: BTreeMap<JobId, Box<[JobSecret]>>,
    none: Arc<[SecretGiven]>,
}

#[derive(Debug)]
struct Secret {
    value: Hidden,
    set_at: UnixMillis,
}

impl Secrets {
    pub fn load(rows: Vec<SecretRow>) -> Self {
        let mut all = Self { by_owner: BTreeMap::new(), by_job: BTreeMap::new(), none: Arc::new([]) };
        for SecretRow { owner, name, value, set_at } in rows {
            all.by_owner.entry(owner).or_default().insert(name, Secret { value, set_at });
        }
        all
    }

    fn get(&self, owner: &PersonName, name: &SecretName) -> Option<&Secret> {
        self.by_owner.get(owner)?.get(name)
    }

    /// From here on the job is given them.
    pub fn give(&mut self, job: JobId, secrets: &[JobSecret]) {
        if !secrets.is_empty() {
            self.by_job.insert(job, secrets.into());
        }
    }

    /// The job is forgotten.
    pub fn end(&mut self, job: JobId) {
        self.by_job.remove(&job);
    }

    /// Which the job is given, by their names.
    pub fn of(&self, job: JobId) -> &[JobSecret] {
        self.by_job.get(&job).map_or(&[], |secrets| secrets)
    }

    /// What a node is told for a task of a job of this person's.
    pub fn told(&self, job: JobId, owner: &PersonName) -> Arc<[SecretGiven]> {
        let Some(secrets) = self.by_job.get(&job) else { return self.none.clone() };
        let given = |secret: &JobSecret| {
            let value = self.get(owner, &secret.secret)?.value.clone();
            Some(SecretGiven { given: secret.given.clone(), value })
        };
        secrets.iter().filter_map(given).collect()
    }
}

impl Cluster {
    pub(super) fn set_secret(
        &mut self,
        caller: &Caller,
        name: SecretName,
        value: Hidden,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let owner = &caller.person;
        match value.bytes().len() {
            0 => {
                return Err(Refusal::usage(format!("the value of {name} is empty, and nothing would be secret in it")));
            }
            1..=MOST_SECRET_BYTES => {}
            bytes => {
                return Err(Refusal::usage(format!(
                    "the value of {name} has {bytes} bytes; at most {MOST_SECRET_BYTES} fit into a secret"
                )));
            }
        }
        let own = self.secrets.by_owner.get(owner);
        if own.is_some_and(|own| own.len() >= MOST && !own.contains_key(&name)) {
            return Err(Refusal::refused(format!(
                "you have {MOST} secrets already, which is as many as anybody may; remove one first, with: bramble secret rm NAME"
            )));
        }
        if value.text().is_none() {
            let in_the_way: Vec<JobId> = self.jobs_given(owner, &name, is_variable).collect();
            if !in_the_way.is_empty() {
                return Err(Refusal::refused(format!(
                    "{name} is a variable of the environment to {}, and this value cannot be one, as it is no text or has zero bytes; set it under another name",
                    jobs_that_run(&in_the_way)
                )));
            }
        }
        let row = SecretRow { owner: owner.clone(), name: name.clone(), value: value.clone(), set_at: turn.now.wall };
        turn.persist(Change::Secret(row));
        let secret = Secret { value, set_at: turn.now.wall };
        self.secrets.by_owner.entry(owner.clone()).or_default().insert(name.clone(), secret);
        turn.publish_of(Some(owner.clone()), What::SecretSet { owner: owner.clone(), name: name.clone() });
        Ok(Reply::Secrets(self.view_of_secret(owner, &name).into_iter().collect()))
    }

    pub(super) fn list_secrets(&self, caller: &Caller, owner: Option<&PersonName>) -> Result<Reply, Refusal> {
        let owner = self.whose_secrets(caller, owner)?;
        let names = self.secrets.by_owner.get(owner).into_iter().flat_map(BTreeMap::keys);
        Ok(Reply::Secrets(names.filter_map(|name| self.view_of_secret(owner, name)).collect()))
    }

    pub(super) fn remove_secret(
        &mut self,
        caller: &Caller,
        name: &SecretName,
        owner: Option<&PersonName>,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let owner = self.whose_secrets(caller, owner)?;
        let own = *owner == caller.person;
        let Some(view) = self.view_of_secret(owner, name) else {
            return Err(Refusal::not_found(match own {
                true => format!("you have no secret {name}; see which you have with: bramble secret"),
                false => {
                    format!("{owner} has no secret {name}; see which there are with: bramble secret ls --owner {owner}")
                }
            }));
        };
        let in_the_way: Vec<JobId> = self.jobs_given(owner, name, |_| true).collect();
        if !in_the_way.is_empty() {
            let jobs: Vec<String> = in_the_way.iter().take(SOME).map(ToString::to_string).collect();
            let instead =
                if own { format!(", or set another value with: bramble secret set {name}") } else { String::new() };
            return Err(Refusal::refused(format!(
                "{name} is given to {}; stop what is not wanted any more (bramble stop {}){instead}",
                jobs_that_run(&in_the_way),
                jobs.join(" ")
            )));
        }
        if let Some(left) = self.secrets.by_owner.get_mut(owner) {
            left.remove(name);
            if left.is_empty() {
                self.secrets.by_owner.remove(owner);
            }
        }
        turn.persist(Change::SecretGone(owner.clone(), name.clone()));
        let what = What::SecretRemoved { owner: owner.clone(), name: name.clone() };
        turn.publish_of(Some(caller.person.clone()), what);
        Ok(Reply::Secrets(vec![view]))
    }

    /// One's own. Of those of others only an admin learns even what they are called.
    fn whose_secrets<'a>(&self, caller: &'a Caller, owner: Option<&'a PersonName>) -> Result<&'a PersonName, Refusal> {
        match owner {
            Some(other) if *other != caller.person && caller.right != Right::Admin => {
                let only = format!("the secrets of {other} are for {other} and admins to see; leave --owner out");
                Err(Refusal::refused(only))
            }
            _ => Ok(owner.unwrap_or(&caller.person)),
        }
    }

    fn view_of_secret(&self, owner: &PersonName, name: &SecretName) -> Option<SecretView> {
        let set_at = self.secrets.get(owner, name)?.set_at;
        let jobs = u32::try_from(self.jobs_given(owner, name, |_| true).count()).unwrap_or(u32::MAX);
        Some(SecretView { owner: owner.clone(), name: name.clone(), set_at, jobs })
    }

    /// Unfinished jobs of this person that are given it in such a way.
    fn jobs_given(
        &self,
        owner: &PersonName,
        name: &SecretName,
        how: fn(&SecretAs) -> bool,
    ) -> impl Iterator<Item = JobId> {
        let owner = self.people.find(owner);
        let given = move |secrets: &[JobSecret]| secrets.iter().any(|one| one.secret == *name && how(&one.given));
        let waits = move |id: &JobId| {
            self.jobs.active.contains(id) && self.jobs.get(*id).is_some_and(|job| Some(job.owner) == owner)
        };
        self.secrets.by_job.iter().filter(move |(id, secrets)| given(secrets) && waits(id)).map(|(id, _)| *id)
    }

    /// Whether this person has them, for a job that is submitted.
    pub(super) fn has_secrets(&self, caller: &Caller, wanted: &[JobSecret]) -> Result<(), Refusal> {
        let owner = &caller.person;
        for one in wanted {
            let name = &one.secret;
            let Some(found) = self.secrets.get(owner, name) else {
                return Err(Refusal::not_found(format!(
                    "you have no secret {name}; set it with: bramble secret set {name}"
                )));
            };
            if !fits(found, &one.given) {
                return Err(Refusal::refused(format!(
                    "{name} cannot be a variable of the environment, as it is no text or has zero bytes; give it as a file, with: --secret-file {name}"
                )));
            }
        }
        Ok(())
    }

    /// The same of a job that has ended and is to run again.
    pub(super) fn still_has_secrets(&self, id: JobId) -> Result<(), Refusal> {
        let Some((wanted, job)) = self.secrets.by_job.get(&id).zip(self.jobs.get(id)) else { return Ok(()) };
        let owner = self.people.name(job.owner);
        for JobSecret { secret: name, given } in wanted {
            match self.secrets.get(owner, name) {
                None => {
                    return Err(Refusal::refused(format!(
                        "job {id} is given the secret {name}, and {owner} has none of that name any more; {owner} can set it again with: bramble secret set {name}"
                    )));
                }
                Some(found) if !fits(found, given) => {
                    return Err(Refusal::refused(format!(
                        "job {id} is given the secret {name} as a variable of the environment, and it is no text any more, or has zero bytes; submit it anew with --secret-file {name}, or set another value with: bramble secret set {name}"
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

fn is_variable(given: &SecretAs) -> bool {
    matches!(given, SecretAs::Env(_))
}

fn fits(secret: &Secret, given: &SecretAs) -> bool {
    !is_variable(given) || secret.value.text().is_some()
}

/// `job 17, which has not ended`, `jobs 17, 18, 19 and 4 more, which have not ended`.
fn jobs_that_run(jobs: &[JobId]) -> String {
    let named: Vec<String> = jobs.iter().take(SOME).map(ToString::to_string).collect();
    match jobs.len() {
        1 => format!("job {}, which has not ended", named.join("")),
        n if n > SOME => format!("jobs {} and {} more, which have not ended", named.join(", "), n - SOME),
        _ => format!("jobs {}, which have not ended", named.join(", ")),
    }
}
