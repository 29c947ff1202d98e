//! Followers: people who watch what a task prints, as it prints it.
//!
//! Each has a connection of its own, so a slow or vanished one holds up nobody. One inotify instance wakes them all:
//! only files that somebody follows are watched, so a task that nobody looks at costs nothing.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use link::{Connection, Dial, FrameReader, FrameWriter};
use protocol::agent::{BulkHello, Follow, FollowFrame};
use protocol::bytes::Blob;
use protocol::id::AttemptId;
use protocol::job::Stream;
use rustix::fs::{OFlags, inotify};
use rustix::io::Errno;
use serde::de::IgnoredAny;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, WriteHalf};
use tokio::sync::Notify;

use super::{bulk, spool};
use crate::layout::Layout;

/// The most a frame carries.
const CHUNK: usize = 64 * 1024;
/// More than this many at once are a mistake of the manager's.
const MOST: usize = 256;

/// All who follow something here.
#[derive(Default)]
pub struct Followers {
    inotify: Option<AsyncFd<OwnedFd>>,
    watches: HashMap<i32, Vec<u64>>,
    all: BTreeMap<u64, Follower>,
    next: u64,
}

struct Follower {
    attempt: AttemptId,
    bell: Arc<Bell>,
    watches: Vec<i32>,
}

/// Wakes one follower.
#[derive(Default)]
struct Bell {
    rings: Notify,
    ended: AtomicBool,
}

/// A follow to be served by [`serve`].
pub struct Job {
    follow: Follow,
    number: u64,
    bell: Arc<Bell>,
    sources: [Source; 2],
}

struct Source {
    stream: Stream,
    path: PathBuf,
    /// Opened when there; a task that never started has none.
    file: Option<File>,
    offset: u64,
}

/// A follow that is over.
pub struct Done {
    pub id: u64,
    number: u64,
    pub connection: Option<Connection>,
    pub error: Option<String>,
}

impl Followers {
    /// `ended`: whether the task has. An error is the reason for the manager.
    pub fn begin(&mut self, layout: &Layout, follow: Follow, ended: bool) -> Result<Job, String> {
        if self.all.len() >= MOST {
            return Err(format!("{MOST} others are followed on this node already"));
        }
        let bell = Arc::new(Bell { rings: Notify::new(), ended: AtomicBool::new(ended) });
        self.next += 1;
        let number = self.next;
        let attempt = follow.attempt;
        let paths = [layout.stdout(attempt), layout.stderr(attempt)];
        let mut watches = Vec::new();
        if follow.follow && !ended {
            for path in &paths {
                let watch = self.watch(path).map_err(|error| format!("its output cannot be watched: {error}"))?;
                self.watches.entry(watch).or_default().push(number);
                watches.push(watch);
            }
        }
        self.all.insert(number, Follower { attempt, bell: bell.clone(), watches });
        let [stdout, stderr] = paths;
        let source = |stream, path, offset| Source { stream, path, file: None, offset };
        let sources =
            [source(Stream::Stdout, stdout, follow.stdout_from), source(Stream::Stderr, stderr, follow.stderr_from)];
        Ok(Job { follow, number, bell, sources })
    }

    fn watch(&mut self, path: &Path) -> io::Result<i32> {
        let inotify = match &mut self.inotify {
            Some(inotify) => inotify,
            none => {
                let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
                let inotify = inotify::init(flags)?;
                // SAFETY: it is owned by the `AsyncFd` from here on, which closes it when it is dropped itself.
                none.insert(unsafe { AsyncFd::register_with_interest(inotify, Interest::READABLE) }?)
            }
        };
        Ok(inotify::add_watch(inotify.get_ref(), path, inotify::WatchFlags::MODIFY)?)
    }

    /// The task has ended: its followers send what is left.
    pub fn ended(&self, attempt: AttemptId) {
        for follower in self.all.values().filter(|follower| follower.attempt == attempt) {
            // Before the bell: whoever hears it must find it true.
            follower.bell.ended.store(true, Ordering::Release);
            follower.bell.rings.notify_one();
        }
    }

    pub fn over(&mut self, done: &Done) {
        let Some(follower) = self.all.remove(&done.number) else { return };
        for watch in follower.watches {
            let Some(numbers) = self.watches.get_mut(&watch) else { continue };
            numbers.retain(|number| *number != done.number);
            if numbers.is_empty() {
                self.watches.remove(&watch);
                if let Some(inotify) = &self.inotify {
                    // It went by itself where the file is gone.
                    let _ = inotify::remove_watch(inotify.get_ref(), watch);
                }
            }
        }
    }

    /// Waits for something to be printed, and wakes those who follow it. Never returns while nobody follows.
    pub async fn woken(&self) {
        let Some(inotify) = self.inotify.as_ref().filter(|_| !self.watches.is_empty()) else {
            return std::future::pending().await;
        };
        match inotify.readable().await {
            Ok(mut ready) => {
                self.ring(inotify.get_ref());
                ready.clear_ready();
            }
            Err(error) => {
                // The runtime is ending.
                tracing::debug!("inotify: {error}");
                std::future::pending().await
            }
        }
    }

    fn ring(&self, inotify: &OwnedFd) {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) => {
                    self.all.values().for_each(|follower| follower.bell.rings.notify_one());
                }
                Ok(event) => {
                    for number in self.watches.get(&event.wd()).into_iter().flatten() {
                        if let Some(follower) = self.all.get(number) {
                            follower.bell.rings.notify_one();
                        }
                    }
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

/// Sends what is printed until the task has ended, or nobody listens any more.
pub async fn serve(job: Job, idle: Option<Connection>, dial: Dial) -> Done {
    let (id, number) = (job.follow.id, job.number);
    match stream_to(job, idle, dial).await {
        Ok(connection) => Done { id, number, connection, error: None },
        Err(error) => Done { id, number, connection: None, error },
    }
}

/// `Err(None)`: the other side went away, which needs no words.
async fn stream_to(mut job: Job, idle: Option<Connection>, dial: Dial) -> Result<Option<Connection>, Option<String>> {
    let (connection, stream) = bulk::stream(idle, &dial).await.map_err(|error| Some(error.to_string()))?;
    let (read, write) = tokio::io::split(stream);
    let mut read = FrameReader::new(read);
    let mut write = FrameWriter::new(write);
    write.send(&BulkHello::Follow { id: job.follow.id }).await.map_err(|_| None)?;
    loop {
        // Asked before reading: what was printed before the end is read after it.
        let ended = job.bell.ended.load(Ordering::Acquire);
        for source in &mut job.sources {
            source.send(&mut write).await?;
        }
        if ended || !job.follow.follow {
            break;
        }
        tokio::select! {
            () = job.bell.rings.notified() => {}
            // Nothing is said on this stream: whatever ends the wait ends the follow.
            _ = read.next::<IgnoredAny>() => return Err(None),
        }
    }
    write.send(&FollowFrame::End).await.map_err(|_| None)?;
    // The stream is closed by the one who reads it, so that nothing of it is cut off.
    let closed = tokio::time::timeout(std::time::Duration::from_secs(10), read.next::<IgnoredAny>()).await;
    Ok(matches!(closed, Ok(Ok(None))).then_some(connection))
}

impl Source {
    /// Sends all there is, in order.
    async fn send(&mut self, write: &mut FrameWriter<WriteHalf<link::Stream>>) -> Result<(), Option<String>> {
        loop {
            let chunk = self.read().map_err(|error| Some(format!("its output cannot be read: {error}")))?;
            let Some((offset, bytes)) = chunk else { return Ok(()) };
            self.offset = offset + bytes.len() as u64;
            let frame = FollowFrame::Chunk { stream: self.stream, offset, bytes: Blob(bytes) };
            write.send(&frame).await.map_err(|_| None)?;
        }
    }

    /// The next bytes that are there. The agent alone drops output, on this same thread: nothing changes in between.
    fn read(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let file = match &self.file {
            Some(file) => file,
            None => match spool::open(&self.path, OFlags::RDONLY) {
                Ok(file) => self.file.insert(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        let Some(offset) = spool::data_from(file, self.offset)? else { return Ok(None) };
        let there = file.metadata()?.len().saturating_sub(offset);
        let mut bytes = vec![0; CHUNK.min(usize::try_from(there).unwrap_or(CHUNK))];
        let length = file.read_at(&mut bytes, offset)?;
        bytes.truncate(length);
        Ok((length > 0).then_some((offset, bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn source(path: &Path, offset: u64) -> Source {
        Source { stream: Stream::Stdout, path: path.to_owned(), file: None, offset }
    }

    #[test]
    fn reading_goes_on_where_it_stopped_and_leaps_over_what_was_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut from_start = source(&path, 0);
        assert_eq!(from_start.read().unwrap(), None, "not there yet");
        let mut file = File::options().create(true).append(true).open(&path).unwrap();
        file.write_all(&vec![b'a'; 100_000]).unwrap();
        let (offset, bytes) = from_start.read().unwrap().unwrap();
        assert_eq!((offset, bytes.len()), (0, CHUNK));
        from_start.offset = 1000;
        let dropped = spool::trim(&path, 20_000).unwrap();
        assert!(dropped >= 65_536);
        let (offset, bytes) = from_start.read().unwrap().unwrap();
        assert_eq!((offset, bytes.len() as u64), (dropped, 100_000 - dropped));
        assert!(bytes.iter().all(|byte| *byte == b'a'));
        assert_eq!(source(&path, 100_000).read().unwrap(), None);
        assert_eq!(source(&path, u64::MAX).read().unwrap(), None);
    }
}
