//! The real manager, as its own process, and a person who talks to it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use protocol::api::{Answer, Body, Call, Hello, More, Refusal, Reply, Request};
use protocol::frame;
use rustix::process::Signal;

use crate::common::{BRAMBLE, PATIENCE, signal_pid};

pub struct Manager {
    child: Child,
    pub socket: PathBuf,
    log: PathBuf,
}

/// Whose sockets and log lie outside of its state, which may be on a disk that is watched.
pub struct Place {
    pub state: PathBuf,
    pub outside: PathBuf,
}

impl Place {
    fn config(&self, ssh: &str) -> io::Result<PathBuf> {
        std::fs::create_dir_all(&self.outside)?;
        let config = self.outside.join("manager.toml");
        let (state, run) = (&self.state, self.outside.join("run"));
        let people: String = PEOPLE.iter().map(|(name, _)| format!("{name} = \"operator\"\n")).collect();
        let text = format!("ssh = \"{ssh}\"\nstate = {state:?}\nrun = {run:?}\nkeep_tasks = 400\n\n[people]\n{people}");
        std::fs::write(&config, text)?;
        Ok(config)
    }
}

/// Debian has them everywhere.
pub const PEOPLE: [(&str, u32); 4] = [("daemon", 1), ("bin", 2), ("sys", 3), ("games", 5)];

impl Manager {
    /// Starts, and answers; or why it does not.
    pub fn start(place: &Place, ssh: &str) -> Result<(Self, Hello), String> {
        let log = place.outside.join("log");
        let spawned = place.config(ssh).and_then(|config| {
            let log = std::fs::File::options().create(true).append(true).open(&log)?;
            let mut command = Command::new(BRAMBLE);
            command.args(["manager", "--config"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            command.spawn()
        });
        let child = spawned.map_err(|error| format!("the manager cannot be started: {error}"))?;
        let mut manager = Self { child, socket: place.outside.join("run/manager.sock"), log };
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(Some(status)) = manager.child.try_wait() {
                return Err(format!("the manager ended with {status}: {}", manager.said()));
            }
            if let Ok(hello) = Person::new(&manager.socket).hello() {
                return Ok((manager, hello));
            }
            if Instant::now() > end {
                return Err(format!("the manager does not answer: {}", manager.said()));
            }
            std::thread::sleep(Duration::from_millis(2)); // why: the pause between two looks at a condition
        }
    }

    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// In good order, or at once.
    pub fn end(mut self, signal: Signal) -> String {
        signal_pid(self.child.id() as i32, signal);
        // It is our child: it can be waited for.
        let _ = self.child.wait();
        self.said()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            signal_pid(self.child.id() as i32, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// One connection to the door, dialled when it is needed.
pub struct Person {
    socket: PathBuf,
    stream: Option<(UnixStream, BytesMut)>,
    last: u64,
}

#[derive(Debug)]
pub enum Trouble {
    /// Whether it was done is not known.
    Lost(io::Error),
    Refused(Refusal),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Lost(error)
    }
}

impl Person {
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.into(), stream: None, last: 0 }
    }

    /// On a connection of its own.
    pub fn another(&self) -> Self {
        Self::new(&self.socket)
    }

    /// Bytes that are no message.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let Some((stream, _)) = &mut self.stream else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let written = stream.write_all(bytes);
        self.unless_lost(written)
    }

    pub fn hello(&mut self) -> Result<Hello, Trouble> {
        match self.ask(Request::Hello { protocol: protocol::PROTOCOL })? {
            Reply::Hello(hello) => Ok(hello),
            other => panic!("{other:?} is no hello"),
        }
    }

    pub fn ask(&mut self, request: Request) -> Result<Reply, Trouble> {
        self.say(request)?;
        match self.hear()? {
            Body::Reply(reply) => Ok(reply),
            Body::Error(refusal) => Err(Trouble::Refused(refusal)),
            Body::More(more) => panic!("a reply was due, not {more:?}"),
        }
    }

    pub fn say(&mut self, request: Request) -> Result<(), Trouble> {
        if self.stream.is_none() {
            self.stream = Some((UnixStream::connect(&self.socket)?, BytesMut::new()));
        }
        self.last += 1;
        let mut out = BytesMut::new();
        frame::encode(&Call { id: self.last, request }, &mut out).unwrap();
        let Some((stream, _)) = &mut self.stream else { return Ok(()) };
        let written = stream.write_all(&out);
        self.unless_lost(written)
    }

    /// One piece of a stream, or its end.
    pub fn more(&mut self) -> Result<Option<More>, Trouble> {
        match self.hear()? {
            Body::More(more) => Ok(Some(more)),
            Body::Reply(_) => Ok(None),
            Body::Error(refusal) => Err(Trouble::Refused(refusal)),
        }
    }

    fn hear(&mut self) -> Result<Body, Trouble> {
        let heard = self.frame();
        self.unless_lost(heard)
    }

    fn unless_lost<T>(&mut self, outcome: io::Result<T>) -> Result<T, Trouble> {
        if outcome.is_err() {
            self.stream = None;
        }
        Ok(outcome?)
    }

    fn frame(&mut self) -> io::Result<Body> {
        let Some((stream, arrived)) = &mut self.stream else { return Err(io::ErrorKind::NotConnected.into()) };
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut chunk = [0; 16 * 1024];
        loop {
            if let Some(json) = frame::split(arrived).map_err(io::Error::other)? {
                return Ok(frame::parse::<Answer>(&json).map_err(io::Error::other)?.body);
            }
            match stream.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => arrived.extend_from_slice(&chunk[..n]),
            }
        }
    }
}
