//! What ended tasks left in the folder for their results, brought to the manager ahead of the news of their ends: a few
//! at a time, each on a connection that nothing else waits for.
//!
//! [`packer`] reads it, on a thread that may read no more than the task could; [`send`] passes it on.

mod packer;
mod send;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use link::Connection;
use protocol::id::AttemptId;
use rustix::io::Errno;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::life::{Agent, Errand};
use crate::layout::Layout;
use crate::out;

pub use send::Done;
use send::{Job, SendError};

/// At a time. A second one lets small results pass a large one.
const MOST: usize = 2;
/// So often in a row a result may fail to hold still before its task ends without it.
const MOST_TORN: u32 = 3;

/// Which results are to go, which are on their way, and what has become of the others.
#[derive(Default)]
pub struct Results {
    /// Whether this manager wants any.
    taken: bool,
    queue: VecDeque<Waiting>,
    busy: BTreeMap<AttemptId, Busy>,
    settled: BTreeMap<AttemptId, Settled>,
}

/// One that the manager does not take for now holds up no other.
struct Waiting {
    attempt: AttemptId,
    not_before: Option<Instant>,
    tries: Tries,
}

struct Busy {
    tries: Tries,
    /// Dropped when nobody wants it any more.
    wanted: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Tries {
    backoff: Backoff,
    torn: u32,
}

/// What is to be said of a result with the end of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// There is none, or the manager has it.
    Well,
    Lost(String),
}

impl Settled {
    pub fn lost(self) -> Option<String> {
        match self {
            Settled::Well => None,
            Settled::Lost(reason) => Some(reason),
        }
    }
}

impl Results {
    /// A manager answered our hello.
    pub fn welcomed(&mut self, taken: bool) {
        self.taken = taken;
    }

    /// `None` where it has to go ahead.
    fn settled(&self, layout: &Layout, attempt: AttemptId) -> Option<Settled> {
        if !self.taken {
            return Some(Settled::Well);
        }
        if let Some(settled) = self.settled.get(&attempt) {
            return Some(settled.clone());
        }
        match out::has_any(layout, attempt) {
            Ok(true) => None,
            Ok(false) => Some(Settled::Well),
            Err(error) => Some(Settled::Lost(match Errno::from_io_error(&error) {
                Some(Errno::NOTDIR | Errno::LOOP) => "out is not a folder any more".into(),
                _ => format!("out cannot be read: {error}"),
            })),
        }
    }

    fn enqueue(&mut self, attempt: AttemptId) {
        let waits = self.queue.iter().any(|waiting| waiting.attempt == attempt);
        if !waits && !self.busy.contains_key(&attempt) {
            self.queue.push_back(Waiting { attempt, not_before: None, tries: Tries::default() });
        }
    }

    fn next(&mut self, layout: &Layout, root: bool, idle: impl FnOnce() -> Option<Connection>) -> Option<Job> {
        if !self.taken || self.busy.len() >= MOST {
            return None;
        }
        let now = Instant::now();
        let due = self.queue.iter().position(|waiting| waiting.not_before.is_none_or(|at| at <= now))?;
        let Waiting { attempt, tries, .. } = self.queue.remove(due)?;
        let (sender, wanted) = oneshot::channel();
        self.busy.insert(attempt, Busy { tries, wanted: Some(sender) });
        Some(Job { attempt, layout: layout.clone(), root, idle: idle(), wanted })
    }

    /// Whether its `finished` is to be looked at again.
    fn done(&mut self, attempt: AttemptId, result: Result<(), SendError>) -> bool {
        // Of one that was forgotten nothing is known. A namesake may wait for its turn.
        let Some(Busy { mut tries, wanted: Some(_) }) = self.busy.remove(&attempt) else { return true };
        let settled = match result {
            Ok(()) => Settled::Well,
            Err(SendError::Refused { reason, for_good: true } | SendError::Never(reason)) => Settled::Lost(reason),
            Err(SendError::Torn(reason)) if tries.torn + 1 >= MOST_TORN => {
                Settled::Lost(format!("{reason}, {MOST_TORN} times in a row"))
            }
            Err(error) => {
                if tries.backoff.is_fresh() {
                    tracing::warn!("the result of {attempt} could not be delivered, trying again: {error}");
                }
                tries.torn += u32::from(matches!(error, SendError::Torn(_)));
                let not_before = Some(Instant::now() + tries.backoff.wait());
                self.queue.push_back(Waiting { attempt, not_before, tries });
                return false;
            }
        };
        if let Settled::Lost(reason) = &settled {
            tracing::warn!("the result of {attempt} is lost: {reason}");
        }
        self.settled.insert(attempt, settled);
        true
    }

    pub fn forget(&mut self, attempt: AttemptId) {
        self.settled.remove(&attempt);
        self.queue.retain(|waiting| waiting.attempt != attempt);
        if let Some(busy) = self.busy.get_mut(&attempt) {
            busy.wanted = None;
        }
    }

    /// What is on its way may arrive all the same. The rest is asked for again.
    pub fn unlinked(&mut self) {
        self.queue.clear();
    }

    pub fn wants_ticks(&self) -> bool {
        !self.queue.is_empty()
    }
}

impl Agent {
    /// What is to be said of its result; `None` where that has to go ahead.
    pub(super) fn result_of(&mut self, attempt: AttemptId) -> Option<Settled> {
        let settled = self.results.settled(&self.config.layout, attempt);
        if settled.is_none() {
            self.results.enqueue(attempt);
            self.result_next();
        }
        settled
    }

    pub(super) fn result_next(&mut self) {
        if !self.control.is_welcome() {
            return;
        }
        while let Some(job) = self.results.next(&self.config.layout, self.root, || self.bulk.take_idle()) {
            let (dial, errands) = (self.control.dial(), self.errands.clone());
            tokio::spawn(async move {
                let _ = errands.send(Errand::ResultSent(send::send(job, dial).await)).await;
            });
        }
    }

    pub(super) fn result_sent(&mut self, done: Done) {
        let Done { attempt, result, connection } = done;
        if let Some(connection) = connection {
            self.bulk.give_idle(connection);
        }
        if self.results.done(attempt, result) {
            self.reports.finished(attempt);
        }
        if !self.desk.holds(attempt) {
            self.results.forget(attempt);
        }
    }
}
