//! Asks the keeper on this machine over its control socket, and prints what it says.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::BytesMut;
use protocol::frame;
use protocol::keeper::{Control, ControlReply, Kept, WorkerStatus};
use protocol::time::UnixMillis;

use crate::layout::Layout;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// For an upgrade, in which tasks may be ending and an agent has its time to end.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(90);

pub fn status(layout: &Layout, json: bool) -> anyhow::Result<()> {
    let status = ask_status(layout)?;
    if json {
        return print_json(&status);
    }
    let WorkerStatus { keeper_version, keeper_pid, agent_pid, agent_restarts, running, unacked, agent, .. } = status;
    let times = if agent_restarts == 1 { "once" } else { &format!("{agent_restarts} times") };
    println!("keeper   {keeper_version}, process {keeper_pid}");
    match agent_pid {
        Some(pid) if agent_restarts == 0 => println!("agent    process {pid}"),
        Some(pid) => println!("agent    process {pid}, restarted {times}"),
        None => println!("agent    down, restarted {times}"),
    }
    println!("tasks    {running} running, {unacked} ended and not yet acknowledged by the manager");
    for (name, text) in crate::agent::status_rows(&agent, UnixMillis::of(std::time::SystemTime::now())) {
        println!("{name:8} {text}");
    }
    Ok(())
}

pub fn tasks(layout: &Layout, json: bool) -> anyhow::Result<()> {
    let tasks = match ask(layout, &Control::Tasks)? {
        ControlReply::Tasks(tasks) => tasks,
        other => bail!(unexpected(&other)),
    };
    if json {
        return print_json(&tasks);
    }
    if tasks.is_empty() {
        println!("no tasks");
        return Ok(());
    }
    println!("{:<16} {:<10} {:>8} {:>9}  REASON", "ATTEMPT", "STATE", "PROCESS", "TIME");
    for Kept { attempt, pid, started_at, ended, .. } in tasks {
        let pid = pid.map_or("-".into(), |pid| pid.to_string());
        let (state, time, reason) = match ended {
            None => ("running", Some(UnixMillis::of(std::time::SystemTime::now()).since(started_at)), String::new()),
            Some(ended) => (ended.outcome.state().word(), ended.ran_ms, ended.outcome.reason()),
        };
        let time = time.map_or("-".into(), |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100));
        println!("{:<16} {state:<10} {pid:>8} {time:>9}  {reason}", attempt.to_string());
    }
    Ok(())
}

/// Has every task stopped, then the worker ended. Returns when the worker has begun with it.
pub fn end(layout: &Layout, reason: &str, grace: Duration) -> anyhow::Result<()> {
    let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
    match ask(layout, &Control::End { reason: reason.to_owned(), grace_ms })? {
        ControlReply::Ending => Ok(()),
        other => bail!(unexpected(&other)),
    }
}

/// Returns when the new one answers, or says why there is none.
pub fn upgrade(layout: &Layout, path: &Path) -> anyhow::Result<()> {
    let path = std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))?;
    let text = path.to_str().with_context(|| format!("{} is not UTF-8; rename it", path.display()))?;
    let before = ask_status(layout)?;
    let mut line = Line::open(layout, UPGRADE_PATIENCE)?;
    line.say(&Control::Upgrade { path: text.to_owned() })?;
    loop {
        match line.hear()? {
            Some(ControlReply::Upgrading) => {}
            Some(ControlReply::Refused { reason }) => bail!("not upgraded: {reason}"),
            Some(other) => bail!(unexpected(&other)),
            // The exec closes the line.
            None => break,
        }
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match ask_status(layout) {
            Ok(now) if now.agent_pid.is_some() => {
                println!("keeper {} is now {} (process {})", before.keeper_version, now.keeper_version, now.keeper_pid);
                return Ok(());
            }
            Err(error) if Instant::now() >= until => return Err(error.context("the new worker does not answer")),
            Ok(_) if Instant::now() >= until => bail!("the new worker runs, but its agent does not start; see its log"),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Why the worker here, if one runs, starts tasks without cgroups although there are some.
pub fn barren_cgroup(layout: &Layout) -> Option<String> {
    ask_status(layout).ok()?.barren_cgroup
}

fn ask_status(layout: &Layout) -> anyhow::Result<WorkerStatus> {
    match ask(layout, &Control::Status)? {
        ControlReply::Status(status) => Ok(*status),
        other => bail!(unexpected(&other)),
    }
}

fn ask(layout: &Layout, request: &Control) -> anyhow::Result<ControlReply> {
    let mut line = Line::open(layout, PATIENCE)?;
    line.say(request)?;
    match line.hear()? {
        Some(ControlReply::Refused { reason }) => bail!("the worker refused: {reason}"),
        Some(reply) => Ok(reply),
        None => bail!("the worker hung up without an answer; see its log"),
    }
}

struct Line {
    socket: UnixStream,
    inbox: BytesMut,
    name: String,
}

impl Line {
    fn open(layout: &Layout, patience: Duration) -> anyhow::Result<Self> {
        let path = layout.socket();
        let name = path.display().to_string();
        let socket = UnixStream::connect(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                anyhow::anyhow!("no worker runs here: nobody answers at {name}; start it with `bramble worker-agent run` (or `worker-agent run`), or name its folder with --state DIR or --run DIR")
            }
            ErrorKind::PermissionDenied => anyhow::anyhow!("only root and the worker's own user may ask at {name}"),
            _ => anyhow::anyhow!("the worker cannot be asked at {name}: {error}"),
        })?;
        socket.set_read_timeout(Some(patience))?;
        socket.set_write_timeout(Some(patience))?;
        Ok(Self { socket, inbox: BytesMut::new(), name })
    }

    fn say(&mut self, request: &Control) -> anyhow::Result<()> {
        let mut out = BytesMut::new();
        frame::encode(request, &mut out)?;
        self.socket.write_all(&out).with_context(|| format!("the worker at {} does not listen", self.name))
    }

    /// `None`: the worker has closed the line.
    fn hear(&mut self) -> anyhow::Result<Option<ControlReply>> {
        loop {
            if let Some(json) = frame::split(&mut self.inbox)? {
                return Ok(Some(frame::parse(&json)?));
            }
            let mut buffer = [0; 16 * 1024];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.inbox.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(None),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    bail!("the worker at {} does not answer", self.name)
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn unexpected(reply: &ControlReply) -> String {
    format!("the worker answered something else than was asked: {reply:?}")
}

fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}
