//! What attempts left, kept until somebody has collected it or it is too old. The bytes are elsewhere: here a result is
//! the hash of a content, which its job's owner holds like what the job was given.

use std::collections::BTreeMap;

use protocol::api::{Refusal, RefusalKind};
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::name::{NodeName, PersonName};
use protocol::result::Left;
use protocol::time::UnixMillis;

use super::Cluster;
use super::change::{Age, Change, Collected, ResultRow};
use super::ids::NodeIx;
use super::port::Told;
use super::sane;
use super::turn::Turn;

#[derive(Debug, Default)]
pub struct Results {
    kept: BTreeMap<AttemptId, KeptResult>,
    ages: BTreeMap<JobId, Age>,
    hours: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct KeptResult {
    pub left: Left,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
    pub collected: Option<Collected>,
}

impl KeptResult {
    pub fn row(&self, attempt: AttemptId) -> ResultRow {
        let KeptResult { left, hash, kept_at, collected } = *self;
        ResultRow { attempt, left, hash, kept_at, collected }
    }
}

impl Results {
    pub fn of(&self, attempt: AttemptId) -> Option<&KeptResult> {
        self.kept.get(&attempt)
    }

    pub fn of_job(&self, job: JobId) -> impl Iterator<Item = (AttemptId, &KeptResult)> {
        let (first, last) = (TaskId { job, index: 0 }, TaskId { job, index: u32::MAX });
        self.kept.range(first.attempt(0)..=last.attempt(u32::MAX)).map(|(attempt, kept)| (*attempt, kept))
    }
}

impl Cluster {
    pub(super) fn load_results(&mut self, rows: Vec<ResultRow>, ages: Vec<(JobId, Age)>, hours: u64) {
        self.results.hours = hours;
        for ResultRow { attempt, left, hash, kept_at, collected } in rows {
            let Some(owner) = self.owner_of(attempt) else { continue };
            self.files.hold(&owner, hash, left.size);
            self.results.kept.insert(attempt, KeptResult { left, hash, kept_at, collected });
        }
        for (job, age) in ages {
            if self.jobs.get(job).is_some_and(|job| !job.unfinished()) {
                self.results.ages.insert(job, age);
            }
        }
    }

    /// Whose it would be; [`Told::Kept`] where there is nothing more to do.
    pub(super) fn plan_result(&self, node: &NodeName, attempt: AttemptId) -> Result<Told, Refusal> {
        let owner = self.may_leave(node, attempt)?;
        Ok(if self.results.of(attempt).is_some() { Told::Kept } else { Told::Owner(owner) })
    }

    /// It counts for the owner of its job, and is taken whatever their quota says: what a task has done is not thrown away.
    /// Repeated, it changes nothing.
    pub(super) fn keep_result(
        &mut self,
        node: &NodeName,
        attempt: AttemptId,
        mut left: Left,
        hash: ContentHash,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let owner = self.may_leave(node, attempt)?;
        if self.results.of(attempt).is_some() {
            return Ok(());
        }
        sane::left(&mut left);
        self.files.hold(&owner, hash, left.size);
        let kept = KeptResult { left, hash, kept_at: turn.now.wall, collected: None };
        turn.persist(Change::Result(kept.row(attempt)));
        self.results.kept.insert(attempt, kept);
        Ok(())
    }

    /// The owner, where this node may bring what that attempt left: it runs there, or it did, and nobody has heard its end
    /// from there. What was heard of before may only come too late; that and no more is `refused`, the rest is what no
    /// honest node brings.
    fn may_leave(&self, node: &NodeName, attempt: AttemptId) -> Result<PersonName, Refusal> {
        let never = |what: String| Refusal { kind: RefusalKind::NotFound, message: what };
        let Some(on) = self.nodes.find(node) else { return Err(never(format!("{node} is not known here"))) };
        let Some(owner) = self.owner_of(attempt) else {
            return Err(Refusal::refused(format!("{attempt} is not remembered here any more")));
        };
        let open = self.is_live(attempt, on) || self.may_take_back(attempt, on) || self.may_be_late(attempt, on);
        if open || self.results.of(attempt).is_some() && self.was_its_own(attempt, on) {
            Ok(owner)
        } else if self.was_its_own(attempt, on) {
            Err(Refusal::refused(format!("the end of {attempt} was told before")))
        } else {
            Err(never(format!("{attempt} was not given to {node}")))
        }
    }

    fn was_its_own(&self, attempt: AttemptId, on: NodeIx) -> bool {
        let past = self.jobs.past.get(&attempt).map(|past| past.node == Some(on));
        let latest =
            || self.jobs.task(attempt.task).is_some_and(|(_, t)| t.attempt == attempt.number && t.node == Some(on));
        past.unwrap_or_else(latest)
    }

    fn owner_of(&self, attempt: AttemptId) -> Option<PersonName> {
        self.jobs.task(attempt.task).map(|(job, _)| self.people.name(job.owner).clone())
    }

    /// The job is forgotten, and what its attempts left goes with it, where nobody else refers to it.
    pub(super) fn end_results(&mut self, job: JobId, owner: &PersonName, turn: &mut Turn<'_>) {
        let gone: Vec<(AttemptId, ContentHash)> =
            self.results.of_job(job).map(|(attempt, kept)| (attempt, kept.hash)).collect();
        for (attempt, hash) in gone {
            self.results.kept.remove(&attempt);
            self.files.release(owner, &hash);
            self.let_go_unless_referred(hash, turn);
        }
        self.results.ages.remove(&job);
    }
}
