//! How far a transfer is: a line on stderr that is drawn again on a terminal; elsewhere a line now and then, so that a
//! log shows that it goes on.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use protocol::unit::Bytes;

use crate::cli::context::Context;
use crate::text::{clean, shortened, took_roughly};

const DRAW_EVERY: Duration = Duration::from_millis(100);
const SAY_EVERY: Duration = Duration::from_secs(10);
/// The rate is that of the last so many seconds, about.
const MEMORY: f64 = 5.0;
const BAR: usize = 20;
const LONGEST_NAME: usize = 24;

pub struct Progress {
    what: String,
    total: Option<u64>,
    done: u64,
    /// What was there before counts as done, and not as fast.
    counted: u64,
    rate: Option<f64>,
    looked_at: Instant,
    told_at: Instant,
    terminal: bool,
    quiet: bool,
    drawn: bool,
}

impl Progress {
    pub fn new(what: &str, total: Option<u64>, context: &Context) -> Self {
        let now = Instant::now();
        Self {
            what: shortened(clean(what).into_owned(), LONGEST_NAME),
            total,
            done: 0,
            counted: 0,
            rate: None,
            looked_at: now,
            told_at: now,
            terminal: io::stderr().is_terminal(),
            quiet: context.json,
            drawn: false,
        }
    }

    /// Nothing is shown of it.
    pub fn be_quiet(&mut self) {
        self.quiet = true;
    }

    /// It begins, or goes on, here.
    pub fn begin_at(&mut self, done: u64) {
        (self.done, self.counted, self.rate) = (done, done, None);
        self.looked_at = Instant::now();
    }

    pub fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        let now = Instant::now();
        let since = now.duration_since(self.looked_at);
        if since < DRAW_EVERY {
            return;
        }
        let fresh = (self.done - self.counted) as f64 / since.as_secs_f64();
        let share = (since.as_secs_f64() / MEMORY).min(1.0);
        self.rate = Some(self.rate.map_or(fresh, |rate| rate + (fresh - rate) * share));
        (self.counted, self.looked_at) = (self.done, now);
        let due = if self.terminal { DRAW_EVERY } else { SAY_EVERY };
        if !self.quiet && now.duration_since(self.told_at) >= due {
            self.told_at = now;
            self.tell();
        }
    }

    fn tell(&mut self) {
        let line = line(&self.what, self.done, self.total, self.rate, if self.terminal { BAR } else { 0 });
        // Where stderr is gone nobody can be told.
        let _ = if self.terminal {
            self.drawn = true;
            write!(io::stderr(), "\r{line}\x1b[K")
        } else {
            writeln!(io::stderr(), "{line}")
        };
    }

    /// What is written next has a line of its own.
    pub fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

fn line(what: &str, done: u64, total: Option<u64>, rate: Option<f64>, bar: usize) -> String {
    let mut line = what.to_owned();
    if let Some(total) = total.filter(|total| *total > 0) {
        let share = (done as f64 / total as f64).min(1.0);
        if bar > 0 {
            let full = (share * bar as f64) as usize;
            line += &format!("  [{}{}]", "#".repeat(full), "-".repeat(bar - full));
        }
        line += &format!(" {:3.0} %  {} of {}", (share * 100.0).floor(), Bytes(done), Bytes(total));
    } else {
        line += &format!("  {}", Bytes(done));
    }
    if let Some(rate) = rate {
        line += &format!("  {}/s", Bytes(rate as u64));
        if let Some(left) = total.map(|total| total.saturating_sub(done)).filter(|left| *left > 0 && rate >= 1.0) {
            line += &format!("  {} left", took_roughly((left as f64 / rate * 1000.0) as u64));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_still() {
        let gib = 1 << 30;
        assert_eq!(
            line("data", gib, Some(4 * gib), Some(64.0 * 1048576.0), 8),
            "data  [##------]  25 %  1.0 GiB of 4.0 GiB  64.0 MiB/s  48s left"
        );
        assert_eq!(line("data", gib, None, None, 8), "data  1.0 GiB");
        assert_eq!(line("data", 5, Some(0), Some(0.0), 8), "data  5 B  0 B/s");
        assert_eq!(line("data", 1000, Some(999), Some(1.0), 0), "data 100 %  1000 B of 999 B  1 B/s");
    }
}
