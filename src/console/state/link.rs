//! How the console stands with its manager.

use std::time::Duration;

use super::Now;
use crate::text;

/// Letters of a reason; a manager may be anyone.
const LONGEST: usize = 600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// There never was one yet.
    Connecting,
    /// There never was one, and this is why.
    NeverMet {
        why: String,
        again: Duration,
    },
    Live,
    /// The last picture is kept, and shown as old.
    Lost {
        since: Now,
        why: String,
        again: Duration,
    },
}

impl Link {
    pub fn live(&self) -> bool {
        matches!(self, Link::Live)
    }

    /// Whether there is a picture to show, be it old.
    pub fn seen(&self) -> bool {
        matches!(self, Link::Live | Link::Lost { .. })
    }

    pub fn lost(&mut self, why: String, again: Duration, now: Now) {
        let why = text::shortened(why, LONGEST);
        *self = match std::mem::replace(self, Link::Connecting) {
            Link::Connecting | Link::NeverMet { .. } => Link::NeverMet { why, again },
            Link::Live => Link::Lost { since: now, why, again },
            Link::Lost { since, .. } => Link::Lost { since, why, again },
        };
    }
}
