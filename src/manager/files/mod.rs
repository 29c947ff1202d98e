//! The room of the bytes. Which files there are, and whose, the core knows; here lie their [`contents`] and the
//! [`uploads`] on their way to becoming some. What people say about them comes through the door, what nodes say by streams of
//! theirs; both read [`pieces`] and bring what is [`arriving`].
//!
//! All of it is work for the disk, which may be slow: it is done in small pieces on the few threads that may wait, so
//! that many transfers take turns and none of them, nor anything else in the manager, waits for a whole one.

mod arriving;
mod contents;
mod pieces;
mod uploads;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use protocol::api::Refusal;
use protocol::name::PersonName;
use tokio::sync::Semaphore;

pub use arriving::Arriving;
pub use contents::Contents;
pub use pieces::Pieces;
pub use uploads::{Part, Uploads};

/// Bytes in memory, of each transfer.
pub const PIECE: usize = 256 * 1024;
/// Threads that wait for the disk at once; others need theirs too.
const WAITING: usize = 4;
/// Bytes from which on it takes a while to give them back.
const LARGE: u64 = 16 << 20;
/// Transfers of one person at once.
const MOST_FOR_ONE: usize = 16;

#[derive(Clone)]
pub struct Room {
    pub contents: Contents,
    pub uploads: Uploads,
    /// Results on their way here: a node's halves take nobody's place among their uploads.
    pub arriving: Uploads,
    turns: Arc<Semaphore>,
    under_way: Arc<Mutex<HashMap<PersonName, usize>>>,
}

impl Room {
    pub fn new(state: &Path, contents: Contents) -> Self {
        let (uploads, arriving) = (Uploads::new(state), Uploads::of_nodes(state));
        for halves in [&uploads, &arriving] {
            if let Err(error) = halves.sweep() {
                tracing::warn!("what an earlier manager left of uploads stays: {error}");
            }
        }
        Self { contents, uploads, arriving, turns: Arc::new(Semaphore::new(WAITING)), under_way: Arc::default() }
    }

    /// Does a small piece of work that waits for the disk.
    pub async fn work<T, F>(&self, piece: F) -> io::Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> io::Result<T> + Send + 'static,
    {
        let _turn = self.turns.clone().acquire_owned().await.map_err(io::Error::other)?;
        tokio::task::spawn_blocking(piece).await.map_err(io::Error::other)?
    }

    /// A place for one transfer, until it is dropped.
    pub fn enter(&self, person: &PersonName) -> Result<Ticket, Refusal> {
        let mut under_way = self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = under_way.entry(person.clone()).or_default();
        if *count >= MOST_FOR_ONE {
            let many = format!("{person} has {MOST_FOR_ONE} transfers of files under way already; wait for one to end");
            return Err(Refusal::refused(many));
        }
        *count += 1;
        Ok(Ticket { person: person.clone(), under_way: self.under_way.clone() })
    }
}

/// Removes a file. What a large one took is given back by a thread of its own: it takes a slow disk seconds, in which
/// nobody is to wait.
fn remove(path: &Path) -> io::Result<()> {
    let last = File::open(path)?;
    let large = last.metadata()?.len() > LARGE;
    fs::remove_file(path)?;
    if large {
        // Where there is no thread for it, it is given back here.
        let _ = std::thread::Builder::new().name("frees".into()).spawn(move || drop(last));
    }
    Ok(())
}

pub struct Ticket {
    person: PersonName,
    under_way: Arc<Mutex<HashMap<PersonName, usize>>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(count) = under_way.get_mut(&self.person) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(&self.person);
            }
        }
    }
}
