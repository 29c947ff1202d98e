//! Files and results on their way: each has a connection of its own, on which bytes follow what was said ([`protocol::file`]).

use std::io;
use std::time::Duration;

use link::{ChunkReader, FrameReader, FrameWriter, ReadError, Rest, write_chunk, write_end};
use protocol::PROTOCOL;
use protocol::api::{Answer, Body, Call, Reply, Request};
use protocol::file::{ContentHash, FileKept, FilePut, FileReady};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{ClientError, ManagerAddress, open};

/// For the last words of a manager that takes no more.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The two ends of a connection that is a transfer's own.
#[derive(Debug)]
struct Line<R, W> {
    address: ManagerAddress,
    frames: FrameReader<R>,
    write: W,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Line<R, W> {
    /// Says hello and what is wanted, and takes the answer to that.
    async fn begin(
        address: &ManagerAddress,
        read: R,
        write: W,
        request: Request,
    ) -> Result<(Self, Reply), ClientError> {
        let mut line = Self { address: address.clone(), frames: FrameReader::new(read), write };
        let calls = [Request::Hello { protocol: PROTOCOL }, request];
        for (id, request) in (1..).zip(calls) {
            line.say(id, request).await?;
        }
        line.answer().await?;
        let reply = line.answer().await?;
        Ok((line, reply))
    }

    async fn say(&mut self, id: u64, request: Request) -> Result<(), ClientError> {
        let mut frames = FrameWriter::new(&mut self.write);
        frames.feed(&Call { id, request }).map_err(|error| ClientError::unsendable(&error))?;
        // A manager that hung up while we wrote may still have said why: the reader will tell.
        let _ = frames.flush().await;
        Ok(())
    }

    async fn answer(&mut self) -> Result<Reply, ClientError> {
        match self.frames.next::<Answer>().await {
            Ok(Some(Answer { body: Body::Reply(reply), .. })) => Ok(reply),
            Ok(Some(Answer { body: Body::Error(refusal), .. })) => Err(refusal.into()),
            Ok(Some(Answer { body: Body::More(_), .. })) => Err(self.nonsense("a part of a stream")),
            Ok(None) | Err(ReadError::Io(_)) => Err(self.lost()),
            Err(ReadError::Frame(error)) => Err(ClientError::nonsense(&self.address, error)),
        }
    }

    fn lost(&self) -> ClientError {
        ClientError::Lost { address: self.address.clone() }
    }

    fn nonsense(&self, what: &str) -> ClientError {
        ClientError::nonsense(&self.address, format_args!("{what} where something else was due"))
    }
}

/// An upload.
#[derive(Debug)]
pub struct Upload<R = OwnedReadHalf, W = OwnedWriteHalf> {
    line: Line<R, W>,
}

impl Upload {
    /// With how much of it the manager has already.
    pub async fn begin(address: &ManagerAddress, put: FilePut) -> Result<(Self, FileReady), ClientError> {
        let (read, write) = open(address).await?.into_split();
        Upload::over(address, read, write, put).await
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Upload<R, W> {
    pub async fn over(
        address: &ManagerAddress,
        read: R,
        write: W,
        put: FilePut,
    ) -> Result<(Self, FileReady), ClientError> {
        let (line, reply) = Line::begin(address, read, write, Request::FilePut(put)).await?;
        match reply {
            Reply::FileReady(ready) => Ok((Self { line }, ready)),
            _ => Err(line.nonsense("another answer")),
        }
    }

    /// Where the first chunk begins.
    pub async fn send_from(&mut self, from: u64) -> Result<(), ClientError> {
        self.line.say(3, Request::FileSend { from }).await
    }

    /// At most [`protocol::file::LONGEST_CHUNK`] bytes, and at least one.
    pub async fn chunk(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let Line { frames, write, .. } = &mut self.line;
        let answer = tokio::select! {
            sent = write_chunk(write, bytes) => match sent {
                Ok(()) => return Ok(()),
                Err(_) => tokio::time::timeout(LAST_WORDS, frames.next::<Answer>()).await.ok(),
            },
            // Before all was sent: it is not wanted.
            answer = frames.next::<Answer>() => Some(answer),
        };
        match answer {
            Some(Ok(Some(Answer { body: Body::Error(refusal), .. }))) => Err(refusal.into()),
            _ => Err(self.line.lost()),
        }
    }

    /// All was sent, and this is its hash: answered once it is kept for certain.
    pub async fn keep(mut self, hash: ContentHash) -> Result<FileKept, ClientError> {
        self.end().await;
        self.line.say(4, Request::FileKeep { hash }).await?;
        match self.line.answer().await? {
            Reply::FileKept(kept) => Ok(kept),
            _ => Err(self.line.nonsense("another answer")),
        }
    }

    /// What was sent is worth nothing.
    pub async fn throw_away(mut self) -> Result<(), ClientError> {
        self.end().await;
        self.line.say(4, Request::FileDrop).await?;
        self.line.answer().await.map(drop)
    }

    async fn end(&mut self) {
        // Where it cannot be written, the answer that does not come tells.
        let _ = write_end(&mut self.line.write).await;
    }
}

/// A download.
#[derive(Debug)]
pub struct Download<R = OwnedReadHalf, W = OwnedWriteHalf> {
    address: ManagerAddress,
    chunks: ChunkReader<Rest<R>>,
    /// Kept, because a closed half would look like hanging up.
    _write: W,
}

/// What the bytes of a download are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coming {
    /// Of the whole.
    pub hash: ContentHash,
    /// Where they begin.
    pub offset: u64,
}

impl Download {
    /// Of a file or a result, as the request says.
    pub async fn begin(address: &ManagerAddress, request: Request) -> Result<(Self, Coming), ClientError> {
        let (read, write) = open(address).await?.into_split();
        Download::over(address, read, write, request).await
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Download<R, W> {
    pub async fn over(
        address: &ManagerAddress,
        read: R,
        write: W,
        request: Request,
    ) -> Result<(Self, Coming), ClientError> {
        let (line, reply) = Line::begin(address, read, write, request).await?;
        let coming = match reply {
            Reply::FileComing(coming) => Coming { hash: coming.file.hash, offset: coming.offset },
            Reply::ResultComing(coming) => Coming { hash: coming.result.hash, offset: coming.offset },
            _ => return Err(line.nonsense("another answer")),
        };
        let Line { address, frames, write } = line;
        Ok((Self { address, chunks: ChunkReader::new(frames.into_rest()), _write: write }, coming))
    }

    /// The next bytes; 0 after the last.
    pub async fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, ClientError> {
        self.chunks.fill(buffer).await.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => ClientError::nonsense(&self.address, error),
            _ => ClientError::Lost { address: self.address.clone() },
        })
    }
}
