//! A cgroup for each task, where a v2 hierarchy can be written: nothing of a task can leave it, and all of it is killed
//! by one write. No controllers are needed. The folders are used again by one task after the other, which costs a
//! hundredth of a millisecond where making and removing them costs a tenth; but never one that was killed: the kernel
//! may kill at birth what is cloned into a cgroup whose `cgroup.kill` was ever written (seen on Linux 6.18).

use std::cell::Cell;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// All cgroups of one worker, below one folder.
pub struct Pool {
    base: PathBuf,
    /// The same, as /proc/PID/cgroup writes it.
    path: String,
    idle: Vec<Slot>,
    /// Done with, and not yet gone.
    worn: Vec<u32>,
    next: u32,
}

/// The cgroup of one task at a time.
pub struct Slot {
    number: u32,
    /// It was killed, or may have been before we knew it: no task is born into it any more.
    worn: Cell<bool>,
    folder: OwnedFd,
    events: File,
}

/// Where cgroups for tasks can be made on this machine, or why not.
pub fn available() -> Result<PathBuf, String> {
    let home = writable_home()?;
    let probe = home.join(format!("bramble-probe-{}", std::process::id()));
    std::fs::create_dir(&probe).map_err(|error| format!("no cgroup can be made in {}: {error}", home.display()))?;
    let kill = probe.join("cgroup.kill").exists();
    let _ = std::fs::remove_dir(&probe);
    if kill { Ok(home) } else { Err("this kernel has no cgroup.kill; Linux 5.14 and later have it".into()) }
}

/// Our own cgroup: the one systemd delegates to this unit, or whatever we were started in.
fn writable_home() -> Result<PathBuf, String> {
    let mounts =
        std::fs::read_to_string("/proc/self/mountinfo").map_err(|error| format!("/proc/self/mountinfo: {error}"))?;
    let mount = v2_mount(&mounts).ok_or("no cgroup v2 hierarchy is mounted")?;
    let own = own_path("self").ok_or("this process is in no cgroup v2")?;
    let home = mount.join(own.trim_start_matches('/'));
    // A process is born into a cgroup only by someone who may move processes out of the one above.
    let procs = home.join("cgroup.procs");
    match OpenOptions::new().write(true).open(&procs) {
        Ok(_) => Ok(home),
        Err(error) => Err(format!("{} cannot be written: {error}", procs.display())),
    }
}

fn v2_mount(mountinfo: &str) -> Option<PathBuf> {
    let is_v2 = |line: &&str| line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("cgroup2 "));
    let line = mountinfo.lines().find(is_v2)?;
    // Only a mount of the whole hierarchy can be entered by the paths of /proc/PID/cgroup.
    let mut fields = line.split(' ').skip(3);
    (fields.next()? == "/").then(|| fields.next().map(PathBuf::from))?
}

/// The path in the v2 hierarchy, as /proc tells it.
fn own_path(pid: &str) -> Option<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

impl Pool {
    /// The pool of the worker with this state folder, and every slot it had before, in no order.
    pub fn open(state: &Path) -> Result<(Self, Vec<Slot>), String> {
        let home = available()?;
        let of = std::fs::metadata(state).map_err(|error| format!("{}: {error}", state.display()))?;
        // Several workers may live in one cgroup; each state folder exists once on a machine.
        let name = format!("bramble-{:x}-{:x}", of.dev(), of.ino());
        let own = own_path("self").ok_or("this process is in no cgroup v2")?;
        let path = format!("{}/{name}/", own.trim_end_matches('/'));
        let mut pool = Self { base: home.join(name), path, idle: vec![], worn: vec![], next: 0 };
        let slots = pool.old_slots().map_err(|error| format!("{}: {error}", pool.base.display()))?;
        pool.next = slots.iter().map(|slot| slot.number + 1).max().unwrap_or(0);
        Ok((pool, slots))
    }

    fn old_slots(&self) -> io::Result<Vec<Slot>> {
        let entries = match std::fs::read_dir(&self.base) {
            // Made with the first task.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        numbers
            .map(|number| {
                let slot = self.enter(number)?;
                slot.worn.set(true);
                Ok(slot)
            })
            .collect()
    }

    pub fn take(&mut self) -> io::Result<Slot> {
        if let Some(slot) = self.idle.pop() {
            return Ok(slot);
        }
        match std::fs::create_dir_all(self.base.join(self.next.to_string())) {
            Err(error) => return Err(error),
            Ok(()) => self.next += 1,
        }
        self.enter(self.next - 1)
    }

    /// Only when it is empty.
    pub fn give_back(&mut self, slot: Slot) {
        if slot.worn.get() {
            self.worn.push(slot.number);
        } else {
            self.idle.push(slot);
        }
        self.remove_worn();
    }

    /// What the kernel still holds on to is tried again the next time.
    fn remove_worn(&mut self) {
        let base = &self.base;
        self.worn.retain(|number| match std::fs::remove_dir(base.join(number.to_string())) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
    }

    fn enter(&self, number: u32) -> io::Result<Slot> {
        let path = self.base.join(number.to_string());
        let folder = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Slot { number, worn: Cell::new(false), folder, events: File::open(path.join("cgroup.events"))? })
    }

    /// The number of the slot a process lives in.
    pub fn slot_of(&self, pid: i32) -> Option<u32> {
        // A task may have made cgroups of its own inside.
        own_path(&pid.to_string())?.strip_prefix(&self.path)?.split('/').next()?.parse().ok()
    }

    /// At the end of the keeper: leaves no empty folders behind.
    pub fn remove_empty(&mut self) {
        for slot in self.idle.drain(..) {
            let _ = std::fs::remove_dir(self.base.join(slot.number.to_string()));
        }
        self.remove_worn();
        let _ = std::fs::remove_dir(&self.base);
    }
}

impl Slot {
    pub fn number(&self) -> u32 {
        self.number
    }

    pub fn fd(&self) -> RawFd {
        self.folder.as_raw_fd()
    }

    /// Whether no process is left in it. Where that cannot be read, it is not believed to be.
    pub fn is_empty(&self) -> bool {
        let mut text = [0; 64];
        match self.events.read_at(&mut text, 0) {
            Ok(length) => text[..length].starts_with(b"populated 0\n"),
            Err(_) => false,
        }
    }

    /// SIGKILL to everything in it, forks under way included.
    pub fn kill(&self) -> io::Result<()> {
        self.worn.set(true);
        let kill =
            rustix::fs::openat(self.folder.as_fd(), c"cgroup.kill", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        File::from(kill).write_all(b"1")
    }

    /// Everything in it now, cgroups a task made inside included.
    pub fn processes(&self) -> Vec<i32> {
        let mut found = vec![];
        collect(self.folder.as_fd(), &mut found, 0);
        found
    }
}

fn collect(folder: std::os::fd::BorrowedFd<'_>, found: &mut Vec<i32>, depth: u32) {
    let open = |name: &std::ffi::CStr, flags| rustix::fs::openat(folder, name, flags | OFlags::CLOEXEC, Mode::empty());
    if let Ok(procs) = open(c"cgroup.procs", OFlags::RDONLY) {
        let text = io::read_to_string(File::from(procs)).unwrap_or_default();
        // 0 is a process of another pid namespace: no number of ours reaches it, but cgroup.kill does.
        found.extend(text.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0));
    }
    let Ok(entries) = open(c".", OFlags::RDONLY | OFlags::DIRECTORY).and_then(rustix::fs::Dir::new) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type() == rustix::fs::FileType::Directory) {
        let name: CString = entry.file_name().to_owned();
        if !name.as_bytes().starts_with(b".")
            && depth < 32
            && let Ok(inner) = open(&name, OFlags::PATH | OFlags::DIRECTORY)
        {
            collect(inner.as_fd(), found, depth + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_hierarchy_is_found_also_beside_v1() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
             31 30 0:27 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n\
             32 30 0:28 / /sys/fs/cgroup/unified rw,relatime shared:10 - cgroup2 cgroup2 rw\n";
        assert_eq!(v2_mount(mounts), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(v2_mount("31 30 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"), None);
        assert_eq!(v2_mount("32 30 0:28 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n"), None);
    }
}
