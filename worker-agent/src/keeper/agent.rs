//! The agent as its keeper sees it: a child that may die at any moment, and a socket to it.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::BytesMut;
use protocol::frame::{self, FrameError};
use protocol::keeper::{FromKeeper, ToKeeper};
use serde_json::Value;

use super::clock::Moment;
use super::spawn::{Launch, Output, Spawner};
use super::tasks::How;

/// The first pause before a new start; it doubles with every death that follows soon.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// One that ran so long is not counted as failing again and again.
const GOOD_RUN: Duration = Duration::from_secs(60);
/// Between being asked to end and being made to.
const GRACE: Duration = Duration::from_secs(5);
/// An agent that leaves so much unread hangs; a fresh one asks for the state anyway.
const MOST_UNREAD: usize = 16 << 20;

pub struct Agent {
    /// The whole command line, as it is started each time.
    command: Vec<OsString>,
    environment: Vec<OsString>,
    state: State,
    started: Moment,
    pub restarts: u32,
    failures: u32,
    /// What it last said of itself.
    pub status: Value,
}

enum State {
    Down {
        start_at: Moment,
    },
    Up(Up),
    /// Asked to end.
    Ending {
        pid: i32,
        kill_at: Moment,
    },
}

struct Up {
    pid: i32,
    socket: UnixStream,
    inbox: BytesMut,
    outbox: BytesMut,
}

impl Agent {
    pub fn new(command: Vec<OsString>, environment: Vec<OsString>) -> Self {
        let now = Moment::now();
        let (state, status) = (State::Down { start_at: now }, Value::Null);
        Self { command, environment, state, started: now, restarts: 0, failures: 0, status }
    }

    pub fn pid(&self) -> Option<i32> {
        match &self.state {
            State::Down { .. } => None,
            State::Up(up) => Some(up.pid),
            State::Ending { pid, .. } => Some(*pid),
        }
    }

    /// To be polled, and whether something waits to be written.
    pub fn socket(&self) -> Option<(BorrowedFd<'_>, bool)> {
        match &self.state {
            State::Up(up) => Some((up.socket.as_fd(), !up.outbox.is_empty())),
            State::Down { .. } | State::Ending { .. } => None,
        }
    }

    /// When there is something to do: to start it, or to kill it.
    pub fn due(&self) -> Option<Moment> {
        match &self.state {
            State::Down { start_at } => Some(*start_at),
            State::Up(_) => None,
            State::Ending { kill_at, .. } => Some(*kill_at),
        }
    }

    /// Starts it. `hello` tells it what is kept, before anything else.
    pub fn start(&mut self, spawner: &mut Spawner, hello: impl FnOnce() -> Vec<FromKeeper>) -> Option<i32> {
        match self.try_start(spawner) {
            Ok(up) => {
                let pid = up.pid;
                self.state = State::Up(up);
                self.started = Moment::now();
                hello().iter().for_each(|message| self.send(message));
                Some(pid)
            }
            Err(error) => {
                let pause = self.next_pause();
                tracing::error!("the agent cannot be started, next try in {pause:?}: {error:#}");
                self.state = State::Down { start_at: Moment::now() + pause };
                None
            }
        }
    }

    fn try_start(&self, spawner: &mut Spawner) -> anyhow::Result<Up> {
        let (socket, its) = UnixStream::pair()?;
        socket.set_nonblocking(true)?;
        let launch = Launch {
            command: self.command.clone(),
            environment: self.environment.clone(),
            folder: None,
            input: None,
            uid: None,
            outputs: [Output::Ours, Output::Ours],
            third: Some(its.as_raw_fd()),
            privileged: false,
            own: true,
        };
        let pid = spawner.spawn(&launch, None)?;
        Ok(Up { pid, socket, inbox: BytesMut::new(), outbox: BytesMut::new() })
    }

    /// After a death nobody wanted: it is started again.
    pub fn died(&mut self, how: How) {
        let now = Moment::now();
        if now - self.started >= GOOD_RUN {
            self.failures = 0;
        }
        self.restarts += 1;
        let pause = self.next_pause();
        tracing::warn!("the agent {how}; it starts again in {pause:?}");
        self.state = State::Down { start_at: now + pause };
    }

    /// After an end that leaves nothing to start it for.
    pub fn ended(&mut self) {
        self.state = State::Down { start_at: Moment::now() };
    }

    /// There is something to start it for again.
    pub fn start_now(&mut self) {
        self.restarts += 1;
        self.failures = 0;
        self.state = State::Down { start_at: Moment::now() };
    }

    fn next_pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        pause
    }

    /// Asks it to end; `kill_when_due` makes it.
    pub fn end(&mut self) {
        if let State::Up(up) = &self.state {
            let pid = up.pid;
            signal(pid, rustix::process::Signal::TERM);
            self.state = State::Ending { pid, kill_at: Moment::now() + GRACE };
        }
    }

    pub fn kill_when_due(&mut self) {
        if let State::Ending { pid, kill_at } = &mut self.state
            && *kill_at <= Moment::now()
        {
            signal(*pid, rustix::process::Signal::KILL);
            *kill_at = Moment::now() + GRACE;
        }
    }

    /// What it asks for. An agent that cannot be understood is ended, and a fresh one started.
    pub fn receive(&mut self) -> Vec<ToKeeper> {
        let State::Up(up) = &mut self.state else { return vec![] };
        let mut asked = vec![];
        let result = up.read().and_then(|open| {
            while let Some(json) = frame::split(&mut up.inbox)? {
                match frame::parse(&json) {
                    Ok(message) => asked.push(message),
                    Err(FrameError::Unknown(unknown)) => {
                        tracing::warn!("the agent says what this keeper does not understand: {unknown}");
                        up.write(&FromKeeper::NotUnderstood { name: unknown.name })?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(open)
        });
        match result {
            Ok(true) => {}
            // It has closed its side; usually it is just dying.
            Ok(false) => self.end(),
            Err(error) => {
                tracing::error!("the agent is ended because it makes no sense: {error:#}");
                self.end();
            }
        }
        asked
    }

    pub fn send(&mut self, message: &FromKeeper) {
        let State::Up(up) = &mut self.state else { return };
        if let Err(error) = up.write(message) {
            tracing::error!("the agent cannot be told something: {error:#}");
            self.end();
        }
    }

    pub fn flush(&mut self) {
        let State::Up(up) = &mut self.state else { return };
        match up.flush() {
            Ok(()) if up.outbox.len() <= MOST_UNREAD => {}
            Ok(()) => {
                tracing::error!("the agent is ended because it does not listen");
                self.end();
            }
            Err(_) => self.end(),
        }
    }
}

impl Up {
    /// Whether it is still open.
    fn read(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        // Bounded: tasks wait for nobody, not even for an agent that talks without end.
        for _ in 0..64 {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    self.inbox.extend_from_slice(&buffer[..length]);
                    if length < buffer.len() {
                        return Ok(true);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn write(&mut self, message: &FromKeeper) -> anyhow::Result<()> {
        Ok(frame::encode(message, &mut self.outbox)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(length) => drop(self.outbox.split_to(length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Only for children that are not reaped yet: their number is theirs.
pub fn signal(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
