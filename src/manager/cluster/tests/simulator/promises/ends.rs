//! What is promised of ends that are to be told.

use std::collections::{BTreeMap, BTreeSet};

use protocol::event::What;
use protocol::id::JobId;
use protocol::notify::Notify;

use super::super::super::kept::Kept;
use crate::manager::cluster::{NoticeRow, TaskRow};

#[derive(Default)]
pub struct Ends {
    /// Tasks that have ended, of jobs whose end is to be told.
    ended: BTreeMap<JobId, BTreeSet<u32>>,
    /// Who is to be told before the turn is over.
    expected: BTreeMap<JobId, Vec<Notify>>,
    made: BTreeSet<u64>,
    /// In which lives of the manager it was truly told.
    told: BTreeMap<u64, BTreeSet<u32>>,
    settled: BTreeSet<u64>,
}

impl Ends {
    pub fn task(&mut self, disk: &Kept, row: &TaskRow) {
        let Some(job) = disk.jobs.get(&row.id.job).filter(|job| !job.spec.notify.is_empty()) else { return };
        let ended = self.ended.entry(job.id).or_default();
        if !row.state.ended() {
            let waits = self.expected.contains_key(&job.id);
            assert!(!waits, "promise broken: job {} begins again, and its end was not told", job.id);
            ended.remove(&row.id.index);
        } else if ended.insert(row.id.index) && ended.len() == job.spec.indices().count() {
            let before = self.expected.insert(job.id, job.spec.notify.clone());
            assert!(before.is_none(), "promise broken: job {} ends twice, and is told once", job.id);
        }
    }

    pub fn notice(&mut self, disk: &Kept, row: &NoticeRow) {
        let NoticeRow { no, notice } = row;
        let job = notice.end.job;
        let Some(expected) = self.expected.get_mut(&job) else {
            panic!("promise broken: {} is told of an end of job {job} that is none", notice.to)
        };
        assert_eq!(expected.remove(0), notice.to);
        if expected.is_empty() {
            self.expected.remove(&job);
        }
        let tasks = disk.jobs[&job].spec.indices().count();
        assert_eq!(notice.end.counts.ended() as usize, tasks, "promise broken: not all of job {job} has ended");
        assert!(self.made.insert(*no), "promise broken: the number of notice {no} was given before");
    }

    /// After each turn.
    pub fn are_all_told(&self) {
        assert!(self.expected.is_empty(), "promise broken: nobody is told of the end of {:?}", self.expected);
    }

    /// Somebody hears of it.
    pub fn truly_told(&mut self, disk: &Kept, no: u64, life: u32) {
        assert!(disk.notices.contains_key(&no), "promise broken: notice {no} is told, and not on the disk");
        let first = self.told.entry(no).or_default().insert(life);
        assert!(first, "promise broken: notice {no} is told twice, and the manager did not die");
    }

    pub fn notice_gone(&mut self, disk: &Kept, no: u64, events: &[What]) {
        let Some(row) = disk.notices.get(&no) else { panic!("promise broken: notice {no} goes twice") };
        let (of, whom) = (row.notice.end.job, &row.notice.to);
        let told = events.iter().any(|what| matches!(what, What::Notified { job, to } if *job == of && to == whom));
        let given_up =
            events.iter().any(|what| matches!(what, What::NotNotified { job, to, .. } if *job == of && to == whom));
        assert!(told || given_up, "promise broken: notice {no} goes, and nobody says so");
        assert!(given_up || self.told.contains_key(&no), "promise broken: notice {no} was not told");
        self.settled.insert(no);
    }

    pub fn were_all_told(&self, disk: &Kept) {
        self.are_all_told();
        let owed: Vec<_> = disk.notices.keys().collect();
        assert!(owed.is_empty(), "promise broken: {owed:?} are never told");
        assert_eq!(self.made, self.settled, "promise broken: some were neither told nor given up");
    }
}
