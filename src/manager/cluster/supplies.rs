//! What jobs are given: the contents that names stood for when a job was submitted. They are held for as long as the job
//! is in the history, whatever becomes of the names. What jobs leave is held in the same way ([`super::leave`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::agent::Given;
use protocol::api::{Refusal, RefusalKind};
use protocol::file::{ContentHash, FileRef};
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::JobFile;
use protocol::name::{NodeName, PersonName};
use protocol::unit::Bytes;

use super::Cluster;
use super::port::Caller;
use super::turn::Turn;

/// Beside the table of jobs: most are given nothing, and cost nothing here.
#[derive(Debug)]
pub struct Supplies {
    by_job: BTreeMap<JobId, Supply>,
    nothing: Arc<[Given]>,
}

#[derive(Debug)]
struct Supply {
    owner: PersonName,
    /// All of it, in the order in which it was asked for.
    files: Arc<[Given]>,
    /// Where not every task is given all.
    shares: Option<Box<Shares>>,
}

/// Which of them are for whom, by their places.
#[derive(Debug)]
struct Shares {
    for_all: Vec<usize>,
    /// The same, ready for tasks that have nothing of their own.
    files: Arc<[Given]>,
    own: BTreeMap<u32, Vec<usize>>,
}

impl Default for Supplies {
    fn default() -> Self {
        Self { by_job: BTreeMap::new(), nothing: Arc::new([]) }
    }
}

impl Supplies {
    /// What all tasks of the job are given together.
    pub fn of(&self, job: JobId) -> &Arc<[Given]> {
        self.by_job.get(&job).map_or(&self.nothing, |supply| &supply.files)
    }

    /// Tasks that are given the same share it.
    pub fn of_task(&self, id: TaskId) -> Arc<[Given]> {
        let Some(supply) = self.by_job.get(&id.job) else { return self.nothing.clone() };
        let Some(shares) = &supply.shares else { return supply.files.clone() };
        let Some(own) = shares.own.get(&id.index) else { return shares.files.clone() };
        let mut places: Vec<usize> = shares.for_all.iter().chain(own).copied().collect();
        places.sort_unstable();
        places.into_iter().filter_map(|place| supply.files.get(place).cloned()).collect()
    }

    /// A content that this task is given.
    fn find(&self, id: TaskId, hash: &ContentHash) -> Option<&Given> {
        let supply = self.by_job.get(&id.job)?;
        let is = |given: &&Given| given.hash == *hash;
        let Some(shares) = &supply.shares else { return supply.files.iter().find(is) };
        let own = shares.own.get(&id.index).into_iter().flatten().filter_map(|place| supply.files.get(*place));
        own.chain(shares.files.iter()).find(is)
    }
}

impl Shares {
    fn of(wanted: &[JobFile], files: &Arc<[Given]>) -> Option<Box<Self>> {
        if wanted.iter().all(|file| file.only.is_none()) {
            return None;
        }
        let (mut for_all, mut own) = (vec![], BTreeMap::<u32, Vec<usize>>::new());
        for (place, file) in wanted.iter().enumerate() {
            match file.only {
                None => for_all.push(place),
                Some(index) => own.entry(index).or_default().push(place),
            }
        }
        let ready = for_all.iter().filter_map(|place| files.get(*place).cloned()).collect();
        Some(Box::new(Self { for_all, files: ready, own }))
    }
}

impl Cluster {
    /// What these names stand for now, for who submits.
    pub(super) fn resolve(&self, caller: &Caller, files: &[JobFile]) -> Result<Arc<[Given]>, Refusal> {
        if files.is_empty() {
            return Ok(self.supplies.nothing.clone());
        }
        self.may_hold_more(&caller.person)?;
        let given = |wanted: &JobFile| {
            let (_, found) =
                self.find(caller, &wanted.file).map_err(|refusal| missing(caller, &wanted.file, refusal))?;
            if wanted.hash.is_some_and(|hash| hash != found.hash) {
                let name = wanted.file.to_string();
                return Err(Refusal::refused(format!(
                    "{name:?} is not what it was a moment ago: another has been kept under that name; submit again"
                )));
            }
            Ok(Given {
                name: wanted.name().clone(),
                kind: found.kind,
                size: found.size,
                hash: found.hash,
                executable: found.executable,
                writable: wanted.writable,
            })
        };
        files.iter().map(given).collect()
    }

    /// Contents that others keep count for who holds them only once they have no name any more. Who is beyond the quota by
    /// that is given nothing new, or there would be no end to it.
    fn may_hold_more(&self, person: &PersonName) -> Result<(), Refusal> {
        let (used, quota) = (self.files.used_by(person), self.config.files_quota);
        if used <= quota {
            return Ok(());
        }
        let (used, quota, held) = (Bytes(used), Bytes(quota), Bytes(self.files.held_nameless(person)));
        Err(Refusal::refused(format!(
            "yours take {used} of the {quota} you may keep, {held} of it held by jobs in the history and what they left; make room with: bramble file rm, bramble result rm or bramble job rm, or ask an admin for a larger quota of files"
        )))
    }

    /// From here on the job holds them.
    pub(super) fn supply(&mut self, job: JobId, owner: &PersonName, wanted: &[JobFile], files: Arc<[Given]>) {
        if files.is_empty() {
            return;
        }
        for (hash, size) in contents(&files) {
            self.files.hold(owner, hash, size);
        }
        let shares = Shares::of(wanted, &files);
        self.supplies.by_job.insert(job, Supply { owner: owner.clone(), files, shares });
    }

    /// The job is forgotten, and what nobody else refers to goes with it.
    pub(super) fn end_supply(&mut self, job: JobId, turn: &mut Turn<'_>) {
        let Some(Supply { owner, files, .. }) = self.supplies.by_job.remove(&job) else { return };
        for (hash, _) in contents(&files) {
            self.files.release(&owner, &hash);
            self.let_go_unless_referred(hash, turn);
        }
    }

    /// How large a content is that a node asks for, where the attempt is given to it now and has it. What is over by now
    /// may have been asked for just before; that and no more is `refused`, the rest is what no honest node asks for.
    pub(super) fn find_given(&self, node: &NodeName, attempt: AttemptId, hash: &ContentHash) -> Result<u64, Refusal> {
        let never = |what: String| Refusal { kind: RefusalKind::NotFound, message: what };
        let known = self.nodes.find(node).and_then(|ix| Some((ix, self.nodes.get(ix)?)));
        let Some((ix, there)) = known else { return Err(never(format!("{node} is not known here"))) };
        let given = self.supplies.find(attempt.task, hash).map(|given| given.size);
        let given = given.or_else(|| self.find_part(attempt.task, hash));
        let now = there.orders.get(attempt.task).is_some_and(|order| order.number == attempt.number);
        let latest =
            || self.jobs.task(attempt.task).is_some_and(|(_, t)| t.attempt == attempt.number && t.node == Some(ix));
        let before = || latest() || self.jobs.past.get(&attempt).is_some_and(|past| past.node == Some(ix));
        match given {
            Some(size) if now => Ok(size),
            None if now => Err(never(format!("{attempt} was not given this content"))),
            // What others left for one that reduces may be something else by now.
            _ if (given.is_some() || self.reduces(attempt.task)) && before() => {
                Err(Refusal::refused(format!("{attempt} is not given to {node} any more")))
            }
            _ => Err(never(format!("{attempt} is not given to {node}"))),
        }
    }
}

/// A content that it has under several names is held once.
fn contents(files: &[Given]) -> BTreeSet<(ContentHash, u64)> {
    files.iter().map(|given| (given.hash, given.size)).collect()
}

/// What to do about one that is not there.
fn missing(caller: &Caller, file: &FileRef, refusal: Refusal) -> Refusal {
    let name = file.name.as_str();
    if file.owner.as_ref().is_some_and(|owner| *owner != caller.person) || refusal.kind != RefusalKind::NotFound {
        return refusal;
    }
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
    let word = if plain { name.to_owned() } else { format!("{name:?}") };
    Refusal::not_found(format!("you keep no file {name:?}; bring it with: bramble file put {word}"))
}
