//! Half uploads: `uploads/PERSON/KEY.part`, and those of results, `arriving/NODE/KEY.part`, where an upload that broke off goes on when it comes again. The key stands for
//! what is uploaded; an upload without one is gone when it breaks off.
//!
//! They promise nothing: they are not synced, and what they hold is looked at again before anybody builds on it. Nobody
//! came back for a day, and they go. The day is measured by a clock that does not jump; only the age of what an earlier
//! manager left is told by the clock on the wall, and what seems to come from the future is as good as new.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use protocol::file::ContentHash;
use protocol::name::{NodeName, PersonName};

use crate::manager::store::lasting;

const DAY: Duration = Duration::from_secs(86_400);
/// Of one person or node; of more the oldest goes.
const MOST_IDLE: usize = 16;
const PART: &str = "part";

#[derive(Debug, Clone)]
pub struct Uploads {
    root: PathBuf,
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
    key: Option<ContentHash>,
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
        Self { root: state.join("uploads"), halves: Arc::default() }
    }

    /// What nodes bring: of results.
    pub fn of_nodes(state: &Path) -> Self {
        Self { root: state.join("arriving"), halves: Arc::default() }
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
                let key = path.file_stem().and_then(|stem| stem.to_str()?.parse::<ContentHash>().ok());
                if key.is_none() {
                    fs::remove_file(&path)?;
                    continue;
                }
                let before = wall.duration_since(file.metadata()?.modified()?).unwrap_or_default();
                let idle = Some(Idle { since: now, before });
                halves.known.insert(path, Half { whose: whose.clone(), key, idle });
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
        let folder = self.root.join(whose);
        lasting::make(&folder, 0o700)?;
        let mut halves = self.halves();
        halves.tidy(Instant::now());
        let path = key.map(|key| folder.join(format!("{key}.{PART}")));
        let free = |path: &PathBuf| halves.known.get(path).is_none_or(|half| half.idle.is_some());
        let (path, lasts) = match path.filter(free) {
            Some(path) => (path, true),
            None => {
                halves.last_number += 1;
                (folder.join(format!("{}.{PART}", halves.last_number)), false)
            }
        };
        let file = File::options().read(true).write(true).create(true).truncate(!lasts).mode(0o600).open(&path)?;
        halves.known.insert(path.clone(), Half { whose: whose.to_owned(), key, idle: None });
        halves.thin_out(whose);
        Ok(Part { uploads: self.clone(), file: Some(file), path, lasts })
    }

    /// The same; what begins with the same bytes of a key, and goes on otherwise, is of no more use.
    pub fn begin_instead(&self, whose: &str, key: ContentHash, same: usize) -> io::Result<Part> {
        let useless = |half: &Half| {
            let another = half.key.is_some_and(|other| other != key && other.0[..same] == key.0[..same]);
            half.whose == whose && half.idle.is_some() && another
        };
        self.halves().known.retain(|path, half| {
            let useless = useless(half);
            if useless {
                remove(path);
            }
            !useless
        });
        self.begin(whose, Some(key))
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

impl Halves {
    fn tidy(&mut self, now: Instant) {
        self.known.retain(|path, half| {
            let old = half.idle.is_some_and(|idle| idle.age(now) >= DAY);
            if old {
                remove(path);
            }
            !old
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct Disk {
        folder: tempfile::TempDir,
        uploads: Uploads,
    }

    impl Disk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let uploads = Uploads::new(folder.path());
            uploads.sweep().unwrap();
            Self { folder, uploads }
        }

        /// The manager starts anew.
        fn again(&mut self) {
            self.uploads = Uploads::new(self.folder.path());
            self.uploads.sweep().unwrap();
        }

        fn write(&self, key: u8, bytes: usize) -> Part {
            let mut part = self.uploads.begin(ana(), Some(ContentHash([key; 32]))).unwrap();
            part.file().unwrap().write_all(&vec![0; bytes]).unwrap();
            part
        }

        fn names(&self) -> usize {
            fs::read_dir(self.folder.path().join("uploads/ana")).map_or(0, |names| names.count())
        }

        fn backdate(&self, by: Duration) {
            let past = Instant::now();
            for half in self.uploads.halves().known.values_mut() {
                half.idle = half.idle.map(|_| Idle { since: past, before: by });
            }
        }
    }

    fn ana() -> &'static str {
        "ana"
    }

    fn length(part: &mut Part) -> u64 {
        part.file().unwrap().metadata().unwrap().len()
    }

    #[test]
    fn an_upload_that_broke_off_is_there_when_it_comes_again() {
        let mut disk = Disk::new();
        drop(disk.write(1, 100));
        assert_eq!(length(&mut disk.uploads.begin(ana(), Some(ContentHash([1; 32]))).unwrap()), 100);
        disk.again();
        assert_eq!(length(&mut disk.uploads.begin(ana(), Some(ContentHash([1; 32]))).unwrap()), 100);
        assert_eq!(length(&mut disk.uploads.begin("bo", Some(ContentHash([1; 32]))).unwrap()), 0, "not hers");
    }

    #[test]
    fn one_without_a_key_or_thrown_away_leaves_nothing() {
        let disk = Disk::new();
        let mut part = disk.uploads.begin(ana(), None).unwrap();
        part.file().unwrap().write_all(b"abc").unwrap();
        drop(part);
        disk.write(1, 100).discard();
        assert_eq!(disk.names(), 0);
    }

    #[test]
    fn two_that_upload_the_same_at_once_do_not_write_into_one_file() {
        let disk = Disk::new();
        let one = disk.write(1, 100);
        let mut other = disk.uploads.begin(ana(), Some(ContentHash([1; 32]))).unwrap();
        assert_ne!(one.path(), other.path());
        assert_eq!(length(&mut other), 0);
    }

    #[test]
    fn what_nobody_came_back_for_in_a_day_goes() {
        let disk = Disk::new();
        drop(disk.write(1, 100));
        disk.backdate(DAY - Duration::from_secs(60));
        disk.uploads.tidy();
        assert_eq!(disk.names(), 1);
        disk.backdate(DAY);
        let busy = disk.write(2, 100);
        disk.uploads.tidy();
        assert_eq!(disk.names(), 1, "the other is being written to");
        drop(busy);
    }

    #[test]
    fn what_seems_to_come_from_the_future_is_kept_for_a_day_too() {
        let mut disk = Disk::new();
        let path = disk.write(1, 100).path().to_owned();
        let age = |ahead: bool, by: u64| {
            let by = Duration::from_secs(by);
            let at = if ahead { SystemTime::now() + by } else { SystemTime::now() - by };
            File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        };
        age(true, 50 * 365 * 86_400);
        disk.again();
        assert_eq!(disk.names(), 1);
        age(false, 86_000);
        disk.again();
        assert_eq!(disk.names(), 1);
        age(false, 86_500);
        disk.again();
        assert_eq!(disk.names(), 0);
    }

    #[test]
    fn halves_give_way_to_what_is_uploaded_now() {
        let disk = Disk::new();
        drop(disk.write(1, 100));
        disk.backdate(Duration::from_secs(60));
        drop(disk.write(2, 100));
        let now = disk.write(3, 10);
        assert_eq!(disk.uploads.others(ana(), &now, 200), 200);
        assert_eq!(disk.uploads.others(ana(), &now, 100), 100, "the older one has gone");
        assert_eq!(length(&mut disk.uploads.begin(ana(), Some(ContentHash([2; 32]))).unwrap()), 100);
    }

    #[test]
    fn there_are_never_many_halves_of_one_person() {
        let disk = Disk::new();
        for key in 0..100 {
            drop(disk.write(key, 1));
        }
        assert!(disk.names() <= MOST_IDLE + 1, "{}", disk.names());
    }
}
