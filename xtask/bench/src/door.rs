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
        Self::over(opened.with_context(|| format!("the manager's socket {} does not answer", socket.display()))?)
    }

    fn over(stream: UnixStream) -> anyhow::Result<Self> {
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

#[cfg(test)]
pub mod tests {
    use std::thread::JoinHandle;

    use protocol::api::{LogChunk, Refusal};
    use protocol::job::Stream;

    use super::*;

    /// A door to a thread that answers every request with what it is told, until nobody asks any more. It ends with
    /// how often it was asked.
    pub fn manager_that(answers: impl Fn(Request) -> Vec<Body> + Send + 'static) -> (Door, JoinHandle<u32>) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let manager = std::thread::spawn(move || {
            let (mut stream, mut arrived, mut asked) = (theirs, BytesMut::new(), 0);
            let mut piece = [0; 4096];
            while let Ok(n @ 1..) = stream.read(&mut piece) {
                arrived.extend_from_slice(&piece[..n]);
                while let Ok(Some(json)) = frame::split(&mut arrived) {
                    let Call { id, request } = frame::parse(&json).unwrap();
                    asked += 1;
                    let mut out = BytesMut::new();
                    answers(request)
                        .into_iter()
                        .for_each(|body| frame::encode(&Answer { id, body }, &mut out).unwrap());
                    if stream.write_all(&out).is_err() {
                        return asked;
                    }
                }
            }
            asked
        });
        (Door::over(ours).unwrap(), manager)
    }

    #[test]
    fn an_answer_is_a_reply_or_the_refusal_that_came_instead() {
        let (mut door, _manager) = manager_that(|request| match request {
            Request::Nodes => vec![Body::Reply(Reply::Nodes(vec![]))],
            _ => vec![Body::Error(Refusal::refused("not today"))],
        });
        assert_eq!(door.call(Request::Nodes).unwrap(), Reply::Nodes(vec![]));
        assert_eq!(door.call(Request::Watch).unwrap_err().to_string(), "not today");
        assert_eq!(door.call(Request::Nodes).unwrap(), Reply::Nodes(vec![]));
    }

    #[test]
    fn a_stream_has_pieces_and_an_end() {
        let piece = More::Log(LogChunk { stream: Stream::Stdout, offset: 0, bytes: b"x".to_vec().into() });
        let (mut door, _manager) = manager_that({
            let piece = piece.clone();
            move |_| vec![Body::More(piece.clone()), Body::Reply(Reply::End)]
        });
        let mut pieces = door.stream(Request::Watch).unwrap();
        assert_eq!(pieces.next().unwrap(), Some(piece));
        assert_eq!(pieces.next().unwrap(), None);
    }

    #[test]
    fn a_manager_that_goes_away_is_said() {
        let (mut door, _manager) = manager_that(|_| vec![]);
        door.close().unwrap();
        assert!(door.call(Request::Nodes).is_err());
    }
}
