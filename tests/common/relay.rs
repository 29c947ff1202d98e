//! A slow line: it passes bytes on, both ways, in their order, each as late as the others.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A socket that leads to another one, late. It is gone with this value; lines through it last until an end closes.
pub struct Relay {
    folder: TempDir,
}

impl Relay {
    /// Waits at a socket of its own for callers of `to`.
    pub fn to(to: &Path, delay: Duration) -> Relay {
        let relay = Relay { folder: super::folder() };
        let listener = UnixListener::bind(relay.socket()).unwrap();
        let to = to.to_owned();
        // It ends with the test: there is no other way to call off an accept.
        std::thread::spawn(move || {
            for here in listener.incoming() {
                let Ok(here) = here else { return };
                // Where nobody listens, the caller finds its line closed.
                if let Ok(there) = UnixStream::connect(&to) {
                    line(here, there, delay);
                }
            }
        });
        relay
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("relay.sock")
    }
}

/// Joins two ends by a slow line until one of them closes; nobody needs to wait for it.
pub fn line(here: UnixStream, there: UnixStream, delay: Duration) {
    let (from_here, from_there) = (here.try_clone().unwrap(), there.try_clone().unwrap());
    one_way(from_here, there, delay);
    one_way(from_there, here, delay);
}

fn one_way(mut from: UnixStream, mut to: UnixStream, delay: Duration) {
    // An end is a piece without bytes: it travels as long as the others.
    let give = move |bytes: Vec<u8>| {
        let more = !bytes.is_empty() && to.write_all(&bytes).is_ok();
        if !more {
            // The other way may still have something to say.
            let _ = to.shutdown(Shutdown::Write);
        }
        more
    };
    let (late, _) = Late::to(delay, give);
    std::thread::spawn(move || {
        let mut chunk = [0; 16 * 1024];
        loop {
            let n = from.read(&mut chunk).unwrap_or(0);
            if !late.send(chunk[..n].to_vec()) || n == 0 {
                return;
            }
        }
    });
}

/// The entry of a one-way line on which everything takes the same time.
#[derive(Clone)]
pub struct Late {
    way: SyncSender<(Instant, Vec<u8>)>,
    delay: Duration,
}

/// Pieces on the way: when full, the line takes no more, as any line.
const ON_THE_WAY: usize = 1024;

impl Late {
    /// `give` says whether it wants more. Its thread ends with that, or when all entries are gone.
    pub fn to(delay: Duration, mut give: impl FnMut(Vec<u8>) -> bool + Send + 'static) -> (Late, JoinHandle<()>) {
        let (way, arrive) = sync_channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
        let gives = std::thread::spawn(move || {
            for (at, bytes) in arrive {
                std::thread::sleep(at.saturating_duration_since(Instant::now())); // why: to be late is what it is for
                if !give(bytes) {
                    return;
                }
            }
        });
        (Late { way, delay }, gives)
    }

    /// Whether there is still somebody at the other end.
    pub fn send(&self, bytes: Vec<u8>) -> bool {
        self.way.send((Instant::now() + self.delay, bytes)).is_ok()
    }
}
