//! A worker as a node starts it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use protocol::keeper::{Kept, WorkerStatus};
use protocol::node::Role;
use rustix::process::{Pid, Signal};

use crate::manager::{Control, Manager};
use crate::until;

const PROGRAM: &str = env!("CARGO_BIN_EXE_worker-agent");

/// The folder of one worker, whether it runs or not.
pub struct Place {
    dir: tempfile::TempDir,
}

pub struct Worker {
    pub place: Place,
    keeper: Keeper,
}

/// Ends with the test.
struct Keeper {
    child: Child,
    state: PathBuf,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Task uids pass through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir }
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn spool(&self, name: &str) -> PathBuf {
        self.state().join("spool").join(name)
    }

    pub fn cache(&self, name: &str) -> PathBuf {
        self.state().join("cache").join(name)
    }

    pub fn work(&self, attempt: &str) -> PathBuf {
        self.state().join("work").join(attempt)
    }

    /// `worker-agent run` with this, and what every worker here is started with.
    pub fn run(&self, more: &[&str]) -> Command {
        let mut command = self.verb("run");
        command.args(["--slots", "2", "--name", "pi-1", "--refuse-reboot"]).args(more).stdin(Stdio::null());
        command
    }

    pub fn verb(&self, verb: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg(verb).arg("--state").arg(self.state()).arg("--run").arg(self.dir.path().join("run"));
        command
    }

    /// Runs to its end; what it said on stderr.
    pub async fn run_to_end(&self, more: &[&str]) -> (ExitStatus, String) {
        let child = self.run(more).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap());
        let output = tokio::time::timeout(crate::PATIENCE, output).await;
        if output.is_err() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        let output = output.expect("it ends by itself").unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn start(self, more: &[&str]) -> Worker {
        let child = self.run(more).stdout(Stdio::null()).spawn().unwrap();
        let keeper = Keeper { child, state: self.state() };
        Worker { place: self, keeper }
    }
}

impl Worker {
    /// One that has joined and is linked.
    pub async fn joined(manager: &mut Manager) -> (Worker, Control) {
        Self::joined_with(manager, &[]).await
    }

    pub async fn joined_with(manager: &mut Manager, more: &[&str]) -> (Worker, Control) {
        let (address, token) = (manager.address.to_string(), manager.token(Role::Worker));
        let worker = Place::new().start(&[&["--manager", &address, "--join", &token], more].concat());
        manager.let_join().await;
        let control = manager.linked().await;
        (worker, control)
    }

    /// One that is not root, as somebody runs it under their own name.
    pub async fn joined_as(manager: &mut Manager, uid: u32) -> (Worker, Control) {
        let place = Place::new();
        // Where they may run it: the build folder may lie in somebody's home.
        let program = place.dir.path().join("worker-agent");
        fs::copy(PROGRAM, &program).unwrap();
        std::os::unix::fs::chown(place.dir.path(), Some(uid), Some(uid)).unwrap();
        let (address, token) = (manager.address.to_string(), manager.token(Role::Worker));
        let as_root = place.run(&["--manager", &address, "--join", &token]);
        let mut command = Command::new(program);
        command.args(as_root.get_args()).stdin(Stdio::null()).stdout(Stdio::null()).uid(uid).gid(uid);
        let keeper = Keeper { child: command.spawn().unwrap(), state: place.state() };
        manager.let_join().await;
        let control = manager.linked().await;
        (Worker { place, keeper }, control)
    }

    pub fn end_keeping_place(self) -> Place {
        drop(self.keeper);
        self.place
    }

    pub fn status(&self) -> Option<WorkerStatus> {
        let output = self.place.verb("status").arg("--json").stderr(Stdio::null()).output().unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    pub fn tasks(&self) -> Vec<Kept> {
        let output = self.place.verb("tasks").arg("--json").output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What the agent says of its link.
    pub async fn agent_says(&self, what: &str, wanted: impl Fn(&serde_json::Value) -> bool) {
        until(what, || self.status().is_some_and(|status| wanted(&status.agent))).await;
    }

    pub async fn kill_agent(&self) -> i32 {
        let mut agent = None;
        until("an agent", || {
            agent = self.status().and_then(|status| status.agent_pid);
            agent.is_some()
        })
        .await;
        let agent = agent.unwrap();
        rustix::process::kill_process(Pid::from_raw(agent).unwrap(), Signal::KILL).unwrap();
        agent
    }

    /// Nothing of it is left: no journalled task, no output, no folder.
    pub async fn is_clean(&self) {
        until("no task is kept", || self.tasks().is_empty()).await;
        let names = |folder: &str| {
            let entries = fs::read_dir(self.place.state().join(folder)).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        let empty = |folder: &str| names(folder).is_empty();
        // Untouched ones are kept for later tasks.
        let spare = |name: &str| {
            let folder = format!("work/{name}");
            name.starts_with(".spare-") && names(&folder) == ["out"] && empty(&format!("{folder}/out"))
        };
        until("no output is left", || empty("spool")).await;
        until("no folder is left", || {
            names("work").iter().all(|name| name == ".gone" || spare(name)) && empty("work/.gone")
        })
        .await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
        end_leftovers(&self.state);
    }
}

/// A failed test leaves tasks behind; they carry their worker's folder in their environment.
fn end_leftovers(state: &Path) {
    let mark = format!("BRAMBLE_WORKER={}", state.display());
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }
}
