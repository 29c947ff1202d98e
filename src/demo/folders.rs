//! Where a demo keeps its things, and whether that place will do.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

/// ```text
/// STATE/demo                     marks the folder as a demo's, and is locked while one runs
/// STATE/manager.toml, manager/   the manager
/// STATE/workers/pi-1/            a worker
/// STATE/boards/pi-1/             its simulated board: /sys and /proc/device-tree below it
/// STATE/logs/                    what the daemons say
/// RUN/manager.sock, pi-1/        sockets, in a short path because of their 108 bytes
/// ```
pub struct Folders {
    pub state: PathBuf,
    pub run: PathBuf,
    _lock: File,
}

/// What a unix socket's path may have, without its final zero.
const SOCKET_BYTES: usize = 107;
const LONGEST_SOCKET: &str = "pi-200/keeper.sock";

impl Folders {
    pub fn prepare(state: Option<&Path>, fresh: bool) -> anyhow::Result<Self> {
        let state = match state {
            Some(state) => std::path::absolute(state).with_context(|| format!("{} is no folder", state.display()))?,
            None => default_state()?,
        };
        if state.to_str().is_none() {
            bail!(
                "{} is not UTF-8, and could not be written into a configuration; choose another --state DIR",
                state.display()
            );
        }
        make(&state, 0o755)?;
        let root = rustix::process::geteuid().is_root();
        if root {
            passable(&state)?;
        }
        let marker = state.join("demo");
        if !marker.exists() && fs::read_dir(&state)?.next().is_some() {
            bail!("{} holds something that is not a demo's; choose an empty folder with --state DIR", state.display());
        }
        let lock = File::options().create(true).append(true).open(&marker);
        let lock =
            lock.with_context(|| format!("{} cannot be written; choose another --state DIR", state.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                bail!("a demo already runs in {}; end it, or start this one with another --state DIR", state.display())
            }
            Err(fs::TryLockError::Error(error)) => return Err(error).context("the demo's folder cannot be locked"),
        }
        let run = run_folder(&state, &run_base(root))?;
        make(&run, if root { 0o755 } else { 0o700 })?;
        owned(&run)?;
        let folders = Self { state, run, _lock: lock };
        if fresh {
            folders.forget()?;
        }
        make(&folders.state.join("manager"), 0o700)?;
        for folder in ["workers", "boards", "logs"] {
            make(&folders.state.join(folder), 0o755)?;
        }
        Ok(folders)
    }

    /// Everything of earlier runs but the lock. What they left running is ended first: it holds files open here.
    fn forget(&self) -> anyhow::Result<()> {
        super::daemon::end_left_workers(self, Duration::ZERO)?;
        super::daemon::end_left_manager(self)?;
        let config = self.config();
        match fs::remove_file(&config) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("{} cannot be removed", config.display()));
            }
            _ => {}
        }
        for folder in ["manager", "workers", "boards", "logs"] {
            let path = self.state.join(folder);
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("{} cannot be removed", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Sockets of daemons that have ended are no use to anybody.
    pub fn clear_run(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(&self.run) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("{} cannot be removed", self.run.display()))
            }
            _ => Ok(()),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.run.join(crate::manager::config::SOCKET)
    }

    pub fn config(&self) -> PathBuf {
        self.state.join("manager.toml")
    }

    pub fn worker(&self, name: &str) -> PathBuf {
        self.state.join("workers").join(name)
    }

    pub fn worker_run(&self, name: &str) -> PathBuf {
        self.run.join(name)
    }

    pub fn board(&self, name: &str) -> PathBuf {
        self.state.join("boards").join(name)
    }

    /// Workers an earlier demo had.
    pub fn left_workers(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state.join("workers")) else { return vec![] };
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
    }

    pub fn log(&self, name: &str) -> PathBuf {
        self.state.join("logs").join(format!("{name}.log"))
    }
}

fn default_state() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/bramble-demo".into());
    }
    let own = directories::ProjectDirs::from("", "", "bramble-demo");
    let own = own.context("this user has no home folder; choose a place with --state DIR")?;
    Ok(own.data_dir().to_owned())
}

/// Where sockets belong.
fn run_base(root: bool) -> PathBuf {
    if root {
        return "/run".into();
    }
    // A relative one is to be ignored, says its specification.
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|base| base.is_absolute());
    own.unwrap_or_else(std::env::temp_dir)
}

/// One short folder for each state folder.
fn run_folder(state: &Path, base: &Path) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    let run = base.join(format!("bramble-demo-{:08x}", hasher.finish() as u32));
    let longest = run.join(LONGEST_SOCKET).as_os_str().len();
    if longest > SOCKET_BYTES {
        bail!(
            "sockets below {} would have paths of {longest} bytes, and {SOCKET_BYTES} is the most; set XDG_RUNTIME_DIR \
             to a folder with a shorter path",
            base.display()
        );
    }
    Ok(run)
}

/// In a folder for everyone its name could be taken by somebody else, who would then answer in the manager's place.
fn owned(run: &Path) -> anyhow::Result<()> {
    let found = fs::symlink_metadata(run).with_context(|| format!("{} cannot be looked at", run.display()))?;
    if !found.is_dir() || found.uid() != rustix::process::geteuid().as_raw() {
        bail!("{} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own", run.display());
    }
    Ok(())
}

fn make(path: &Path, mode: u32) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .with_context(|| format!("the folder {} cannot be made; choose another with --state DIR", path.display()))
}

/// Tasks run under uids of their own: they must be able to pass through every folder above theirs.
fn passable(state: &Path) -> anyhow::Result<()> {
    for folder in state.ancestors() {
        let mode = fs::metadata(folder).with_context(|| format!("{} cannot be looked at", folder.display()))?;
        let mode = mode.permissions().mode() & 0o777;
        if mode & 0o001 == 0 {
            bail!(
                "{} is closed to other users (mode {mode:03o}), so tasks, which run under uids of their own, could not \
                 reach their folders below it; choose another place with --state DIR",
                folder.display()
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_parent_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let closed = temp.path().join("closed");
        fs::DirBuilder::new().mode(0o700).create(&closed).unwrap();
        let inside = closed.join("demo");
        fs::create_dir(&inside).unwrap();
        let why = passable(&inside).unwrap_err().to_string();
        assert!(why.contains("mode 700") && why.contains("--state"), "{why}");
    }

    #[test]
    fn sockets_whose_path_would_be_too_long_are_told_before_anything_starts() {
        let base = PathBuf::from("/").join("r".repeat(70));
        let why = run_folder(Path::new("/demo"), &base).unwrap_err().to_string();
        assert!(why.contains("112 bytes") && why.contains("XDG_RUNTIME_DIR"), "{why}");
        assert!(run_folder(Path::new("/demo"), Path::new("/run/user/1000")).is_ok());
    }

    #[test]
    fn a_run_folder_that_is_not_ours_is_not_taken() {
        let temp = tempfile::tempdir().unwrap();
        assert!(owned(temp.path()).is_ok());
        let elsewhere = temp.path().join("link");
        std::os::unix::fs::symlink("/", &elsewhere).unwrap();
        assert!(owned(&elsewhere).unwrap_err().to_string().contains("somebody else"));
    }

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(temp.path().join("thesis.tex"), "precious").unwrap();
        let Err(why) = Folders::prepare(Some(temp.path()), true) else { panic!("it was taken") };
        assert!(why.to_string().contains("not a demo's"), "{why}");
        assert!(temp.path().join("thesis.tex").exists());
    }
}
