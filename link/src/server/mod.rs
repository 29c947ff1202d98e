//! The side that is dialled. It lets in by key only, offers the named subsystems and nothing else: no shell, no
//! program, no forwarding, no environment.
//!
//! russh has no grace time for log-in and no limit of connections. So every accepted socket is guarded: [`visit`] is
//! its keeper and cuts it when a time is over, [`places`] bounds how many there are, and in [`room`] a few more wait for a
//! place. [`visitor`] answers russh.

mod places;
mod room;
mod visit;
mod visitor;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::{MethodKind, MethodSet};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::key::{Fingerprint, Key};
use crate::stream::Stream;
use crate::suite;
use places::{Place, Places};
use room::Room;

/// Decides who comes in. Asked for every key that is offered, again once the key is proven, and again for every stream,
/// so that a key that was revoked meanwhile opens nothing more.
pub trait Admit: Send + Sync + 'static {
    fn admit(&self, user: &str, key: &Fingerprint, peer: SocketAddr) -> Admission;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Refuse,
    /// One channel, and the whole connection stays within the limits for strangers.
    Stranger,
    Known,
}

/// A stream that somebody opened.
#[derive(Debug)]
pub struct Incoming {
    pub user: String,
    pub key: Fingerprint,
    pub peer: SocketAddr,
    pub subsystem: String,
    pub stream: Stream,
}

#[derive(Debug, Clone)]
pub struct ServerConfig {
    pub host_key: Arc<Key>,
    pub guard: Guard,
    /// Asked after this long without a word, once logged in; zero: never.
    pub keepalive: Duration,
    /// So many unanswered questions are borne; the connection is lost at `(keepalive_max + 1) × keepalive`.
    pub keepalive_max: usize,
    pub subsystems: Vec<String>,
}

/// What a connection may take before it is known, and after.
#[derive(Debug, Clone)]
pub struct Guard {
    /// For saying "SSH-2.0-…".
    pub ident: Duration,
    /// For all until logged in: people answer questions about host keys and passphrases meanwhile.
    pub login: Duration,
    /// Connections not logged in, at once. Of those that come while there are so many, four times as many wait.
    pub strangers: usize,
    pub strangers_per_address: usize,
    /// How long they wait for a place before they are turned away; zero: they are at once.
    pub patience: Duration,
    /// Known connections of one key at once, so that one node gone mad leaves room for the others.
    pub connections_per_key: usize,
    /// Channels open at once on one connection.
    pub channels: usize,
}

impl Default for Guard {
    fn default() -> Self {
        Guard {
            ident: Duration::from_secs(10),
            login: Duration::from_secs(120),
            strangers: 64,
            strangers_per_address: 16,
            patience: Duration::from_secs(5),
            connections_per_key: 256,
            channels: 64,
        }
    }
}

/// Serves until `to` is closed; then, or when dropped, all its connections end. Where `to` is full, those who open
/// a stream wait.
pub async fn serve(
    listener: TcpListener,
    config: ServerConfig,
    admit: Arc<dyn Admit>,
    to: mpsc::Sender<Incoming>,
) -> io::Result<()> {
    let strangers = Places::new(config.guard.strangers, config.guard.strangers_per_address);
    let known = Places::new(usize::MAX, config.guard.connections_per_key);
    let door = Arc::new(Door { ssh: Arc::new(ssh_config(&config)), config, admit, known, to });
    let mut room = Room::new(&door.config.guard);
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => match strangers.take(peer.ip().to_canonical()) {
                    Some(stranger) => {
                        visits.spawn(visit::visit(door.clone(), socket, peer, stranger));
                    }
                    None => {
                        if let Err(socket) = room.seat(socket, peer) {
                            turn_away(&socket, peer);
                        }
                    }
                },
                Err(error) => survive(error).await?,
            },
            () = strangers.freed() => {
                while let Some((socket, peer, stranger)) = room.call(&strangers) {
                    visits.spawn(visit::visit(door.clone(), socket, peer, stranger));
                }
            }
            (socket, peer) = room.weary() => turn_away(&socket, peer),
            Some(ended) = visits.join_next() => {
                if let Err(error) = ended {
                    warn!("a connection's keeper failed: {error}");
                }
            }
            () = door.to.closed() => return Ok(()),
        }
    }
}

/// What all connections share.
struct Door {
    config: ServerConfig,
    ssh: Arc<russh::server::Config>,
    admit: Arc<dyn Admit>,
    known: Places<Fingerprint>,
    to: mpsc::Sender<Incoming>,
}

type Stranger = Place<IpAddr>;

fn ssh_config(config: &ServerConfig) -> russh::server::Config {
    russh::server::Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        // Keys cannot be guessed, so that a wait would only hold up those who offer several.
        auth_rejection_time: Duration::ZERO,
        keys: vec![(**config.host_key.private()).clone()],
        window_size: suite::WINDOW,
        maximum_packet_size: suite::PACKET,
        channel_buffer_size: suite::QUEUE,
        preferred: suite::preferred(),
        // Each connection's keeper sees to these; see `pulse`.
        inactivity_timeout: None,
        keepalive_interval: None,
        ..russh::server::Config::default()
    }
}

fn turn_away(socket: &TcpStream, peer: SocketAddr) {
    debug!(%peer, "turned away: too many are logging in");
    // SSH allows lines before the identification; OpenSSH shows them. A word that does not fit is not said.
    let _ = socket.try_write(b"Too many are logging in; try again later.\r\n");
}

/// Errors of one connection, and of a full table, pass; others end the server.
async fn survive(error: io::Error) -> io::Result<()> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    const EMFILE: i32 = 24;
    const ENFILE: i32 = 23;
    const ENOBUFS: i32 = 105;
    let full = matches!(error.raw_os_error(), Some(EMFILE | ENFILE | ENOBUFS)) || error.kind() == OutOfMemory;
    if full {
        warn!("cannot accept connections for now: {error}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    } else if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        Ok(())
    } else {
        Err(error)
    }
}
