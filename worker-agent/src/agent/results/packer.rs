//! Reads what a task left, on a thread of its own, and hands on no more than is taken.
//!
//! We are root and the task is not, but what it left is its owner's to change at any moment, in another task perhaps. So
//! this thread gives up first whatever it may that the owner may not: then nothing can be packed that the task could not
//! have read itself. For access to files alone (the fsuid): a thread whose real uid was the task's could be killed by it.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use packing::{Leavings, MOST_ENTRIES, Measured, PackError};
use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::result::{Left, OUT};
use rustix::fs::{CWD, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_thread_groups};
use tokio::sync::{mpsc, oneshot};

use crate::layout::Layout;

/// Handed on at once.
const PIECE: usize = 256 * 1024;
/// Pieces that wait to be taken.
const AHEAD: usize = 2;
/// Of a sentence, in characters.
const LONGEST: usize = 300;
/// It goes into no depth, and has its buffers elsewhere.
const STACK: usize = 256 * 1024;

/// What the thread says, in this order.
#[derive(Debug)]
pub enum Said {
    /// There is nothing any more, and nothing else is said.
    Nothing,
    Looked {
        left: Left,
        tag: ContentHash,
    },
    /// After [`Packer::begin`]: the pieces begin here.
    From(u64),
    Piece(Vec<u8>),
    /// Of the whole.
    End(ContentHash),
}

#[derive(Debug)]
pub enum NotPacked {
    /// It is not what it was a moment ago, or cannot be read.
    Torn(String),
    /// No other try can help.
    Never(String),
}

/// What the other side has of it.
struct Has {
    offset: u64,
    hash: ContentHash,
}

/// The thread ends when this is dropped.
pub struct Packer {
    said: mpsc::Receiver<Result<Said, NotPacked>>,
    begin: Option<oneshot::Sender<Has>>,
}

impl Packer {
    /// `root`: whether we are.
    pub fn start(layout: Layout, attempt: AttemptId, root: bool) -> io::Result<Self> {
        let (to, said) = mpsc::channel(AHEAD);
        let (begin, has) = oneshot::channel();
        let work = move || {
            if let Err(error) = run(&layout, attempt, root, &to, has) {
                // Nobody waits for it any more, where it cannot be sent.
                let _ = to.blocking_send(Err(error));
            }
        };
        std::thread::Builder::new().name("packer".into()).stack_size(STACK).spawn(work)?;
        Ok(Self { said, begin: Some(begin) })
    }

    /// The pieces are to begin at `offset` where all before has that hash, else at 0.
    pub fn begin(&mut self, offset: u64, hash: ContentHash) {
        if let Some(begin) = self.begin.take() {
            // One that has failed says so next.
            let _ = begin.send(Has { offset, hash });
        }
    }

    pub async fn next(&mut self) -> Result<Said, NotPacked> {
        self.said.recv().await.unwrap_or_else(|| Err(NotPacked::Torn("its packer ended".into())))
    }
}

type To = mpsc::Sender<Result<Said, NotPacked>>;

fn run(layout: &Layout, attempt: AttemptId, root: bool, to: &To, has: oneshot::Receiver<Has>) -> Result<(), NotPacked> {
    let Some(folder) = open(layout, attempt, root)? else {
        let _ = to.blocking_send(Ok(Said::Nothing));
        return Ok(());
    };
    let leavings = Leavings { folder: folder.as_fd(), called: Path::new(OUT), most: MOST_ENTRIES };
    let measured = leavings.measure()?;
    let Measured { size, fingerprint, entries, left_out } = measured;
    let left = Left { size, entries, left_out };
    let _ = to.blocking_send(Ok(Said::Looked { left, tag: ContentHash(fingerprint) }));
    // Else nobody wants it.
    let Ok(has) = has.blocking_recv() else { return Ok(()) };
    let mut has = Some(has).filter(|has| (1..=size).contains(&has.offset));
    loop {
        let mut pieces = Pieces { to, hasher: blake3::Hasher::new(), has: has.take(), differs: false, piece: vec![] };
        let packed = pieces.begin().map_err(PackError::Write).and_then(|()| {
            leavings.pack(&measured, &mut pieces)?;
            pieces.end().map_err(PackError::Write)
        });
        match packed {
            Err(PackError::Write(_)) if pieces.differs => {}
            // Whoever takes it takes no more.
            Err(PackError::Write(_)) => return Ok(()),
            done => return Ok(done?),
        }
    }
}

impl From<PackError> for NotPacked {
    fn from(error: PackError) -> Self {
        match error {
            PackError::TooMany { most, .. } => {
                NotPacked::Never(format!("there are more than {most} files in {OUT}/; pack them into one"))
            }
            PackError::LongNames(_) => NotPacked::Never(sentence(&error)),
            _ => NotPacked::Torn(sentence(&error)),
        }
    }
}

/// Names may be anything, and very long.
fn sentence(error: &PackError) -> String {
    let text = error.to_string();
    let shown = text.chars().map(|c| if c.is_control() { '?' } else { c });
    if text.chars().count() <= LONGEST { shown.collect() } else { shown.take(LONGEST).chain(['…']).collect() }
}

/// As its owner opens it.
fn open(layout: &Layout, attempt: AttemptId, root: bool) -> Result<Option<OwnedFd>, NotPacked> {
    let unreadable = |errno: Errno| NotPacked::Torn(format!("{OUT} cannot be read: {}", io::Error::from(errno)));
    // It lies where only root makes any, so it is the one we made.
    let Some(work) = found(open_folder(CWD, &layout.work(attempt))).map_err(unreadable)? else { return Ok(None) };
    if root {
        let owner = fstat(&work).map_err(unreadable)?.st_uid;
        become_owner(owner).map_err(|error| NotPacked::Never(format!("{OUT} cannot be read as its owner: {error}")))?;
    }
    found(open_folder(work.as_fd(), Path::new(OUT))).map_err(unreadable)
}

fn found<T>(opened: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn open_folder(at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

/// From now on this thread, and no other, comes to no file that `uid` could not.
fn become_owner(uid: u32) -> io::Result<()> {
    if uid == 0 {
        return Err(io::Error::other("that is root"));
    }
    // The system's own calls, which know of one thread: the C library's change all of them.
    set_thread_groups(&[])?;
    // SAFETY: these two change numbers of this thread and touch no memory. They report no error, but what was there
    // before; -1 is never taken.
    let (now, group) = unsafe {
        libc::setfsgid(uid);
        libc::setfsuid(uid);
        (libc::setfsuid(u32::MAX), libc::setfsgid(u32::MAX))
    };
    if [now, group].iter().any(|id| *id as u32 != uid) {
        return Err(io::Error::other("the system does not allow it"));
    }
    // Gone with the uid, unless this system is set up not to.
    let none = CapabilitySet::empty();
    Ok(set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?)
}

/// The stream as it is packed: hashed, and handed on from where the other side has no more of it.
struct Pieces<'a> {
    to: &'a To,
    hasher: blake3::Hasher,
    /// Until all of that has been hashed.
    has: Option<Has>,
    /// What it has is of another one.
    differs: bool,
    piece: Vec<u8>,
}

impl Pieces<'_> {
    fn begin(&mut self) -> io::Result<()> {
        if self.has.is_none() { self.say(Said::From(0)) } else { Ok(()) }
    }

    fn end(&mut self) -> io::Result<()> {
        self.flush()?;
        self.say(Said::End(self.hash()))
    }

    fn hash(&self) -> ContentHash {
        ContentHash(*self.hasher.finalize().as_bytes())
    }

    fn say(&self, said: Said) -> io::Result<()> {
        self.to.blocking_send(Ok(said)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    /// Hashes what the other side has; says how many bytes that were.
    fn skip(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(has) = &self.has else { return Ok(0) };
        let left = has.offset - self.hasher.count();
        let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        self.hasher.update(&bytes[..skipped]);
        if skipped as u64 == left
            && let Some(has) = self.has.take()
        {
            self.differs = self.hash() != has.hash;
            if self.differs {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.say(Said::From(has.offset))?;
        }
        Ok(skipped)
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.to.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let skipped = self.skip(bytes)?;
        if skipped > 0 {
            return Ok(skipped);
        }
        let taken = bytes.len().min(PIECE - self.piece.len());
        self.hasher.update(&bytes[..taken]);
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.piece);
        self.say(Said::Piece(piece))
    }
}

#[cfg(test)]
mod tests;
