//! How soon a manager that was killed is back at work: with a long queue, and with many agents that all come back at once.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use protocol::api::{JobQuery, Reply, Request};
use protocol::job::{Array, Counts, JobSpec};
use protocol::node::{NodeState, Role};
use rustix::process::Signal;

use crate::bare::PROGRAM;
use crate::door::Door;
use crate::process::{self, Pid};
use crate::rig::{Ground, Manager, Programs, Worker};

/// Within this it is back, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// A link that has lasted so long is dialled again soon.
const STABLE: Duration = Duration::from_secs(11);

/// From the start of the next manager to the first task that ends under it, while so many tasks wait.
pub fn to_work(programs: &Programs, ground: &Ground, tasks: u32) -> anyhow::Result<Duration> {
    let mut manager = Manager::start(programs, ground, "killed")?;
    let _worker = Worker::start(programs, ground, &manager)?;
    let mut spec = JobSpec::of([PROGRAM]);
    spec.array = Some(Array { first: 0, last: tasks - 1 });
    let mut door = manager.door()?;
    let Reply::Submitted { .. } = door.call(Request::Submit(spec))? else { bail!("the array was not accepted") };
    let busy = Instant::now();
    while counts(&mut door)?.succeeded == 0 || busy.elapsed() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let began = manager.kill_and_start_again(programs)?;
    let mut door = manager.door()?;
    let before = counts(&mut door)?;
    if before.total() != tasks {
        bail!("{tasks} tasks were acknowledged, {} are there after the manager was killed", before.total());
    }
    while counts(&mut door)?.succeeded == before.succeeded {
        if began.elapsed() > PATIENCE {
            bail!("no task has ended {PATIENCE:?} after the manager was killed");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(began.elapsed())
}

fn counts(door: &mut Door) -> anyhow::Result<Counts> {
    match door.call(Request::Jobs(JobQuery { limit: 1, ..JobQuery::default() }))? {
        Reply::Jobs { jobs, .. } => Ok(jobs.first().context("the job is gone")?.counts),
        other => bail!("jobs were asked for, not {other:?}"),
    }
}

/// From the death of the manager of a demo to all its workers being up again; the demo waits a second before it starts
/// the next, as systemd does.
pub fn of_agents(programs: &Programs, ground: &Ground, agents: u32) -> anyhow::Result<Duration> {
    let demo = Demo::start(programs, ground, agents)?;
    // why: how long its link has lasted is what an agent goes by
    std::thread::sleep(STABLE);
    let manager = demo.manager()?;
    let killed = Instant::now();
    signal(manager, Signal::KILL);
    while demo.up().is_none_or(|up| up < agents) || demo.manager().is_ok_and(|now| now == manager) {
        if killed.elapsed() > PATIENCE {
            bail!("not all {agents} agents are back after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(killed.elapsed())
}

struct Demo {
    child: Child,
    socket: PathBuf,
}

impl Demo {
    fn start(programs: &Programs, ground: &Ground, agents: u32) -> anyhow::Result<Self> {
        let mut command = Command::new(&programs.bramble);
        command.args(["demo", "--headless", "--no-samples", "--nodes", &agents.to_string(), "--state"]);
        command.arg(ground.path().join("demo")).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().context("the demo cannot be started")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let told: Option<serde_json::Value> = serde_json::from_str(&line).ok();
        let socket = told.and_then(|told| Some(PathBuf::from(told["socket"].as_str()?)));
        // Ended with the value, whatever it said.
        let demo = Self { child, socket: socket.clone().unwrap_or_default() };
        socket.with_context(|| format!("the demo of {agents} workers did not come up: {line:?}"))?;
        Ok(demo)
    }

    fn manager(&self) -> anyhow::Result<Pid> {
        let is_manager = |pid: &Pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1) == Some(b"manager")
        };
        process::children(self.child.id()).into_iter().find(is_manager).context("the demo has no manager")
    }

    /// How many workers are up; `None` while nobody answers.
    fn up(&self) -> Option<u32> {
        let Reply::Nodes(nodes) = Door::open(&self.socket).ok()?.call(Request::Nodes).ok()? else { return None };
        let up = nodes.iter().filter(|node| node.role == Role::Worker && node.state == NodeState::Up).count();
        u32::try_from(up).ok()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        signal(self.child.id(), Signal::INT);
        let _ = self.child.wait();
    }
}

fn signal(pid: Pid, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, signal);
    }
}
