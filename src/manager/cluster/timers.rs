//! What is due at a time of its own. A timer is only a reminder: whoever set it looks again whether it still holds.

use std::collections::BTreeSet;

use super::ids::{ClassIx, NodeIx};
use super::port::Mono;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// The lease of a node that is away.
    Lease(NodeIx),
    /// The head of a class has been overtaken for long enough.
    Patience(ClassIx),
    /// A node that had no room for files is tried again.
    Files(NodeIx),
    /// Some token is to be forgotten.
    Tokens,
    /// Old jobs are left over to be forgotten.
    Trim,
    /// Nodes have had the time to come back, on which answers of runs wait.
    Runs,
    /// Results are an hour older.
    PartOfHour,
    /// Old results are left over to be removed.
    Results,
}

#[derive(Debug, Default)]
pub struct Timers(BTreeSet<(Mono, Timer)>);

impl Timers {
    pub fn set(&mut self, at: Mono, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub fn next(&self) -> Option<Mono> {
        self.0.first().map(|(at, _)| *at)
    }

    pub fn pop_due(&mut self, now: Mono) -> Option<Timer> {
        let (at, _) = self.0.first()?;
        if *at > now {
            return None;
        }
        self.0.pop_first().map(|(_, timer)| timer)
    }
}
