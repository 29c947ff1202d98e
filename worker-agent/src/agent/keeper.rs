//! The socket to the keeper that started this agent.

use std::os::unix::net::UnixStream as StdStream;

use anyhow::Context;
use link::{FrameReader, FrameWriter, ReadError};
use protocol::frame::FrameError;
use protocol::keeper::{FromKeeper, ToKeeper};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::UnixStream;

pub struct Keeper {
    read: FrameReader<ReadHalf<UnixStream>>,
    write: FrameWriter<WriteHalf<UnixStream>>,
}

impl Keeper {
    pub fn new(socket: StdStream) -> anyhow::Result<Self> {
        socket.set_nonblocking(true).context("the socket to the keeper cannot be used")?;
        // Programs this agent starts must not hold on to it.
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).context("the socket to the keeper is broken")?;
        let socket = UnixStream::from_std(socket).context("the socket to the keeper cannot be used")?;
        // Not `into_split`, whose halves shut the socket down when dropped: see `super::run`.
        let (read, write) = tokio::io::split(socket);
        Ok(Self { read: FrameReader::new(read), write: FrameWriter::new(write) })
    }

    /// The next message that is understood, having written what was to be said. Cancel safe. An error is the end: without
    /// a keeper there is nothing to do, and its successor starts an agent of its own.
    pub async fn next(&mut self) -> anyhow::Result<FromKeeper> {
        loop {
            let said = tokio::select! {
                biased;
                written = self.write.flush(), if self.write.pending() > 0 => {
                    written.context("the keeper is gone")?;
                    continue;
                }
                said = self.read.next::<FromKeeper>() => said,
            };
            match said {
                Ok(Some(FromKeeper::NotUnderstood { name })) => {
                    tracing::warn!("the keeper does not understand {name:?}: it is of another version");
                }
                Ok(Some(message)) => return Ok(message),
                Ok(None) => anyhow::bail!("the keeper is gone"),
                Err(ReadError::Frame(FrameError::Unknown(unknown))) => tracing::warn!("from the keeper: {unknown}"),
                Err(error) => return Err(error).context("the keeper cannot be understood"),
            }
        }
    }

    /// Whether [`next`](Self::next) would return at once.
    pub fn has_more(&self) -> bool {
        self.read.buffered()
    }

    /// Written by the next [`next`](Self::next). An error, for what no frame can carry, leaves nothing said.
    pub fn say(&mut self, message: &ToKeeper) -> Result<(), FrameError> {
        self.write.feed(message)
    }
}
