//! A content on its way here: written piece by piece into a half upload, and hashed while it comes.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use blake3::Hasher;
use protocol::file::ContentHash;

use super::contents::Held;
use super::{PIECE, Part, Room};

/// Bytes after which what came is brought to the disk: the last sync has not all of it to do.
const STRETCH: u64 = 64 << 20;

pub struct Arriving {
    file: File,
    hasher: Hasher,
    length: u64,
    synced: u64,
}

impl Arriving {
    /// With what there is of it from before, hashed piece by piece; without, where that is more than `most`.
    pub async fn into(room: &Room, part: &mut Part, most: u64) -> io::Result<Self> {
        let file = part.file()?;
        let before = file.metadata()?.len();
        let mut arriving = Self { file, hasher: Hasher::new(), length: 0, synced: 0 };
        if before > most {
            return arriving.begin_anew(room).await;
        }
        let mut buffer = vec![0; PIECE];
        loop {
            let piece = move || {
                let read = arriving.file.read(&mut buffer)?;
                arriving.hasher.update(&buffer[..read]);
                arriving.length += read as u64;
                arriving.synced = arriving.length;
                Ok((read, arriving, buffer))
            };
            let read;
            (read, arriving, buffer) = room.work(piece).await?;
            if read == 0 {
                return Ok(arriving);
            }
        }
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn hash(&self) -> ContentHash {
        ContentHash(*self.hasher.finalize().as_bytes())
    }

    pub async fn begin_anew(mut self, room: &Room) -> io::Result<Self> {
        let piece = move || {
            self.file.set_len(0)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.hasher.reset();
            (self.length, self.synced) = (0, 0);
            Ok(self)
        };
        room.work(piece).await
    }

    /// So much has come that it is time to look whether there is still room; the next piece is synced.
    pub fn is_stretch(&self) -> bool {
        self.length - self.synced >= STRETCH
    }

    /// Takes the first bytes of the buffer, and gives it back.
    pub async fn add(mut self, room: &Room, buffer: Vec<u8>, filled: usize) -> io::Result<(Self, Vec<u8>)> {
        let piece = move || {
            let due = self.is_stretch();
            self.file.write_all(&buffer[..filled])?;
            self.hasher.update(&buffer[..filled]);
            self.length += filled as u64;
            if due {
                self.file.sync_data()?;
                self.synced = self.length;
            }
            Ok((self, buffer))
        };
        room.work(piece).await
    }

    /// Whole, as a content. Says whether it was there before.
    pub async fn keep(self, room: &Room, part: Part) -> io::Result<(Held, bool)> {
        let (contents, hash) = (room.contents.clone(), self.hash());
        room.work(move || contents.keep(part.path(), &self.file, hash).inspect_err(|_| part.discard())).await
    }
}
