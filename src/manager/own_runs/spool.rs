//! What a run of the manager's own prints: in memory while it is little, else in a file, the oldest of it gone at the
//! limit. Followers read it while it grows.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::agent::Output;
use protocol::bytes::Blob;
use protocol::id::AttemptId;
use protocol::job::Stream;
use protocol::run::Whence;
use tokio::sync::watch;

use crate::manager::store::{Arriving, Outputs};

/// What is no more than this travels with the end of a run, like that of a task.
const INLINE: usize = 32 * 1024;
const PART: usize = 256 * 1024;

/// How much there is of each stream, what was dropped included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reached {
    pub stdout: u64,
    pub stderr: u64,
    /// No more of it will come.
    pub ended: bool,
}

/// What one run prints, for whoever follows it.
#[derive(Clone)]
pub struct Tail {
    spool: Arc<Spool>,
    reached: watch::Receiver<Reached>,
}

impl Tail {
    pub fn reached(&self) -> Reached {
        *self.reached.borrow()
    }

    /// Waits until there is more than this, or all of it.
    pub async fn beyond(&mut self, known: Reached) -> Reached {
        match self.reached.wait_for(|now| *now != known).await {
            Ok(now) => *now,
            Err(_) => Reached { ended: true, ..known },
        }
    }

    /// Some of what is there from `from` on, and where it begins: later, where the oldest is gone.
    pub async fn read(&self, stream: Stream, from: u64, most: usize) -> io::Result<(u64, Vec<u8>)> {
        let spool = self.spool.clone();
        let reading = tokio::task::spawn_blocking(move || spool.half(stream).read(from, most, spool.limit));
        reading.await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
    }
}

pub struct Spool {
    attempt: AttemptId,
    whence: Whence,
    outputs: Outputs,
    /// Of each stream.
    limit: u64,
    halves: [Mutex<Half>; 2],
    reached: watch::Sender<Reached>,
}

#[derive(Default)]
struct Half {
    length: u64,
    kept: Kept,
}

enum Kept {
    Memory(Vec<u8>),
    /// A ring as large as the limit: byte `n` is at `n % limit`.
    Ring(Arriving),
    /// The same, after its end, for those who still read it.
    Past(File),
    Nothing,
}

impl Default for Kept {
    fn default() -> Self {
        Kept::Memory(vec![])
    }
}

impl Spool {
    pub fn new(attempt: AttemptId, whence: Whence, outputs: Outputs, limit: u64) -> Arc<Self> {
        let (reached, _) = watch::channel(Reached::default());
        Arc::new(Self {
            attempt,
            whence,
            outputs,
            limit: limit.max(INLINE as u64),
            halves: Default::default(),
            reached,
        })
    }

    pub fn tail(self: &Arc<Self>) -> Tail {
        Tail { spool: self.clone(), reached: self.reached.subscribe() }
    }

    fn half(&self, stream: Stream) -> MutexGuard<'_, Half> {
        // No code under the lock can fail halfway.
        self.halves[stream as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the disk where it is much.
    pub fn put(&self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut half = self.half(stream);
        if let Kept::Memory(before) = &half.kept
            && before.len() + bytes.len() > INLINE
        {
            let ring = self.outputs.arrive(self.attempt, &self.whence, stream)?;
            ring.file.write_all_at(before, 0)?;
            half.kept = Kept::Ring(ring);
        }
        let at = half.length;
        match &mut half.kept {
            Kept::Memory(before) => before.extend_from_slice(bytes),
            Kept::Ring(ring) => write_round(&ring.file, at, bytes, self.limit)?,
            Kept::Past(_) | Kept::Nothing => return Ok(()),
        }
        half.length += bytes.len() as u64;
        let length = half.length;
        drop(half);
        self.reached.send_modify(|reached| match stream {
            Stream::Stdout => reached.stdout = length,
            Stream::Stderr => reached.stderr = length,
        });
        Ok(())
    }

    /// Nothing more comes. Where it is much it lies in its file for certain when this returns.
    pub fn end(&self) -> io::Result<[Output; 2]> {
        let ended = [self.end_of(Stream::Stdout)?, self.end_of(Stream::Stderr)?];
        self.reached.send_modify(|reached| reached.ended = true);
        Ok(ended)
    }

    /// As if nothing had been printed.
    pub fn give_up(&self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            *self.half(stream) = Half { length: 0, kept: Kept::Nothing };
        }
        self.reached.send_modify(|reached| reached.ended = true);
    }

    fn end_of(&self, stream: Stream) -> io::Result<Output> {
        let mut half = self.half(stream);
        let length = half.length;
        let dropped = length.saturating_sub(self.limit);
        match std::mem::replace(&mut half.kept, Kept::Nothing) {
            Kept::Memory(bytes) => {
                half.kept = Kept::Memory(bytes.clone());
                Ok(Output { length, dropped: 0, bytes: Some(Blob(bytes)) })
            }
            Kept::Ring(ring) => {
                let file = ring.file.try_clone()?;
                if dropped == 0 {
                    ring.keep()?;
                } else {
                    self.straighten(stream, &file, dropped, length)?;
                }
                half.kept = Kept::Past(file);
                Ok(Output { length, dropped, bytes: None })
            }
            Kept::Past(_) | Kept::Nothing => Ok(Output { length, dropped: length, bytes: None }),
        }
    }

    fn straighten(&self, stream: Stream, ring: &File, dropped: u64, length: u64) -> io::Result<()> {
        let mut straight = self.outputs.arrive(self.attempt, &self.whence, stream)?;
        let mut at = dropped;
        while at < length {
            let part = read_round(ring, at, PART, length, self.limit)?;
            straight.file.write_all(&part)?;
            at += part.len() as u64;
        }
        straight.keep()
    }
}

impl Half {
    fn read(&self, from: u64, most: usize, limit: u64) -> io::Result<(u64, Vec<u8>)> {
        match &self.kept {
            Kept::Memory(bytes) => {
                let from = from.min(bytes.len() as u64);
                let rest = usize::try_from(from).ok().and_then(|from| bytes.get(from..)).unwrap_or_default();
                Ok((from, rest[..rest.len().min(most)].to_vec()))
            }
            Kept::Ring(Arriving { file, .. }) | Kept::Past(file) => {
                let from = from.max(self.length.saturating_sub(limit)).min(self.length);
                Ok((from, read_round(file, from, most, self.length, limit)?))
            }
            Kept::Nothing => Ok((from, vec![])),
        }
    }
}

fn write_round(file: &File, at: u64, bytes: &[u8], limit: u64) -> io::Result<()> {
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let place = at % limit;
        let room = usize::try_from(limit - place).unwrap_or(usize::MAX).min(rest.len());
        let (now, later) = rest.split_at(room);
        file.write_all_at(now, place)?;
        at += room as u64;
        rest = later;
    }
    Ok(())
}

/// Up to the end of the ring, at most.
fn read_round(file: &File, at: u64, most: usize, length: u64, limit: u64) -> io::Result<Vec<u8>> {
    let place = at % limit;
    let some = (length - at).min(limit - place).min(most as u64);
    let mut part = vec![0; usize::try_from(some).unwrap_or(0)];
    file.read_exact_at(&mut part, place)?;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const LIMIT: u64 = 64 * 1024;

    fn spool(state: &std::path::Path) -> Arc<Spool> {
        let outputs = Outputs::new(state);
        Spool::new("7.0#1".parse().unwrap(), Whence::Manager, outputs, LIMIT)
    }

    /// No two places in it look the same.
    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|n| (n % 251) as u8 ^ (n / 251) as u8).collect()
    }

    #[tokio::test]
    async fn little_is_kept_in_memory_and_much_in_a_file_without_its_oldest_part() {
        let state = tempfile::tempdir().unwrap();
        for length in [0, 1, INLINE, INLINE + 1, LIMIT as usize, LIMIT as usize + 1, 5 * LIMIT as usize + 77] {
            let spool = spool(state.path());
            let all = text(length);
            let mut tail = spool.tail();
            let mut seen = vec![];
            for part in all.chunks(7001) {
                let known = tail.reached();
                spool.put(Stream::Stdout, part).unwrap();
                let now = tail.beyond(known).await;
                while (seen.len() as u64) < now.stdout {
                    let (at, more) = tail.read(Stream::Stdout, seen.len() as u64, 5000).await.unwrap();
                    assert_eq!(at, seen.len() as u64);
                    seen.extend(more);
                }
            }
            assert!(seen == all, "a follower sees all of it");
            let [stdout, stderr] = spool.end().unwrap();
            assert!(tail.reached().ended);
            assert_eq!(stderr, Output { bytes: Some(Blob(vec![])), ..Output::default() });
            assert_eq!(stdout.length, length as u64);
            let rest = &all[usize::try_from(stdout.dropped).unwrap()..];
            assert_eq!(stdout.dropped, (length as u64).saturating_sub(LIMIT));
            match stdout.bytes {
                Some(bytes) => assert!(length <= INLINE && bytes.0 == rest),
                None => {
                    let mut kept = vec![];
                    let outputs = Outputs::new(state.path());
                    let attempt = "7.0#1".parse().unwrap();
                    outputs.open(attempt, &Whence::Manager, Stream::Stdout).unwrap().read_to_end(&mut kept).unwrap();
                    assert!(kept == rest, "{length}");
                }
            }
        }
        let files = std::fs::read_dir(state.path().join("outputs/7")).unwrap().count();
        assert_eq!(files, 1, "no halves stay");
    }

    #[tokio::test]
    async fn who_follows_too_slowly_is_told_where_it_goes_on() {
        let state = tempfile::tempdir().unwrap();
        let spool = spool(state.path());
        let all = text(3 * LIMIT as usize);
        spool.put(Stream::Stderr, &all).unwrap();
        let (at, more) = spool.tail().read(Stream::Stderr, 5, 100).await.unwrap();
        assert_eq!((at, more), (2 * LIMIT, all[2 * LIMIT as usize..][..100].to_vec()));
    }
}
