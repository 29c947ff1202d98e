//! What an answer printed, as it arrives: hashed whole, and kept as far as memory is given to it. The rest is on the manager,
//! and is fetched again by whoever shows it.

use protocol::job::Stream;
use protocol::run::OutputChunk;

/// What all answers of a run may have in memory.
pub const MOST_KEPT: usize = 16 << 20;
/// And one of them.
pub const MOST_OF_ONE: usize = 1 << 20;

/// How much more may be kept.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST_KEPT)
    }
}

impl Room {
    pub fn give_back(&mut self, kept: &[Vec<u8>; 2]) {
        self.0 += kept.iter().map(Vec::len).sum::<usize>();
    }

    #[cfg(test)]
    pub fn of(bytes: usize) -> Self {
        Self(bytes)
    }
}

/// By the number of the stream.
#[derive(Debug, Default)]
pub struct Kept {
    hashes: [blake3::Hasher; 2],
    pub length: [u64; 2],
    /// So much of it was not there any more.
    pub missing: [u64; 2],
    /// All of both, where there was room for it.
    pub whole: Option<[Vec<u8>; 2]>,
    begun: bool,
}

impl Kept {
    pub fn take(&mut self, chunk: &OutputChunk, missing: u64, room: &mut Room) {
        let stream = chunk.stream as usize;
        if missing > 0 {
            // A gap is part of what it is.
            self.hashes[stream].update(b"\0gap\0").update(&missing.to_le_bytes());
        }
        self.hashes[stream].update(&chunk.bytes.0);
        self.length[stream] += chunk.bytes.0.len() as u64;
        self.missing[stream] = self.missing[stream].saturating_add(missing);
        self.keep(stream, &chunk.bytes.0, room);
    }

    fn keep(&mut self, stream: usize, bytes: &[u8], room: &mut Room) {
        if !std::mem::replace(&mut self.begun, true) {
            self.whole = Some(Default::default());
        }
        let Some(kept) = &mut self.whole else { return };
        let length = kept.iter().map(Vec::len).sum::<usize>() + bytes.len();
        if length > MOST_OF_ONE || bytes.len() > room.0 {
            room.give_back(kept);
            self.whole = None;
            return;
        }
        room.0 -= bytes.len();
        kept[stream].extend_from_slice(bytes);
    }

    /// Nothing more comes.
    pub fn end(&mut self) -> [blake3::Hash; 2] {
        if !self.begun {
            self.whole = Some(Default::default());
        }
        [self.hashes[Stream::Stdout as usize].finalize(), self.hashes[Stream::Stderr as usize].finalize()]
    }

    pub fn printed(&self) -> bool {
        self.length.iter().any(|length| *length > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(stream: Stream, bytes: &[u8]) -> OutputChunk {
        OutputChunk { index: 0, stream, offset: 0, bytes: bytes.to_vec().into() }
    }

    #[test]
    fn what_comes_in_pieces_is_the_same_as_in_one() {
        let (mut one, mut two, room) = (Kept::default(), Kept::default(), &mut Room::default());
        one.take(&chunk(Stream::Stdout, b"ab"), 0, room);
        two.take(&chunk(Stream::Stdout, b"a"), 0, room);
        two.take(&chunk(Stream::Stdout, b"b"), 0, room);
        assert_eq!(one.end(), two.end());
        two.take(&chunk(Stream::Stderr, b"b"), 0, room);
        assert_ne!(one.end(), two.end());
        let mut gap = Kept::default();
        gap.take(&chunk(Stream::Stdout, b"ab"), 7, room);
        assert_ne!(one.end(), gap.end());
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_the_hash_is_of_all() {
        let (mut kept, mut whole, room) = (Kept::default(), Kept::default(), &mut Room::of(10));
        kept.take(&chunk(Stream::Stdout, b"12345678"), 0, room);
        assert_eq!(room.0, 2);
        kept.take(&chunk(Stream::Stderr, b"123"), 0, room);
        assert!(kept.whole.is_none());
        assert_eq!(room.0, 10, "what it had is given back");
        kept.take(&chunk(Stream::Stderr, b"4"), 0, room);
        assert!(kept.whole.is_none(), "a part alone is of no use");
        let room = &mut Room::default();
        whole.take(&chunk(Stream::Stdout, b"12345678"), 0, room);
        whole.take(&chunk(Stream::Stderr, b"1234"), 0, room);
        assert_eq!(kept.end(), whole.end());
    }

    #[test]
    fn a_gigabyte_is_never_in_memory() {
        let (mut kept, room) = (Kept::default(), &mut Room::default());
        let piece = chunk(Stream::Stdout, &vec![b'x'; 64 * 1024]);
        for _ in 0..64 {
            kept.take(&piece, 0, room);
            assert!(kept.whole.as_ref().is_none_or(|kept| kept[0].len() <= MOST_OF_ONE));
        }
        assert_eq!((kept.length[0], room.0), (64 * 64 * 1024, MOST_KEPT));
    }
}
