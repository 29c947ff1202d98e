//! Everything a peer starts stays below one process of ours, also what makes itself a daemon: so all of its CPU is counted,
//! and all of it is ended, each by its number.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid as Number, Signal, WaitOptions};

use crate::process::{self, Pid};

/// Longer than any peer takes for its work here.
const PATIENCE: Duration = Duration::from_secs(180);

pub struct Cage {
    pub child: Child,
    began: Instant,
}

impl Cage {
    /// `words` are run by this program again, which adopts whatever they leave behind.
    pub fn start(words: &[&str], change: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg("cage").args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        change(&mut command);
        let child = command.spawn().with_context(|| format!("{words:?} cannot be started"))?;
        Ok(Self { child, began: Instant::now() })
    }

    /// CPU used so far by everything in it.
    pub fn cpu(&self) -> Duration {
        let used = |pid: Pid| process::cpu(pid).unwrap_or_default();
        all_below(self.child.id()).into_iter().map(used).sum()
    }

    /// Memory of everything in it.
    pub fn rss(&self) -> u64 {
        let inside = all_below(self.child.id()).into_iter().skip(1);
        inside.filter_map(|pid| Some(process::memory(pid).ok()?.rss)).sum()
    }

    /// Fails once it has lasted longer than anything here may.
    pub fn is_in_time(&self) -> anyhow::Result<()> {
        if self.began.elapsed() < PATIENCE { Ok(()) } else { bail!("it takes longer than {PATIENCE:?}") }
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // Its own process comes first in the list and last in time: until then it adopts what its children leave.
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            let inside: Vec<Pid> = all_below(self.child.id()).into_iter().skip(1).collect();
            if inside.is_empty() {
                break;
            }
            for pid in inside {
                kill(pid);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // It ends by itself when nothing is left in it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(pid: Pid) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Number::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

fn all_below(pid: Pid) -> Vec<Pid> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(&pid) = all.get(at) {
        all.extend(process::children_of_all_threads(pid));
        at += 1;
    }
    all
}

/// The program `cage WORDS…`: runs them and lasts until the last of what they started has ended.
pub fn contain(words: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().context("nothing to run")?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("orphans cannot be adopted")?;
    // Reaped below, like everything else.
    let _ = Command::new(program).args(arguments).spawn().with_context(|| format!("{program} cannot be started"))?;
    while rustix::process::wait(WaitOptions::empty()).is_ok() {}
    Ok(())
}
