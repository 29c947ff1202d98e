//! Contents coming from the manager: a few at a time, each once, each on a connection that no output waits for.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use link::{Connection, Dial, DialError, FrameReader, FrameWriter};
use protocol::agent::{BulkHello, FetchReply};
use protocol::id::AttemptId;
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::bulk;
use super::cache::arrive::{ArriveError, CHUNK, Part};
use super::content::Content;
use crate::layout::Layout;

/// At a time. A second one lets small files pass a large one.
const MOST: usize = 2;
/// So often the bytes of a content may be wrong before whoever wants it is told.
const MOST_WRONG: u32 = 3;
/// For the answer, and for every next byte.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is under way, and what is to be tried again later.
#[derive(Default)]
pub struct Fetches {
    busy: BTreeMap<Content, Busy>,
    tries: BTreeMap<Content, Tries>,
}

struct Busy {
    size: u64,
    /// Dropped when nobody wants it any more.
    wanted: Option<oneshot::Sender<()>>,
    /// What has come of it is of no use to anybody.
    drop_part: bool,
}

#[derive(Default)]
struct Tries {
    backoff: Backoff,
    not_before: Option<Instant>,
    wrong: u32,
}

/// A fetch to be carried out by [`fetch`].
pub struct Job {
    pub content: Content,
    pub size: u64,
    /// What others may still bring meanwhile.
    pub beside: u64,
    /// One of those that want it: the manager gives it to nobody else.
    pub attempt: AttemptId,
    pub layout: Layout,
    pub idle: Option<Connection>,
    /// Ends when nobody wants it any more.
    wanted: oneshot::Receiver<()>,
}

/// How it went.
pub struct Done {
    pub content: Content,
    pub attempt: AttemptId,
    pub result: Result<(), FetchError>,
    pub connection: Option<Connection>,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("nobody wants it any more")]
    Cancelled,
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the manager does not give it: {reason}")]
    Refused { reason: String, gone: bool },
    #[error(transparent)]
    Here(#[from] ArriveError),
}

/// What is to be done after a fetch.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    Arrived,
    /// Its turn comes again by itself; `drop_part`: from the beginning.
    Nothing {
        drop_part: bool,
    },
    /// It does not come for the attempt that it was asked for.
    Gone(String),
    /// There is no room for it, for now at least.
    NoRoom {
        lack: u64,
        reason: String,
    },
    /// Nobody here can have it.
    Hopeless(String),
}

impl Fetches {
    /// The next of these to be fetched, if there may be one more.
    pub fn next(
        &mut self,
        missing: impl Iterator<Item = (Content, u64, AttemptId)>,
        layout: &Layout,
        idle: impl FnOnce() -> Option<Connection>,
    ) -> Option<Job> {
        if self.busy.len() >= MOST {
            return None;
        }
        let now = Instant::now();
        let is_due = |tries: &Tries| tries.not_before.is_none_or(|at| at <= now);
        let may = |content: &Content| !self.busy.contains_key(content) && self.tries.get(content).is_none_or(is_due);
        let (content, size, attempt) = { missing }.find(|(content, ..)| may(content))?;
        let (sender, wanted) = oneshot::channel();
        let beside = self.busy.values().map(|busy| busy.size).sum();
        self.busy.insert(content, Busy { size, wanted: Some(sender), drop_part: false });
        Some(Job { content, size, beside, attempt, layout: layout.clone(), idle: idle(), wanted })
    }

    pub fn is_under_way(&self, content: Content) -> bool {
        self.busy.contains_key(&content)
    }

    /// Lets go of what nobody wants any more.
    pub fn keep_only(&mut self, is_wanted: impl Fn(Content) -> bool) {
        for (content, busy) in &mut self.busy {
            if busy.wanted.is_some() && !is_wanted(*content) {
                (busy.wanted, busy.drop_part) = (None, true);
            }
        }
        self.tries.retain(|content, _| is_wanted(*content));
    }

    /// What has come so far is of use after the next welcome.
    pub fn unlinked(&mut self) {
        self.busy.values_mut().for_each(|busy| busy.wanted = None);
        self.tries.clear();
    }

    pub fn done(&mut self, done: &Done) -> After {
        let busy = self.busy.remove(&done.content);
        let error = match &done.result {
            Ok(()) => {
                self.tries.remove(&done.content);
                return After::Arrived;
            }
            Err(FetchError::Cancelled) => {
                return After::Nothing { drop_part: busy.is_some_and(|busy| busy.drop_part) };
            }
            Err(error) => error,
        };
        // Nobody is left to wait for another try.
        let Some(Busy { wanted: Some(_), .. }) = busy else {
            return After::Nothing { drop_part: busy.is_some_and(|busy| busy.drop_part) };
        };
        let content = done.content;
        match error {
            FetchError::Refused { reason, gone: true } => return After::Gone(reason.clone()),
            FetchError::Here(ArriveError::Wrong) => {
                let tries = self.tries.entry(content).or_default();
                tries.wrong += 1;
                if tries.wrong >= MOST_WRONG {
                    self.tries.remove(&content);
                    return After::Hopeless(format!("{error}, {MOST_WRONG} times in a row"));
                }
            }
            FetchError::Here(here) => {
                return match here.want_of_room() {
                    Some(lack) => After::NoRoom { lack, reason: here.to_string() },
                    None => After::Hopeless(here.to_string()),
                };
            }
            _ => {}
        }
        let attempt = done.attempt;
        if self.retry(content) {
            tracing::warn!("a file for {attempt} could not be fetched, trying again: {error}");
        }
        After::Nothing { drop_part: false }
    }

    /// Its turn comes again, later and later. Whether this is the first time.
    pub fn retry(&mut self, content: Content) -> bool {
        let tries = self.tries.entry(content).or_default();
        let first = tries.backoff.is_fresh();
        tries.not_before = Some(Instant::now() + tries.backoff.wait());
        first
    }
}

/// Brings a content into the cache, or as much of it as comes.
pub async fn fetch(job: Job, dial: Dial) -> Done {
    let Job { content, size, beside, attempt, layout, idle, wanted } = job;
    let come = match blocking(move || Part::open(&layout, content, size, beside)).await {
        Ok(part) if part.lacks() == 0 => Ok((part, idle)),
        Ok(part) => receive(part, content, attempt, idle, &dial, wanted).await,
        Err(error) => Err(error),
    };
    // What is there as a whole is kept, whether anybody wants it or not.
    let (result, connection) = match come {
        Ok((part, connection)) => (blocking(move || part.finish()).await, connection),
        Err(error) => (Err(error), None),
    };
    Done { content, attempt, result, connection }
}

async fn receive(
    mut part: Part,
    content: Content,
    attempt: AttemptId,
    idle: Option<Connection>,
    dial: &Dial,
    wanted: oneshot::Receiver<()>,
) -> Result<(Part, Option<Connection>), FetchError> {
    let mut wanted = Wanted(wanted);
    let (connection, stream) = wanted.wait(bulk::stream(idle, dial)).await??;
    let (read, write) = tokio::io::split(stream);
    let (mut read, mut write) = (FrameReader::new(read), FrameWriter::new(write));
    let hello = BulkHello::Fetch { attempt, hash: content.hash, from: part.length() };
    write.send(&hello).await.map_err(broken)?;
    match wanted.wait(read.next::<FetchReply>()).await? {
        Ok(Some(FetchReply::Coming { bytes })) if bytes == part.lacks() => {}
        Ok(Some(FetchReply::Coming { bytes })) => {
            let lacks = part.lacks();
            return Err(FetchError::Broken(format!("the manager has {bytes} bytes more of it where {lacks} lack")));
        }
        Ok(Some(FetchReply::Refused { reason, gone })) => return Err(FetchError::Refused { reason, gone }),
        Ok(None) => return Err(FetchError::Broken("the manager closed it without an answer".into())),
        Err(error) => return Err(broken(error)),
    }
    let mut read = read.into_rest();
    let mut buffer = vec![0; CHUNK];
    while part.lacks() > 0 {
        let room = usize::try_from(part.lacks()).unwrap_or(CHUNK).min(CHUNK);
        let (filled, trouble) = fill(&mut read, &mut buffer[..room], &mut wanted).await;
        // What has come counts, whatever happened then.
        (part, buffer) = blocking(move || part.add(&buffer[..filled]).map(|()| (part, buffer))).await?;
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
    }
    Ok((part, Some(connection)))
}

/// As much as fits, or as comes.
async fn fill(
    mut read: impl tokio::io::AsyncRead + Unpin,
    buffer: &mut [u8],
    wanted: &mut Wanted,
) -> (usize, Option<FetchError>) {
    let mut filled = 0;
    while filled < buffer.len() {
        match wanted.wait(read.read(&mut buffer[filled..])).await {
            Ok(Ok(0)) => return (filled, Some(broken(io::Error::from(io::ErrorKind::UnexpectedEof)))),
            Ok(Ok(read)) => filled += read,
            Ok(Err(error)) => return (filled, Some(broken(error))),
            Err(late) => return (filled, Some(late)),
        }
    }
    (filled, None)
}

struct Wanted(oneshot::Receiver<()>);

impl Wanted {
    /// Only for the other side, and so long as there is somebody who wants it: what is written here is written to the
    /// end, so that nobody else writes to the same file meanwhile.
    async fn wait<T>(&mut self, other: impl Future<Output = T>) -> Result<T, FetchError> {
        tokio::select! {
            biased;
            _ = &mut self.0 => Err(FetchError::Cancelled),
            done = tokio::time::timeout(PATIENCE, other) => {
                done.map_err(|_| FetchError::Broken(format!("nothing came for {} s", PATIENCE.as_secs())))
            }
        }
    }
}

fn broken(error: impl std::fmt::Display) -> FetchError {
    FetchError::Broken(error.to_string())
}

/// Disks may make one wait, and the agent must not.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArriveError> + Send + 'static,
) -> Result<T, FetchError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(error) => Err(FetchError::Here(ArriveError::Write(io::Error::other(error)))),
    }
}
