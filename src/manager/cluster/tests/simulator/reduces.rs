//! What is promised of tasks that reduce.
//!
//! - None begins before all others of its job have succeeded, and it is given what the latest attempt of each left.
//! - None waits for one that will not give its part; none ends for want of a part that is there.

use std::collections::{BTreeMap, BTreeSet};

use protocol::agent::Given;
use protocol::file::FileKind;
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{JobSpec, Outcome, TaskState};
use protocol::result::Reduce;

use super::super::kept::Kept;
use crate::manager::cluster::{JobRow, TaskRow};

#[derive(Default)]
pub struct Reduces {
    /// What those that began were to be given.
    parts: BTreeMap<AttemptId, Vec<Given>>,
    /// Of the others of each job.
    succeeded: BTreeMap<JobId, u32>,
    /// To be looked at after the commit.
    touched: BTreeSet<JobId>,
}

/// The task of a job that reduces.
pub fn reducer(job: JobId, spec: &JobSpec) -> Option<TaskId> {
    spec.reduce.as_ref().map(|_| TaskId { job, index: *spec.indices().end() })
}

impl Reduces {
    /// Of a job that has one, a task changed.
    pub fn changed(&mut self, disk: &Kept, job: &JobRow, old: TaskState, row: &TaskRow) {
        let Some(reducer) = reducer(job.id, &job.spec) else { return };
        self.touched.insert(job.id);
        if row.id != reducer {
            let succeeded = self.succeeded.entry(job.id).or_default();
            *succeeded += u32::from(row.state == TaskState::Succeeded);
            *succeeded -= u32::from(old == TaskState::Succeeded);
            return;
        }
        if (old, row.state) == (TaskState::Queued, TaskState::Starting) {
            let part = |index| {
                let id = TaskId { index, ..reducer };
                self.part(disk, id)
                    .unwrap_or_else(|why| panic!("promise broken: {reducer} begins, and {id} is {why:?}"))
            };
            self.parts.insert(row.id.attempt(row.attempt), job.spec.maps().map(part).collect());
        }
        if let Some(Outcome::Stopped { reason }) = &row.outcome
            && !old.ended()
            && (reason.contains("its part is missing") || reason.contains("nothing of it to reduce"))
        {
            let missing = self.first_missing(disk, job);
            assert!(missing.is_some(), "promise broken: {reducer} is stopped: {reason}; and all parts are there");
        }
    }

    pub fn all_succeeded(&self, job: &JobRow) -> bool {
        self.succeeded.get(&job.id).copied().unwrap_or(0) as usize == job.spec.maps().count()
    }

    /// Where it is not there, why not; `None` as long as it may come.
    fn part(&self, disk: &Kept, id: TaskId) -> Result<Given, Option<TaskState>> {
        let row = disk.tasks.get(&id).ok_or(None)?;
        if row.state != TaskState::Succeeded {
            return Err(row.state.ended().then_some(row.state));
        }
        let kept = disk.results.get(&id.attempt(row.attempt)).ok_or(Some(row.state))?;
        let (name, kind) = (Reduce::folder(id.index).parse().unwrap(), FileKind::Folder);
        Ok(Given { name, kind, size: kept.left.size, hash: kept.hash, executable: false, writable: false })
    }

    fn first_missing(&self, disk: &Kept, job: &JobRow) -> Option<TaskId> {
        let mut tasks = job.spec.maps().map(|index| TaskId { job: job.id, index });
        tasks.find(|id| matches!(self.part(disk, *id), Err(Some(_))))
    }

    /// What an attempt is given: what is for all and its own, in order, then the parts.
    pub fn given(&self, job: &JobRow, attempt: AttemptId) -> Vec<Given> {
        let meant = job.spec.files.iter().zip(job.given.iter());
        let own = meant.filter(|(wanted, _)| wanted.only.is_none_or(|only| only == attempt.task.index));
        let parts = self.parts.get(&attempt).into_iter().flatten();
        own.map(|(_, given)| given).chain(parts).cloned().collect()
    }

    /// After each commit.
    pub fn none_waits_in_vain(&mut self, disk: &Kept) {
        for id in std::mem::take(&mut self.touched) {
            let Some(job) = disk.jobs.get(&id) else { continue };
            let Some(reducer) = reducer(id, &job.spec) else { continue };
            if disk.tasks.get(&reducer).is_none_or(|row| row.state == TaskState::Queued) {
                let missing = self.first_missing(disk, job);
                assert!(missing.is_none(), "promise broken: {reducer} waits, and {missing:?} gives it nothing");
            }
        }
    }
}
