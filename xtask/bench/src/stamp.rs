//! The task whose output is followed: each line is the time at which it was printed.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the one clock that all processes of a machine share and that never jumps.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

pub fn print(lines: u32, interval_ms: u64) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for _ in 0..lines {
        std::thread::sleep(Duration::from_millis(interval_ms));
        // One write: a line is printed whole, when it says it is.
        let line = format!("{}\n", now());
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("nobody takes the output")?;
    }
    Ok(())
}
