//! What /proc says of processes: who they are, whose they are, which of them are ours.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use protocol::id::AttemptId;

/// In the environment of every task: which worker of this machine it belongs to, as the path of its state folder.
pub const WORKER: &str = "BRAMBLE_WORKER";
/// In the environment of every task: which attempt it is.
pub const ATTEMPT: &str = "BRAMBLE_ATTEMPT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub pid: i32,
    /// Ended, and only waiting to be reaped.
    pub dead: bool,
    pub parent: i32,
    pub group: i32,
    pub session: i32,
    /// With the pid, who it is: a pid alone is used again.
    pub start_ticks: u64,
}

/// `None`: there is no such process.
pub fn stat(pid: i32) -> Option<Stat> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&String::from_utf8_lossy(&text))
}

fn parse_stat(text: &str) -> Option<Stat> {
    let pid = text.split(' ').next()?.parse().ok()?;
    // The name may hold spaces and brackets, whatever a program likes: the fields begin after the last bracket.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X" | "x");
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let start_ticks = fields.nth(15)?.parse().ok()?;
    Some(Stat { pid, dead, parent, group, session, start_ticks })
}

/// Everything that runs. A process that comes or goes meanwhile may be in it or not.
pub fn all() -> io::Result<Vec<Stat>> {
    let mut found = vec![];
    for entry in std::fs::read_dir("/proc")? {
        let pid = entry?.file_name().to_str().and_then(|name| name.parse().ok());
        found.extend(pid.and_then(stat).filter(|process: &Stat| !process.dead));
    }
    Ok(found)
}

/// The attempt a process was started for, where it is one of the worker with this state folder.
pub fn attempt_of(pid: i32, state: &Path) -> Option<AttemptId> {
    attempt_in(&std::fs::read(format!("/proc/{pid}/environ")).ok()?, state)
}

fn attempt_in(environment: &[u8], state: &Path) -> Option<AttemptId> {
    let value = |name: &str| {
        let of = |entry: &'_ [u8]| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=").map(<[u8]>::len);
        environment.split(|byte| *byte == 0).find_map(|entry| of(entry).map(|length| &entry[entry.len() - length..]))
    };
    if value(WORKER)? != state.as_os_str().as_bytes() {
        return None;
    }
    std::str::from_utf8(value(ATTEMPT)?).ok()?.parse().ok()
}

/// Our children, adopted ones too. `None` where this kernel does not list them.
pub fn children() -> Option<Vec<i32>> {
    // The keeper has one thread, so its children are all in one list.
    let text = std::fs::read_to_string("/proc/thread-self/children").ok()?;
    Some(text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

pub fn uid(pid: i32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(format!("/proc/{pid}")).ok().map(|of| of.uid())
}

/// Another one after every start of the machine.
pub fn boot_id() -> io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_may_be_named_like_the_end_of_its_name() {
        let line = "42 (a) R 1 (b) S 7 42 41 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 1000 2 18446744073709551615";
        let process = Stat { pid: 42, dead: false, parent: 7, group: 42, session: 41, start_ticks: 12345 };
        assert_eq!(parse_stat(line), Some(process));
        assert_eq!(parse_stat("42 (a"), None);
        assert_eq!(parse_stat("42 (a) S"), None);
    }

    #[test]
    fn our_own_process_is_found_among_all() {
        let own = std::process::id() as i32;
        let found = all().unwrap().into_iter().find(|process| process.pid == own).unwrap();
        assert_eq!(found.parent, rustix::process::getppid().unwrap().as_raw_nonzero().get());
        assert_eq!(uid(own), Some(rustix::process::geteuid().as_raw()));
    }

    #[test]
    fn a_task_of_another_worker_on_this_machine_is_not_ours() {
        let environment = b"PATH=/bin\0BRAMBLE_ATTEMPT=17.3#2\0X_BRAMBLE_WORKER=/a\0BRAMBLE_WORKER=/state/one\0";
        assert_eq!(attempt_in(environment, Path::new("/state/one")), Some("17.3#2".parse().unwrap()));
        assert_eq!(attempt_in(environment, Path::new("/state")), None);
        assert_eq!(attempt_in(environment, Path::new("/state/one/more")), None);
        assert_eq!(attempt_in(b"BRAMBLE_WORKER=/state/one\0BRAMBLE_ATTEMPT=x\0", Path::new("/state/one")), None);
    }
}
