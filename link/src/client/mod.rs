//! The dialling side: an agent, or whoever reaches a manager from afar.

mod greeter;
mod shell;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Config};
use russh::keys::PrivateKeyWithHashAlg;
use russh::{ChannelMsg, Disconnect};
use tokio::net::TcpStream;

use crate::inbox::Inboxes;
use crate::key::{Fingerprint, Key};
use crate::pulse::Pulse;
use crate::stream::Stream;
use crate::suite;
use crate::wire::{CutOnDrop, Wire};
use greeter::{Expected, Greeter, Unwelcome};
pub use shell::{Grip, Heard, Met, ProgramIn, ProgramOut, Shell, ShellDial, meet};

#[derive(Debug, Clone)]
pub struct Dial {
    /// `host:port`
    pub address: String,
    pub user: String,
    pub key: Arc<Key>,
    /// Whom we expect there. Anybody else is told nothing.
    pub host_key: Fingerprint,
    /// Asked after this long without a word; zero: never.
    pub keepalive: Duration,
    /// So many unanswered questions are borne; the connection is lost at `(keepalive_max + 1) × keepalive`.
    pub keepalive_max: usize,
    /// For all of dialling, and for each opening of a stream.
    pub timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("cannot reach {address}: {source}")]
    Unreachable { address: String, source: io::Error },
    /// Decided inside the key exchange: nothing of ours was said to that host.
    #[error(
        "{address} is not the expected host: its key is {found}, not {expected}; nothing was told to it. \
         If the host's key was changed on purpose, pass on the new fingerprint"
    )]
    WrongHost { address: String, expected: Fingerprint, found: Fingerprint },
    #[error("{address} does not admit this key as {user:?}")]
    Rejected { address: String, user: String },
    #[error("{address} did not answer within {after:?}")]
    TimedOut { address: String, after: Duration },
    #[error("the connection to {address} failed: {message}")]
    Ssh { address: String, message: String },
}

pub(crate) type Handle = russh::client::Handle<Greeter>;

/// A connection after log-in. Closes when it and all its streams are dropped.
pub struct Connection {
    handle: Arc<Handle>,
    inboxes: Arc<Inboxes>,
    address: String,
    timeout: Duration,
}

pub async fn dial(dial: &Dial) -> Result<Connection, DialError> {
    within(&dial.address, dial.timeout, connect(dial)).await
}

impl Connection {
    /// Asks for a stream to a subsystem of the other side.
    pub async fn open(&self, subsystem: &str) -> Result<Stream, DialError> {
        within(&self.address, self.timeout, self.open_channel(subsystem)).await
    }

    pub fn is_closed(&self) -> bool {
        self.inboxes.session_end().is_cancelled() || self.handle.is_closed()
    }

    /// Ends the connection and its streams, after what was written, and waits for that for a while.
    pub async fn close(self) {
        let _cut = self.inboxes.line().cut_on_drop();
        let ending = async {
            if self.handle.disconnect(Disconnect::ByApplication, "", "").await.is_ok() {
                self.inboxes.session_end().cancelled().await;
            }
        };
        let _ = tokio::time::timeout(self.timeout, ending).await;
    }

    async fn open_channel(&self, subsystem: &str) -> Result<Stream, DialError> {
        let fail = |error| failed(&self.address, error);
        let channel = self.handle.channel_open_session().await.map_err(fail)?;
        let (stream, mut answers) = Stream::of_client(channel, self.handle.clone(), self.inboxes.clone());
        stream.request_subsystem(subsystem).await.map_err(fail)?;
        loop {
            match answers.wait().await {
                Some(ChannelMsg::Success) => return Ok(stream),
                Some(ChannelMsg::Failure | ChannelMsg::Close) => {
                    let message = format!("it does not offer {subsystem:?} to us");
                    return Err(DialError::Ssh { address: self.address.clone(), message });
                }
                Some(_) => {}
                None => return Err(fail(russh::Error::Disconnect)),
            }
        }
    }
}

async fn within<T>(
    address: &str,
    limit: Duration,
    what: impl Future<Output = Result<T, DialError>>,
) -> Result<T, DialError> {
    let late = |_| Err(DialError::TimedOut { address: address.to_owned(), after: limit });
    tokio::time::timeout(limit, what).await.unwrap_or_else(late)
}

/// Up to the log-in. Until that has succeeded, whatever ends with the last of these ends russh's session too.
async fn greet(address: &str, expected: Expected) -> Result<(Handle, Arc<Inboxes>, CutOnDrop), DialError> {
    let unreachable = |source| DialError::Unreachable { address: address.to_owned(), source };
    let socket = TcpStream::connect(address).await.map_err(unreachable)?;
    let (wire, line) = Wire::lingering(socket).map_err(unreachable)?;
    let cut = line.cut_on_drop();
    let inboxes = Inboxes::new(line);
    let greeter = Greeter { expected: expected.clone(), inboxes: inboxes.lose_on_drop() };
    let connected = russh::client::connect_stream(Arc::new(config()), wire, greeter).await;
    let handle = connected.map_err(|error| match (error, expected) {
        (Unwelcome::WrongHost(found), Expected::This(expected)) => {
            DialError::WrongHost { address: address.to_owned(), expected, found }
        }
        (Unwelcome::WrongHost(_), Expected::Anybody(_)) => failed(address, russh::Error::UnknownKey),
        // Also those who are turned away at the door see only this.
        (Unwelcome::Ssh(error), _) if is_end(&error) => {
            let message = "the other side closed it before the log-in; it may be busy, or not let this address in";
            DialError::Ssh { address: address.to_owned(), message: message.to_owned() }
        }
        (Unwelcome::Ssh(error), _) => failed(address, error),
    })?;
    Ok((handle, inboxes, cut))
}

async fn connect(dial: &Dial) -> Result<Connection, DialError> {
    let address = dial.address.clone();
    let (mut handle, inboxes, cut) = greet(&address, Expected::This(dial.host_key.clone())).await?;
    let key = PrivateKeyWithHashAlg::new(dial.key.private().clone(), None);
    let answer = handle.authenticate_publickey(&dial.user, key).await;
    match answer.map_err(|error| failed(&address, error))? {
        AuthResult::Success => {}
        // russh calls a connection that ended before the answer a rejection too.
        AuthResult::Failure { .. } if handle.is_closed() => return Err(failed(&address, russh::Error::Disconnect)),
        AuthResult::Failure { .. } => return Err(DialError::Rejected { address, user: dial.user.clone() }),
    }
    cut.forgo();
    let handle = Arc::new(handle);
    tokio::spawn(keep(Pulse { every: dial.keepalive, borne: dial.keepalive_max }, &handle, inboxes.clone()));
    Ok(Connection { handle, inboxes, address, timeout: dial.timeout })
}

fn config() -> Config {
    Config {
        window_size: suite::WINDOW,
        maximum_packet_size: suite::PACKET,
        channel_buffer_size: suite::QUEUE,
        preferred: suite::preferred(),
        // See `pulse`.
        keepalive_interval: None,
        inactivity_timeout: None,
        ..Config::default()
    }
}

/// Ends the connection when the other side is lost. Does not keep it alive itself.
fn keep(pulse: Pulse, handle: &Arc<Handle>, inboxes: Arc<Inboxes>) -> impl Future<Output = ()> + Send + 'static {
    let handle = Arc::downgrade(handle);
    async move {
        let ask = || {
            let handle = handle.upgrade();
            async move {
                if let Some(handle) = handle {
                    let _ = handle.send_keepalive(true).await;
                }
            }
        };
        tokio::select! {
            () = inboxes.session_end().cancelled() => {}
            () = pulse.lost(inboxes.line(), ask) => inboxes.line().cut(),
        }
    }
}

fn failed(address: &str, error: russh::Error) -> DialError {
    let message = match error {
        end if is_end(&end) => "the other side closed it".to_owned(),
        russh::Error::Version => "what answers there does not speak SSH".to_owned(),
        russh::Error::ChannelOpenFailure(why) => format!("it opens no further channel ({})", why.description()),
        other => other.to_string(),
    };
    DialError::Ssh { address: address.to_owned(), message }
}

fn is_end(error: &russh::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error {
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::SendError | russh::Error::RecvError => true,
        russh::Error::IO(error) => matches!(error.kind(), BrokenPipe | ConnectionReset | UnexpectedEof),
        _ => false,
    }
}
