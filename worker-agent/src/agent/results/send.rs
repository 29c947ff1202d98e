//! One result on its way to the manager.

use std::io;
use std::time::Duration;

use link::{Connection, Dial, DialError, FrameReader, FrameWriter, ReadError, Stream};
use protocol::agent::{BulkHello, PutReply, ResultBegin, ResultEnd, ResultReply};
use protocol::id::AttemptId;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::sync::oneshot;

use super::super::bulk;
use super::packer::{NotPacked, Packer, Said};
use crate::layout::Layout;

/// For every next byte to be taken.
const PATIENCE: Duration = Duration::from_secs(60);
/// The manager reads what it has of it before it answers, and brings all of it to its disk afterwards. That it is there
/// at all is seen to by the connection.
const ANSWER: Duration = Duration::from_secs(600);

/// To be carried out by [`send`].
pub struct Job {
    pub attempt: AttemptId,
    pub layout: Layout,
    /// Whether we are.
    pub root: bool,
    /// More than this is not sent: [`SendError::Large`].
    pub most: Option<u64>,
    pub idle: Option<Connection>,
    /// Ends when nobody wants it any more.
    pub wanted: oneshot::Receiver<()>,
}

/// How it went.
pub struct Done {
    pub attempt: AttemptId,
    pub result: Result<(), SendError>,
    pub connection: Option<Connection>,
}

#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error("nobody wants it any more")]
    Cancelled,
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the manager does not take it: {reason}")]
    Refused { reason: String, for_good: bool },
    /// It is not what it was a moment ago, or cannot be read.
    #[error("{0}")]
    Torn(String),
    /// No other try can help.
    #[error("{0}")]
    Never(String),
    #[error("it is large, and waits for the others")]
    Large,
    #[error("no thread can be made: {0}")]
    NoThread(io::Error),
}

impl From<NotPacked> for SendError {
    fn from(error: NotPacked) -> Self {
        match error {
            NotPacked::Torn(reason) => SendError::Torn(reason),
            NotPacked::Never(reason) => SendError::Never(reason),
        }
    }
}

/// Delivers what an ended attempt left.
pub async fn send(job: Job, dial: Dial) -> Done {
    let Job { attempt, layout, root, most, idle, wanted } = job;
    let sent = tokio::select! {
        biased;
        _ = wanted => Err(SendError::Cancelled),
        sent = deliver(attempt, layout, root, most, idle, &dial) => sent,
    };
    match sent {
        Ok(connection) => Done { attempt, result: Ok(()), connection },
        Err(error) => Done { attempt, result: Err(error), connection: None },
    }
}

async fn deliver(
    attempt: AttemptId,
    layout: Layout,
    root: bool,
    most: Option<u64>,
    idle: Option<Connection>,
    dial: &Dial,
) -> Result<Option<Connection>, SendError> {
    let mut packer = Packer::start(layout, attempt, root).map_err(SendError::NoThread)?;
    let Said::Looked { left, tag } = packer.next().await? else { return Ok(idle) };
    if most.is_some_and(|most| left.size > most) {
        return Err(SendError::Large);
    }
    let (connection, stream) = bulk::stream(idle, dial).await?;
    let (read, write) = tokio::io::split(stream);
    let (mut read, mut write) = (FrameReader::new(read), FrameWriter::new(write));
    within(PATIENCE, write.send(&BulkHello::Result { attempt, left, tag })).await?;
    match answer(tokio::time::timeout(ANSWER, read.next::<ResultReply>()).await)? {
        ResultReply::Ready { offset, hash } => packer.begin(offset, hash),
        ResultReply::Kept => return Ok(Some(connection)),
        ResultReply::Refused { reason, for_good } => return Err(SendError::Refused { reason, for_good }),
    }
    // Whoever does not want it says so before it is all there, and reads no further.
    let early = tokio::select! {
        biased;
        answer = read.next::<PutReply>() => Some(Ok(answer)),
        sent = pass_on(write, &mut packer) => {
            sent?;
            None
        }
    };
    let reply = match early {
        Some(early) => early,
        None => tokio::time::timeout(ANSWER, read.next::<PutReply>()).await,
    };
    match answer(reply)? {
        PutReply::Kept => Ok(Some(connection)),
        PutReply::Refused { reason } => Err(SendError::Refused { reason, for_good: false }),
    }
}

/// All that lacks, as it is packed.
async fn pass_on(mut write: FrameWriter<WriteHalf<Stream>>, packer: &mut Packer) -> Result<(), SendError> {
    let Said::From(from) = packer.next().await? else { return Err(SendError::Torn("its packer ended".into())) };
    within(PATIENCE, write.send(&ResultBegin { from })).await?;
    let mut write = write.into_inner();
    loop {
        match packer.next().await? {
            Said::Piece(piece) => {
                let mut left = &piece[..];
                while !left.is_empty() {
                    let taken = within(PATIENCE, write.write(left)).await?;
                    if taken == 0 {
                        return Err(broken(io::Error::from(io::ErrorKind::WriteZero)));
                    }
                    left = &left[taken..];
                }
            }
            Said::End(hash) => return within(PATIENCE, FrameWriter::new(write).send(&ResultEnd { hash })).await,
            _ => return Err(SendError::Torn("its packer ended".into())),
        }
    }
}

async fn within<T>(patience: Duration, write: impl Future<Output = io::Result<T>>) -> Result<T, SendError> {
    match tokio::time::timeout(patience, write).await {
        Ok(done) => done.map_err(broken),
        Err(_) => Err(SendError::Broken(format!("nothing was taken for {} s", patience.as_secs()))),
    }
}

type InTime<T> = Result<T, tokio::time::error::Elapsed>;

fn answer<T>(reply: InTime<Result<Option<T>, ReadError>>) -> Result<T, SendError> {
    match reply {
        Ok(Ok(Some(reply))) => Ok(reply),
        Ok(Ok(None)) => Err(SendError::Broken("the manager closed it without an answer".into())),
        Ok(Err(error)) => Err(broken(error)),
        Err(_) => Err(SendError::Broken(format!("no answer came within {} s", ANSWER.as_secs()))),
    }
}

fn broken(error: impl std::fmt::Display) -> SendError {
    SendError::Broken(error.to_string())
}
