//! The table of results: what attempts left, kept until somebody has collected it or it is too old. The bytes are
//! elsewhere; here a result is the hash of a content. What comes into it is decided in [`super::leave`], what goes by itself
//! in [`super::aging`].

use std::collections::{BTreeMap, BTreeSet};

use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::result::Left;
use protocol::time::UnixMillis;

use super::change::{Age, Collected, ResultRow};

#[derive(Debug, Default)]
pub struct Results {
    kept: BTreeMap<AttemptId, KeptResult>,
    lots: BTreeMap<JobId, Lot>,
    /// What was collected of jobs that have ended, and the hour from which on it grows older.
    collected: BTreeSet<(u64, AttemptId)>,
    size: u64,
    /// Counted while there are any.
    pub hours: u64,
    /// Beyond those.
    pub minutes: u64,
    pub counting: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct KeptResult {
    pub left: Left,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
    pub collected: Option<Collected>,
}

/// All results of one job.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lot {
    pub count: u32,
    /// Those that nobody has collected, and what they take.
    pub waiting: u32,
    pub waiting_size: u64,
    /// `None` while the job has not ended.
    pub age: Option<Age>,
}

impl KeptResult {
    pub fn row(&self, attempt: AttemptId) -> ResultRow {
        let KeptResult { left, hash, kept_at, collected } = *self;
        ResultRow { attempt, left, hash, kept_at, collected }
    }
}

impl From<ResultRow> for KeptResult {
    fn from(row: ResultRow) -> Self {
        let ResultRow { left, hash, kept_at, collected, .. } = row;
        Self { left, hash, kept_at, collected }
    }
}

impl Results {
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Of all of them; the same content left twice counts twice.
    pub fn size(&self) -> u64 {
        self.size
    }

    #[cfg(test)]
    pub fn kept(&self) -> &BTreeMap<AttemptId, KeptResult> {
        &self.kept
    }

    pub fn of(&self, attempt: AttemptId) -> Option<&KeptResult> {
        self.kept.get(&attempt)
    }

    pub fn of_job(&self, job: JobId) -> impl Iterator<Item = (AttemptId, &KeptResult)> {
        self.of_tasks(job, 0, u32::MAX)
    }

    pub fn of_tasks(&self, job: JobId, first: u32, last: u32) -> impl Iterator<Item = (AttemptId, &KeptResult)> {
        let (first, last) = (TaskId { job, index: first }, TaskId { job, index: last });
        self.kept.range(first.attempt(0)..=last.attempt(u32::MAX)).map(|(attempt, kept)| (*attempt, kept))
    }

    pub fn lot(&self, job: JobId) -> Option<&Lot> {
        self.lots.get(&job)
    }

    /// Those of each job that has any.
    pub fn lots(&self) -> impl DoubleEndedIterator<Item = (JobId, &Lot)> {
        self.lots.iter().map(|(job, lot)| (*job, lot))
    }

    /// The one that has been collected for longest, of jobs that have ended, and since which hour that counts.
    pub fn first_collected(&self) -> Option<(u64, AttemptId)> {
        self.collected.first().copied()
    }

    pub fn put(&mut self, attempt: AttemptId, kept: KeptResult) {
        self.size = self.size.saturating_add(kept.left.size);
        let lot = self.lots.entry(attempt.task.job).or_default();
        lot.count += 1;
        if kept.collected.is_none() {
            lot.waiting += 1;
            lot.waiting_size = lot.waiting_size.saturating_add(kept.left.size);
        }
        self.collected.extend(collected_key(attempt, &kept, lot.age));
        self.kept.insert(attempt, kept);
    }

    pub fn take(&mut self, attempt: AttemptId) -> Option<KeptResult> {
        let kept = self.kept.remove(&attempt)?;
        self.size = self.size.saturating_sub(kept.left.size);
        if let Some(lot) = self.lots.get_mut(&attempt.task.job) {
            lot.count -= 1;
            if kept.collected.is_none() {
                lot.waiting -= 1;
                lot.waiting_size = lot.waiting_size.saturating_sub(kept.left.size);
            }
            if let Some(key) = collected_key(attempt, &kept, lot.age) {
                self.collected.remove(&key);
            }
            if lot.count == 0 {
                self.lots.remove(&attempt.task.job);
            }
        }
        Some(kept)
    }

    pub fn collect(&mut self, attempt: AttemptId, collected: Collected) -> Option<&KeptResult> {
        let age = self.lots.get(&attempt.task.job).and_then(|lot| lot.age);
        // Where it is the last of its job, the age goes with it.
        let kept = self.take(attempt)?;
        self.lots.entry(attempt.task.job).or_default().age = age;
        self.put(attempt, KeptResult { collected: Some(collected), ..kept });
        self.of(attempt)
    }

    /// Nothing where the job has no results.
    pub fn set_age(&mut self, job: JobId, age: Option<Age>) {
        let Some(lot) = self.lots.get_mut(&job) else { return };
        let before = std::mem::replace(&mut lot.age, age);
        if before.map(|age| age.since) == age.map(|age| age.since) {
            return;
        }
        let keys = |age| -> Vec<_> {
            self.of_job(job).filter_map(|(attempt, kept)| collected_key(attempt, kept, age)).collect()
        };
        let (gone, new) = (keys(before), keys(age));
        for key in gone {
            self.collected.remove(&key);
        }
        self.collected.extend(new);
    }
}

fn collected_key(attempt: AttemptId, kept: &KeptResult, age: Option<Age>) -> Option<(u64, AttemptId)> {
    let (collected, age) = kept.collected.zip(age)?;
    Some((collected.hour.max(age.since), attempt))
}
