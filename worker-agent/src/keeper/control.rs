//! The control socket: one request, one reply. No client can hold up the keeper, whatever it does or fails to do.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use bytes::BytesMut;
use protocol::frame;
use protocol::keeper::{Control, ControlReply};
use rustix::event::PollFlags;
use rustix::fs::Mode;

use super::clock::Moment;

const MOST_CLIENTS: usize = 16;
const LONGEST_REQUEST: usize = 64 * 1024;
/// For the request, and for taking the reply.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Door {
    listener: UnixListener,
    path: PathBuf,
    clients: Vec<Client>,
    next: u64,
    /// There was no descriptor left for a client.
    deaf_until: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientId(u64);

struct Client {
    id: ClientId,
    socket: UnixStream,
    inbox: BytesMut,
    outbox: BytesMut,
    phase: Phase,
    until: Moment,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Asking,
    /// Its reply takes a while, or another one may follow.
    Waiting,
    Answered,
}

impl Door {
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
        }
        check_length(&path)?;
        if UnixStream::connect(&path).is_ok() {
            anyhow::bail!("another worker answers at {}; choose another folder with --run DIR", path.display());
        }
        let cannot = || format!("the control socket {} cannot be made", path.display());
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(cannot),
            _ => {}
        }
        let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
        let listener = UnixListener::bind(&path);
        rustix::process::umask(mask);
        let listener = listener.with_context(cannot)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path, clients: vec![], next: 0, deaf_until: None })
    }

    pub fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.deaf_until.is_none().then(|| self.listener.as_fd())
    }

    /// What to poll for. A client that has asked is read no more: what else it does must not wake us.
    pub fn sockets(&self) -> impl Iterator<Item = (ClientId, BorrowedFd<'_>, PollFlags)> {
        self.clients.iter().map(|client| {
            let reading = if client.phase == Phase::Asking { PollFlags::IN } else { PollFlags::empty() };
            let writing = if client.outbox.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
            (client.id, client.socket.as_fd(), reading | writing)
        })
    }

    pub fn due(&self) -> Option<Moment> {
        self.clients.iter().map(|client| client.until).chain(self.deaf_until).min()
    }

    pub fn drop_the_slow(&mut self) {
        let now = Moment::now();
        self.clients.retain(|client| now < client.until);
        self.deaf_until = self.deaf_until.filter(|until| now < *until);
    }

    /// It is gone: there is nobody to answer.
    pub fn hung_up(&mut self, id: ClientId) {
        self.clients.retain(|client| client.id != id);
    }

    pub fn accept(&mut self) {
        loop {
            let socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!("nobody can be let in at {}: {error}", self.path.display());
                    self.deaf_until = Some(Moment::now() + Duration::from_secs(1));
                    return;
                }
            };
            if !may_ask(&socket) || socket.set_nonblocking(true).is_err() {
                continue;
            }
            if self.clients.len() >= MOST_CLIENTS {
                // The one that has dawdled longest makes room.
                self.clients.remove(0);
            }
            self.next += 1;
            self.clients.push(Client {
                id: ClientId(self.next),
                socket,
                inbox: BytesMut::new(),
                outbox: BytesMut::new(),
                phase: Phase::Asking,
                until: Moment::now() + PATIENCE,
            });
        }
    }

    /// Reads and writes what it can; a request that has become whole is returned.
    pub fn serve(&mut self, id: ClientId) -> Option<Control> {
        let at = self.clients.iter().position(|client| client.id == id)?;
        let client = &mut self.clients[at];
        if client.phase != Phase::Asking {
            self.flush(id);
            return None;
        }
        match client.read() {
            Ok(Some(Ok(control))) => return Some(control),
            Ok(Some(Err(reason))) => self.answer(id, &ControlReply::Refused { reason }),
            Ok(None) => {}
            Err(_) => drop(self.clients.remove(at)),
        }
        None
    }

    /// The last word to this client.
    pub fn answer(&mut self, id: ClientId, reply: &ControlReply) {
        self.say(id, reply, Phase::Answered, PATIENCE);
    }

    /// Not the last word: the client stays for so long.
    pub fn answer_and_keep(&mut self, id: ClientId, reply: &ControlReply, for_long: Duration) {
        self.say(id, reply, Phase::Waiting, for_long);
    }

    /// It asked for something that takes a while.
    pub fn keep(&mut self, id: ClientId, for_long: Duration) {
        if let Some(client) = self.clients.iter_mut().find(|client| client.id == id) {
            client.phase = Phase::Waiting;
            client.until = Moment::now() + for_long;
        }
    }

    fn say(&mut self, id: ClientId, reply: &ControlReply, phase: Phase, patience: Duration) {
        let Some(client) = self.clients.iter_mut().find(|client| client.id == id) else { return };
        if let Err(error) = frame::encode(reply, &mut client.outbox) {
            let refused = ControlReply::Refused { reason: format!("the reply cannot be written: {error}") };
            // A sentence always fits.
            let _ = frame::encode(&refused, &mut client.outbox);
        }
        client.phase = phase;
        client.until = Moment::now() + patience;
        self.flush(id);
    }

    fn flush(&mut self, id: ClientId) {
        let Some(at) = self.clients.iter().position(|client| client.id == id) else { return };
        let client = &mut self.clients[at];
        let failed = client.write().is_err();
        if failed || (client.phase == Phase::Answered && client.outbox.is_empty()) {
            self.clients.remove(at);
        }
    }

    /// At the end of the keeper.
    pub fn close(self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Client {
    /// A request, or why there is none; an error when the client is gone.
    fn read(&mut self) -> io::Result<Option<Result<Control, String>>> {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(length) => self.inbox.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            match frame::split(&mut self.inbox) {
                Ok(Some(json)) => {
                    self.phase = Phase::Waiting;
                    return Ok(Some(frame::parse(&json).map_err(|error| error.to_string())));
                }
                Ok(None) if self.inbox.len() > LONGEST_REQUEST => {
                    return Ok(Some(Err(format!("a request has at most {LONGEST_REQUEST} bytes"))));
                }
                Ok(None) => {}
                Err(error) => return Ok(Some(Err(error.to_string()))),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
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

/// Root, and whoever this keeper runs as. The mode of the socket says so too; this holds where a mode does not.
fn may_ask(socket: &UnixStream) -> bool {
    let own = rustix::process::geteuid();
    rustix::net::sockopt::socket_peercred(socket).is_ok_and(|peer| peer.uid.is_root() || peer.uid == own)
}

/// The kernel's limit for a socket's path.
fn check_length(path: &Path) -> anyhow::Result<()> {
    let length = path.as_os_str().len();
    anyhow::ensure!(
        length < 108,
        "the control socket {} has a path of {length} bytes, and at most 107 fit; choose a shorter --run DIR",
        path.display()
    );
    Ok(())
}
