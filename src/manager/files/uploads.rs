//! Half uploads: `uploads/PERSON/KEY.part`, and those of results, `arriving/NODE/17.0#1.KEY.part`, where an upload that broke
//! off goes on when it comes again. The key stands for what is uploaded; an upload without one is gone when it breaks off.
//!
//! They promise nothing: they are not synced, and what they hold is looked at again before anybody builds on it. Nobody
//! came back for a day, and they go. The day is measured by a clock that does not jump; only the age of what an earlier
//! manager left is told by the clock on the wall, and what seems to come from the future is as good as new. Of a result there is
//! one half for each attempt, and it goes before that when nobody will bring the rest.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::name::{NodeName, PersonName};

use crate::manager::store::lasting;

const DAY: Duration = Duration::from_secs(86_400);
/// Of one person or node; of more the oldest goes.
const MOST_IDLE: usize = 16;
const PART: &str = "part";

#[derive(Debug, Clone)]
pub struct Uploads {
    root: PathBuf,
    /// Whether each is what an attempt left.
    of_attempts: bool,
    halves: Arc<Mutex<Halves>>,
}

#[derive(Debug, Default)]
struct Halves {
    known: HashMap<PathBuf, Half>,
    last_number: u64,
}

#[derive(Debug)]
struct Half {
    /// The person's or node's who brings it.
    whose: String,
    attempt: Option<AttemptId>,
    key: Option<ContentHash>,
    /// What it was to have when it was last begun.
    announced: u64,
    /// Times in a row that what is here was looked at for too long.
    slow: u32,
    /// `None` while somebody writes to it.
    idle: Option<Idle>,
}

#[derive(Debug, Clone, Copy)]
struct Idle {
    since: Instant,
    /// How long it had been idle then.
    before: Duration,
}

impl Idle {
    fn age(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since) + self.before
    }
}

impl Uploads {
    /// What people bring.
    pub fn new(state: &Path) -> Self {
        Self { root: state.join("uploads"), of_attempts: false, halves: Arc::default() }
    }

    /// What nodes bring: of results.
    pub fn of_nodes(state: &Path) -> Self {
        Self { root: state.join("arriving"), of_attempts: true, halves: Arc::default() }
    }

    /// Looks at what an earlier manager left.
    pub fn sweep(&self) -> io::Result<()> {
        lasting::make(&self.root, 0o700)?;
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut halves = self.halves();
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?.path();
            let whose = folder.file_name().and_then(|name| name.to_str()).filter(|name| is_name(name));
            let Some(whose) = whose.filter(|_| folder.is_dir()).map(str::to_owned) else { continue };
            for file in fs::read_dir(&folder)? {
                let file = file?;
                let path = file.path();
                if path.extension().is_none_or(|extension| extension != PART) {
                    continue;
                }
                let Some((attempt, key)) = path.file_stem().and_then(|stem| self.read_name(stem.to_str()?)) else {
                    fs::remove_file(&path)?;
                    continue;
                };
                let before = wall.duration_since(file.metadata()?.modified()?).unwrap_or_default();
                let idle = Some(Idle { since: now, before });
                let half = Half { whose: whose.clone(), attempt, key: Some(key), announced: 0, slow: 0, idle };
                halves.known.insert(path, half);
            }
        }
        halves.tidy(now);
        Ok(())
    }

    /// What nobody came back for goes.
    pub fn tidy(&self) {
        self.halves().tidy(Instant::now());
    }

    /// A file to write into: what there is of it, where there is a key and nobody else is writing to it.
    pub fn begin(&self, whose: &str, key: Option<ContentHash>) -> io::Result<Part> {
        self.begin_one(whose, None, key, 0)
    }

    /// The same of what an attempt left, which has so many bytes. What began otherwise is of no more use.
    pub fn begin_of(&self, whose: &str, attempt: AttemptId, key: ContentHash, announced: u64) -> io::Result<Part> {
        self.halves().remove_where(|half| {
            half.whose == whose && half.attempt == Some(attempt) && half.key.is_some_and(|other| other != key)
        });
        self.begin_one(whose, Some(attempt), Some(key), announced)
    }

    fn begin_one(
        &self,
        whose: &str,
        attempt: Option<AttemptId>,
        key: Option<ContentHash>,
        announced: u64,
    ) -> io::Result<Part> {
        let folder = self.root.join(whose);
        lasting::make(&folder, 0o700)?;
        let mut halves = self.halves();
        halves.tidy(Instant::now());
        let name = |key| attempt.map_or_else(|| format!("{key}.{PART}"), |attempt| format!("{attempt}.{key}.{PART}"));
        let path = key.map(|key| folder.join(name(key)));
        let free = |path: &PathBuf| halves.known.get(path).is_none_or(|half| half.idle.is_some());
        let (path, lasts) = match path.filter(free) {
            Some(path) => (path, true),
            None => {
                halves.last_number += 1;
                (folder.join(format!("{}.{PART}", halves.last_number)), false)
            }
        };
        let file = File::options().read(true).write(true).create(true).truncate(!lasts).mode(0o600).open(&path)?;
        let slow = halves.known.get(&path).map_or(0, |half| half.slow);
        let half = Half { whose: whose.to_owned(), attempt, key, announced, slow, idle: None };
        halves.known.insert(path.clone(), half);
        halves.thin_out(whose);
        Ok(Part { uploads: self.clone(), file: Some(file), path, lasts })
    }

    /// What the name of a half says.
    fn read_name(&self, name: &str) -> Option<(Option<AttemptId>, ContentHash)> {
        let (attempt, key) = match name.rsplit_once('.') {
            Some((attempt, key)) => (Some(attempt.parse().ok()?), key),
            None => (None, name),
        };
        (attempt.is_some() == self.of_attempts).then_some((attempt, key.parse().ok()?))
    }

    /// Attempts whose halves wait for somebody to go on with them, and the nodes that brought them.
    pub fn of_attempts(&self) -> Vec<(NodeName, AttemptId)> {
        let halves = self.halves();
        let waiting = halves.known.values().filter(|half| half.idle.is_some());
        waiting.filter_map(|half| Some((half.whose.parse().ok()?, half.attempt?))).collect()
    }

    /// Nobody will bring the rest of these. What somebody brings at this moment stays.
    pub fn forget(&self, gone: &[(NodeName, AttemptId)]) {
        self.halves().remove_where(|half| {
            gone.iter().any(|(node, attempt)| half.whose == node.as_str() && half.attempt == Some(*attempt))
        });
    }

    /// Whether all halves of this node, but for the largest of them, take no more than `most` together, each that is being
    /// written to as much as it was said to have. Idle ones give way to that, the oldest first.
    pub fn all_but_one_fit(&self, whose: &str, most: u64) -> bool {
        let mut halves = self.halves();
        loop {
            let sizes: Vec<u64> = halves
                .known
                .iter()
                .filter(|(_, half)| half.whose == whose)
                .map(|(path, half)| half.takes(path))
                .collect();
            let largest = sizes.iter().max().copied().unwrap_or_default();
            if sizes.into_iter().fold(0, u64::saturating_add) - largest <= most {
                return true;
            }
            if !halves.remove_oldest(whose) {
                return false;
            }
        }
    }

    /// Bytes that this person's halves take, but for one. Idle ones give way, the oldest first, until the rest is no
    /// more than `most`.
    pub fn others(&self, whose: &str, but: &Part, most: u64) -> u64 {
        let mut halves = self.halves();
        loop {
            let mine = halves.known.iter().filter(|(path, half)| half.whose == whose && **path != but.path);
            let taken: u64 = mine.filter_map(|(path, _)| fs::metadata(path).ok()).map(|found| found.len()).sum();
            if taken <= most || !halves.remove_oldest(whose) {
                return taken;
            }
        }
    }

    fn halves(&self) -> MutexGuard<'_, Halves> {
        self.halves.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Half {
    fn takes(&self, path: &Path) -> u64 {
        let there = fs::metadata(path).map_or(0, |found| found.len());
        if self.idle.is_some() { there } else { there.max(self.announced) }
    }
}

impl Halves {
    fn tidy(&mut self, now: Instant) {
        self.remove_where(|half| half.idle.is_some_and(|idle| idle.age(now) >= DAY));
    }

    /// Never what somebody writes to.
    fn remove_where(&mut self, gone: impl Fn(&Half) -> bool) {
        self.known.retain(|path, half| {
            let gone = half.idle.is_some() && gone(half);
            if gone {
                remove(path);
            }
            !gone
        });
    }

    fn thin_out(&mut self, whose: &str) {
        while self.known.values().filter(|half| half.whose == whose && half.idle.is_some()).count() > MOST_IDLE {
            self.remove_oldest(whose);
        }
    }

    fn remove_oldest(&mut self, whose: &str) -> bool {
        let now = Instant::now();
        let idle = self.known.iter().filter(|(_, half)| half.whose == whose);
        let oldest = idle.filter_map(|(path, half)| Some((half.idle?.age(now), path.clone()))).max();
        let Some((_, path)) = oldest else { return false };
        remove(&path);
        self.known.remove(&path).is_some()
    }
}

/// Else it is none of ours.
fn is_name(name: &str) -> bool {
    name.parse::<PersonName>().is_ok() || name.parse::<NodeName>().is_ok()
}

fn remove(path: &Path) {
    match super::remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!("a half upload that nobody came back for stays in {}: {error}", path.display());
        }
        _ => {}
    }
}

/// A half upload that somebody writes to. Dropped, it waits for them to come back, where they can.
#[derive(Debug)]
pub struct Part {
    uploads: Uploads,
    file: Option<File>,
    path: PathBuf,
    lasts: bool,
}

impl Part {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// To be had once.
    pub fn file(&mut self) -> io::Result<File> {
        self.file.take().ok_or_else(|| io::Error::other("this half upload is being written to already"))
    }

    /// How often in a row what is here was looked at for too long by who is to go on with it.
    pub fn slow_looks(&self) -> u32 {
        self.uploads.halves().known.get(&self.path).map_or(0, |half| half.slow)
    }

    pub fn looked_at(&self, in_time: bool) {
        if let Some(half) = self.uploads.halves().known.get_mut(&self.path) {
            half.slow = if in_time { 0 } else { half.slow + 1 };
        }
    }

    /// It takes no more room, and nobody goes on with it.
    pub fn discard(mut self) {
        self.lasts = false;
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut halves = self.uploads.halves();
        let begun = fs::metadata(&self.path).is_ok_and(|found| found.len() > 0);
        if self.lasts && begun {
            if let Some(half) = halves.known.get_mut(&self.path) {
                half.idle = Some(Idle { since: Instant::now(), before: Duration::ZERO });
            }
        } else {
            remove(&self.path);
            halves.known.remove(&self.path);
        }
    }
}
