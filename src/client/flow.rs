//! An answer in many pieces, on a connection of its own.

use link::{FrameReader, FrameWriter, ReadError};
use protocol::api::{Answer, Body, Call, More, Request};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::{ClientError, ManagerAddress, open};

/// Pieces as they come. A reader who does not ask for the next piece holds up this flow and nothing else; dropping
/// it hangs up, which is how the manager learns that nobody listens.
#[derive(Debug)]
pub struct Flow {
    address: ManagerAddress,
    reader: FrameReader<OwnedReadHalf>,
    /// Kept, because a closed half would look like hanging up.
    _writer: FrameWriter<OwnedWriteHalf>,
    ended: bool,
}

impl Flow {
    pub async fn open(address: &ManagerAddress, request: Request) -> Result<Flow, ClientError> {
        let stream: UnixStream = open(address).await?;
        let (read, write) = stream.into_split();
        let mut writer = FrameWriter::new(write);
        writer.feed(&Call { id: 1, request }).map_err(|error| ClientError::unsendable(&error))?;
        // A manager that hung up while we wrote may still have said why: the reader will tell.
        let _ = writer.flush().await;
        Ok(Flow { address: address.clone(), reader: FrameReader::new(read), _writer: writer, ended: false })
    }

    /// The next piece; `None` after the last. May be dropped at any time without losing a piece.
    pub async fn next(&mut self) -> Result<Option<More>, ClientError> {
        if self.ended {
            return Ok(None);
        }
        let answer = self.reader.next::<Answer>().await;
        let body = match answer {
            Ok(Some(answer)) => answer.body,
            Ok(None) | Err(ReadError::Io(_)) => {
                self.ended = true;
                return Err(ClientError::Lost { address: self.address.clone() });
            }
            Err(ReadError::Frame(error)) => {
                self.ended = true;
                return Err(ClientError::nonsense(&self.address, error));
            }
        };
        self.ended = !matches!(body, Body::More(_));
        match body {
            Body::More(piece) => Ok(Some(piece)),
            Body::Reply(_) => Ok(None),
            Body::Error(refusal) => Err(refusal.into()),
        }
    }
}
