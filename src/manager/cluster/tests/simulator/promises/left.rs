//! What is promised of results.

use std::collections::{BTreeMap, BTreeSet};

use protocol::event::What;
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::TaskState;

use super::super::super::kept::Kept;
use super::Promises;
use crate::manager::cluster::ResultRow;

#[derive(Default)]
pub struct Left {
    /// What each attempt truly left.
    truth: BTreeMap<AttemptId, ContentHash>,
    /// Its node was told that it is kept.
    told: BTreeSet<AttemptId>,
    removed: BTreeSet<AttemptId>,
}

impl Promises {
    pub fn truly_left(&mut self, attempt: AttemptId, hash: ContentHash) {
        self.left.truth.insert(attempt, hash);
    }

    /// Its agent is too old for that.
    pub fn not_brought(&mut self, attempt: AttemptId) {
        self.left.removed.insert(attempt);
    }

    pub(super) fn result(&mut self, disk: &Kept, row: &ResultRow) {
        let attempt = row.attempt;
        let on = disk.attempts.get(&attempt).map(|row| &row.node);
        let on = on.or_else(|| disk.tasks.get(&attempt.task).map(|row| &row.node)).and_then(Option::as_ref);
        let lie = on.is_some_and(|name| self.liars.contains(name));
        let so = self.left.truth.get(&attempt) == Some(&row.hash);
        assert!(so || lie, "promise broken: {attempt} did not leave that: {row:?}");
        if let Some(before) = disk.results.get(&attempt) {
            assert_eq!((before.hash, before.left), (row.hash, row.left), "promise broken: {attempt} left another");
        }
        self.contents.insert(row.hash);
    }

    /// One result goes: somebody asked for that, or it was told why.
    pub(super) fn result_gone(&mut self, disk: &Kept, attempt: AttemptId, events: &[What]) {
        let about = |what: &What| matches!(what, What::ResultsGone { job, .. } if *job == attempt.task.job);
        let begun = self.begun.contains_key(&attempt);
        let told = events.iter().any(about);
        assert!(told || !begun, "promise broken: what {attempt} left goes, and nobody says so");
        let row = disk.tasks.get(&attempt.task).filter(|row| row.attempt == attempt.number);
        let live = row.is_some_and(|row| matches!(row.state, TaskState::Starting | TaskState::Running));
        assert!(!live || !begun, "promise broken: what {attempt} left goes before its end");
        self.left.removed.insert(attempt);
    }

    /// All of a job go with it: what nobody has collected only where somebody asked for that.
    pub(super) fn results_gone(&mut self, disk: &Kept, job: JobId, events: &[What]) {
        let gone: Vec<&ResultRow> = disk.results.values().filter(|row| row.attempt.task.job == job).collect();
        let asked = events.contains(&What::JobRemoved { job });
        let waiting = gone.iter().any(|row| row.collected.is_none());
        assert!(asked || !waiting, "promise broken: job {job} is forgotten with what nobody has collected");
        self.left.removed.extend(gone.into_iter().map(|row| row.attempt));
    }

    /// A node is told that what its attempt left is kept.
    pub fn told_kept(&mut self, disk: &Kept, attempt: AttemptId) {
        assert!(disk.results.contains_key(&attempt), "promise broken: what {attempt} left is kept nowhere");
        self.left.told.insert(attempt);
    }

    pub fn what_was_told_kept_is_there(&self, disk: &Kept) {
        for attempt in &self.left.told {
            let there = disk.results.contains_key(attempt) || self.left.removed.contains(attempt);
            assert!(there, "promise broken: what {attempt} left was told kept, and is gone");
        }
    }

    /// At the end: what has ended has what it left.
    pub fn all_that_was_left_is_there(&self, disk: &Kept) {
        self.what_was_told_kept_is_there(disk);
        for row in disk.tasks.values().filter(|row| matches!(row.state, TaskState::Succeeded | TaskState::Failed)) {
            let attempt = row.id.attempt(row.attempt);
            let liar = row.node.as_ref().is_some_and(|node| self.liars.contains(node));
            let Some(hash) = self.left.truth.get(&attempt).filter(|_| !liar) else { continue };
            let kept = disk.results.get(&attempt).map(|row| row.hash);
            let there = kept == Some(*hash) || self.left.removed.contains(&attempt);
            assert!(there, "promise broken: {attempt} has ended, and what it left is not here: {kept:?}");
        }
    }

    pub(super) fn are_gone(disk: &Kept, targets: &[Target]) {
        let meant = |attempt: &AttemptId| {
            targets.iter().any(|target| match *target {
                Target::Attempt(one) => one == *attempt,
                other => other.covers(TaskId { ..attempt.task }),
            })
        };
        let there: Vec<_> = disk.results.keys().filter(|attempt| meant(attempt)).collect();
        assert!(there.is_empty(), "promise broken: {there:?} are removed");
    }
}
