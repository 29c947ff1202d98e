//! What waits to be told outlives a power cut. To sync the output of every task would cost more than many a task; but an
//! end that nobody takes for a while may wait for days, and so may one that a machine is switched off with. Its output and
//! its result are brought to disk beside all other work, and only then does the journal say that this end counts whatever
//! happens.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::id::AttemptId;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use crate::layout::Layout;
use crate::out;

/// An end that nobody has taken for so long is made safe. Where all is well it is taken within milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// Files are named and synced, nothing else: no need for the usual two megabytes.
const STACK: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// A power cut may tear its output.
    Torn,
    /// Somebody is at it, or could not do it; not tried again.
    Tried,
    /// Its output is on disk, or it has none.
    Safe,
}

/// The one who waits for the disk, so that the keeper does not.
pub struct Saver {
    done: OwnedFd,
    at_work: Option<JoinHandle<Vec<AttemptId>>>,
}

impl Saver {
    pub fn new() -> io::Result<Self> {
        let done = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { done, at_work: None })
    }

    pub fn is_busy(&self) -> bool {
        self.at_work.is_some()
    }

    /// Readable when it is done.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    pub fn save(&mut self, layout: &Layout, attempts: Vec<AttemptId>) -> io::Result<()> {
        let (layout, done) = (layout.clone(), self.done.try_clone()?);
        let work = move || {
            let safe = save(&layout, &attempts);
            // An event more or less: it can only fail where it was told so often that nobody listens.
            let _ = rustix::io::write(&done, &1_u64.to_ne_bytes());
            safe
        };
        self.at_work = Some(std::thread::Builder::new().name("saver".into()).stack_size(STACK).spawn(work)?);
        Ok(())
    }

    /// What is safe now.
    pub fn take(&mut self) -> Vec<AttemptId> {
        let _ = rustix::io::read(&self.done, &mut [0; 8]);
        self.at_work.take().and_then(|saver| saver.join().ok()).unwrap_or_default()
    }
}

/// Brings their output and results to disk, and returns those of which all of it is there.
pub fn save(layout: &Layout, attempts: &[AttemptId]) -> Vec<AttemptId> {
    let results_are_safe = save_results(layout, attempts);
    let saved = |attempt: &&AttemptId| {
        [layout.stdout(**attempt), layout.stderr(**attempt)].iter().all(|path| match sync(path) {
            Ok(()) => true,
            // It never began, or has been taken meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                tracing::warn!("{} cannot be brought to disk: {error}", path.display());
                false
            }
        })
    };
    let whole = |attempt: &&AttemptId| results_are_safe || !may_have(&out::has_any(layout, **attempt));
    let safe: Vec<AttemptId> = attempts.iter().filter(saved).filter(whole).copied().collect();
    // The names as well.
    match sync(&layout.spool()) {
        Ok(()) => safe,
        Err(error) => {
            tracing::warn!("{} cannot be brought to disk: {error}", layout.spool().display());
            vec![]
        }
    }
}

/// There may be a million files in one: the whole file system is brought to disk, once for all of them.
fn save_results(layout: &Layout, attempts: &[AttemptId]) -> bool {
    if !attempts.iter().any(|attempt| may_have(&out::has_any(layout, *attempt))) {
        return true;
    }
    let synced = File::open(layout.works()).and_then(|works| Ok(rustix::fs::syncfs(works)?));
    if let Err(error) = &synced {
        tracing::warn!("the results in {} cannot be brought to disk: {error}", layout.works().display());
    }
    synced.is_ok()
}

/// What cannot be looked at just now may be a result; what is no folder any more is none.
fn may_have(found: &io::Result<bool>) -> bool {
    match found {
        Ok(any) => *any,
        Err(error) => !matches!(Errno::from_io_error(error), Some(Errno::NOTDIR | Errno::LOOP)),
    }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_nothing() {
        for errno in [Errno::IO, Errno::MFILE, Errno::NOMEM, Errno::ACCESS] {
            assert!(may_have(&Err(errno.into())), "{errno}");
        }
        for found in [Ok(false), Err(Errno::NOTDIR.into()), Err(Errno::LOOP.into())] {
            assert!(!may_have(&found), "{found:?}");
        }
        assert!(may_have(&Ok(true)));
    }

    #[test]
    fn whatever_a_task_left_its_end_becomes_safe() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
        fs::create_dir_all(layout.spool()).unwrap();
        let attempts: Vec<AttemptId> = ["1.0#1", "1.1#1", "1.2#1", "1.3#1"].map(|id| id.parse().unwrap()).into();
        let [_no_folder, nothing, result, link] = attempts[..] else { panic!() };
        for attempt in [nothing, result] {
            fs::create_dir_all(layout.out(attempt)).unwrap();
            fs::write(layout.stdout(attempt), "printed").unwrap();
        }
        fs::write(layout.out(result).join("file"), "left").unwrap();
        fs::create_dir_all(layout.work(link)).unwrap();
        std::os::unix::fs::symlink("/etc", layout.out(link)).unwrap();
        assert_eq!(save(&layout, &attempts), attempts);
    }
}
