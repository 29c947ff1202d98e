//! The contents this node has, each once, for all tasks that are given it.
//!
//! ```text
//! STATE/cache/1a2b….file/plain        0444
//! STATE/cache/1a2b….file/program      0555: a file linked into two folders has one mode, so a program has its own
//! STATE/cache/1a2b….folder/tree.4096  unpacked, with the bytes it takes
//! STATE/cache/1a2b….file.part         what has come of it so far
//! STATE/cache/1a2b….folder.new/       being made
//! ```
//!
//! The folder of a content was changed when it was last used: that orders them, across restarts too. Nobody but the
//! agent passes through the cache; a task reaches only what was linked into its own folder.

pub mod arrive;
pub mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Mode, Timespec, Timestamps, UTIME_NOW};

use super::content::Content;
use super::folder;
use crate::layout::Layout;

const PLAIN: &str = "plain";
const PROGRAM: &str = "program";
const TREE: &str = "tree.";
const PART: &str = ".part";
const NEW: &str = ".new";

/// So long a part waits for the rest.
const PART_KEPT: Duration = Duration::from_secs(24 * 3600);
/// The least a cache may hold where nobody said otherwise.
const LEAST: u64 = 64 << 20;

pub struct Cache {
    folder: PathBuf,
    limit: u64,
    entries: BTreeMap<Content, Entry>,
    bytes: u64,
}

struct Entry {
    bytes: u64,
    used: SystemTime,
}

impl Cache {
    /// What an earlier agent left, without what is not whole or not ours.
    pub fn open(layout: &Layout, limit: Option<u64>) -> io::Result<Self> {
        let folder = layout.cache();
        fs::create_dir_all(&folder)?;
        rustix::fs::chmod(&folder, Mode::RWXU)?;
        let mut cache = Self { limit: 0, folder, entries: BTreeMap::new(), bytes: 0 };
        cache.limit = limit.unwrap_or_else(|| (file_system(&cache.folder).0 / 10).max(LEAST));
        for found in fs::read_dir(&cache.folder)? {
            let found = found?;
            let (name, meta) = (found.file_name(), found.metadata()?);
            let whole = |content: Content| meta.is_dir() && cache.weigh(content, used(&meta)).is_some();
            let stays = match name.to_str().and_then(|name| name.strip_suffix(PART)) {
                Some(content) => content.parse::<Content>().is_ok() && meta.is_file() && is_young(&meta),
                None => name.to_str().and_then(|name| name.parse().ok()).is_some_and(whole),
            };
            if !stays && let Err(error) = folder::put_away(layout, &found.path()) {
                tracing::warn!("{} cannot be removed: {error}", found.path().display());
            }
        }
        Ok(cache)
    }

    /// A part is left when a link ends, and mostly gone on with by the next. Called at the beginning of each.
    pub fn drop_old_parts(&self) {
        for found in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let is_part = found.file_name().as_encoded_bytes().ends_with(PART.as_bytes());
            if is_part && found.metadata().is_ok_and(|meta| !is_young(&meta)) {
                // The next one tries again.
                let _ = fs::remove_file(found.path());
            }
        }
    }

    pub fn has(&self, content: Content) -> bool {
        self.entries.contains_key(&content)
    }

    /// It came, or something more of it was made.
    pub fn know(&mut self, content: Content) {
        let used = self.entries.get(&content).map_or_else(SystemTime::now, |entry| entry.used);
        self.weigh(content, used);
    }

    /// `None` where it is not there, or not whole.
    fn weigh(&mut self, content: Content, used: SystemTime) -> Option<()> {
        self.forget(content);
        let bytes = bytes_of(&entry(&self.folder, content), content)?;
        self.bytes += bytes;
        self.entries.insert(content, Entry { bytes, used });
        Some(())
    }

    /// It is not there any more: the next order fetches it again.
    pub fn forget(&mut self, content: Content) {
        if let Some(entry) = self.entries.remove(&content) {
            self.bytes -= entry.bytes;
        }
    }

    /// Now, by somebody's order.
    pub fn used(&mut self, content: Content) {
        if let Some(known) = self.entries.get_mut(&content) {
            known.used = SystemTime::now();
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let times = Timestamps { last_access: now, last_modification: now };
            // Where it cannot be noted down, the next agent takes it for less used than it is.
            let _ = rustix::fs::utimensat(CWD, entry(&self.folder, content), &times, AtFlags::SYMLINK_NOFOLLOW);
        }
    }

    /// Whether something must go for the cache to take so many bytes more.
    pub fn is_over(&self, more: u64) -> bool {
        self.bytes.saturating_add(more) > self.limit && !self.entries.is_empty()
    }

    /// Makes room for so many bytes more: what was used longest ago goes first, what is needed never. What is too large
    /// for the whole cache may never come, so nothing goes for it before it is there. Whether there is something to
    /// remove now.
    pub fn make_room(&mut self, layout: &Layout, more: u64, needed: &BTreeSet<Content>) -> bool {
        let mut removed = false;
        if more > self.limit {
            return removed;
        }
        while self.is_over(more) && self.remove_oldest(layout, needed) {
            removed = true;
        }
        removed
    }

    /// Gives so many bytes back to the disk, oldest first, or none where that would not be enough.
    pub fn give_back(&mut self, layout: &Layout, lack: u64, needed: &BTreeSet<Content>) -> bool {
        let may_go = self.entries.iter().filter(|(content, _)| !needed.contains(content));
        if may_go.map(|(_, entry)| entry.bytes).sum::<u64>() < lack {
            return false;
        }
        let goal = self.bytes.saturating_sub(lack);
        let mut removed = false;
        while self.bytes > goal && self.remove_oldest(layout, needed) {
            removed = true;
        }
        removed
    }

    /// The disk is full: everything that nobody needs goes.
    pub fn empty(&mut self, layout: &Layout, needed: &BTreeSet<Content>) -> bool {
        let mut removed = false;
        while self.remove_oldest(layout, needed) {
            removed = true;
        }
        removed
    }

    fn remove_oldest(&mut self, layout: &Layout, needed: &BTreeSet<Content>) -> bool {
        let mut may_go: Vec<(SystemTime, Content)> =
            self.entries.iter().map(|(one, entry)| (entry.used, *one)).collect();
        may_go.retain(|(_, content)| !needed.contains(content));
        may_go.sort();
        for (_, content) in may_go {
            let path = entry(&self.folder, content);
            match folder::put_away(layout, &path) {
                Ok(()) => {
                    self.forget(content);
                    return true;
                }
                // It goes on to take room, and to be of use.
                Err(error) => tracing::warn!("{} cannot be removed: {error}", path.display()),
            }
        }
        false
    }

    /// What has come in part and is not on its way now.
    pub fn drop_parts(&self, is_under_way: impl Fn(Content) -> bool) {
        for found in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let content = found.file_name().to_str().and_then(|name| name.strip_suffix(PART)?.parse().ok());
            if content.is_some_and(|content| !is_under_way(content)) {
                // Whatever stays is removed by a start after a day.
                let _ = fs::remove_file(found.path());
            }
        }
    }

    /// Nobody wants the rest of it.
    pub fn drop_part(&self, content: Content) {
        // Whatever stays is removed by a start after a day.
        let _ = fs::remove_file(part(&self.folder, content));
    }
}

fn entry(cache: &Path, content: Content) -> PathBuf {
    cache.join(content.to_string())
}

fn part(cache: &Path, content: Content) -> PathBuf {
    cache.join(format!("{content}{PART}"))
}

fn new(cache: &Path, content: Content) -> PathBuf {
    cache.join(format!("{content}{NEW}"))
}

fn used(meta: &Metadata) -> SystemTime {
    // Times before 1970 are nobody's.
    meta.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

/// A clock that was set back makes nothing old.
fn is_young(meta: &Metadata) -> bool {
    used(meta).elapsed().is_ok_and(|age| age < PART_KEPT) || used(meta) > SystemTime::now()
}

fn bytes_of(entry: &Path, content: Content) -> Option<u64> {
    if content.is_folder() {
        return tree(entry).map(|(_, bytes)| bytes);
    }
    let size = |name| fs::symlink_metadata(entry.join(name)).ok().filter(Metadata::is_file).map(|meta| on_disk(&meta));
    Some(size(PLAIN)? + size(PROGRAM).unwrap_or(0))
}

/// The unpacked folder, and what it takes.
fn tree(entry: &Path) -> Option<(PathBuf, u64)> {
    let names = fs::read_dir(entry).ok()?.filter_map(|found| found.ok()?.file_name().into_string().ok());
    names.filter_map(|name| Some((entry.join(&name), name.strip_prefix(TREE)?.parse().ok()?))).next()
}

fn on_disk(meta: &Metadata) -> u64 {
    (meta.blocks() * 512).max(meta.len())
}

/// How large the file system is, and how much of it is free for us.
fn file_system(folder: &Path) -> (u64, u64) {
    match rustix::fs::statvfs(folder) {
        Ok(all) => (all.f_blocks.saturating_mul(all.f_frsize), all.f_bavail.saturating_mul(all.f_frsize)),
        // Then nothing is known to lack; writing will tell.
        Err(_) => (0, u64::MAX),
    }
}

#[cfg(test)]
mod tests;
