//! Bulk connections: large outputs going to the manager, one at a time, over one connection kept for a while.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use link::{Connection, Dial, DialError, FrameReader, FrameWriter};
use protocol::agent::{BULK, BulkHello, PutReply};
use protocol::id::AttemptId;
use protocol::job::Stream;
use rustix::fs::OFlags;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::time::Instant;

use super::backoff::Backoff;
use super::spool::{self, Extent};
use crate::layout::Layout;

const CHUNK: usize = 64 * 1024;
/// So long an unused connection is kept.
const KEPT: Duration = Duration::from_secs(30);
/// The manager writes to disk before it answers.
const ANSWER: Duration = Duration::from_secs(60);

/// Which outputs have gone ahead, which are to go, and the connection nobody uses now.
#[derive(Default)]
pub struct Bulk {
    idle: Option<(Connection, Instant)>,
    queue: VecDeque<Waiting>,
    /// One at a time; this is it, and how often it has failed.
    busy: Option<Backoff>,
    kept: BTreeMap<AttemptId, [Extent; 2]>,
}

/// An attempt whose output is to be put. One that the manager does not take holds up no other.
struct Waiting {
    attempt: AttemptId,
    not_before: Option<Instant>,
    backoff: Backoff,
}

/// A put to be carried out by [`put`].
pub struct Job {
    pub attempt: AttemptId,
    pub limit: u64,
    pub streams: [(Stream, PathBuf); 2],
    pub idle: Option<Connection>,
}

/// How it went.
pub struct Done {
    pub attempt: AttemptId,
    pub result: Result<[Extent; 2], PutError>,
    pub connection: Option<Connection>,
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0}")]
    Read(io::Error),
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    #[error("the manager does not take it: {0}")]
    Refused(String),
}

impl Bulk {
    pub fn enqueue(&mut self, attempt: AttemptId) {
        if !self.queue.iter().any(|waiting| waiting.attempt == attempt) {
            self.queue.push_back(Waiting { attempt, not_before: None, backoff: Backoff::default() });
        }
    }

    /// What the manager has of it, if its output went ahead.
    pub fn kept(&self, attempt: AttemptId) -> Option<[Extent; 2]> {
        self.kept.get(&attempt).copied()
    }

    pub fn forget(&mut self, attempt: AttemptId) {
        self.kept.remove(&attempt);
        self.queue.retain(|waiting| waiting.attempt != attempt);
    }

    /// The next put, if none is under way.
    pub fn next(&mut self, layout: &Layout, limit: u64) -> Option<Job> {
        if self.busy.is_some() {
            return None;
        }
        // One that was under way when the link broke may have arrived all the same.
        let kept = &self.kept;
        self.queue.retain(|waiting| !kept.contains_key(&waiting.attempt));
        let now = Instant::now();
        let due = self.queue.iter().position(|waiting| waiting.not_before.is_none_or(|at| at <= now))?;
        let Waiting { attempt, backoff, .. } = self.queue.remove(due)?;
        self.busy = Some(backoff);
        let streams = [(Stream::Stdout, layout.stdout(attempt)), (Stream::Stderr, layout.stderr(attempt))];
        Some(Job { attempt, limit, streams, idle: self.take_idle() })
    }

    /// Whether its `finished` may be said now.
    pub fn done(&mut self, done: Done) -> bool {
        let mut backoff = self.busy.take().unwrap_or_default();
        if let Some(connection) = done.connection {
            self.give_idle(connection);
        }
        let error = match done.result {
            Ok(extents) => {
                self.kept.insert(done.attempt, extents);
                return true;
            }
            Err(error) => error,
        };
        if backoff.is_fresh() {
            tracing::warn!("the output of {} could not be delivered, trying again: {error}", done.attempt);
        }
        let not_before = Some(Instant::now() + backoff.wait());
        self.queue.push_back(Waiting { attempt: done.attempt, not_before, backoff });
        false
    }

    pub fn unlinked(&mut self) {
        self.idle = None;
        self.queue.clear();
    }

    pub fn take_idle(&mut self) -> Option<Connection> {
        self.idle.take().map(|(connection, _)| connection).filter(|connection| !connection.is_closed())
    }

    /// One is enough: a second is closed.
    pub fn give_idle(&mut self, connection: Connection) {
        if !connection.is_closed() {
            self.idle = Some((connection, Instant::now()));
        }
    }

    /// Called now and then.
    pub fn expire(&mut self) {
        self.idle.take_if(|(_, since)| since.elapsed() > KEPT);
    }

    pub fn wants_ticks(&self) -> bool {
        self.idle.is_some() || !self.queue.is_empty()
    }
}

/// A connection and a fresh stream on it: the idle one if it still works, else a new one.
pub async fn stream(idle: Option<Connection>, dial: &Dial) -> Result<(Connection, link::Stream), DialError> {
    if let Some(connection) = idle
        && let Ok(stream) = connection.open(BULK).await
    {
        return Ok((connection, stream));
    }
    let connection = link::dial(dial).await?;
    let stream = connection.open(BULK).await?;
    Ok((connection, stream))
}

/// Delivers both streams of an attempt that has ended, those that have something.
pub async fn put(job: Job, dial: Dial) -> Done {
    let mut connection = job.idle;
    let mut extents = [Extent::default(); 2];
    let mut result = Ok(());
    for ((which, path), extent) in job.streams.into_iter().zip(&mut extents) {
        match put_stream(connection.take(), &dial, job.attempt, which, path, job.limit).await {
            Ok((used, sent)) => (connection, *extent) = (used, sent),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    Done { attempt: job.attempt, result: result.map(|()| extents), connection }
}

async fn put_stream(
    idle: Option<Connection>,
    dial: &Dial,
    attempt: AttemptId,
    which: Stream,
    path: PathBuf,
    limit: u64,
) -> Result<(Option<Connection>, Extent), PutError> {
    let file = match spool::open(&path, OFlags::RDONLY) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((idle, Extent::default())),
        Err(error) => return Err(PutError::Read(error)),
    };
    let extent = spool::extent(&file, limit).map_err(PutError::Read)?;
    if extent.kept() == 0 {
        return Ok((idle, extent));
    }
    let (connection, stream) = stream(idle, dial).await?;
    let (read, write) = tokio::io::split(stream);
    let mut read = FrameReader::new(read);
    let hello = BulkHello::Put { attempt, stream: which, length: extent.length, dropped: extent.dropped };
    // Whoever does not want it says so before it is all there, and reads no further.
    let early = tokio::select! {
        biased;
        sent = send(write, &hello, &file, extent) => {
            sent?;
            None
        }
        answer = read.next::<PutReply>() => Some(answer),
    };
    let broken = |error: String| PutError::Broken(io::Error::other(error));
    let answer = match early {
        Some(answer) => answer,
        None => {
            let answer = tokio::time::timeout(ANSWER, read.next::<PutReply>()).await;
            answer.map_err(|_| broken(format!("no answer came within {} s", ANSWER.as_secs())))?
        }
    };
    match answer {
        Ok(Some(PutReply::Kept)) => Ok((Some(connection), extent)),
        Ok(Some(PutReply::Refused { reason })) => Err(PutError::Refused(reason)),
        Ok(None) => Err(broken("the manager closed it without an answer".into())),
        Err(error) => Err(broken(error.to_string())),
    }
}

async fn send(write: WriteHalf<link::Stream>, hello: &BulkHello, file: &File, extent: Extent) -> Result<(), PutError> {
    let mut write = FrameWriter::new(write);
    write.send(hello).await.map_err(PutError::Broken)?;
    let mut write = write.into_inner();
    let mut offset = extent.dropped;
    let mut buffer = vec![0; CHUNK];
    while offset < extent.length {
        let chunk = &mut buffer[..CHUNK.min(usize::try_from(extent.length - offset).unwrap_or(CHUNK))];
        // From the page cache, mostly: quicker than handing it to another thread.
        file.read_exact_at(chunk, offset).map_err(PutError::Read)?;
        write.write_all(chunk).await.map_err(PutError::Broken)?;
        offset += chunk.len() as u64;
    }
    write.flush().await.map_err(PutError::Broken)
}
