//! Who is told that a job has ended. What is to be told is made in the turn in which its last task ends, and is kept with
//! it: it is owed until whoever delivers it says that it was told, or never will be. Nothing of the job waits for that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::event::What;
use protocol::id::JobId;
use protocol::notify::{Notice, Notify};

use super::Cluster;
use super::change::NoticeRow;
use super::sane;
use super::turn::Turn;

/// The most that are owed at once; beyond that the oldest is given up.
const MOST: usize = 2000;

#[derive(Debug, Default)]
pub struct Outbox {
    /// Who is told of which job; those that tell nobody are not here.
    wanted: BTreeMap<JobId, Arc<[Notify]>>,
    /// Many jobs tell the same people: each list is there once.
    lists: BTreeSet<Arc<[Notify]>>,
    owed: BTreeMap<u64, Arc<NoticeRow>>,
    /// The highest number ever given.
    last: u64,
    /// Jobs that have ended in this turn.
    ended: BTreeSet<JobId>,
}

impl Outbox {
    pub fn load(rows: Vec<NoticeRow>, last: u64) -> Self {
        let last = rows.iter().map(|row| row.no).fold(last, u64::max);
        let owed = rows.into_iter().map(|row| (row.no, Arc::new(row))).collect();
        Self { owed, last, ..Self::default() }
    }

    pub fn want(&mut self, job: JobId, list: &[Notify]) {
        if list.is_empty() {
            return;
        }
        let list = match self.lists.get(list) {
            Some(known) => known.clone(),
            None => {
                let list: Arc<[Notify]> = list.into();
                self.lists.insert(list.clone());
                list
            }
        };
        self.wanted.insert(job, list);
    }

    pub fn job_ended(&mut self, job: JobId) {
        if self.wanted.contains_key(&job) {
            self.ended.insert(job);
        }
    }

    pub fn forget(&mut self, job: JobId) {
        let Some(list) = self.wanted.remove(&job) else { return };
        // This one, and the one in the set.
        if Arc::strong_count(&list) == 2 {
            self.lists.remove(&list);
        }
    }

    #[cfg(test)]
    pub fn owed(&self) -> &BTreeMap<u64, Arc<NoticeRow>> {
        &self.owed
    }

    #[cfg(test)]
    pub fn lists(&self) -> usize {
        self.lists.len()
    }
}

impl Cluster {
    /// All that is still to be told, oldest first.
    pub fn owed(&self) -> Vec<Arc<NoticeRow>> {
        self.outbox.owed.values().cloned().collect()
    }

    /// Of the jobs that have ended since this was last asked.
    pub(super) fn tell_ends(&mut self, turn: &mut Turn<'_>) {
        while let Some(job) = self.outbox.ended.pop_first() {
            let Some(list) = self.outbox.wanted.get(&job).cloned() else { continue };
            let Some(end) = self.how_it_ended(job).map(Arc::new) else { continue };
            for to in list.iter() {
                self.outbox.last += 1;
                let notice = Notice { to: to.clone(), end: end.clone() };
                let row = Arc::new(NoticeRow { no: self.outbox.last, notice });
                self.outbox.owed.insert(row.no, row.clone());
                turn.deliver(row);
            }
        }
        while self.outbox.owed.len() > MOST {
            let Some(&oldest) = self.outbox.owed.keys().next() else { return };
            let many = format!("more than {MOST} others are to be told, and nobody takes them");
            self.delivered(oldest, Err(many), turn);
        }
    }

    /// Nothing happens where it is not owed: it was said before.
    pub(super) fn delivered(&mut self, no: u64, outcome: Result<(), String>, turn: &mut Turn<'_>) {
        let Some(row) = self.outbox.owed.remove(&no) else { return };
        let (job, to) = (row.notice.end.job, row.notice.to.shown());
        turn.delivered(no);
        turn.publish(match outcome {
            Ok(()) => What::Notified { job, to },
            Err(reason) => What::NotNotified { job, to, reason: sane::line(&reason) },
        });
    }
}
