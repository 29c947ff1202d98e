//! Short words in a corner that go by themselves.

use std::collections::VecDeque;
use std::time::Duration;

use super::Now;
use crate::text;

/// At once on the screen; older ones go first.
const MOST: usize = 4;
/// Letters of one; nobody reads more in so little time.
const LONGEST: usize = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Good,
    Bad,
}

#[derive(Debug, Clone)]
pub struct Toast {
    pub kind: Kind,
    pub text: String,
    until: Duration,
}

#[derive(Debug, Default)]
pub struct Toasts {
    shown: VecDeque<Toast>,
}

impl Toasts {
    pub fn say(&mut self, kind: Kind, text: impl Into<String>, now: Now) {
        let text = text::shortened(text.into(), LONGEST);
        self.shown.retain(|toast| toast.text != text);
        if self.shown.len() == MOST {
            self.shown.pop_front();
        }
        self.shown.push_back(Toast { kind, until: now.mono + reading_time(kind, &text), text });
    }

    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Toast> + ExactSizeIterator {
        self.shown.iter()
    }

    pub fn pass(&mut self, now: Now) {
        self.shown.retain(|toast| toast.until > now.mono);
    }

    /// All at once, when a person wants to see what is below. Whether there were any.
    pub fn clear(&mut self) -> bool {
        let any = !self.shown.is_empty();
        self.shown.clear();
        any
    }

    pub fn next_wakeup(&self) -> Option<Duration> {
        self.shown.iter().map(|toast| toast.until).min()
    }
}

/// Longer words take longer to read, and trouble longer to grasp.
fn reading_time(kind: Kind, text: &str) -> Duration {
    let base = if kind == Kind::Bad { 5000 } else { 2500 };
    Duration::from_millis(base + 40 * text.chars().count().min(200) as u64)
}
