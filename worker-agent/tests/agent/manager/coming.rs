//! A result on its way to a manager played by a test.

use link::{FrameReader, FrameWriter, Rest, Stream};
use protocol::agent::{BulkHello, PutReply, ResultBegin, ResultEnd, ResultReply};
use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::result::Left;
use tokio::io::{AsyncReadExt, ReadHalf, WriteHalf};

use super::{Bulk, Manager};
use crate::PATIENCE;

/// Said, and not answered yet.
pub struct Coming {
    pub attempt: AttemptId,
    pub left: Left,
    pub tag: ContentHash,
    bulk: Bulk,
}

/// Its bytes are coming.
pub struct Taking {
    pub from: u64,
    left: Left,
    /// What was there before, and what has come.
    bytes: Vec<u8>,
    read: Rest<ReadHalf<Stream>>,
    write: WriteHalf<Stream>,
}

fn hash_of(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}

impl Manager {
    pub async fn result(&mut self) -> Coming {
        let (hello, bulk) = self.bulk().await;
        let BulkHello::Result { attempt, left, tag } = hello else { panic!("a result, not {hello:?}") };
        Coming { attempt, left, tag, bulk }
    }
}

impl Coming {
    /// All of it, as it was packed.
    pub async fn take(self) -> Vec<u8> {
        let taking = self.ready(&[]).await;
        assert_eq!(taking.from, 0);
        taking.rest().await
    }

    /// Where so much of it is here already.
    pub async fn ready(self, has: &[u8]) -> Taking {
        self.ready_at(has.len() as u64, has).await
    }

    pub async fn ready_at(mut self, offset: u64, has: &[u8]) -> Taking {
        self.say(&ResultReply::Ready { offset, hash: hash_of(has) }).await;
        let Bulk { mut read, write } = self.bulk;
        let begin = tokio::time::timeout(PATIENCE, read.next::<ResultBegin>()).await.expect("a beginning in time");
        let ResultBegin { from } = begin.unwrap().unwrap();
        let bytes = has[..from as usize].to_vec();
        Taking { from, left: self.left, bytes, read: read.into_rest(), write }
    }

    pub async fn has_it(mut self) {
        self.say(&ResultReply::Kept).await;
        self.closes().await;
    }

    pub async fn refuse(mut self, reason: &str, for_good: bool) {
        self.say(&ResultReply::Refused { reason: reason.into(), for_good }).await;
        self.closes().await;
    }

    async fn say(&mut self, reply: &ResultReply) {
        FrameWriter::new(&mut self.bulk.write).send(reply).await.unwrap();
    }

    /// Until the agent closes it.
    pub async fn closes(self) {
        closes(self.bulk.read.into_rest()).await;
    }
}

impl Taking {
    /// Reads on to there, and returns all that is here.
    pub async fn some(&mut self, to: usize) -> Vec<u8> {
        let begun = self.bytes.len();
        self.bytes.resize(to, 0);
        let reading = self.read.read_exact(&mut self.bytes[begun..]);
        tokio::time::timeout(PATIENCE, reading).await.expect("the bytes in time").unwrap();
        self.bytes.clone()
    }

    /// The whole, and says that it is kept.
    pub async fn rest(mut self) -> Vec<u8> {
        let bytes = self.some(self.left.size as usize).await;
        let mut read = FrameReader::new(self.read);
        let end = tokio::time::timeout(PATIENCE, read.next::<ResultEnd>()).await.expect("the end in time");
        assert_eq!(end.unwrap().unwrap().hash, hash_of(&bytes));
        FrameWriter::new(self.write).send(&PutReply::Kept).await.unwrap();
        closes(read.into_rest()).await;
        bytes
    }

    pub async fn refuse(self, reason: &str) {
        FrameWriter::new(self.write).send(&PutReply::Refused { reason: reason.into() }).await.unwrap();
        closes(self.read).await;
    }

    /// Until the agent closes it, or is gone.
    pub async fn closes(self) {
        closes(self.read).await;
    }
}

/// Whatever comes before that.
async fn closes(mut read: impl tokio::io::AsyncRead + Unpin) {
    let closing = async { while read.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {} };
    tokio::time::timeout(PATIENCE, closing).await.expect("the agent lets go of it");
}
