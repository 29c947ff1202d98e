//! A caller that speaks the protocol itself, well or badly.

use std::io::Write;

use protocol::api::{Body, Refusal, Reply, Request};
use protocol::file::{ContentHash, FileKept, FileKind, FilePut, FileReady};

use crate::kit::Raw;
use crate::place::Place;

pub struct Wire(pub Raw);

pub fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}

pub fn upload(name: &str, size: Option<u64>, tag: Option<&str>) -> FilePut {
    FilePut { name: name.parse().unwrap(), kind: FileKind::File, executable: false, size, tag: tag.map(str::to_owned) }
}

impl Wire {
    pub fn reach(place: &Place) -> Self {
        Self(Raw::reach(&place.socket()).unwrap())
    }

    pub fn begin(place: &Place, put: FilePut) -> (Self, FileReady) {
        Self::try_begin(place, put).unwrap()
    }

    pub fn try_begin(place: &Place, put: FilePut) -> Result<(Self, FileReady), Refusal> {
        let mut wire = Self::reach(place);
        match wire.0.ask(Request::FilePut(put)) {
            Some(Body::Reply(Reply::FileReady(ready))) => Ok((wire, ready)),
            Some(Body::Error(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    pub fn from(mut self, from: u64) -> Self {
        self.0.say(Request::FileSend { from });
        self
    }

    /// Whether it could be sent.
    pub fn chunks(&mut self, bytes: &[u8]) -> bool {
        bytes.chunks(100_000).all(|chunk| {
            let sent = self.0.socket.write_all(&(chunk.len() as u32).to_be_bytes());
            sent.and_then(|()| self.0.socket.write_all(chunk)).is_ok()
        })
    }

    /// Also where nobody takes it any more.
    pub fn end_quietly(&mut self) {
        let _ = self.0.socket.write_all(&0_u32.to_be_bytes());
    }

    pub fn end(&mut self, request: Request) -> Option<Body> {
        self.0.socket.write_all(&0_u32.to_be_bytes()).unwrap();
        self.0.ask(request)
    }

    pub fn keep(&mut self, hash: ContentHash) -> Result<FileKept, Refusal> {
        match self.end(Request::FileKeep { hash }) {
            Some(Body::Reply(Reply::FileKept(kept))) => Ok(kept),
            Some(Body::Error(refusal)) => Err(refusal),
            other => panic!("{other:?}"),
        }
    }

    /// What the other side says before it hangs up.
    pub fn refused(&mut self) -> Refusal {
        match self.0.next() {
            Some(Body::Error(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }
}
