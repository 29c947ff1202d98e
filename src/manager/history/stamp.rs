//! When something was, told so that another process can say how long ago that is.

use protocol::time::UnixMillis;

/// A moment, by both clocks of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Which boot it was.
    pub boot: String,
    /// Milliseconds since then.
    pub boot_ms: u64,
    pub wall: UnixMillis,
}

impl Stamp {
    pub fn now() -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let boot_ms = since.tv_sec.unsigned_abs() * 1000 + since.tv_nsec.unsigned_abs() / 1_000_000;
        Self { boot: boot.trim().into(), boot_ms, wall: UnixMillis::of(std::time::SystemTime::now()) }
    }

    pub fn before(mut self, ms: u64) -> Self {
        self.boot_ms = self.boot_ms.saturating_sub(ms);
        self.wall.0 = self.wall.0.saturating_sub(ms);
        self
    }

    /// Milliseconds from an earlier one to this; 0 where the wall clock went backwards in between.
    pub fn since(&self, earlier: &Stamp) -> u64 {
        if self.boot == earlier.boot && !self.boot.is_empty() {
            self.boot_ms.saturating_sub(earlier.boot_ms)
        } else {
            self.wall.since(earlier.wall)
        }
    }
}
