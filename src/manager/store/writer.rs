//! The one thread that writes. Batches come in order; whatever has arrived is committed as one; only then are
//! replies, orders and events let out. After a failed commit nothing is believed until [`Writer::reload`].

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use protocol::event::Event;
use protocol::file::ContentHash;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{Outputs, Space, StoreError, write};
use crate::manager::cluster::{Change, Image};
use crate::manager::files::Contents;
use crate::manager::history::Page;

/// Something to be let out after the commit. Dropped unsent where the commit failed.
pub type Release = Box<dyn FnOnce() + Send>;

/// Tells the events of a batch to those who listen then: who begins to listen after that finds them in the store.
pub type Announce = Box<dyn FnOnce(Vec<Event>) + Send>;

#[derive(Default)]
pub struct Batch {
    pub changes: Vec<Change>,
    pub events: Vec<Event>,
    pub pages: Vec<Page>,
    pub releases: Vec<Release>,
    /// After the releases.
    pub announce: Option<Announce>,
}

impl Batch {
    /// Of a task that changes twice in a row only the second is written.
    pub fn keep(&mut self, change: Change) {
        match (self.changes.last_mut(), change) {
            (Some(Change::Task(last)), Change::Task(next)) if last.id == next.id => *last = next,
            (_, change) => self.changes.push(change),
        }
    }

    pub fn is_empty(&self) -> bool {
        !self.writes() && self.releases.is_empty() && self.announce.is_none()
    }

    fn writes(&self) -> bool {
        !(self.changes.is_empty() && self.events.is_empty() && self.pages.is_empty())
    }
}

/// Contents that a version has, that a job was given, or that an attempt left.
fn wanted(image: &Image) -> HashSet<ContentHash> {
    let named = image.files.iter().map(|file| file.hash);
    let given = image.jobs.iter().flat_map(|job| job.given.iter()).map(|given| given.hash);
    let left = image.results.iter().map(|result| result.hash);
    named.chain(given).chain(left).collect()
}

enum Message {
    Batch(Batch),
    Reload(oneshot::Sender<Result<Image, StoreError>>),
}

/// The way to the thread.
pub struct Writer {
    to: mpsc::Sender<Message>,
    thread: JoinHandle<()>,
    contents: Contents,
}

/// The events kept; older ones are trimmed.
const MOST_EVENTS: u64 = 200_000;
const TRIM_EVERY: u64 = 1_000;
/// Between two looks whether the reserve is there, or could be again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Batches committed as one at most, so that the first of them does not wait for ever.
const MOST_BATCHES: usize = 512;

struct Thread {
    db: Connection,
    path: PathBuf,
    space: Space,
    outputs: Outputs,
    contents: Contents,
    failed: bool,
    last_event: u64,
    trimmed_at: u64,
    looked_at: Instant,
    /// Told once each time a commit fails.
    alarm: mpsc::Sender<String>,
}

impl Writer {
    /// Opens the database, loads what it holds and starts the thread. `alarm` is told why a commit failed.
    pub fn start(state: &Path, alarm: mpsc::Sender<String>) -> Result<(Self, Image), StoreError> {
        let path = super::database(state);
        let (db, image) = super::load(&path)?;
        let space = Space::new(state);
        space.keep_reserve();
        let last_event = image.last_event;
        let outputs = Outputs::new(state);
        if let Err(error) =
            outputs.sweep(&image.jobs.iter().map(|job| job.id).chain(image.runs.iter().map(|run| run.id)).collect())
        {
            tracing::warn!("what an earlier manager left of outputs stays: {error}");
        }
        let contents = Contents::new(state);
        if let Err(error) = contents.sweep(&wanted(&image)) {
            tracing::warn!("what an earlier manager left of files stays: {error}");
        }
        let mut thread = Thread {
            db,
            path,
            space,
            outputs,
            contents: contents.clone(),
            failed: false,
            last_event,
            trimmed_at: 0,
            looked_at: Instant::now(),
            alarm,
        };
        let (to, mut from) = mpsc::channel(64);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || thread.run(&mut from))
            .map_err(|e| StoreError::Unreadable { table: "no table", what: format!("no thread for it: {e}") })?;
        Ok((Self { to, thread, contents }, image))
    }

    /// Where the bytes of files lie; they come and go with what is committed here.
    pub fn contents(&self) -> Contents {
        self.contents.clone()
    }

    /// Waits for room where the disk is slow: so it is the callers who wait, not memory that grows.
    pub async fn commit(&self, batch: Batch) {
        // The thread ends only after this sender is dropped.
        let _ = self.to.send(Message::Batch(batch)).await;
    }

    pub async fn reload(&self) -> Result<Image, StoreError> {
        let (tell, told) = oneshot::channel();
        let _ = self.to.send(Message::Reload(tell)).await;
        told.await.unwrap_or(Err(StoreError::Unreadable { table: "no table", what: "its thread has ended".into() }))
    }

    /// Commits what is under way, then closes the database.
    pub async fn close(self) {
        drop(self.to);
        let _ = tokio::task::spawn_blocking(move || self.thread.join()).await;
    }
}

impl Thread {
    fn run(&mut self, from: &mut mpsc::Receiver<Message>) {
        let mut waiting: Vec<Batch> = vec![];
        while let Some(message) = from.blocking_recv() {
            let mut next = Some(message);
            while let Some(message) = next.take() {
                match message {
                    Message::Batch(batch) => waiting.push(batch),
                    Message::Reload(tell) => {
                        self.commit(&mut waiting);
                        // A caller that has gone away does not need the answer.
                        let _ = tell.send(self.reload());
                    }
                }
                if waiting.len() < MOST_BATCHES {
                    next = from.try_recv().ok();
                }
            }
            self.commit(&mut waiting);
        }
    }

    fn commit(&mut self, waiting: &mut Vec<Batch>) {
        if self.failed {
            return waiting.clear();
        }
        let mut written = self.write(waiting);
        // Not every call that finds no room is told so by that name.
        let no_room = |error: &StoreError| error.is_full() || self.space.low().is_some();
        if written.as_ref().is_err_and(no_room) && self.space.give_up_reserve() {
            tracing::warn!("the disk is full: the reserve was given up so that results can still be kept");
            written = self.write(waiting);
        }
        match written {
            Ok(()) => {
                for batch in waiting.drain(..) {
                    for change in &batch.changes {
                        match change {
                            Change::JobGone(job) | Change::RunGone(job) => self.outputs.forget(*job),
                            Change::File(file) => self.contents.wanted(&file.hash),
                            Change::Result(result) => self.contents.wanted(&result.hash),
                            Change::ContentGone(hash) => self.contents.let_go(hash),
                            _ => {}
                        }
                    }
                    batch.releases.into_iter().for_each(|release| release());
                    if let Some(announce) = batch.announce {
                        announce(batch.events);
                    }
                }
            }
            Err(error) => {
                let error = error.of(&self.path);
                tracing::error!("a commit failed: {error}; memory is ahead of the disk, so the manager reloads");
                self.failed = true;
                waiting.clear();
                // A full channel already holds an alarm.
                let _ = self.alarm.try_send(error.to_string());
            }
        }
    }

    fn write(&mut self, batches: &[Batch]) -> Result<(), StoreError> {
        if !batches.iter().any(Batch::writes) {
            return Ok(());
        }
        let group = self.db.transaction()?;
        let (mut last_job, mut last_event, mut last_file, mut last_notice) = (None, None, None, None);
        let mut last_script = None;
        for batch in batches {
            for change in &batch.changes {
                match change {
                    Change::Job(job) => last_job = last_job.max(Some(job.id.0)),
                    Change::Run(run) => last_job = last_job.max(Some(run.id.0)),
                    Change::Script(script) => last_script = last_script.max(Some(script.version)),
                    Change::File(file) => last_file = last_file.max(Some(file.version)),
                    Change::Notice(row) => last_notice = last_notice.max(Some(row.no)),
                    _ => {}
                }
                write::change(&group, change)?;
            }
            for event in &batch.events {
                last_event = last_event.max(Some(event.no));
                write::event(&group, event)?;
            }
            for page in &batch.pages {
                write::page(&group, page)?;
            }
        }
        if let Some(job) = last_job {
            write::number(&group, "job", job.into())?;
        }
        if let Some(version) = last_file {
            write::number(&group, "file", version)?;
        }
        if let Some(no) = last_notice {
            write::number(&group, "notice", no)?;
        }
        if let Some(version) = last_script {
            write::number(&group, "script", version)?;
        }
        let last_event = last_event.unwrap_or(self.last_event);
        let trims = last_event >= self.trimmed_at + TRIM_EVERY;
        if trims {
            let oldest = last_event.saturating_sub(MOST_EVENTS);
            group.execute("DELETE FROM event WHERE no <= ?1", [super::kinds::int(oldest)])?;
            write::number(&group, "event", last_event)?;
        }
        group.commit()?;
        self.last_event = last_event;
        if trims {
            self.trimmed_at = last_event;
        }
        if self.looked_at.elapsed() >= LOOK_EVERY {
            self.space.keep_reserve();
            self.looked_at = Instant::now();
        }
        Ok(())
    }

    fn reload(&mut self) -> Result<Image, StoreError> {
        let (db, image) = super::load(&self.path)?;
        self.db = db;
        // Reading works on a full disk too. Without this the next commit would fail, all links would be cut again,
        // and so on in a circle.
        write::number(&self.db, "event", image.last_event)?;
        self.last_event = image.last_event;
        self.failed = false;
        Ok(image)
    }
}
