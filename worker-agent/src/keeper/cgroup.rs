//! A cgroup for each task, where a v2 hierarchy can be written: nothing of a task can leave it, and all of it is killed
//! by one write. No controllers are needed. The folders are used again by one task after the other, which costs a
//! hundredth of a millisecond where making and removing them costs a tenth.
//!
//! But never after a kill: a cgroup counts its kills, and the kernel (seen with 6.18) kills a process at birth where that
//! count is another than in the cgroup it was cloned from, which is ours. So a folder that was killed, or whose past
//! nobody knows, is removed when it is empty. And where our own cgroup was killed before we came into it, every process
//! would die at birth in every folder we make: so one birth is tried first.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, WaitOptions, waitpid};

use super::spawn::{Launch, NotSpawned, Output, Spawner};

/// Cgroups that tasks make inside each other are followed so far down.
const DEEPEST: u32 = 32;

/// All cgroups of one worker, below one folder.
pub struct Pool {
    base: PathBuf,
    /// The same, as /proc/PID/cgroup writes it.
    path: String,
    idle: Vec<Slot>,
    /// Never to be used again, and not removed yet.
    worn: Vec<u32>,
    next: u32,
    barren: Option<String>,
}

/// The cgroup of one task at a time.
pub struct Slot {
    number: u32,
    folder: OwnedFd,
    events: File,
    /// It was killed, or may have been: who is born into it may die at once.
    worn: bool,
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

/// The same, whether it can be written or not.
pub fn own_folder() -> Option<PathBuf> {
    let mount = v2_mount(&std::fs::read_to_string("/proc/self/mountinfo").ok()?)?;
    Some(mount.join(own_path("self")?.trim_start_matches('/')))
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
        let mut pool = Self { base: home.join(name), path, idle: vec![], worn: vec![], next: 0, barren: None };
        let slots = pool.old_slots().map_err(|error| format!("{}: {error}", pool.base.display()))?;
        pool.next = slots.iter().map(|slot| slot.number.saturating_add(1)).max().unwrap_or(0);
        Ok((pool, slots))
    }

    fn old_slots(&self) -> io::Result<Vec<Slot>> {
        let entries = match std::fs::read_dir(&self.base) {
            // Made with the first task.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries?,
        };
        let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        // What the keeper before did in there is not known.
        numbers.map(|number| Ok(Slot { worn: true, ..self.enter(number)? })).collect()
    }

    /// Whether what is born into a folder of this pool lives. If not, it is for none but the tasks that live in it
    /// already, and [`barren`](Self::barren) says why.
    pub fn try_birth(&mut self, spawner: &mut Spawner) {
        let Ok(slot) = self.take() else { return };
        // A folder, which nothing can become: a child that lives says so, and ends by itself.
        let launch = Launch {
            command: vec!["/".into()],
            environment: vec![],
            folder: None,
            input: None,
            uid: None,
            outputs: [Output::Ours, Output::Ours],
            third: None,
            privileged: false,
            own: true,
        };
        let silent = match spawner.spawn(&launch, Some(slot.fd())) {
            Ok(pid) => Pid::from_raw(pid),
            Err(NotSpawned::NoProcess(_) | NotSpawned::Refused(_)) => None,
        };
        // It never ran, so it is a zombie by now or about to be.
        let end = silent.and_then(|pid| waitpid(Some(pid), WaitOptions::empty()).ok()?);
        if end.is_some_and(|(_, status)| status.terminating_signal() == Some(libc::SIGKILL)) {
            self.barren = Some(format!(
                "the control group {} was killed as a whole at some time before (cgroup.kill), and since then this \
                 kernel kills at once what is started in a group below it",
                self.home().display()
            ));
            self.worn.push(slot.number);
            drop(slot);
            self.remove_empty();
        } else {
            self.give_back(slot);
        }
    }

    pub fn barren(&self) -> Option<&str> {
        self.barren.as_deref()
    }

    fn home(&self) -> &Path {
        self.base.parent().unwrap_or(&self.base)
    }

    pub fn take(&mut self) -> io::Result<Slot> {
        self.remove_worn();
        match self.idle.pop() {
            Some(slot) => Ok(slot),
            None => self.make(),
        }
    }

    /// When its task has ended. What cannot be used again is removed: now, or later where the kernel does not let it go.
    pub fn give_back(&mut self, slot: Slot) {
        if slot.is_as_made() {
            self.idle.push(slot);
        } else {
            self.worn.push(slot.number);
            drop(slot);
            self.remove_worn();
        }
    }

    fn make(&mut self) -> io::Result<Slot> {
        std::fs::create_dir_all(&self.base)?;
        loop {
            let number = self.next;
            self.next = number.checked_add(1).ok_or_else(|| io::Error::other("all their numbers are used"))?;
            match std::fs::create_dir(self.base.join(number.to_string())) {
                // Not ours, so its past is not known.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return self.enter(number),
            }
        }
    }

    fn remove_worn(&mut self) {
        let base = &self.base;
        self.worn.retain(|number| match remove(&base.join(number.to_string()), 0) {
            Ok(()) => false,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        });
    }

    fn enter(&self, number: u32) -> io::Result<Slot> {
        let path = self.base.join(number.to_string());
        let folder = rustix::fs::open(&path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Slot { number, folder, events: File::open(path.join("cgroup.events"))?, worn: false })
    }

    /// The number of the slot a process lives in.
    pub fn slot_of(&self, pid: i32) -> Option<u32> {
        // A task may have made cgroups of its own inside.
        own_path(&pid.to_string())?.strip_prefix(&self.path)?.split('/').next()?.parse().ok()
    }

    /// At the end of the keeper: leaves no empty folders behind.
    pub fn remove_empty(&mut self) {
        self.worn.extend(self.idle.drain(..).map(|slot| slot.number));
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

    /// Nothing is born into it after the task it is of.
    pub fn wear_out(&mut self) {
        self.worn = true;
    }

    /// Empty, never killed, and without cgroups that a task made inside.
    fn is_as_made(&self) -> bool {
        !self.worn && self.is_empty() && rustix::fs::fstat(&self.folder).is_ok_and(|of| of.st_nlink == 2)
    }

    /// SIGKILL to everything in it, forks under way included.
    pub fn kill(&mut self) -> io::Result<()> {
        self.wear_out();
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

/// With the cgroups inside, which are its only folders; the files go by themselves.
fn remove(folder: &Path, depth: u32) -> io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy && depth < DEEPEST => {}
        done => return done,
    }
    for entry in std::fs::read_dir(folder)?.flatten() {
        if entry.file_type().is_ok_and(|of| of.is_dir()) {
            remove(&entry.path(), depth + 1)?;
        }
    }
    std::fs::remove_dir(folder)
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
            && depth < DEEPEST
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

    /// A pool of its own, where this machine has any.
    fn pool() -> Option<(Pool, tempfile::TempDir)> {
        let state = tempfile::tempdir().unwrap();
        available().ok()?;
        let (pool, old) = Pool::open(state.path()).unwrap();
        assert!(old.is_empty());
        Some((pool, state))
    }

    #[test]
    fn a_slot_is_used_again_unless_it_was_killed() {
        let Some((mut pool, _state)) = pool() else { return };
        let slot = pool.take().unwrap();
        pool.give_back(slot);
        let mut slot = pool.take().unwrap();
        assert_eq!(slot.number(), 0);
        slot.kill().unwrap();
        pool.give_back(slot);
        assert!(!pool.base.join("0").exists());
        assert_eq!(pool.take().unwrap().number(), 1);
        pool.worn.push(1);
        pool.remove_empty();
        assert!(!pool.base.exists());
    }

    #[test]
    fn a_worn_slot_that_cannot_be_removed_yet_is_not_used_and_removed_later() {
        let Some((mut pool, _state)) = pool() else { return };
        let mut slot = pool.take().unwrap();
        slot.wear_out();
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        std::fs::write(pool.base.join("0/cgroup.procs"), child.id().to_string()).unwrap();
        pool.give_back(slot);
        assert!(pool.base.join("0").exists());
        let second = pool.take().unwrap();
        assert_eq!(second.number(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        pool.give_back(second);
        assert_eq!(pool.take().unwrap().number(), 1);
        assert!(!pool.base.join("0").exists());
        pool.worn.push(1);
        pool.remove_empty();
        assert!(!pool.base.exists());
    }

    #[test]
    fn slots_of_the_keeper_before_are_removed_and_never_used_again() {
        let Some((mut pool, state)) = pool() else { return };
        pool.take().unwrap();
        let (mut next, old) = Pool::open(state.path()).unwrap();
        assert_eq!(old.len(), 1);
        old.into_iter().for_each(|slot| next.give_back(slot));
        assert!(!next.base.join("0").exists());
        next.remove_empty();
        assert!(!next.base.exists());
    }
}
