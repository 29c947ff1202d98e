//! The way to other people's OpenSSH: programs are run there by its shell, and nothing of ours has to be installed.
//!
//! One program has the whole connection: what is not read of it holds up nobody else.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use russh::client::{AuthResult, KeyboardInteractiveAuthResponse, Msg};
use russh::keys::PrivateKeyWithHashAlg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect, MethodKind, MethodSet, Sig};
use tokio::io::AsyncWrite;

use super::greeter::Expected;
use super::{DialError, Handle, failed, greet, keep, within};
use crate::inbox::Inboxes;
use crate::key::{Fingerprint, Key};
use crate::pulse::Pulse;
use crate::wire::CutOnDrop;

/// Where a shell is to be had.
#[derive(Debug, Clone)]
pub struct ShellDial {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    pub user: String,
    /// Asked after this long without a word; zero: never.
    pub keepalive: Duration,
    /// So many unanswered questions are borne; the connection is lost at `(keepalive_max + 1) × keepalive`.
    pub keepalive_max: usize,
    /// For all of dialling and log-in, and for each start of a program.
    pub timeout: Duration,
}

impl ShellDial {
    fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Whom a look at a machine has met.
#[derive(Debug, Clone)]
pub struct Met {
    pub host_key: Fingerprint,
    /// It lets this key in.
    pub lets_in: bool,
    /// It would take a password, typed or asked for.
    pub takes_password: bool,
}

/// Looks who answers there, and whether this key is let in. Says nothing secret: whoever that is cannot use what it hears.
pub async fn meet(dial: &ShellDial, key: &Key) -> Result<Met, DialError> {
    let address = dial.address();
    within(&address, dial.timeout, async {
        let met = Arc::new(OnceLock::new());
        let mut door = Door::open(dial, Expected::Anybody(met.clone())).await?;
        let open = door.handle.authenticate_none(&dial.user).await.map_err(|error| failed(&address, error))?;
        let methods = match open {
            AuthResult::Success => MethodSet::empty(),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        };
        let lets_in = match door.by_key(dial, key).await {
            Ok(()) => true,
            Err(DialError::Rejected { .. }) => false,
            Err(other) => return Err(other),
        };
        let Some(host_key) = met.get().cloned() else { return Err(failed(&address, russh::Error::Disconnect)) };
        let takes_password =
            methods.iter().any(|one| matches!(one, MethodKind::Password | MethodKind::KeyboardInteractive));
        door.say_goodbye().await;
        Ok(Met { host_key, lets_in, takes_password })
    })
    .await
}

/// A connection after log-in. Cut when dropped.
pub struct Shell {
    handle: Arc<Handle>,
    inboxes: Arc<Inboxes>,
    address: String,
    timeout: Duration,
    _cut: CutOnDrop,
}

impl Shell {
    /// Anybody but the one with this host key is told nothing.
    pub async fn enter(dial: &ShellDial, host_key: &Fingerprint, key: &Key) -> Result<Shell, DialError> {
        let address = dial.address();
        within(&address, dial.timeout, async {
            let mut door = Door::open(dial, Expected::This(host_key.clone())).await?;
            door.by_key(dial, key).await?;
            Ok(door.shell(dial))
        })
        .await
    }

    pub async fn enter_by_password(
        dial: &ShellDial,
        host_key: &Fingerprint,
        password: &str,
    ) -> Result<Shell, DialError> {
        let address = dial.address();
        within(&address, dial.timeout, async {
            let mut door = Door::open(dial, Expected::This(host_key.clone())).await?;
            door.by_password(dial, password).await?;
            Ok(door.shell(dial))
        })
        .await
    }

    /// Gives this line to the shell of the user there.
    pub async fn start(&self, line: &str) -> Result<(ProgramIn, ProgramOut), DialError> {
        within(&self.address, self.timeout, async {
            let fail = |error| failed(&self.address, error);
            let channel = self.handle.channel_open_session().await.map_err(fail)?;
            let (mut read, write) = channel.split();
            write.exec(true, line).await.map_err(fail)?;
            let mut ahead = Vec::new();
            loop {
                match read.wait().await {
                    Some(ChannelMsg::Success) => break,
                    Some(ChannelMsg::Failure | ChannelMsg::Close) => {
                        let message = "it runs no commands for us".to_owned();
                        return Err(DialError::Ssh { address: self.address.clone(), message });
                    }
                    Some(other) => ahead.extend(heard(other)),
                    None => return Err(fail(russh::Error::Disconnect)),
                }
            }
            ahead.reverse();
            let to = Box::pin(write.make_writer());
            let out = ProgramOut { read, ahead, closed: false, inboxes: self.inboxes.clone() };
            Ok((ProgramIn { to, write: Arc::new(write) }, out))
        })
        .await
    }

    pub async fn leave(self) {
        // Cut at the end of it, whatever the other side says.
        let ending = self.handle.disconnect(Disconnect::ByApplication, "", "");
        let _ = tokio::time::timeout(GOODBYE, ending).await;
    }
}

/// To say that we go.
const GOODBYE: Duration = Duration::from_secs(1);

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shell({})", self.address)
    }
}

/// What a program says.
#[derive(Debug)]
pub enum Heard {
    Stdout(Bytes),
    Stderr(Bytes),
    Exited(u32),
    /// By its name without `SIG`; empty where the other side has none for it.
    Signaled(String),
    /// It prints no more.
    Eof,
}

fn heard(message: ChannelMsg) -> Option<Heard> {
    match message {
        ChannelMsg::Data { data } => Some(Heard::Stdout(data)),
        ChannelMsg::ExtendedData { data, ext: 1 } => Some(Heard::Stderr(data)),
        ChannelMsg::ExitStatus { exit_status } => Some(Heard::Exited(exit_status)),
        ChannelMsg::ExitSignal { signal_name, .. } => Some(Heard::Signaled(name_of(&signal_name))),
        ChannelMsg::Eof => Some(Heard::Eof),
        _ => None,
    }
}

/// Its standard input, and a grip on the program itself.
pub struct ProgramIn {
    pub to: std::pin::Pin<Box<dyn AsyncWrite + Send>>,
    write: Arc<ChannelWriteHalf<Msg>>,
}

impl ProgramIn {
    pub fn grip(&self) -> Grip {
        Grip(self.write.clone())
    }
}

#[derive(Clone)]
pub struct Grip(Arc<ChannelWriteHalf<Msg>>);

impl Grip {
    /// Asks for a signal to the program. Nobody says whether that was done.
    pub async fn signal(&self, term: bool) {
        // Where the connection is gone there is nobody to ask.
        let _ = self.0.signal(if term { Sig::TERM } else { Sig::KILL }).await;
    }

    pub async fn close(&self) {
        let _ = self.0.close().await;
    }
}

pub struct ProgramOut {
    read: ChannelReadHalf,
    /// Heard before it was known to have started; the last is the first.
    ahead: Vec<Heard>,
    closed: bool,
    inboxes: Arc<Inboxes>,
}

impl ProgramOut {
    /// `None`: all of it was heard. An error: the connection was lost before that.
    ///
    /// While what was heard is put away, nothing more is read from the wire, and silence there means nothing.
    pub async fn next(&mut self) -> io::Result<Option<Heard>> {
        if let Some(first) = self.ahead.pop() {
            return Ok(Some(first));
        }
        self.inboxes.line().release();
        while !self.closed {
            match self.read.wait().await {
                Some(ChannelMsg::Close) => self.closed = true,
                Some(other) => {
                    if let Some(heard) = heard(other) {
                        self.inboxes.line().hold();
                        return Ok(Some(heard));
                    }
                }
                None => return Err(crate::inbox::lost()),
            }
        }
        Ok(None)
    }
}

impl Drop for ProgramOut {
    fn drop(&mut self) {
        self.inboxes.line().release();
    }
}

/// A connection before log-in.
struct Door {
    handle: Handle,
    inboxes: Arc<Inboxes>,
    address: String,
    cut: CutOnDrop,
}

impl Door {
    async fn open(dial: &ShellDial, expected: Expected) -> Result<Door, DialError> {
        let address = dial.address();
        let (handle, inboxes, cut) = greet(&address, expected).await?;
        Ok(Door { handle, inboxes, address, cut })
    }

    async fn by_key(&mut self, dial: &ShellDial, key: &Key) -> Result<(), DialError> {
        let key = PrivateKeyWithHashAlg::new(key.private().clone(), None);
        let answer = self.handle.authenticate_publickey(&dial.user, key).await;
        self.let_in(dial, matches!(answer.map_err(|error| failed(&self.address, error))?, AuthResult::Success))
    }

    async fn by_password(&mut self, dial: &ShellDial, password: &str) -> Result<(), DialError> {
        let fail = |error| failed(&self.address, error);
        let plain = self.handle.authenticate_password(&dial.user, password).await.map_err(fail)?;
        let remaining = match plain {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { remaining_methods, .. } => remaining_methods,
        };
        if !remaining.contains(&MethodKind::KeyboardInteractive) {
            return self.let_in(dial, false);
        }
        let mut answer = self.handle.authenticate_keyboard_interactive_start(&dial.user, None).await.map_err(fail)?;
        for _ in 0..MOST_QUESTIONS {
            match answer {
                KeyboardInteractiveAuthResponse::Success => return Ok(()),
                KeyboardInteractiveAuthResponse::Failure { .. } => break,
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                    // What is not to be seen while it is typed is the password; to nothing else there is an answer.
                    let said = prompts.iter().map(|prompt| match prompt.echo {
                        true => String::new(),
                        false => password.to_owned(),
                    });
                    let said = said.collect();
                    answer = self.handle.authenticate_keyboard_interactive_respond(said).await.map_err(fail)?;
                }
            }
        }
        self.let_in(dial, false)
    }

    fn let_in(&self, dial: &ShellDial, let_in: bool) -> Result<(), DialError> {
        if let_in {
            return Ok(());
        }
        // russh calls a connection that ended before the answer a rejection too.
        if self.handle.is_closed() {
            return Err(failed(&self.address, russh::Error::Disconnect));
        }
        Err(DialError::Rejected { address: self.address.clone(), user: dial.user.clone() })
    }

    fn shell(self, dial: &ShellDial) -> Shell {
        let Door { handle, inboxes, address, cut } = self;
        let handle = Arc::new(handle);
        tokio::spawn(keep(Pulse { every: dial.keepalive, borne: dial.keepalive_max }, &handle, inboxes.clone()));
        Shell { handle, inboxes, address, timeout: dial.timeout, _cut: cut }
    }

    async fn say_goodbye(&self) {
        // Cut when dropped, whatever the other side says.
        let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

/// A log-in that asks more than this gets no answer any more.
const MOST_QUESTIONS: usize = 4;

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::ABRT => "ABRT",
        Sig::ALRM => "ALRM",
        Sig::FPE => "FPE",
        Sig::HUP => "HUP",
        Sig::ILL => "ILL",
        Sig::INT => "INT",
        Sig::KILL => "KILL",
        Sig::PIPE => "PIPE",
        Sig::QUIT => "QUIT",
        Sig::SEGV => "SEGV",
        Sig::TERM => "TERM",
        Sig::USR1 => "USR1",
        // OpenSSH says `SIG@openssh.com` of all that it has no name for.
        Sig::Custom(name) if name.contains('@') => "",
        Sig::Custom(name) => name,
    }
    .to_owned()
}
