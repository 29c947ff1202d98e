//! What bad days have in common: a manager without a demo around it, a caller that speaks the protocol itself, a small
//! disk.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use protocol::api::{Answer, Body, Call, Reply, Request};
use protocol::frame;
use protocol::job::JobSpec;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use rustix::process::Signal;
use serde_json::Value;

use crate::common::{BRAMBLE, PATIENCE, said, signal_pid, until, verb};

/// The command of a manager alone, as systemd starts it: `here` holds its configuration and its folder `run`.
pub fn manager_command(here: &Path, state: &Path, ssh: &str) -> Command {
    let config = here.join("manager.toml");
    let run = here.join("run");
    std::fs::write(&config, format!("ssh = {ssh:?}\nstate = {state:?}\nrun = {run:?}\nstop_grace = \"1s\"\n")).unwrap();
    let mut command = Command::new(BRAMBLE);
    command.args(["manager", "--config"]).arg(&config).stdin(Stdio::null());
    command
}

/// Its end, and what it said in the one sentence that is not a line of its log.
pub fn refused(command: &mut Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ended = until_end(&mut child, PATIENCE / 4);
    let _ = child.kill();
    let done = child.wait_with_output().unwrap();
    assert!(ended, "it was not refused: {}", said(&done));
    let told = String::from_utf8_lossy(&done.stderr);
    let sentence: Vec<&str> =
        told.lines().filter(|line| line.starts_with("bramble: ") || line.starts_with("worker-agent: ")).collect();
    assert_eq!(sentence.len(), 1, "{}", said(&done));
    (done.status.code(), sentence[0].to_owned())
}

fn until_end(child: &mut Child, patience: Duration) -> bool {
    let end = Instant::now() + patience;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5)); // why: the pause between two looks at a condition
    }
    true
}

pub struct Manager {
    pub child: Child,
    pub here: PathBuf,
    pub state: PathBuf,
    pub socket: PathBuf,
    pub ssh: String,
}

impl Manager {
    pub fn start(here: &Path) -> Self {
        Self::on(here, &here.join("state"), "127.0.0.1:0", |_| {})
    }

    /// With more in its configuration.
    pub fn with(here: &Path, more: &str, change: impl FnOnce(&mut Command)) -> Self {
        Self::on(here, &here.join("state"), "127.0.0.1:0", |command| {
            let config = here.join("manager.toml");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, text + more).unwrap();
            change(command);
        })
    }

    pub fn on(here: &Path, state: &Path, ssh: &str, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = manager_command(here, state, ssh);
        let log = File::options().create(true).append(true).open(here.join("log")).unwrap();
        change(command.stderr(log));
        let mut child = command.spawn().unwrap();
        let socket = here.join("run/manager.sock");
        let ssh =
            until("the manager answers", || {
                let ended = child.try_wait().unwrap();
                assert!(ended.is_none(), "{ended:?}: {}", std::fs::read_to_string(here.join("log")).unwrap());
                match Raw::reach(&socket)?.ask(Request::Hello { protocol: protocol::PROTOCOL }) {
                    Some(Body::Reply(Reply::Hello(hello))) => Some(hello.ssh),
                    // Of a manager with other numbers, as some tests have.
                    _ => std::fs::read_to_string(here.join("log")).unwrap().lines().rev().find_map(|line| {
                        Some(line.split_once("serving: ")?.1.split_once("and ssh ")?.1.trim().to_owned())
                    }),
                }
            });
        Self { child, here: here.into(), state: state.into(), socket, ssh }
    }

    pub fn verb(&self, words: &[&str]) -> Output {
        verb(&self.socket, words).output().unwrap()
    }

    /// stdout of a verb that succeeds, as JSON.
    pub fn json(&self, words: &[&str]) -> Value {
        let done = self.verb(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", said(&done)))
    }

    pub fn events(&self) -> String {
        String::from_utf8(self.verb(&["event", "--limit", "10000"]).stdout).unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.here.join("log")).unwrap()
    }

    pub fn token(&self) -> String {
        self.json(&["join-token", "--json"])["token"].as_str().unwrap().to_owned()
    }

    /// A real worker, with folders beside the manager's.
    pub fn worker(&self, name: &str, state: &Path) -> Worker {
        self.worker_at(name, state, &self.ssh)
    }

    /// One that reaches the manager in another way.
    pub fn worker_at(&self, name: &str, state: &Path, address: &str) -> Worker {
        let run = self.here.join(format!("{name}.run"));
        let mut words: Vec<OsString> = ["--slots", "2", "--name", name, "--manager", address].map(Into::into).into();
        words.extend(["--state".into(), state.into(), "--run".into(), run.clone().into()]);
        let mut command = keeper(&words);
        command.stderr(File::options().create(true).append(true).open(self.here.join(format!("{name}.log"))).unwrap());
        if !state.join("manager.json").exists() {
            command.env("BRAMBLE_JOIN_TOKEN", self.token());
        }
        let child = command.spawn().unwrap();
        Worker { child, words, state: state.into(), run }
    }

    pub fn is_up(&self, node: &str) -> bool {
        let done = self.verb(&["node", node, "--json"]);
        serde_json::from_slice::<Value>(&done.stdout).is_ok_and(|view| view["state"] == "up")
    }

    pub fn signal(&self, signal: Signal) {
        signal_pid(self.child.id() as i32, signal);
    }

    /// As systemd ends it.
    pub fn ends(mut self) {
        self.signal(Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the manager ended with {status}: {}", self.log());
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        signal_pid(child.id() as i32, Signal::TERM);
        let _ = child.wait();
    }
}

/// A worker that is ended with the test, and its tasks with it.
pub struct Worker {
    pub child: Child,
    words: Vec<OsString>,
    pub state: PathBuf,
    pub run: PathBuf,
}

fn keeper(words: &[OsString]) -> Command {
    let mut command = Command::new(BRAMBLE);
    command.args(["worker-agent", "run", "--refuse-reboot"]).args(words).stdin(Stdio::null());
    command
}

impl Worker {
    /// To start it once more.
    pub fn command(&self) -> Command {
        keeper(&self.words)
    }

    /// What it says to who asks on its own machine.
    pub fn status(&self) -> Value {
        let mut command = Command::new(BRAMBLE);
        command.args(["worker-agent", "status", "--json", "--state"]).arg(&self.state).arg("--run").arg(&self.run);
        serde_json::from_slice(&command.output().unwrap().stdout).unwrap_or_default()
    }

    pub fn trouble(&self) -> String {
        self.status()["agent"]["last_error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Kibibytes of memory that a process has for itself.
pub fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Seconds of the processor that it has used.
pub fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<u64> = stat.rsplit_once(')').unwrap().1.split(' ').map(|n| n.parse().unwrap_or(0)).collect();
    (fields[12] + fields[13]) as f64 / 100.0
}

/// A caller that speaks the protocol itself, well or badly.
pub struct Raw {
    pub socket: UnixStream,
    arrived: BytesMut,
    last: u64,
}

impl Raw {
    pub fn reach(socket: &Path) -> Option<Self> {
        let socket = UnixStream::connect(socket).ok()?;
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Some(Self { socket, arrived: BytesMut::new(), last: 0 })
    }

    /// Asks and does not wait.
    pub fn say(&mut self, request: Request) -> u64 {
        self.last += 1;
        let mut out = BytesMut::new();
        frame::encode(&Call { id: self.last, request }, &mut out).unwrap();
        self.socket.write_all(&out).unwrap();
        self.last
    }

    pub fn ask(&mut self, request: Request) -> Option<Body> {
        self.say(request);
        self.next()
    }

    /// What comes next; nothing when the other side has hung up.
    pub fn next(&mut self) -> Option<Body> {
        let mut part = [0; 65536];
        loop {
            if let Some(json) = frame::split(&mut self.arrived).unwrap() {
                return Some(frame::parse::<Answer>(&json).unwrap().body);
            }
            match self.socket.read(&mut part) {
                Ok(length) if length > 0 => self.arrived.extend_from_slice(&part[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("nothing came in time"),
                _ => return None,
            }
        }
    }
}

/// How long each of `times` simple questions takes, the slowest of them: what others notice of a bad day.
pub fn slowest_answer(socket: &Path, times: usize) -> Duration {
    let mut caller = Raw::reach(socket).unwrap();
    let ask = |_| {
        let began = Instant::now();
        let answer = caller.ask(Request::Nodes);
        assert!(matches!(answer, Some(Body::Reply(Reply::Nodes(_)))), "{answer:?}");
        began.elapsed()
    };
    (0..times).map(ask).max().unwrap()
}

/// Submits and says the number.
pub fn submit(socket: &Path, spec: JobSpec) -> Result<u32, String> {
    match Raw::reach(socket).and_then(|mut caller| caller.ask(Request::Submit(spec))) {
        Some(Body::Reply(Reply::Submitted { job, .. })) => Ok(job.0),
        Some(Body::Error(refusal)) => Err(refusal.message),
        other => Err(format!("{other:?}")),
    }
}

/// A disk of its own, as small as a test needs it. Gone with the test, also where that panics.
pub struct Disk {
    pub path: PathBuf,
}

impl Disk {
    /// `None` where this test may not mount.
    pub fn new(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let options = std::ffi::CString::new(format!("size={size},mode=0755")).unwrap();
        mount("tmpfs", &path, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).ok()?;
        Some(Self { path })
    }

    pub fn read_only(&self, yes: bool) {
        let flags = if yes { MountFlags::RDONLY } else { MountFlags::empty() };
        // Where somebody is just writing it is busy.
        until("the disk can be remounted", || rustix::mount::mount_remount(&self.path, flags, "").ok());
    }

    /// Fills it up to so many bytes that stay free.
    pub fn fill(&self, left: u64) -> PathBuf {
        let path = self.path.join("ballast");
        let free = || {
            let disk = rustix::fs::statvfs(&self.path).unwrap();
            disk.f_bavail * disk.f_frsize
        };
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        while free() > left {
            let part = vec![b'x'; usize::try_from((free() - left).min(1 << 20)).unwrap()];
            if file.write(&part).is_err() {
                break;
            }
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What still has a file open there keeps it only as long as it lives.
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}
