//! Where everything of a worker lies.

use std::path::{Path, PathBuf};

use anyhow::Context;
use protocol::id::AttemptId;
use protocol::result::OUT;

/// The folders of one worker, both absolute.
///
/// ```text
/// STATE/key            the worker's SSH key, 0600
/// STATE/manager.json   whom it works for, and by which host key that manager is known
/// STATE/journal        what the keeper has seen
/// STATE/lock           held by the keeper that owns this folder
/// STATE/spool/17.3#2.out, .err   what the task prints
/// STATE/work/17.3#2/   the task's HOME and current folder
/// STATE/work/17.3#2/out/   what it leaves there is its result
/// STATE/cache/         files and folders that tasks are given, each content once
/// RUN/keeper.sock      the control socket
/// RUN/secrets/17.3#2/  the task's secrets, where RUN is in memory
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// 0711: the uids of tasks must be able to pass through to their work folder.
    pub state: PathBuf,
    pub run: PathBuf,
}

impl Layout {
    /// The folders asked for, or those of this user.
    pub fn of(state: Option<PathBuf>, run: Option<PathBuf>) -> anyhow::Result<Self> {
        let run = match (run, &state) {
            (Some(run), _) => run,
            // A state folder of its own means a worker of its own: its socket must not meet the usual one.
            (None, Some(state)) => state.join("run"),
            (None, None) => own_run()?,
        };
        let state = match state {
            Some(state) => state,
            None => own_state()?,
        };
        Ok(Self { state: absolute(&state)?, run: absolute(&run)? })
    }

    pub fn key(&self) -> PathBuf {
        self.state.join("key")
    }

    pub fn manager(&self) -> PathBuf {
        self.state.join("manager.json")
    }

    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    pub fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    pub fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }

    /// Of a run that is given some.
    pub fn stdin(&self, attempt: AttemptId) -> PathBuf {
        self.spool().join(format!("{attempt}.in"))
    }

    pub fn stdout(&self, attempt: AttemptId) -> PathBuf {
        self.spool().join(format!("{attempt}.out"))
    }

    pub fn stderr(&self, attempt: AttemptId) -> PathBuf {
        self.spool().join(format!("{attempt}.err"))
    }

    /// All work folders.
    pub fn works(&self) -> PathBuf {
        self.state.join("work")
    }

    pub fn work(&self, attempt: AttemptId) -> PathBuf {
        self.works().join(attempt.to_string())
    }

    pub fn out(&self, attempt: AttemptId) -> PathBuf {
        self.work(attempt).join(OUT)
    }

    pub fn cache(&self) -> PathBuf {
        self.state.join("cache")
    }

    pub fn secrets(&self) -> PathBuf {
        self.run.join("secrets")
    }

    pub fn socket(&self) -> PathBuf {
        self.run.join("keeper.sock")
    }
}

fn own_state() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/var/lib/bramble-worker".into());
    }
    let dirs = own_dirs()?;
    Ok(dirs.data_local_dir().to_owned())
}

fn own_run() -> anyhow::Result<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Ok("/run/bramble-worker".into());
    }
    let dirs = own_dirs()?;
    Ok(dirs.runtime_dir().map_or_else(|| dirs.data_local_dir().join("run"), Path::to_owned))
}

fn own_dirs() -> anyhow::Result<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "bramble-worker")
        .context("this user has no home folder to keep a worker's state in; choose one with --state DIR")
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("the folder {} cannot be used", path.display()))
}
