//! A content as it is read: piece by piece, each when the one before was taken.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use protocol::file::ContentHash;

use super::{PIECE, Room};

pub struct Pieces {
    room: Room,
    /// Not here while it is being read, or after it could not be.
    source: Option<(File, Vec<u8>)>,
    left: u64,
}

impl Room {
    /// A content from this byte on, and how long the whole is.
    pub async fn read(&self, hash: ContentHash, from: u64) -> io::Result<(u64, Pieces)> {
        let contents = self.contents.clone();
        let opened = self.work(move || {
            let mut file = contents.open(&hash)?;
            file.seek(SeekFrom::Start(from))?;
            Ok((file.metadata()?.len(), file))
        });
        let (length, file) = opened.await?;
        let source = Some((file, vec![0; PIECE]));
        Ok((length, Pieces { room: self.clone(), source, left: length.saturating_sub(from) }))
    }
}

impl Pieces {
    pub fn left(&self) -> u64 {
        self.left
    }

    /// `None` after the last.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let wanted = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        if wanted == 0 {
            return Ok(None);
        }
        let broken = || io::Error::other("it could not be read before");
        let (mut file, mut buffer) = self.source.take().ok_or_else(broken)?;
        let piece = move || {
            file.read_exact(&mut buffer[..wanted])?;
            Ok((file, buffer))
        };
        let (_, buffer) = self.source.insert(self.room.work(piece).await?);
        self.left -= wanted as u64;
        Ok(Some(&buffer[..wanted]))
    }
}
