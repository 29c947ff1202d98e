//! The bytes of a file between two messages, in chunks ([`protocol::file`]).

use std::io;

use protocol::file::LONGEST_CHUNK;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads up to the last chunk and not a byte beyond it.
#[derive(Debug)]
pub struct ChunkReader<R> {
    read: R,
    left: usize,
    ended: bool,
}

impl<R: AsyncRead + Unpin> ChunkReader<R> {
    pub fn new(read: R) -> Self {
        Self { read, left: 0, ended: false }
    }

    /// Fills the buffer from one chunk after the other; less than full only at the end, which has 0 bytes. Not cancel
    /// safe: what was read when it is dropped is lost.
    pub async fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() && !self.ended {
            if self.left == 0 {
                self.begin().await?;
                continue;
            }
            let room = self.left.min(buffer.len() - filled);
            let read = self.read.read(&mut buffer[filled..filled + room]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            self.left -= read;
        }
        Ok(filled)
    }

    async fn begin(&mut self) -> io::Result<()> {
        let length = self.read.read_u32().await? as usize;
        if length > LONGEST_CHUNK {
            let why = format!("a chunk of {length} bytes was announced; at most {LONGEST_CHUNK} are allowed");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        (self.left, self.ended) = (length, length == 0);
        Ok(())
    }
}

/// `bytes` must not be empty, which would be the end, nor longer than a chunk may be.
pub async fn write_chunk<W: AsyncWrite + Unpin>(write: &mut W, bytes: &[u8]) -> io::Result<()> {
    debug_assert!((1..=LONGEST_CHUNK).contains(&bytes.len()));
    write.write_u32(bytes.len() as u32).await?;
    write.write_all(bytes).await
}

pub async fn write_end<W: AsyncWrite + Unpin>(write: &mut W) -> io::Result<()> {
    write.write_u32(0).await?;
    write.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_come_as_they_were_sent_and_nothing_beyond_their_end_is_read() {
        let (mut near, mut far) = tokio::io::duplex(100);
        let sent: Vec<u8> = (0..10_000).map(|n| (n % 251) as u8).collect();
        let sending = async {
            for part in sent.chunks(333) {
                write_chunk(&mut near, part).await.unwrap();
            }
            write_end(&mut near).await.unwrap();
            near.write_all(b"after").await.unwrap();
        };
        let receiving = async {
            let mut reader = ChunkReader::new(&mut far);
            let (mut got, mut buffer) = (vec![], [0; 1000]);
            loop {
                match reader.fill(&mut buffer).await.unwrap() {
                    0 => break,
                    n => got.extend_from_slice(&buffer[..n]),
                }
            }
            assert_eq!(reader.fill(&mut buffer).await.unwrap(), 0, "still the end");
            let mut after = [0; 5];
            far.read_exact(&mut after).await.unwrap();
            (got, after)
        };
        let ((), (got, after)) = tokio::join!(sending, receiving);
        assert_eq!((got, &after), (sent, b"after"));
    }

    #[tokio::test]
    async fn a_chunk_that_is_too_long_or_breaks_off_is_an_error() {
        let mut buffer = [0; 10];
        for (bytes, kind) in [
            (&[0, 0x10, 0, 1, 0][..], io::ErrorKind::InvalidData),
            (&[0, 0, 0, 9, 1, 2], io::ErrorKind::UnexpectedEof),
            (&[0, 0], io::ErrorKind::UnexpectedEof),
        ] {
            assert_eq!(ChunkReader::new(bytes).fill(&mut buffer).await.unwrap_err().kind(), kind, "{bytes:?}");
        }
    }
}
