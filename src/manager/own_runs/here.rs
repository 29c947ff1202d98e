//! A bash on the manager's own machine, as root: what is run here goes the same way as what is run elsewhere.

use std::io;
use std::process::Stdio;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use protocol::job::Stream;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::line::Said;
use super::words::{MARK, PATH};

const READ: usize = 64 * 1024;

pub struct Here {
    child: Child,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    exited: bool,
    buffer: BytesMut,
}

/// Its process group, which has its number.
#[derive(Debug, Clone)]
pub struct HereGrip {
    group: Option<Pid>,
    /// In the environment of all that it starts.
    pub mark: Arc<str>,
}

pub fn start() -> io::Result<(Here, ChildStdin, HereGrip)> {
    let mut command = Command::new("/bin/bash");
    command.args(["--norc", "--noprofile", "-s"]).env_clear().env("PATH", PATH).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let stdin = child.stdin.take().ok_or_else(|| io::Error::other("it has no standard input"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    Ok((
        Here { child, stdout, stderr, exited: false, buffer: BytesMut::new() },
        stdin,
        HereGrip { group, mark: super::random().into() },
    ))
}

impl Here {
    pub async fn next(&mut self) -> io::Result<Option<Said>> {
        loop {
            self.buffer.reserve(READ);
            let mut other = BytesMut::new();
            if self.stdout.is_none() && self.stderr.is_none() && self.exited {
                return Ok(None);
            }
            other.reserve(READ);
            tokio::select! {
                read = read(&mut self.stdout, &mut self.buffer), if self.stdout.is_some() => match read? {
                    Some(bytes) => return Ok(Some(Said::Printed(Stream::Stdout, bytes))),
                    None => self.stdout = None,
                },
                read = read(&mut self.stderr, &mut other), if self.stderr.is_some() => match read? {
                    Some(bytes) => return Ok(Some(Said::Printed(Stream::Stderr, bytes))),
                    None => self.stderr = None,
                },
                ended = self.child.wait(), if !self.exited => {
                    use std::os::unix::process::ExitStatusExt;
                    let status = ended?;
                    self.exited = true;
                    return Ok(Some(match (status.code(), status.signal()) {
                        (Some(code), _) => Said::Exited(code),
                        (None, signal) => Said::Signaled(signal),
                    }));
                }
            }
        }
    }
}

async fn read(
    from: &mut Option<impl tokio::io::AsyncRead + Unpin>,
    buffer: &mut BytesMut,
) -> io::Result<Option<Bytes>> {
    let Some(from) = from else { return std::future::pending().await };
    let read = from.read_buf(buffer).await?;
    Ok((read > 0).then(|| buffer.split().freeze()))
}

impl HereGrip {
    pub fn signal(&self, term: bool) {
        let signal = if term { Signal::TERM } else { Signal::KILL };
        if let Some(group) = self.group {
            // None of it may be left.
            let _ = kill_process_group(group, signal);
        }
        if !term {
            self.sweep();
        }
    }

    /// Those who have left the group still carry the mark.
    fn sweep(&self) {
        let mark = format!("{MARK}={}", self.mark);
        let Ok(processes) = std::fs::read_dir("/proc") else { return };
        for process in processes.flatten() {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let environment = std::fs::read(process.path().join("environ")).unwrap_or_default();
            if environment.split(|&byte| byte == 0).any(|word| word == mark.as_bytes())
                && let Some(pid) = Pid::from_raw(pid)
            {
                // It may have ended meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
