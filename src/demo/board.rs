//! Simulated boards: a temperature and the firmware's flags below a folder that a worker takes for the root of its
//! /sys, heated by the CPU that this worker's own tasks use. Whoever shows them says that they are simulated.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use protocol::name::NodeName;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::daemon::listener;
use super::folders::Folders;

const AMBIENT: f64 = 24.0;
/// An idle board stays this much above the room.
const IDLE: f64 = 14.0;
/// One busy CPU adds this much in the end.
const PER_CPU: f64 = 17.0;
/// How quickly it gets there.
const SECONDS: f64 = 25.0;
/// As on a Pi: from here on the clock is held back.
const SOFT_LIMIT: f64 = 80.0;

pub struct Boards {
    heating: JoinHandle<()>,
}

impl Drop for Boards {
    fn drop(&mut self) {
        self.heating.abort();
    }
}

struct Board {
    root: PathBuf,
    /// The control socket of its worker: who listens there is the keeper, above all processes of the tasks.
    socket: PathBuf,
    keeper: Option<i32>,
    celsius: f64,
    ticks: Option<u64>,
}

impl Boards {
    pub fn start(folders: &Folders, names: &[NodeName]) -> anyhow::Result<Self> {
        let board = |name: &NodeName| Board {
            root: folders.board(name.as_str()),
            socket: folders.worker_run(name.as_str()).join("keeper.sock"),
            keeper: None,
            celsius: AMBIENT + IDLE,
            ticks: None,
        };
        let mut boards: Vec<Board> = names.iter().map(board).collect();
        for board in &boards {
            board.make().with_context(|| format!("the simulated board {} cannot be written", board.root.display()))?;
        }
        let heating = tokio::spawn(async move {
            let mut every = interval(Duration::from_secs(1));
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut last = Instant::now();
            loop {
                every.tick().await;
                let seconds = last.elapsed().as_secs_f64();
                last = Instant::now();
                let processes = Processes::read();
                for board in &mut boards {
                    board.heat(&processes, seconds);
                }
            }
        });
        Ok(Self { heating })
    }
}

impl Board {
    fn make(&self) -> io::Result<()> {
        let zone = self.root.join("sys/class/thermal/thermal_zone0");
        fs::create_dir_all(&zone)?;
        fs::write(zone.join("type"), "cpu-thermal\n")?;
        let tree = self.root.join("proc/device-tree");
        fs::create_dir_all(&tree)?;
        fs::write(tree.join("model"), "Raspberry Pi 4 Model B (simulated)\0")?;
        fs::create_dir_all(self.root.join("sys/devices/platform/soc/soc:firmware"))?;
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let millidegrees = (self.celsius * 1000.0) as i64;
        replace(&self.root.join("sys/class/thermal/thermal_zone0/temp"), &format!("{millidegrees}\n"))?;
        let flags = if self.celsius >= SOFT_LIMIT { "80008\n" } else { "0\n" };
        replace(&self.root.join("sys/devices/platform/soc/soc:firmware/get_throttled"), flags)
    }

    fn heat(&mut self, processes: &Processes, seconds: f64) {
        if self.keeper.is_none_or(|pid| !processes.ticks.contains_key(&pid)) {
            self.keeper = listener(&self.socket).map(|pid| pid.as_raw_nonzero().get());
        }
        let ticks = self.keeper.and_then(|pid| processes.used_below(pid));
        if let (Some(before), Some(now)) = (self.ticks, ticks)
            && seconds > 0.0
        {
            let cpus = now.saturating_sub(before) as f64 / rustix::param::clock_ticks_per_second() as f64 / seconds;
            let goal = AMBIENT + IDLE + PER_CPU * cpus;
            self.celsius += (goal - self.celsius) * (1.0 - (-seconds / SECONDS).exp());
        }
        self.ticks = ticks;
        if let Err(error) = self.write() {
            tracing::warn!("the simulated board {} cannot be written: {error}", self.root.display());
        }
    }
}

/// Never seen half written by the worker that reads it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}

/// A look at all processes: who started whom, and what CPU they used.
struct Processes {
    children: HashMap<i32, Vec<i32>>,
    ticks: HashMap<i32, Ticks>,
}

#[derive(Clone, Copy, Default)]
struct Ticks {
    own: u64,
    /// Of children that have ended and were waited for.
    reaped: u64,
}

impl Processes {
    fn read() -> Self {
        let mut all = Self { children: HashMap::new(), ticks: HashMap::new() };
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
            // A process may end while it is looked at.
            let Some((parent, ticks)) = fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|s| stat(&s))
            else {
                continue;
            };
            all.children.entry(parent).or_default().push(pid);
            all.ticks.insert(pid, ticks);
        }
        all
    }

    /// What the tasks of this keeper have used: those that run and those that ended.
    fn used_below(&self, keeper: i32) -> Option<u64> {
        let mut sum = self.ticks.get(&keeper)?.reaped;
        let mut below = self.children.get(&keeper).cloned().unwrap_or_default();
        while let Some(pid) = below.pop() {
            let ticks = self.ticks.get(&pid).copied().unwrap_or_default();
            sum += ticks.own + ticks.reaped;
            below.extend(self.children.get(&pid).into_iter().flatten());
        }
        Some(sum)
    }
}

/// Parent and CPU of a line of /proc/PID/stat; the name in it may hold anything, so it is read from its end.
fn stat(line: &str) -> Option<(i32, Ticks)> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<u64>().ok());
    let own = ticks(11)? + ticks(12)?;
    let reaped = ticks(13)? + ticks(14)?;
    Some((fields.get(1)?.parse().ok()?, Ticks { own, reaped }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_hostile_name_is_read_all_the_same() {
        let line = "7 (a) b) (c) S 3 7 7 0 -1 4194560 1 0 0 0 11 12 13 14 20 0 1 0 5 0 0";
        let (parent, ticks) = stat(line).unwrap();
        assert_eq!((parent, ticks.own, ticks.reaped), (3, 23, 27));
        assert!(stat("garbage").is_none());
    }
}
