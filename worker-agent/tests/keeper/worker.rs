//! A worker to test: a real keeper, and the test in the place of its agent.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use protocol::frame;
use protocol::id::{AttemptId, TaskId};
use protocol::job::Outcome;
use protocol::keeper::{Ended, FromKeeper, Kept, Spawn, ToKeeper, WorkerStatus};
use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_worker-agent");
pub const FAKE_AGENT: &str = "BRAMBLE_TEST_FAKE_AGENT";

/// Longer than anything here takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How the keeper finds all of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As this machine allows.
    Usual,
    /// No cgroup can be seen: by marks, as on a machine without cgroups v2.
    Marks,
}

pub struct Worker {
    pub dir: tempfile::TempDir,
    mode: Mode,
    keeper: Option<Child>,
    agents: UnixListener,
    agent: Option<UnixStream>,
    inbox: BytesMut,
    /// What the keeper said that nobody has asked for yet.
    heard: Vec<FromKeeper>,
    pub hello: Vec<Kept>,
}

impl Worker {
    pub fn start() -> Self {
        Self::start_in(Mode::Usual)
    }

    pub fn start_in(mode: Mode) -> Self {
        let mut worker = Self::prepare(mode);
        worker.start_keeper();
        worker
    }

    /// Everything but the keeper itself.
    pub fn prepare(mode: Mode) -> Self {
        let dir = tempfile::Builder::new().prefix("bramble-keeper-").tempdir().unwrap();
        // As an installed state folder: task uids pass through.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o711)).unwrap();
        let agents = UnixListener::bind(dir.path().join("agents")).unwrap();
        write_script(
            &dir.path().join("agent"),
            &format!(
                "exec {:?} a_fake_agent_for_the_other_tests --exact --nocapture\n",
                std::env::current_exe().unwrap()
            ),
        );
        let (keeper, agent, inbox, heard, hello) = (None, None, BytesMut::new(), vec![], vec![]);
        Self { dir, mode, keeper, agents, agent, inbox, heard, hello }
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join("state")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// `worker-agent VERB …` for this worker.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).args(["--state".into(), self.state(), "--run".into(), self.file("run")]);
        command.stdin(Stdio::null());
        command
    }

    pub fn keeper_command(&self) -> Command {
        let mut command = self.command(&["run"]);
        command.arg("--agent-program").arg(self.file("agent")).env(FAKE_AGENT, self.file("agents"));
        // Noise of the fake agent's test harness.
        command.stdout(Stdio::null());
        if self.mode == Mode::Marks {
            // SAFETY: only system calls.
            unsafe { command.pre_exec(hide_cgroups) };
        }
        command
    }

    pub fn start_keeper(&mut self) {
        self.start_keeper_with(|_| {});
    }

    pub fn start_keeper_with(&mut self, change: impl FnOnce(&mut Command)) {
        let mut command = self.keeper_command();
        change(&mut command);
        self.keeper = Some(command.spawn().unwrap());
        self.meet_agent();
    }

    /// Waits for the (next) agent, in whose place the test speaks from then on.
    pub fn meet_agent(&mut self) {
        self.agents.set_nonblocking(true).unwrap();
        let accepted = until_some("an agent to be started", || match self.agents.accept() {
            Ok((socket, _)) => Some(socket),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let ended = self.keeper.as_mut().and_then(|keeper| keeper.try_wait().unwrap());
                assert_eq!(ended, None, "the keeper ended");
                None
            }
            Err(error) => panic!("{error}"),
        });
        accepted.set_nonblocking(false).unwrap();
        accepted.set_read_timeout(Some(PATIENCE)).unwrap();
        self.agent = Some(accepted);
        self.inbox.clear();
        self.heard.clear();
        self.hello = match self.hear() {
            FromKeeper::Hello { tasks, .. } => tasks,
            other => panic!("the first word was {other:?}"),
        };
    }

    pub fn keeper_pid(&self) -> i32 {
        self.keeper.as_ref().unwrap().id() as i32
    }

    pub fn agent_pid(&self) -> i32 {
        let agent = self.agent.as_ref().unwrap();
        rustix::net::sockopt::socket_peercred(agent).unwrap().pid.as_raw_nonzero().get()
    }

    /// `kill -9` of the keeper, and its agent gone with it.
    pub fn kill_keeper(&mut self) {
        let mut keeper = self.keeper.take().unwrap();
        keeper.kill().unwrap();
        keeper.wait().unwrap();
        self.agent = None;
    }

    pub fn signal_keeper(&self, signal: i32) {
        kill(self.keeper_pid(), signal);
    }

    /// The keeper ends by itself.
    pub fn keeper_end(&mut self) -> Option<i32> {
        let mut keeper = self.keeper.take().unwrap();
        until_some("the keeper to end", || keeper.try_wait().unwrap()).code()
    }

    pub fn say(&mut self, message: &ToKeeper) {
        let mut out = BytesMut::new();
        frame::encode(message, &mut out).unwrap();
        self.say_bytes(&out);
    }

    pub fn say_bytes(&mut self, bytes: &[u8]) {
        self.agent.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn hear(&mut self) -> FromKeeper {
        loop {
            if let Some(json) = frame::split(&mut self.inbox).unwrap() {
                return frame::parse(&json).unwrap();
            }
            let mut buffer = [0; 4096];
            let length = self.agent.as_mut().unwrap().read(&mut buffer).expect("the keeper says nothing");
            assert_ne!(length, 0, "the keeper hung up");
            self.inbox.extend_from_slice(&buffer[..length]);
        }
    }

    /// The first message that `wanted` makes something of; the others are kept.
    pub fn hear_until<T>(&mut self, wanted: impl Fn(&FromKeeper) -> Option<T>) -> T {
        if let Some((at, found)) = self.heard.iter().enumerate().find_map(|(at, one)| Some((at, wanted(one)?))) {
            self.heard.remove(at);
            return found;
        }
        loop {
            let message = self.hear();
            match wanted(&message) {
                Some(found) => return found,
                None => self.heard.push(message),
            }
        }
    }

    /// The order for a task, its folder made as the agent makes it.
    pub fn order(&self, attempt: AttemptId, command: &[&str]) -> Spawn {
        let folder = self.work(attempt);
        std::fs::create_dir_all(&folder).unwrap();
        let path = std::env::var("PATH").unwrap();
        Spawn {
            cwd: None,
            limit: None,
            root: false,
            stdin: None,
            attempt,
            uid: None,
            command: command.iter().map(|&word| word.to_owned()).collect(),
            env: vec![
                format!("PATH={path}"),
                format!("HOME={}", folder.display()),
                format!("BRAMBLE_ATTEMPT={attempt}"),
            ],
            note: Value::Null,
        }
    }

    pub fn work(&self, attempt: AttemptId) -> PathBuf {
        self.state().join("work").join(attempt.to_string())
    }

    pub fn spawn(&mut self, attempt: AttemptId, command: &[&str]) {
        let order = self.order(attempt, command);
        self.say(&ToKeeper::Spawn(order));
    }

    /// `sh -c SCRIPT`
    pub fn shell(&mut self, attempt: AttemptId, script: &str) {
        self.spawn(attempt, &["sh", "-c", script]);
    }

    pub fn stop(&mut self, attempt: AttemptId, grace: Duration) {
        let grace_ms = grace.as_millis() as u64;
        self.say(&ToKeeper::Stop { attempt, reason: "stopped by ana".into(), grace_ms });
    }

    pub fn ended(&mut self, attempt: AttemptId) -> Ended {
        self.hear_until(|message| match message {
            FromKeeper::Ended(ended) if ended.attempt == attempt => Some(ended.clone()),
            _ => None,
        })
    }

    pub fn outcome(&mut self, attempt: AttemptId) -> Outcome {
        self.ended(attempt).outcome
    }

    /// Runs it to its end, and gives what it printed.
    pub fn run(&mut self, attempt: AttemptId, command: &[&str]) -> (Outcome, String, String) {
        self.spawn(attempt, command);
        let outcome = self.outcome(attempt);
        (outcome, self.output(attempt, "out"), self.output(attempt, "err"))
    }

    pub fn output_path(&self, attempt: AttemptId, stream: &str) -> PathBuf {
        self.state().join("spool").join(format!("{attempt}.{stream}"))
    }

    pub fn output(&self, attempt: AttemptId, stream: &str) -> String {
        let bytes = std::fs::read(self.output_path(attempt, stream)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the task has printed so many lines, and gives them.
    pub fn lines(&self, attempt: AttemptId, count: usize) -> Vec<String> {
        until_some("the task to print", || {
            let text = self.output(attempt, "out");
            let whole = text.rsplit_once('\n').map(|(whole, _)| whole.to_owned())?;
            let lines: Vec<String> = whole.lines().map(str::to_owned).collect();
            (lines.len() >= count).then_some(lines)
        })
    }

    pub fn kept(&self, attempt: AttemptId) -> &Kept {
        let found = self.hello.iter().find(|kept| kept.attempt == attempt);
        found.unwrap_or_else(|| panic!("{attempt} is not kept: {:?}", self.hello))
    }

    pub fn kept_outcome(&self, attempt: AttemptId) -> Outcome {
        self.kept(attempt).ended.clone().expect("it has ended").outcome
    }

    pub fn status(&self) -> WorkerStatus {
        let output = self.command(&["status", "--json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }

    /// Every process marked as a task of this worker.
    pub fn processes(&self) -> Vec<i32> {
        let state = format!("BRAMBLE_WORKER={}", self.state().display()).into_bytes();
        let marked = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry == state)
        };
        pids().filter(marked).collect()
    }

    /// The folders of cgroups of this worker, where there are any.
    pub fn cgroups(&self) -> Option<PathBuf> {
        use std::os::unix::fs::MetadataExt;
        if self.mode == Mode::Marks {
            return None;
        }
        let home = worker_agent::keeper::cgroup::available().ok()?;
        let of = std::fs::metadata(self.state()).ok()?;
        Some(home.join(format!("bramble-{:x}-{:x}", of.dev(), of.ino())))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            let _ = keeper.kill();
            let _ = keeper.wait();
        }
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let left = self.processes();
            if left.is_empty() {
                break;
            }
            left.into_iter().for_each(|pid| kill(pid, libc::SIGKILL));
        }
        if let Some(base) = self.cgroups() {
            for slot in std::fs::read_dir(&base).into_iter().flatten().flatten().filter(|slot| slot.path().is_dir()) {
                let _ = std::fs::write(slot.path().join("cgroup.kill"), "1");
                let emptied = || std::fs::remove_dir(slot.path()).is_ok();
                while Instant::now() < until && !emptied() {
                    std::thread::yield_now();
                }
            }
            let _ = std::fs::remove_dir(base);
        }
    }
}

/// Task 1.`index`, first attempt.
pub fn attempt(index: u32) -> AttemptId {
    TaskId::new(1, index).attempt(1)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn unknown_exit() -> Outcome {
    Outcome::Lost { reason: "exit unknown: its keeper was killed".into(), again: false }
}

pub fn stopped() -> Outcome {
    Outcome::Stopped { reason: "stopped by ana".into() }
}

/// The modes that can be tested here.
pub fn modes() -> Vec<Mode> {
    // Without root nothing can be hidden; then there usually is nothing to hide either.
    if is_root() { vec![Mode::Usual, Mode::Marks] } else { vec![Mode::Usual] }
}

/// What a person reads of a verb.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub fn write_script(path: &Path, lines: &str) {
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o755).open(path);
    file.unwrap().write_all(format!("#!/bin/sh\n{lines}").as_bytes()).unwrap();
}

pub fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: a system call on numbers.
    unsafe { libc::kill(pid, signal) };
}

/// Whether it runs: a zombie does not.
pub fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_some(what, || is_so().then_some(()));
}

pub fn until_some<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The process that a keeper starts as its agent: passes everything between the keeper and the test.
pub fn be_the_agent(path: &Path) {
    // SAFETY: the keeper left it open for its agent, which is us.
    let keeper = UnixStream::from(unsafe { OwnedFd::from_raw_fd(3) });
    let test = UnixStream::connect(path).unwrap();
    let (mut from_keeper, mut to_test) = (keeper.try_clone().unwrap(), test.try_clone().unwrap());
    let copying = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_keeper, &mut to_test);
        std::process::exit(0);
    });
    let _ = std::io::copy(&mut &test, &mut &keeper);
    // The test has let go of this agent; the keeper decides what becomes of it.
    let _ = copying.join();
}

/// In a child of this process: a view of the machine in which no cgroup is mounted.
fn hide_cgroups() -> std::io::Result<()> {
    let done = |result: i32| if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) };
    // SAFETY: system calls on constant strings.
    unsafe {
        done(libc::unshare(libc::CLONE_NEWNS))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        done(libc::mount(c"none".as_ptr(), c"/".as_ptr(), std::ptr::null(), private, std::ptr::null()))?;
        let (at, kind) = (c"/sys/fs/cgroup".as_ptr(), c"tmpfs".as_ptr());
        done(libc::mount(c"none".as_ptr(), at, kind, 0, std::ptr::null()))
    }
}
