//! What ended tasks left in the folder for their results, brought to the manager ahead of the news of their ends: a few
//! at a time, each on a connection that nothing else waits for.
//!
//! [`packer`] reads it, on a thread that may read no more than the task could; [`send`] passes it on.

mod packer;
mod send;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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

/// At a time, of any size.
const MOST: usize = 2;
/// Beside those, of small ones: they pass, however many large ones there are. Each takes a thread and a megabyte.
const MOST_SMALL: usize = 2;
/// Bytes, packed: what is sent in a moment.
const SMALL: u64 = 4 << 20;
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
    /// Those of stopped tasks: refused once more, they are given up.
    last_try: BTreeSet<AttemptId>,
}

/// One that the manager does not take for now holds up no other.
struct Waiting {
    attempt: AttemptId,
    not_before: Option<Instant>,
    /// Known to be more than [`SMALL`].
    large: bool,
    tries: Tries,
}

struct Busy {
    /// Whether it has one of the places for any size.
    any_size: bool,
    large: bool,
    tries: Tries,
    /// Dropped when nobody wants it any more.
    wanted: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
struct Tries {
    backoff: Backoff,
    torn: u32,
    /// Why the last one failed.
    failed: Option<String>,
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
            self.queue.push_back(Waiting { attempt, not_before: None, large: false, tries: Tries::default() });
        }
    }

    fn next(&mut self, layout: &Layout, root: bool, idle: impl FnOnce() -> Option<Connection>) -> Option<Job> {
        let of_any_size = self.busy.values().filter(|busy| busy.any_size).count();
        let (any_size, small) = (of_any_size < MOST, self.busy.len() - of_any_size < MOST_SMALL);
        if !self.taken || !(any_size || small) {
            return None;
        }
        let now = Instant::now();
        let due = |waiting: &Waiting| waiting.not_before.is_none_or(|at| at <= now);
        let next = self.queue.iter().position(|waiting| due(waiting) && (any_size || !waiting.large))?;
        let Waiting { attempt, large, tries, .. } = self.queue.remove(next)?;
        let (sender, wanted) = oneshot::channel();
        self.busy.insert(attempt, Busy { any_size, large, tries, wanted: Some(sender) });
        let most = (!any_size).then_some(SMALL);
        Some(Job { attempt, layout: layout.clone(), root, most, idle: idle(), wanted })
    }

    /// Its task is stopped, though it ran to its end before. What is on its way, or about to be, may still arrive; but
    /// nobody waits any longer for a manager that does not take it. Where the stop has come true already, this is the same
    /// once more, after a new link perhaps, and only what has failed is given up. Whether its `finished` is to be looked
    /// at again.
    pub fn stop(&mut self, layout: &Layout, attempt: AttemptId, came_true: bool) -> bool {
        if self.settled(layout, attempt).is_some() {
            return false;
        }
        let waits = self.queue.iter().find(|waiting| waiting.attempt == attempt).map(|waiting| &waiting.tries);
        let tries = waits.or_else(|| self.busy.get(&attempt).map(|busy| &busy.tries));
        match tries.and_then(|tries| tries.failed.clone()) {
            Some(why) => {
                self.forget(attempt);
                self.settle(attempt, Settled::Lost(given_up(&why)));
                true
            }
            None => {
                if !came_true {
                    self.last_try.insert(attempt);
                }
                false
            }
        }
    }

    fn settle(&mut self, attempt: AttemptId, settled: Settled) {
        if let Settled::Lost(reason) = &settled {
            tracing::warn!("the result of {attempt} is lost: {reason}");
        }
        self.settled.insert(attempt, settled);
    }

    /// Whether its `finished` is to be looked at again.
    fn done(&mut self, attempt: AttemptId, result: Result<(), SendError>) -> bool {
        // Of one that was forgotten nothing is known. A namesake may wait for its turn.
        let Some(Busy { large, mut tries, wanted: Some(_), .. }) = self.busy.remove(&attempt) else { return true };
        let settled = match result {
            Ok(()) => Settled::Well,
            Err(SendError::Large) => {
                self.queue.push_front(Waiting { attempt, not_before: None, large: true, tries });
                return false;
            }
            Err(SendError::Refused { reason, for_good: false }) if self.last_try.contains(&attempt) => {
                Settled::Lost(given_up(&reason))
            }
            Err(SendError::Refused { reason, for_good: true } | SendError::Never(reason)) => Settled::Lost(reason),
            Err(SendError::Torn(reason)) if tries.torn + 1 >= MOST_TORN => {
                Settled::Lost(format!("{reason}, {MOST_TORN} times in a row"))
            }
            Err(error) => {
                if tries.backoff.is_fresh() {
                    tracing::warn!("the result of {attempt} could not be delivered, trying again: {error}");
                }
                tries.torn += u32::from(matches!(error, SendError::Torn(_)));
                tries.failed = Some(match error {
                    SendError::Refused { reason, .. } => reason,
                    error => error.to_string(),
                });
                let not_before = Some(Instant::now() + tries.backoff.wait());
                self.queue.push_back(Waiting { attempt, not_before, large, tries });
                return false;
            }
        };
        self.settle(attempt, settled);
        true
    }

    pub fn forget(&mut self, attempt: AttemptId) {
        self.settled.remove(&attempt);
        self.last_try.remove(&attempt);
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

fn given_up(why: &str) -> String {
    format!("its task was stopped before the manager could keep it ({why})")
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
