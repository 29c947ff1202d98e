//! The control link: dialled again for ever, one at a time, and drained whatever the other side does.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use link::{Connection, Dial, DialError, FrameReader, FrameWriter, Key, ReadError, Stream};
use protocol::agent::{CONTROL, FromAgent, ToAgent};
use protocol::frame::{FrameError, Unknown};
use protocol::time::UnixMillis;
use protocol::token::JoinToken;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::home::Home;
use super::join::{self, JoinError};
use super::life::wall;

/// A link that lived so long was no accident: the next one is dialled soon.
const STABLE: Duration = Duration::from_secs(10);
/// For the answer to our hello.
const GREETING: Duration = Duration::from_secs(15);
/// So much may wait to be written before nothing more is said: a manager that does not read is not fed.
const FULL: usize = 256 * 1024;

pub struct Control {
    key: Arc<Key>,
    home: Home,
    /// Tried once, should the manager no longer know our key.
    token: Option<JoinToken>,
    backoff: Backoff,
    state: State,
    /// The last reason why there was no link, said once.
    trouble: Option<String>,
}

enum State {
    Resting { until: Instant, shown: UnixMillis },
    Dialling(JoinHandle<Dialled>),
    Up(Box<Up>),
}

struct Up {
    read: FrameReader<ReadHalf<Stream>>,
    write: FrameWriter<WriteHalf<Stream>>,
    since: Instant,
    /// The manager has answered our hello.
    welcome: bool,
    _connection: Connection,
}

struct Dialled {
    result: Result<(Connection, Stream), Failure>,
    /// Where this node had to join again first.
    rejoined: Option<Home>,
    token: Option<JoinToken>,
}

struct Failure {
    sentence: String,
    hope: Hope,
}

/// When another try may be of use.
enum Hope {
    Soon,
    /// The machine is there, and nobody listens on it: perhaps not yet.
    Absent,
    /// Only a person can change it: trying soon is of no use.
    Lasting,
}

/// What happens on the link.
pub enum Event {
    /// It is up: say hello.
    Open,
    /// As `Open`, and what is known of the manager has changed.
    OpenAfterJoining,
    Said(Box<ToAgent>),
    NotUnderstood(Unknown),
    /// It is down; everything unsaid is lost.
    Lost,
    /// Still down: how we are has changed.
    Failed,
    /// There is room for more.
    Written,
}

/// How the link is, for whoever asks this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Linked,
    Dialling,
    /// Until then.
    Resting(UnixMillis),
}

impl Control {
    pub fn new(home: Home, key: Arc<Key>, token: Option<JoinToken>) -> Self {
        let state = State::Resting { until: Instant::now(), shown: wall() };
        let mut backoff = Backoff::default();
        if let Some(lease) = home.lease_ms {
            backoff.within(Duration::from_millis(lease));
        }
        Self { key, home, token, backoff, state, trouble: None }
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn home_mut(&mut self) -> &mut Home {
        &mut self.home
    }

    pub fn dial(&self) -> Dial {
        join::dial_of(&self.home, &self.key)
    }

    pub fn mood(&self) -> Mood {
        match &self.state {
            State::Up(up) if up.welcome => Mood::Linked,
            State::Up(_) | State::Dialling(_) => Mood::Dialling,
            State::Resting { shown, .. } => Mood::Resting(*shown),
        }
    }

    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    pub fn is_welcome(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.welcome)
    }

    /// The manager has answered our hello.
    pub fn welcomed(&mut self) {
        if let Some(lease) = self.home.lease_ms {
            self.backoff.within(Duration::from_millis(lease));
        }
        if let State::Up(up) = &mut self.state {
            up.welcome = true;
        }
        self.trouble = None;
    }

    /// What happens next. Cancel safe; never waits for the other side to read.
    pub async fn next(&mut self) -> Event {
        match &mut self.state {
            State::Resting { until, .. } => {
                tokio::time::sleep_until(*until).await;
                let (home, key, token) = (self.home.clone(), self.key.clone(), self.token.take());
                self.state = State::Dialling(tokio::spawn(reach(home, key, token)));
                Event::Failed
            }
            State::Dialling(dialling) => match dialling.await {
                Ok(dialled) => self.dialled(dialled),
                Err(error) => self.rest(format!("dialling failed: {error}"), Hope::Soon),
            },
            State::Up(up) => match up.next().await {
                Ok(event) => event,
                Err(trouble) => self.lost(trouble),
            },
        }
    }

    /// Whether [`next`](Self::next) has another frame at once.
    pub fn has_more(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.read.buffered())
    }

    /// Whether it is of use to say something now.
    pub fn has_room(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.write.pending() < FULL)
    }

    /// Said with the next [`next`](Self::next); nothing where there is no link.
    pub fn say(&mut self, message: &FromAgent) {
        if let State::Up(up) = &mut self.state
            && let Err(error) = up.write.feed(message)
        {
            tracing::error!("a message to the manager cannot be written: {error}");
        }
    }

    /// The manager let go of us, or said what cannot be. `lasting`: soon is too soon to try again.
    pub fn part(&mut self, reason: String, lasting: bool) {
        if lasting {
            self.rest(reason, Hope::Lasting);
        } else {
            self.lost(reason);
        }
    }

    fn dialled(&mut self, dialled: Dialled) -> Event {
        self.token = dialled.token;
        let rejoined = dialled.rejoined.is_some();
        if let Some(home) = dialled.rejoined {
            self.home = Home { output_limit: self.home.output_limit, lease_ms: self.home.lease_ms, ..home };
        }
        match dialled.result {
            Ok((connection, stream)) => {
                let (read, write) = tokio::io::split(stream);
                let (read, write) = (FrameReader::new(read), FrameWriter::new(write));
                let up = Up { read, write, since: Instant::now(), welcome: false, _connection: connection };
                self.state = State::Up(Box::new(up));
                if rejoined { Event::OpenAfterJoining } else { Event::Open }
            }
            Err(failure) => self.rest(failure.sentence, failure.hope),
        }
    }

    fn lost(&mut self, trouble: String) -> Event {
        if let State::Up(up) = &self.state
            && up.welcome
            && up.since.elapsed() >= STABLE
        {
            self.backoff.reset();
        }
        self.rest(trouble, Hope::Soon);
        Event::Lost
    }

    fn rest(&mut self, trouble: String, hope: Hope) -> Event {
        let wait = match hope {
            Hope::Soon => self.backoff.wait(),
            Hope::Absent => self.backoff.wait_absent(),
            Hope::Lasting => self.backoff.wait_longest(),
        };
        if self.trouble.as_ref() != Some(&trouble) {
            tracing::warn!("{trouble}; trying again");
        }
        self.trouble = Some(trouble);
        let shown = UnixMillis(wall().0.saturating_add(wait.as_millis() as u64));
        self.state = State::Resting { until: Instant::now() + wait, shown };
        Event::Failed
    }
}

impl Up {
    async fn next(&mut self) -> Result<Event, String> {
        let silence = self.since + GREETING;
        tokio::select! {
            biased;
            written = self.write.flush(), if self.write.pending() > 0 => match written {
                Ok(()) => Ok(Event::Written),
                Err(error) => Err(format!("the link to the manager broke: {error}")),
            },
            said = self.read.next::<ToAgent>() => match said {
                Ok(Some(message)) => Ok(Event::Said(Box::new(message))),
                Ok(None) => Err("the manager closed the link".to_owned()),
                Err(ReadError::Frame(FrameError::Unknown(unknown))) => Ok(Event::NotUnderstood(unknown)),
                Err(ReadError::Frame(FrameError::NotJson(error))) => {
                    let (name, why) = ("not JSON".to_owned(), error.to_string());
                    Ok(Event::NotUnderstood(Unknown { name, why, id: None }))
                }
                Err(ReadError::Frame(error)) => Err(format!("the manager does not speak our language: {error}")),
                Err(ReadError::Io(error)) => Err(format!("the link to the manager broke: {error}")),
            },
            () = tokio::time::sleep_until(silence), if !self.welcome => {
                Err(format!("the manager did not answer our hello within {} s", GREETING.as_secs()))
            }
        }
    }
}

async fn reach(home: Home, key: Arc<Key>, token: Option<JoinToken>) -> Dialled {
    let first = open(&home, &key).await;
    let (Err(DialError::Rejected { .. }), Some(token)) = (&first, &token) else {
        return Dialled { result: first.map_err(|error| failure(&home, error)), rejoined: None, token };
    };
    // Removed there, perhaps, and given a new token here.
    match join::ask(&home.address, token, &home.name, &key).await {
        Ok(home) => {
            let result = open(&home, &key).await.map_err(|error| failure(&home, error));
            Dialled { result, rejoined: Some(home), token: None }
        }
        Err(JoinError::Later(sentence)) => {
            let result = Err(Failure { sentence, hope: Hope::Soon });
            Dialled { result, rejoined: None, token: Some(token.clone()) }
        }
        Err(JoinError::Final(why)) => {
            let sentence = format!("{}; and the token at hand is of no use: {why}", removed(&home));
            Dialled { result: Err(Failure { sentence, hope: Hope::Lasting }), rejoined: None, token: None }
        }
    }
}

async fn open(home: &Home, key: &Arc<Key>) -> Result<(Connection, Stream), DialError> {
    let connection = link::dial(&join::dial_of(home, key)).await?;
    let stream = connection.open(CONTROL).await?;
    Ok((connection, stream))
}

fn failure(home: &Home, error: DialError) -> Failure {
    match error {
        DialError::Rejected { .. } => Failure { sentence: removed(home), hope: Hope::Lasting },
        DialError::WrongHost { found, .. } => Failure {
            sentence: format!(
                "{} is not the manager this node joined: its host key is {found} instead of {}; nothing was told to it. \
                 If the manager was set up anew, join it with a token of its: bramble join-token",
                home.address, home.host_key
            ),
            hope: Hope::Lasting,
        },
        DialError::Unreachable { ref source, .. } if source.kind() == ErrorKind::ConnectionRefused => {
            Failure { sentence: error.to_string(), hope: Hope::Absent }
        }
        other => Failure { sentence: other.to_string(), hope: Hope::Soon },
    }
}

fn removed(home: &Home) -> String {
    format!(
        "the manager at {} does not admit this node ({}): it was revoked or removed there. To join again, start it \
         with --join and a new token of: bramble join-token",
        home.address, home.name
    )
}
