//! One daemon of the demo: started, or adopted where an earlier demo left it; started again when it dies; ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::folders::Folders;

/// As systemd's `RestartSec` in the real units.
const RESTART: Duration = Duration::from_secs(1);
/// Between SIGTERM and SIGKILL for a daemon.
const PATIENCE: Duration = Duration::from_secs(5);

/// A daemon under care. Dropping it does not end it: [`Daemon::end`] does.
pub struct Daemon {
    ending: watch::Sender<Ending>,
    care: JoinHandle<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Somebody asked it to end: it is not started again, and not hurried.
    ByItself,
    Now,
}

/// How a daemon is started.
pub struct Recipe {
    pub name: String,
    pub arguments: Vec<String>,
    /// Given in the environment rather than seen by `ps`.
    pub secret: Option<(&'static str, String)>,
    pub log: PathBuf,
    /// The socket it answers on: who listens there already is adopted.
    pub socket: PathBuf,
}

impl Daemon {
    pub fn start(recipe: Recipe) -> anyhow::Result<Self> {
        let first = match listener(&recipe.socket) {
            Some(pid) => Process::adopt(pid)?,
            None => recipe.spawn()?,
        };
        let (ending, known) = watch::channel(Ending::No);
        Ok(Self { ending, care: tokio::spawn(care(recipe, first, known)) })
    }

    /// From now on it is not started again.
    pub fn retire(&self) {
        self.ending.send_replace(Ending::ByItself);
    }

    /// It ends, by itself or made to.
    pub async fn end(self) {
        self.ending.send_replace(Ending::Now);
        if let Err(error) = self.care.await {
            tracing::warn!("a daemon's end was not seen: {error}");
        }
    }
}

async fn care(recipe: Recipe, mut process: Process, mut ending: watch::Receiver<Ending>) {
    loop {
        tokio::select! {
            () = process.ended() => {}
            () = ending_is(&mut ending, |how| how == Ending::Now) => return process.end().await,
        }
        loop {
            if timeout(RESTART, ending_is(&mut ending, |how| how != Ending::No)).await.is_ok() {
                return;
            }
            tracing::warn!("{} has died; it is started again", recipe.name);
            match recipe.spawn() {
                Ok(again) => break process = again,
                Err(error) => tracing::error!("{error:#}"),
            }
        }
    }
}

/// A daemon whose `Daemon` was dropped is cared for until this program ends.
async fn ending_is(ending: &mut watch::Receiver<Ending>, wanted: impl Fn(Ending) -> bool) {
    if ending.wait_for(|how| wanted(*how)).await.is_err() {
        std::future::pending().await
    }
}

impl Recipe {
    fn spawn(&self) -> anyhow::Result<Process> {
        let binary = std::env::current_exe().context("this program does not know where it lies")?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("{} cannot be written", self.log.display()))?;
        let mut command = Command::new(binary);
        // A group of its own: Ctrl-C in the terminal is for the demo, which ends the others in good order.
        command.args(&self.arguments).stdin(Stdio::null()).process_group(0);
        command.stdout(log.try_clone().context("no descriptor is left")?).stderr(log);
        if let Some((name, value)) = &self.secret {
            command.env(name, value);
        }
        let mut child = command.spawn().with_context(|| format!("{} could not be started", self.name))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a pid out of range")?;
        Process::of(pid, true).inspect_err(|_| {
            // Nobody would end it later.
            let _ = child.kill().and_then(|()| child.wait());
        })
    }
}

struct Process {
    pid: Pid,
    handle: AsyncFd<OwnedFd>,
    /// Ours to reap.
    child: bool,
}

impl Process {
    fn adopt(pid: Pid) -> anyhow::Result<Self> {
        Self::of(pid, false)
    }

    fn of(pid: Pid, child: bool) -> anyhow::Result<Self> {
        let handle = pidfd_open(pid, PidfdFlags::empty()).context("a daemon ended before it could be watched")?;
        // SAFETY: the descriptor belongs to the `AsyncFd` from here on: it stays the same and open as long as that lives.
        let handle = unsafe { AsyncFd::register(handle) }.context("a daemon cannot be watched")?;
        Ok(Self { pid, handle, child })
    }

    async fn ended(&self) {
        // A pidfd becomes readable when its process ends, and stays so.
        let _ = self.handle.readable().await;
        if self.child {
            // Already reaped is as good.
            let _ = rustix::process::waitpid(Some(self.pid), rustix::process::WaitOptions::NOHANG);
        }
    }

    async fn end(self) {
        for signal in [Signal::TERM, Signal::KILL] {
            // An error means it has ended already.
            let _ = pidfd_send_signal(self.handle.as_fd(), signal);
            if timeout(PATIENCE, self.ended()).await.is_ok() {
                return;
            }
        }
    }
}

/// Who listens on this socket, if anyone.
pub fn listener(socket: &Path) -> Option<Pid> {
    let stream = UnixStream::connect(socket).ok()?;
    Some(rustix::net::sockopt::socket_peercred(&stream).ok()?.pid)
}

/// Ends the workers a killed demo left running, tasks included, and waits for them.
pub fn end_left_workers(folders: &Folders, grace: Duration) -> anyhow::Result<()> {
    folders.left_workers().iter().try_for_each(|name| end_worker(folders, name, grace))
}

/// The same for its manager.
pub fn end_left_manager(folders: &Folders) -> anyhow::Result<()> {
    listener(&folders.socket()).map_or(Ok(()), end_process)
}

/// Asks a worker's keeper to stop its tasks, then to end with its agent.
pub fn end_worker(folders: &Folders, name: &str, grace: Duration) -> anyhow::Result<()> {
    let socket = folders.worker_run(name).join("keeper.sock");
    let Some(pid) = listener(&socket) else { return Ok(()) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(rustix::io::Errno::SRCH) => return Ok(()),
        Err(error) => return Err(io::Error::from(error)).context("a worker cannot be watched"),
    };
    let layout = worker_agent::layout::Layout::of(Some(folders.worker(name)), Some(folders.worker_run(name)))?;
    worker_agent::keeper::client::end(&layout, ENDED, grace)?;
    wait_end(&handle, grace + PATIENCE).with_context(|| format!("{name} does not end"))
}

/// The reason tasks of a demo are stopped with when it is quit.
pub const ENDED: &str = "demo ended";

fn end_process(pid: Pid) -> anyhow::Result<()> {
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // An error means it has ended already.
    let _ = pidfd_send_signal(&handle, Signal::TERM);
    wait_end(&handle, PATIENCE).context("the manager of an earlier demo does not end")
}

fn wait_end(handle: &OwnedFd, patience: Duration) -> anyhow::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let patience = Timespec::try_from(patience).context("too long a wait")?;
    let ended = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&patience)).map_err(io::Error::from)?;
    anyhow::ensure!(ended > 0, "it is still there");
    Ok(())
}
