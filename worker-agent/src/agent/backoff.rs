//! When to try again: soon at first, later and later, and not all nodes at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
pub const LONGEST: Duration = Duration::from_secs(30);
/// Where a machine answers that nobody listens, somebody is most likely about to: a daemon that is started again. Such
/// a knock costs next to nothing, and at this pace all nodes are back soon, spread over as much time.
const ABSENT: Duration = Duration::from_secs(1);
/// So many such knocks, most of a minute; then it is no restart.
const KNOCKS: u32 = 60;

#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    longest: Duration,
    /// Knocks at a door behind which nobody was, one after the other.
    knocks: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST, longest: LONGEST, knocks: 0 }
    }
}

impl Backoff {
    /// A node that only waits is back long before its work is given up for lost: a third of the lease leaves time for a
    /// try that fails.
    pub fn within(&mut self, lease: Duration) {
        self.longest = (lease / 3).clamp(ABSENT, LONGEST);
        self.next = self.next.min(self.longest);
    }

    /// How long to wait now; between half and all of a time that doubles.
    pub fn wait(&mut self) -> Duration {
        self.knocks = 0;
        self.grow(self.longest)
    }

    /// The same, where the other machine is there and only nobody listens yet.
    pub fn wait_absent(&mut self) -> Duration {
        self.knocks += 1;
        self.grow(if self.knocks <= KNOCKS { ABSENT } else { self.longest })
    }

    fn grow(&mut self, longest: Duration) -> Duration {
        let now = self.next.min(longest);
        self.next = (now * 2).min(longest);
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
        *self = Self { longest: self.longest, ..Self::default() };
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

    #[test]
    fn no_wait_is_longer_than_a_third_of_the_lease() {
        let mut backoff = Backoff::default();
        (0..9).for_each(|_| _ = backoff.wait());
        backoff.within(Duration::from_secs(9));
        for round in 0..2 {
            let waits: Vec<Duration> = std::iter::repeat_with(|| backoff.wait()).take(9).collect();
            assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(3)), "{round}: {waits:?}");
            backoff.reset();
        }
        backoff.within(Duration::from_secs(3600));
        (0..12).for_each(|_| _ = backoff.wait());
        assert!((LONGEST / 2..=LONGEST).contains(&backoff.wait()), "no lease makes it wait longer than ever");
    }

    #[test]
    fn who_is_only_absent_is_looked_for_each_second_for_most_of_a_minute_then_more_and_more_rarely() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = std::iter::repeat_with(|| backoff.wait_absent()).take(80).collect();
        assert!(waits[0] <= FIRST);
        assert!(waits[..60].iter().all(|wait| *wait <= ABSENT), "{waits:?}");
        let minute: Duration = waits[..60].iter().sum();
        assert!((30..60).contains(&minute.as_secs()), "{minute:?}");
        assert!(waits[79] >= LONGEST / 2);
        // Who is busy is left alone more and more, whatever was before.
        backoff.reset();
        (0..20).for_each(|_| _ = backoff.wait_absent());
        let busy: Vec<Duration> = std::iter::repeat_with(|| backoff.wait()).take(8).collect();
        assert!(busy[0] <= ABSENT && busy[7] >= LONGEST / 2, "{busy:?}");
    }
}
