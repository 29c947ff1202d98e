//! What clients and agents were told, and when: each with a number of the disk's journal that is surely not earlier than
//! what it stands on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::event::Event;
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{JobSpec, Outcome, Stream, TaskState};
use protocol::name::{NodeName, PersonName};
use sha2::{Digest, Sha256};

use crate::disk::Disk;

#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there are few of them")]
pub enum Told {
    /// The manager's host key, by its fingerprint.
    HostKey(String),
    Submitted {
        job: JobId,
        owner: PersonName,
        spec: JobSpec,
    },
    /// An agent was told that this end is kept.
    EndKept(AttemptId),
    /// An agent was told that this output is kept.
    OutputKept {
        attempt: AttemptId,
        node: NodeName,
        stream: Stream,
    },
    /// A person has seen that this task ended.
    Ended {
        attempt: AttemptId,
        state: TaskState,
        code: Option<i32>,
    },
    /// These were asked to stop.
    Stopped {
        tasks: Vec<TaskId>,
    },
    Retried {
        task: TaskId,
    },
    Token {
        hash: String,
    },
    Joined {
        node: NodeName,
        key: String,
        hash: String,
    },
    /// Its tasks run under this uid: it was given to that person for ever.
    Uid {
        job: JobId,
        uid: u32,
    },
    /// Somebody was told that this version of a file is kept.
    FileKept {
        version: u64,
    },
    Event(u64),
}

#[derive(Clone)]
pub struct Ledger {
    disk: Disk,
    book: Arc<Mutex<Book>>,
}

#[derive(Default, Clone)]
pub struct Book {
    /// In the order of their numbers, but for neighbours.
    pub told: Vec<(usize, Told)>,
    /// How attempts truly ended, written down before anybody is told.
    pub truth: HashMap<AttemptId, Outcome>,
    /// Everything that was ever asked for, by the job's name.
    pub asked: HashMap<String, JobSpec>,
    /// When a retry of a task was asked for, before it was.
    pub retried: HashMap<TaskId, usize>,
    /// All events there were, by number.
    pub events: Vec<Event>,
}

impl Ledger {
    pub fn new(disk: Disk) -> Self {
        Self { disk, book: Arc::default() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was told just now, so what it stands on was done before now.
    pub fn told(&self, what: Told) {
        let now = self.disk.now();
        self.book().told.push((now, what));
    }

    /// About to be asked for.
    pub fn asks(&self, spec: &JobSpec) {
        let name = spec.name.as_ref().map(ToString::to_string).unwrap_or_default();
        self.book().asked.insert(name, spec.clone());
    }

    pub fn asks_retry(&self, task: TaskId) {
        let now = self.disk.now();
        self.book().retried.entry(task).or_insert(now);
    }

    pub fn truly(&self, attempt: AttemptId, outcome: Outcome) {
        self.book().truth.insert(attempt, outcome);
    }

    pub fn event(&self, event: Event) {
        let now = self.disk.now();
        let mut book = self.book();
        book.told.push((now, Told::Event(event.no)));
        book.events.push(event);
    }

    pub fn last_event(&self) -> u64 {
        self.book().events.last().map_or(0, |event| event.no)
    }

    pub fn count(&self) -> usize {
        self.book().told.len()
    }

    /// For the checks, in order.
    pub fn close(&self) -> Book {
        let mut book = self.book().clone();
        book.told.sort_by_key(|(at, _)| *at);
        book
    }
}

/// All that the manager keeps of a token's secret.
pub fn hash(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
