//! Memory that tasks may not take. Where a task eats all there is, the kernel kills it; but before, it takes from
//! everybody else the last pages of their programs, and on a slow machine that can go on for ever: nobody is answered any
//! more, neither by ssh nor by this agent. So the unit we live in is bounded a little below what the machine has, through
//! systemd, unless it is somebody else's or somebody has bounded it already. It holds until the next boot.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Pid;

use crate::facts::{files, meminfo};
use crate::keeper::cgroup;

const MIB: u64 = 1 << 20;

/// Where this is a unit of systemd and nobody has said how much memory it may have. Takes as long as systemd does.
pub fn keep_some_back() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let Some(group) = cgroup::own_folder() else { return };
    let Some(unit) = unit_of(&group).filter(|unit| is_unbounded(&group) && is_ours(unit)) else { return };
    let Some(most) = total().map(most) else { return };
    let mut bound = Command::new("systemctl");
    bound.args(["set-property", "--runtime", unit, &format!("MemoryMax={most}")]);
    match bound.stdin(Stdio::null()).output() {
        Ok(done) if done.status.success() => tracing::info!("tasks may take {} MiB of this machine", most / MIB),
        Ok(done) => {
            let why = String::from_utf8_lossy(&done.stderr);
            tracing::warn!("tasks may take all memory of this machine: systemctl set-property failed: {}", why.trim());
        }
        Err(error) => tracing::warn!("tasks may take all memory of this machine: systemctl cannot be run: {error}"),
    }
}

fn unit_of(group: &Path) -> Option<&str> {
    group.file_name()?.to_str().filter(|name| name.ends_with(".service"))
}

/// Started by cron, or by hand in somebody's session, we live in the unit of others.
fn is_ours(unit: &str) -> bool {
    let mut asked = Command::new("systemctl");
    asked.args(["show", "--property=MainPID", "--value", unit]).stdin(Stdio::null());
    let Ok(told) = asked.output() else { return false };
    // The keeper's child is this agent.
    let ours = [rustix::process::getppid(), Some(rustix::process::getpid())];
    let ours = is_one_of(&String::from_utf8_lossy(&told.stdout), ours.into_iter().flatten());
    if !ours {
        tracing::info!("tasks may take all memory of this machine: {unit} is not this worker's own unit");
    }
    ours
}

fn is_one_of(told: &str, mut processes: impl Iterator<Item = Pid>) -> bool {
    told.trim().parse().is_ok_and(|main: i32| processes.any(|pid| pid.as_raw_nonzero().get() == main))
}

fn is_unbounded(group: &Path) -> bool {
    files::line(&group.join("memory.max")).is_some_and(|most| most == "max")
}

fn total() -> Option<u64> {
    meminfo(&files::text(Path::new("/proc/meminfo"))?, "MemTotal:").map(|total| total.0)
}

/// A twentieth is kept back, but what a small system needs in any case, and no more than it can need.
fn most(total: u64) -> u64 {
    total.saturating_sub((total / 20).clamp(96 * MIB, 512 * MIB)).max(total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_machines_keep_what_a_system_needs_and_large_ones_waste_nothing() {
        let left = |mib: u64| most(mib * MIB) / MIB;
        assert_eq!([128, 456, 1024, 4096, 65_536].map(left), [64, 360, 928, 3891, 65_024]);
    }

    #[test]
    fn only_the_unit_whose_main_process_is_this_worker_is_bounded() {
        let ours = || [Pid::from_raw(70), Pid::from_raw(71)].into_iter().flatten();
        for (told, so) in [("70\n", true), ("71\n", true), ("7\n", false), ("0\n", false), ("", false), ("x", false)] {
            assert_eq!(is_one_of(told, ours()), so, "{told:?}");
        }
    }

    #[test]
    fn only_a_unit_of_systemd_that_is_not_bounded_yet_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let unit = dir.path().join("bramble-worker.service");
        std::fs::create_dir(&unit).unwrap();
        assert_eq!((unit_of(&unit), unit_of(dir.path())), (Some("bramble-worker.service"), None));
        assert!(!is_unbounded(&unit), "no memory controller");
        std::fs::write(unit.join("memory.max"), "max\n").unwrap();
        assert!(is_unbounded(&unit));
        std::fs::write(unit.join("memory.max"), "167772160\n").unwrap();
        assert!(!is_unbounded(&unit), "somebody has said how much");
    }
}
