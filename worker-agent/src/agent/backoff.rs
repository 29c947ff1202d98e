//! When to try again: soon at first, later and later, and not all nodes at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
pub const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// How long to wait now; between half and all of a time that doubles.
    pub fn wait(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(LONGEST);
        jittered(now)
    }

    /// Nothing that is tried soon can help.
    pub fn wait_longest(&mut self) -> Duration {
        self.next = LONGEST;
        jittered(LONGEST)
    }

    /// Nothing has failed yet.
    pub fn is_fresh(&self) -> bool {
        self.next == FIRST
    }

    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

fn jittered(time: Duration) -> Duration {
    // Seeded by the system for every map of this process: random enough to spread nodes over a few seconds.
    let random = RandomState::new().hash_one(0u8) as u32;
    time / 2 + (time / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_longest_and_differ() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = std::iter::repeat_with(|| backoff.wait()).take(12).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits[11] <= LONGEST && waits[11] >= LONGEST / 2);
        let jitters: std::collections::BTreeSet<Duration> = (0..32).map(|_| jittered(LONGEST)).collect();
        assert!(jitters.len() > 16);
        backoff.reset();
        assert!(backoff.wait() <= FIRST);
    }
}
