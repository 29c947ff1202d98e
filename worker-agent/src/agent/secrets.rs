//! The secrets of tasks. Those that are variables go to the keeper with the rest of the environment, which writes none of it
//! down. Those that are files lie in memory and never on a disk, in a folder that only the task and we may look into; it goes
//! as soon as the task has ended, and what an agent that was killed left is removed by the next.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use protocol::id::AttemptId;
use protocol::name::FileName;
use protocol::secret::{SecretAs, SecretGiven};
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use crate::layout::Layout;

/// File systems whose files are in memory: tmpfs and ramfs, as statfs(2) calls them.
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Why none are taken here: the end of a sentence.
const NOWHERE: &str = "there is no folder in memory to put its secrets into, as /run and /dev/shm usually are, and they are not written to a disk";

#[derive(Debug)]
pub struct Secrets {
    /// Where the folders of attempts lie; `None` where this machine has no memory for files.
    place: Option<PathBuf>,
    /// Of these there is a folder.
    held: BTreeSet<AttemptId>,
}

impl Secrets {
    /// Finds a place, and what an earlier agent left in it.
    pub fn open(layout: &Layout) -> Self {
        let place = candidates(layout).into_iter().find(|place| match make(place) {
            Ok(()) => true,
            Err(why) => {
                tracing::debug!("{} is no place for secrets: {why}", place.display());
                false
            }
        });
        let names = place.iter().flat_map(std::fs::read_dir).flatten().flatten();
        let held = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let secrets = Self { place, held };
        secrets.leave_nothing();
        secrets
    }

    /// Whether orders may have some.
    pub fn are_taken(&self) -> bool {
        self.place.is_some()
    }

    /// Puts those that are files into a folder of their own, for this uid where one is given. `None`: there are none.
    pub fn put(
        &mut self,
        attempt: AttemptId,
        uid: Option<u32>,
        secrets: &[SecretGiven],
    ) -> Result<Option<PathBuf>, String> {
        if !secrets.iter().any(|one| matches!(one.given, SecretAs::File(_))) {
            return Ok(None);
        }
        let place = self.place.as_deref().ok_or(NOWHERE)?;
        let cannot = |why: String| format!("its secrets cannot be put into {}: {why}", place.display());
        make(place).map_err(cannot)?;
        let folder = place.join(attempt.to_string());
        // Of a namesake, or of an agent that was killed just here.
        self.held.insert(attempt);
        let put = remove(&folder).and_then(|()| write(&folder, uid, secrets));
        let put = put.map_err(|error| cannot(error.to_string()));
        if put.is_err() {
            self.remove(attempt);
        }
        put.map(|()| Some(folder))
    }

    /// It has ended, or never begins.
    pub fn remove(&mut self, attempt: AttemptId) {
        let Some(place) = self.place.as_deref().filter(|_| self.held.contains(&attempt)) else { return };
        let folder = place.join(attempt.to_string());
        match remove(&folder) {
            Ok(()) => drop(self.held.remove(&attempt)),
            // Tried once more with the next that is looked at.
            Err(error) => tracing::warn!("the secrets in {} cannot be removed: {error}", folder.display()),
        }
        self.leave_nothing();
    }

    /// Removes all others.
    pub fn keep_only(&mut self, needed: impl Fn(AttemptId) -> bool) {
        let others: Vec<AttemptId> = self.held.iter().copied().filter(|attempt| !needed(*attempt)).collect();
        others.into_iter().for_each(|attempt| self.remove(attempt));
    }

    /// The place itself is not ours to leave in folders that everybody shares. One that is not empty stays.
    fn leave_nothing(&self) {
        if let Some(place) = self.place.as_ref().filter(|_| self.held.is_empty()) {
            let _ = std::fs::remove_dir(place);
        }
    }
}

/// In our own folder where that is in memory, else beside those of others, by a name that no other worker has.
fn candidates(layout: &Layout) -> Vec<PathBuf> {
    let uid = rustix::process::geteuid();
    let hash = blake3::hash(layout.state.as_os_str().as_bytes()).to_hex();
    let name = format!("bramble-worker-secrets-{uid}-{}", hash.get(..16).unwrap_or_default());
    let shared = if uid.is_root() { Some(PathBuf::from("/run")) } else { own_run() };
    let others = shared.into_iter().chain([PathBuf::from("/dev/shm")]).map(|folder| folder.join(&name));
    std::iter::once(layout.secrets()).chain(others).collect()
}

fn own_run() -> Option<PathBuf> {
    directories::BaseDirs::new()?.runtime_dir().map(Path::to_owned)
}

/// A place is ours, in memory, and open to the tasks; or it is told what it is not.
fn make(place: &Path) -> Result<(), String> {
    let within = place.parent().ok_or("it is in no folder")?;
    let open = rustix::fs::statfs(within).map_err(|error| error.to_string())?;
    #[allow(clippy::unnecessary_cast, reason = "its width is the machine's")]
    let kind = open.f_type as u64 & 0xffff_ffff;
    if !IN_MEMORY.contains(&kind) {
        return Err("it is not in memory".into());
    }
    let root = rustix::process::geteuid().is_root();
    let closed = |folder: &&Path| std::fs::metadata(folder).is_ok_and(|of| of.permissions().mode() & 0o001 == 0);
    if let Some(closed) = place.ancestors().skip(1).find(closed).filter(|_| root) {
        return Err(format!("{} is closed to tasks", closed.display()));
    }
    match rustix::fs::mkdir(place, Mode::from_raw_mode(0o711)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.to_string()),
    }
    // Anybody may have made it before us, or put a link in its place.
    let made = open_folder(place).map_err(|error| error.to_string())?;
    let of = rustix::fs::fstat(&made).map_err(|error| error.to_string())?;
    if of.st_uid != rustix::process::geteuid().as_raw() {
        return Err(format!("it belongs to uid {}", of.st_uid));
    }
    rustix::fs::fchmod(&made, Mode::from_raw_mode(0o711)).map_err(|error| error.to_string())
}

/// The task may read them and nothing more: as root we stay the owner of their folder.
fn write(folder: &Path, uid: Option<u32>, secrets: &[SecretGiven]) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    let files = secrets.iter().filter_map(|one| match &one.given {
        SecretAs::File(name) => Some((name, one.value.bytes())),
        SecretAs::Env(_) => None,
    });
    for (name, bytes) in files {
        write_one(&folder.join(FileName::as_str(name)), uid, bytes)?;
    }
    if let Some(uid) = uid {
        let made = open_folder(folder)?;
        rustix::fs::fchown(&made, None, Some(Gid::from_raw(uid)))?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(0o750))?;
    }
    Ok(())
}

fn write_one(path: &Path, uid: Option<u32>, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o400).open(path)?;
    file.write_all(bytes)?;
    if let Some(uid) = uid {
        rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)))?;
    }
    Ok(())
}

fn open_folder(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use protocol::secret::Hidden;

    use super::*;

    /// With its run folder in memory, as on a node.
    fn layout() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir_in("/dev/shm").unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), Some(dir.path().to_owned())).unwrap();
        (dir, layout)
    }

    fn attempt(text: &str) -> AttemptId {
        text.parse().unwrap()
    }

    fn file(name: &str, value: &[u8]) -> SecretGiven {
        SecretGiven { given: SecretAs::File(name.parse().unwrap()), value: Hidden::of(value.to_vec()) }
    }

    fn variable(name: &str) -> SecretGiven {
        SecretGiven { given: SecretAs::Env(name.into()), value: Hidden::of(b"x".to_vec()) }
    }

    #[test]
    fn files_lie_in_memory_for_the_task_alone_and_are_gone_when_it_has_ended() {
        let (_dir, layout) = layout();
        let mut secrets = Secrets::open(&layout);
        assert!(secrets.are_taken());
        assert_eq!(secrets.put(attempt("1.0#1"), None, &[variable("A")]), Ok(None), "variables need no folder");
        let uid = rustix::process::geteuid().is_root().then_some(70_001);
        let binary: Vec<u8> = (0..=255).collect();
        let given = [file("two\nlines \"'", &binary), variable("A"), file("-rf", b"x")];
        let folder = secrets.put(attempt("1.0#1"), uid, &given).unwrap().unwrap();
        assert!(folder.starts_with(layout.secrets()));
        assert_eq!(std::fs::read(folder.join("two\nlines \"'")).unwrap(), binary);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        let own = rustix::process::geteuid().as_raw();
        for name in ["two\nlines \"'", "-rf"] {
            let of = std::fs::metadata(folder.join(name)).unwrap();
            assert_eq!((mode(&folder.join(name)), of.uid()), (0o400, uid.unwrap_or(own)));
        }
        let of = std::fs::metadata(&folder).unwrap();
        assert_eq!((mode(&folder), of.uid()), (if uid.is_some() { 0o750 } else { 0o700 }, own));
        assert_eq!(mode(&layout.secrets()), 0o711);
        secrets.remove(attempt("1.0#2"));
        assert!(folder.exists(), "another's");
        secrets.remove(attempt("1.0#1"));
        assert!(!layout.secrets().exists());
    }

    #[test]
    fn what_a_killed_agent_left_goes_but_not_what_still_runs() {
        let (_dir, layout) = layout();
        let mut first = Secrets::open(&layout);
        let [gone, runs] = ["1.0#1", "1.1#1"].map(attempt);
        for attempt in [gone, runs] {
            first.put(attempt, None, &[file("key", b"old")]).unwrap();
        }
        drop(first);
        let mut next = Secrets::open(&layout);
        next.keep_only(|attempt| attempt == runs);
        let there = |attempt: AttemptId| layout.secrets().join(attempt.to_string()).join("key");
        assert!(!there(gone).exists() && there(runs).exists());
        // The same attempt once more has what it is given now.
        next.put(runs, None, &[file("other", b"new")]).unwrap();
        assert!(!there(runs).exists());
        assert_eq!(std::fs::read(there(runs).with_file_name("other")).unwrap(), b"new");
        next.remove(runs);
        assert!(!layout.secrets().exists());
    }

    #[test]
    fn a_place_that_is_gone_meanwhile_is_made_again() {
        let (_dir, layout) = layout();
        let mut secrets = Secrets::open(&layout);
        for number in 1..3 {
            let attempt = attempt("1.0#1").task.attempt(number);
            assert!(secrets.put(attempt, None, &[file("key", b"x")]).unwrap().unwrap().join("key").exists());
            std::fs::remove_dir_all(layout.secrets()).unwrap();
        }
        secrets.keep_only(|_| false);
        assert!(secrets.held.is_empty());
    }

    #[test]
    fn nobody_can_make_us_put_them_where_they_like() {
        let (dir, layout) = layout();
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, layout.secrets()).unwrap();
        assert!(make(&layout.secrets()).is_err(), "a link");
        if rustix::process::geteuid().is_root() {
            std::fs::remove_file(layout.secrets()).unwrap();
            std::fs::create_dir(layout.secrets()).unwrap();
            std::os::unix::fs::chown(layout.secrets(), Some(70_001), None).unwrap();
            assert_eq!(make(&layout.secrets()), Err("it belongs to uid 70001".into()));
        }
    }

    #[test]
    fn what_is_on_a_disk_is_no_place() {
        assert_eq!(make(Path::new("/proc/secrets")), Err("it is not in memory".into()));
    }

    #[test]
    fn without_a_place_nothing_is_written_and_it_is_said_why() {
        let mut secrets = Secrets { place: None, held: BTreeSet::new() };
        assert!(!secrets.are_taken());
        let why = secrets.put(attempt("1.0#1"), None, &[file("key", b"x")]).unwrap_err();
        assert!(why.ends_with("they are not written to a disk"), "{why}");
    }
}
