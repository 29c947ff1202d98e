//! Where a demo keeps its things, and whether that place will do.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
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

impl Folders {
    pub fn prepare(state: Option<&Path>, fresh: bool) -> anyhow::Result<Self> {
        let state = match state {
            Some(state) => std::path::absolute(state).with_context(|| format!("{} is no folder", state.display()))?,
            None => default_state()?,
        };
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
        let run = run_folder(&state, root)?;
        make(&run, if root { 0o755 } else { 0o700 })?;
        let folders = Self { state, run, _lock: lock };
        if fresh {
            folders.forget()?;
        }
        for folder in ["manager", "workers", "boards", "logs"] {
            make(&folders.state.join(folder), 0o755)?;
        }
        Ok(folders)
    }

    /// Everything of earlier runs but the lock. What they left running is ended first: it holds files open here.
    fn forget(&self) -> anyhow::Result<()> {
        super::daemon::end_left_workers(self, Duration::ZERO)?;
        super::daemon::end_left_manager(self)?;
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

/// One short folder for each state folder.
fn run_folder(state: &Path, root: bool) -> anyhow::Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    let name = format!("bramble-demo-{:08x}", hasher.finish() as u32);
    if root {
        return Ok(Path::new("/run").join(name));
    }
    let base = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    Ok(base.join(name))
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
    fn a_folder_of_somebody_else_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(temp.path().join("thesis.tex"), "precious").unwrap();
        let Err(why) = Folders::prepare(Some(temp.path()), true) else { panic!("it was taken") };
        assert!(why.to_string().contains("not a demo's"), "{why}");
        assert!(temp.path().join("thesis.tex").exists());
    }
}
