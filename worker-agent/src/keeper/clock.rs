//! Time since this boot: no clock change moves it, and it means the same after the keeper's own exec.

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime};

use protocol::time::UnixMillis;
use rustix::time::{ClockId, clock_gettime};

/// A moment, as the time since the machine started (sleep included, as in the start times of /proc).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::Boottime);
        Self(Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32))
    }

    /// In the unit of /proc/PID/stat.
    pub fn ticks(self) -> u64 {
        let per_second = rustix::param::clock_ticks_per_second();
        self.0.as_secs() * per_second + u64::from(self.0.subsec_nanos()) * per_second / 1_000_000_000
    }

    pub fn of_ticks(ticks: u64) -> Self {
        let per_second = rustix::param::clock_ticks_per_second();
        Self(Duration::from_secs(ticks / per_second) + Duration::from_secs(ticks % per_second) / per_second as u32)
    }

    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    pub fn of_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;
    fn add(self, more: Duration) -> Moment {
        Moment(self.0.saturating_add(more))
    }
}

/// How long from `earlier` to this; nothing where it lies ahead.
impl Sub for Moment {
    type Output = Duration;
    fn sub(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

pub fn wall() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_ticks_are_those_the_kernel_writes_of_a_new_process() {
        let before = Moment::now().ticks();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let after = Moment::now().ticks();
        let ticks = super::super::proc::stat(child.id() as i32).unwrap().start_ticks;
        child.wait().unwrap();
        assert!((before..=after).contains(&ticks), "{before} {ticks} {after}");
        assert_eq!(Moment::of_ticks(ticks).ticks(), ticks);
    }
}
