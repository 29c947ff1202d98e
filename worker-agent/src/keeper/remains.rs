//! Finds every process of a task where there is no cgroup to tell: by the marker in its environment, by its session and
//! group, by its parents, and among the orphans this keeper adopted.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use protocol::id::AttemptId;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::proc::{self, Stat};

/// A task, by all that its processes can be known by.
#[derive(Debug)]
pub struct Who {
    pub attempt: AttemptId,
    pub pid: i32,
    pub start_ticks: u64,
    /// An adopted orphan without any marker is this task's where it has this uid and no other task does.
    pub unmarked_uid: Option<u32>,
}

/// Everything that ran at one moment.
pub struct Snapshot<'a> {
    state: &'a Path,
    processes: Vec<Stat>,
    by_pid: HashMap<i32, usize>,
    marks: HashMap<i32, Option<AttemptId>>,
}

impl<'a> Snapshot<'a> {
    /// `state`: the folder whose worker is ours.
    pub fn take(state: &'a Path) -> std::io::Result<Self> {
        let processes = proc::all()?;
        let by_pid = processes.iter().enumerate().map(|(index, process)| (process.pid, index)).collect();
        Ok(Self { state, processes, by_pid, marks: HashMap::new() })
    }

    /// Everything of one task. `others`: the main processes of other tasks, and helpers of ours.
    pub fn of(&mut self, who: &Who, others: &HashSet<i32>) -> Vec<Stat> {
        let keeper = std::process::id() as i32;
        // While its group or session has members its number stays taken; if another process has it, they are gone.
        let taken = self.by_pid.get(&who.pid).is_some_and(|&at| self.processes[at].start_ticks != who.start_ticks);
        let mut belongs = HashSet::new();
        let mut undecided = vec![];
        for process in self.processes.clone() {
            if process.pid == keeper || others.contains(&process.pid) {
                continue;
            }
            let related = !taken && [process.pid, process.group, process.session].contains(&who.pid);
            match self.mark(process.pid) {
                Some(attempt) if attempt == who.attempt => drop(belongs.insert(process.pid)),
                Some(_) => {}
                None if related => drop(belongs.insert(process.pid)),
                None => {
                    let stray = process.parent == keeper && who.unmarked_uid.is_some();
                    if stray && proc::uid(process.pid) == who.unmarked_uid {
                        belongs.insert(process.pid);
                    } else {
                        undecided.push(process);
                    }
                }
            }
        }
        // Children of what belongs to it, however deep.
        while let Some(at) = undecided.iter().position(|process| belongs.contains(&process.parent)) {
            belongs.insert(undecided.swap_remove(at).pid);
        }
        self.processes.iter().filter(|process| belongs.contains(&process.pid)).copied().collect()
    }

    /// Everything marked as a task of this worker, and what it was started for.
    pub fn marked(&mut self) -> Vec<(Stat, AttemptId)> {
        let processes = self.processes.clone();
        processes.into_iter().filter_map(|process| Some((process, self.mark(process.pid)?))).collect()
    }

    fn mark(&mut self, pid: i32) -> Option<AttemptId> {
        *self.marks.entry(pid).or_insert_with(|| proc::attempt_of(pid, self.state))
    }
}

/// Signals this very process, never one that was given its number since.
pub fn signal(process: &Stat, signals: &[Signal]) {
    let is_meant = || proc::stat(process.pid).is_some_and(|now| now.start_ticks == process.start_ticks);
    signal_if(process.pid, is_meant, signals);
}

/// Signals the process with this pid if, once it can no longer be mistaken for another, it is still the one meant.
pub fn signal_if(pid: i32, is_meant: impl FnOnce() -> bool, signals: &[Signal]) {
    let Some(pid) = Pid::from_raw(pid) else { return };
    if let Ok(exactly) = pidfd_open(pid, PidfdFlags::empty())
        && is_meant()
    {
        // It may have ended meanwhile: then there is nobody to tell.
        for signal in signals {
            let _ = pidfd_send_signal(&exactly, *signal);
        }
    }
}
