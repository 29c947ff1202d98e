//! What the kernel says of a process: CPU, memory, children.

use std::fs;
use std::time::Duration;

use anyhow::Context;

pub type Pid = u32;

/// CPU used by a process so far, and by all the children it has waited for.
pub fn cpu(pid: Pid) -> anyhow::Result<Duration> {
    let stat = read(pid, "stat")?;
    let ticks = ticks_of(&stat).with_context(|| format!("/proc/{pid}/stat is not understood: {stat}"))?;
    Ok(Duration::from_secs(1).mul_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// utime, stime, cutime and cstime: fields 14 to 17 of proc(5), counted after the name, which may hold anything.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    fields.get(11..15)?.iter().map(|field| field.parse::<u64>().ok()).sum()
}

/// CPU used by the threads a process has now, to the nanosecond: for processes that hardly do anything.
pub fn fine_cpu(pid: Pid) -> anyhow::Result<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).with_context(|| gone(pid))?.flatten() {
        // A thread may end between being listed and being read.
        let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
        total += text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(Duration::from_nanos(total))
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub rss: u64,
    pub pss: u64,
    pub private: u64,
}

impl std::ops::Add for Memory {
    type Output = Memory;
    fn add(self, other: Memory) -> Memory {
        Memory { rss: self.rss + other.rss, pss: self.pss + other.pss, private: self.private + other.private }
    }
}

pub fn memory(pid: Pid) -> anyhow::Result<Memory> {
    Ok(memory_of(&read(pid, "smaps_rollup")?))
}

fn memory_of(rollup: &str) -> Memory {
    let bytes = |key: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|kib| kib.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    };
    Memory { rss: bytes("Rss"), pss: bytes("Pss"), private: bytes("Private_Clean") + bytes("Private_Dirty") }
}

/// The children a process has now.
pub fn children(pid: Pid) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The children of every thread of it.
pub fn children_of_all_threads(pid: Pid) -> Vec<Pid> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()).collect()
}

fn read(pid: Pid, what: &str) -> anyhow::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{what}")).with_context(|| gone(pid))
}

fn gone(pid: Pid) -> String {
    format!("the process {pid} that is being measured has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_a_nasty_name_is_read_right() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 10 20 3 4 20 0 1 0 55 1000 50 1 1";
        assert_eq!(ticks_of(stat), Some(37));
        assert_eq!(ticks_of("7 (short"), None);
    }

    #[test]
    fn memory_is_read_from_the_rollup() {
        let text = "00400000-7fff ---p 0 00:00 0 [rollup]\nRss:  100 kB\nPss:  40 kB\nPss_Dirty: 9 kB\n\
                    Private_Clean: 8 kB\nPrivate_Dirty: 16 kB\n";
        let memory = memory_of(text);
        assert_eq!((memory.rss, memory.pss, memory.private), (100 << 10, 40 << 10, 24 << 10));
    }

    #[test]
    fn we_ourselves_can_be_measured() {
        let own = std::process::id();
        assert!(memory(own).unwrap().rss > 0);
        assert!(fine_cpu(own).unwrap() > Duration::ZERO);
        cpu(own).unwrap();
    }
}
