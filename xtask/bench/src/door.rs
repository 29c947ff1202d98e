//! The manager's socket, spoken to by hand: frames over a blocking stream, so that nothing of ours stands between the
//! clock and the manager.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::BytesMut;
use protocol::api::{Answer, Body, Call, More, Reply, Request};
use protocol::frame;

/// Longer than anything measured here takes: whoever waits longer waits for ever.
const PATIENCE: Duration = Duration::from_secs(300);

pub struct Door {
    stream: UnixStream,
    /// Answers that have arrived, perhaps in part.
    arrived: BytesMut,
    last: u64,
}

impl Door {
    pub fn open(socket: &Path) -> anyhow::Result<Self> {
        let opened = UnixStream::connect(socket);
        let stream = opened.with_context(|| format!("the manager's socket {} does not answer", socket.display()))?;
        stream.set_read_timeout(Some(PATIENCE)).context("the socket takes no time limit")?;
        Ok(Self { stream, arrived: BytesMut::new(), last: 0 })
    }

    /// Asks and waits for the one answer.
    pub fn call(&mut self, request: Request) -> anyhow::Result<Reply> {
        let id = self.send(request)?;
        match self.next()? {
            Answer { id: answered, body: Body::Reply(reply) } if answered == id => Ok(reply),
            Answer { body: Body::Error(refusal), .. } => Err(refusal.into()),
            other => bail!("the manager answered call {id} with {other:?}"),
        }
    }

    /// Asks for something that comes in pieces.
    pub fn stream(&mut self, request: Request) -> anyhow::Result<Pieces<'_>> {
        let id = self.send(request)?;
        Ok(Pieces { door: self, id })
    }

    fn send(&mut self, request: Request) -> anyhow::Result<u64> {
        self.last += 1;
        let mut frame = BytesMut::new();
        frame::encode(&Call { id: self.last, request }, &mut frame)?;
        self.stream.write_all(&frame).context("the manager takes no more requests")?;
        Ok(self.last)
    }

    pub fn next(&mut self) -> anyhow::Result<Answer> {
        loop {
            if let Some(json) = frame::split(&mut self.arrived)? {
                return Ok(frame::parse(&json)?);
            }
            let mut piece = [0; 64 * 1024];
            let n = self.stream.read(&mut piece).context("the manager does not answer")?;
            if n == 0 {
                bail!("the manager closed the connection");
            }
            self.arrived.extend_from_slice(&piece[..n]);
        }
    }

    /// Ends the connection, for its writer too.
    pub fn close(&self) -> std::io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Both)
    }

    /// Another handle on the same connection, to write with while this one reads.
    pub fn writer(&self) -> anyhow::Result<UnixStream> {
        self.stream.try_clone().context("the socket cannot be shared")
    }
}

pub struct Pieces<'a> {
    door: &'a mut Door,
    id: u64,
}

impl Pieces<'_> {
    /// The next piece, `None` after the last.
    pub fn next(&mut self) -> anyhow::Result<Option<More>> {
        match self.door.next()? {
            Answer { id, body: Body::More(more) } if id == self.id => Ok(Some(more)),
            Answer { body: Body::Reply(Reply::End), .. } => Ok(None),
            Answer { body: Body::Error(refusal), .. } => Err(refusal.into()),
            other => bail!("the manager answered call {} with {other:?}", self.id),
        }
    }
}
