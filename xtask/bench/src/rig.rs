//! One manager and one worker, started as a person would start them and ended by us.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use protocol::api::{NodeView, Reply, Request};
use protocol::node::NodeState;
use rustix::process::Signal;

use crate::door::Door;
use crate::process::{self, Pid};

/// Within this everything is up, or something is wrong.
const UP: Duration = Duration::from_secs(30);
const DOWN: Duration = Duration::from_secs(15);

/// What is measured.
#[derive(Debug, Clone)]
pub struct Programs {
    pub bramble: PathBuf,
    pub worker: PathBuf,
}

/// A folder that goes away with its value. Every uid may pass through it: tasks have uids of their own.
pub struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    pub fn below(parent: &Path) -> anyhow::Result<Self> {
        let made = tempfile::Builder::new().prefix("bramble-bench-").tempdir_in(parent);
        let folder = made.with_context(|| format!("no folder can be made in {}", parent.display()))?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).context("its mode cannot be set")?;
        Ok(Self { folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// This program, where tasks may execute it: the build folder may lie in somebody's home.
    pub fn own_program(&self) -> anyhow::Result<String> {
        let copy = self.path().join("bench");
        if !copy.exists() {
            fs::copy("/proc/self/exe", &copy).context("this program cannot be copied for its own tasks")?;
        }
        Ok(copy.display().to_string())
    }
}

pub struct Manager {
    process: Process,
    folder: PathBuf,
    socket: PathBuf,
    bramble: PathBuf,
}

impl Manager {
    /// With its default configuration, but for where it lives.
    pub fn start(programs: &Programs, ground: &Ground, name: &str) -> anyhow::Result<Self> {
        let folder = ground.path().join(name);
        fs::create_dir(&folder).context("the manager's folder cannot be made")?;
        let config = folder.join("manager.toml");
        let (state, run) = (folder.join("state"), folder.join("run"));
        fs::write(&config, format!("ssh = \"127.0.0.1:0\"\nstate = {state:?}\nrun = {run:?}\n"))
            .context("the manager's configuration cannot be written")?;
        let mut command = Command::new(&programs.bramble);
        command.arg("manager").arg("--config").arg(&config);
        let mut process = Process::start(command, folder.join("log"))?;
        let socket = run.join("manager.sock");
        process.wait_until("the manager answers", || Ok(Door::open(&socket).ok()))?;
        Ok(Self { process, folder, socket, bramble: programs.bramble.clone() })
    }

    /// With SIGKILL, and at once again in the same place. Returns when it answers, and says when it was started.
    pub fn kill_and_start_again(&mut self, programs: &Programs) -> anyhow::Result<Instant> {
        let Reply::Hello(hello) = self.door()?.call(Request::Hello { protocol: protocol::PROTOCOL })? else {
            bail!("the manager does not answer a hello with one");
        };
        let config = self.folder.join("manager.toml");
        let (state, run) = (self.folder.join("state"), self.folder.join("run"));
        // Its nodes know its port.
        fs::write(&config, format!("ssh = {:?}\nstate = {state:?}\nrun = {run:?}\n", hello.ssh))
            .context("the manager's configuration cannot be written")?;
        self.process.child.kill().context("the manager cannot be killed")?;
        self.process.child.wait().context("the manager's end cannot be seen")?;
        let began = Instant::now();
        let mut command = Command::new(&programs.bramble);
        command.arg("manager").arg("--config").arg(&config);
        self.process = Process::start(command, self.folder.join("log.again"))?;
        let socket = self.socket.clone();
        self.process.wait_until("the manager answers again", || Ok(Door::open(&socket).ok()))?;
        Ok(began)
    }

    pub fn door(&self) -> anyhow::Result<Door> {
        Door::open(&self.socket)
    }

    pub fn pid(&self) -> Pid {
        self.process.pid()
    }

    /// A verb, as a person would type it.
    pub fn verb(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.bramble);
        command.args(words).env("BRAMBLE_MANAGER", format!("unix://{}", self.socket.display())).stdin(Stdio::null());
        command
    }

    /// Where nodes reach it, and a token to join with.
    fn invitation(&self) -> anyhow::Result<(String, String)> {
        let Reply::Hello(hello) = self.door()?.call(Request::Hello { protocol: protocol::PROTOCOL })? else {
            bail!("the manager does not answer a hello with one");
        };
        let made = self.verb(&["join-token", "--json"]).output().context("`bramble join-token` cannot be started")?;
        let json: serde_json::Value = serde_json::from_slice(&made.stdout).with_context(|| {
            format!("`bramble join-token --json` printed no JSON: {}", String::from_utf8_lossy(&made.stderr))
        })?;
        let token = json["token"].as_str().context("`bramble join-token --json` printed no token")?;
        Ok((hello.ssh, token.to_owned()))
    }
}

pub struct Worker {
    process: Process,
    agent: Pid,
}

/// So many start at once: a manager lets only so many strangers in at a time.
const TOGETHER: usize = 8;

impl Worker {
    /// Joined, up, with two slots.
    pub fn start(programs: &Programs, ground: &Ground, manager: &Manager) -> anyhow::Result<Self> {
        let [worker] = <[Self; 1]>::try_from(Self::start_all(programs, ground, manager, &["bench".to_owned()])?)
            .map_err(|_| anyhow::anyhow!("one worker was started"))?;
        Ok(worker)
    }

    /// One of each name, all of them up.
    pub fn start_all(
        programs: &Programs,
        ground: &Ground,
        manager: &Manager,
        names: &[String],
    ) -> anyhow::Result<Vec<Self>> {
        let mut workers = vec![];
        for group in names.chunks(TOGETHER) {
            let started: anyhow::Result<Vec<Process>> =
                group.iter().map(|name| Self::launch(programs, ground, manager, name)).collect();
            let mut started = started?;
            let mut door = manager.door()?;
            if let Some(first) = started.first_mut() {
                first.wait_until("all workers are up", || {
                    let Reply::Nodes(nodes) = door.call(Request::Nodes)? else { bail!("nodes were asked for") };
                    let is_up = |name: &&String| {
                        let of = |node: &NodeView| node.name.to_string() == **name && node.state == NodeState::Up;
                        nodes.iter().any(of)
                    };
                    Ok(group.iter().all(|name| is_up(&name)).then_some(()))
                })?;
            }
            for process in started {
                workers.push(Self::of(process)?);
            }
        }
        Ok(workers)
    }

    fn launch(programs: &Programs, ground: &Ground, manager: &Manager, name: &str) -> anyhow::Result<Process> {
        let (address, token) = manager.invitation()?;
        let folder = ground.path().join(format!("worker-{name}"));
        fs::create_dir(&folder).context("the worker's folder cannot be made")?;
        let mut command = Command::new(&programs.worker);
        command.args(["run", "--manager", &address, "--join", &token, "--name", name, "--slots", "2"]);
        command.arg("--state").arg(folder.join("state")).arg("--run").arg(folder.join("run"));
        Process::start(command, folder.join("log"))
    }

    fn of(process: Process) -> anyhow::Result<Self> {
        let agent = match process::children(process.pid())[..] {
            [agent] => agent,
            ref others => bail!("an idle keeper has one child, its agent; this one has {others:?}"),
        };
        Ok(Self { process, agent })
    }

    pub fn keeper(&self) -> Pid {
        self.process.pid()
    }

    pub fn agent(&self) -> Pid {
        self.agent
    }
}

/// A process that ends with its value.
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    pub fn start(mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let file = fs::File::create(&log).with_context(|| format!("{} cannot be written", log.display()))?;
        let both = file.try_clone().context("no more files can be opened")?;
        // What the person who measures has set must not change what is measured.
        command.env_remove("RUST_LOG").env_remove("BRAMBLE_MANAGER");
        let started = command.stdin(Stdio::null()).stdout(both).stderr(file).spawn();
        let child = started.with_context(|| format!("{name} cannot be started"))?;
        Ok(Self { child, name, log })
    }

    fn pid(&self) -> Pid {
        self.child.id()
    }

    pub fn wait_until<T>(
        &mut self,
        what: &str,
        mut so: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + UP;
        loop {
            if let Some(found) = so()? {
                return Ok(found);
            }
            let ended = self.child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() > until {
                let why =
                    ended.map_or_else(|| "that does not come true".to_owned(), |status| format!("it ended: {status}"));
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} was started and waited for until {what}; {why}\n{log}", self.name);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + DOWN;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                eprintln!("{} did not end when asked; it is killed", self.name);
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
