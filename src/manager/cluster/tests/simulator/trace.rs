//! What happened, for whoever replays a seed: a line for each thing, and one number for all of them.

use super::agenda::{Instant, MS, SECOND};

pub struct Trace {
    /// Lines are made only where somebody wants to read them.
    pub aloud: bool,
    pub lines: Vec<String>,
    sum: u64,
}

impl Trace {
    pub fn new(aloud: bool) -> Self {
        Self { aloud, lines: vec![], sum: 0xcbf2_9ce4_8422_2325 }
    }

    pub fn say(&mut self, now: Instant, line: impl FnOnce() -> String) {
        if self.aloud {
            self.lines.push(format!("{:>5}.{:03} s  {}", now / SECOND, now % SECOND / MS, line()));
        }
    }

    pub fn mix(&mut self, number: u64) {
        self.sum = (self.sum ^ number).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    pub fn sum(&self) -> u64 {
        self.sum
    }
}
