//! Contents: each once, as `content/ab/abcd…`, by its hash. What is here and neither a version has nor a job holds, goes: after the commit that
//! let it go, or at the next start.
//!
//! A content that is on its way into a version is *held*: from before it gets its place until the core has decided. What
//! is let go meanwhile by another version goes only when nobody holds it any more.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use protocol::file::ContentHash;

use crate::manager::store::lasting;

#[derive(Debug, Clone)]
pub struct Contents {
    root: PathBuf,
    held: Arc<Mutex<HashMap<ContentHash, Hold>>>,
}

#[derive(Debug)]
struct Hold {
    times: usize,
    /// A version has it, as far as is committed.
    wanted: bool,
}

impl Contents {
    pub fn new(state: &Path) -> Self {
        Self { root: state.join("content"), held: Arc::default() }
    }

    /// To be called before anything arrives: makes the folder, and removes what no version has.
    pub fn sweep(&self, wanted: &HashSet<ContentHash>) -> io::Result<()> {
        lasting::make(&self.root, 0o700)?;
        for folder in fs::read_dir(&self.root)? {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            for file in fs::read_dir(&folder)? {
                let file = file?.path();
                let hash = file.file_name().and_then(|name| name.to_str()?.parse::<ContentHash>().ok());
                // What has another name is not of our making.
                if hash.is_some_and(|hash| !wanted.contains(&hash)) {
                    fs::remove_file(&file)?;
                }
            }
        }
        Ok(())
    }

    fn path(&self, hash: &ContentHash) -> PathBuf {
        let name = hash.to_string();
        self.root.join(&name[..2]).join(&name)
    }

    pub fn open(&self, hash: &ContentHash) -> io::Result<File> {
        File::open(self.path(hash))
    }

    /// Whole and on the disk, under its hash: from here on it survives a power cut, and stays as long as it is held.
    /// `part` is its file, written to the end, which is gone afterwards. Says whether it was there before.
    pub fn keep(&self, part: &Path, file: &File, hash: ContentHash) -> io::Result<(Held, bool)> {
        file.sync_all()?;
        let path = self.path(&hash);
        let folder = path.parent().unwrap_or(&self.root);
        lasting::make(folder, 0o700)?;
        let held = self.hold(hash);
        let size = file.metadata()?.len();
        // One of another size is damaged; it is replaced.
        let known = fs::metadata(&path).is_ok_and(|there| there.len() == size);
        if known {
            fs::remove_file(part)?
        } else {
            fs::rename(part, &path)?
        }
        lasting::sync_name(&path)?;
        // The folder may have been made a moment ago by another, who has not synced it yet.
        lasting::sync_name(folder)?;
        Ok((held, known))
    }

    /// What is there and nobody holds is there because a version has it.
    fn hold(&self, hash: ContentHash) -> Held {
        let mut holds = self.holds();
        let there = || self.path(&hash).exists();
        holds.entry(hash).or_insert_with(|| Hold { times: 0, wanted: there() }).times += 1;
        Held { contents: self.clone(), hash }
    }

    /// A version has it: that is committed.
    pub fn wanted(&self, hash: &ContentHash) {
        if let Some(hold) = self.holds().get_mut(hash) {
            hold.wanted = true;
        }
    }

    /// No version has it any more: that is committed.
    pub fn let_go(&self, hash: &ContentHash) {
        let mut holds = self.holds();
        match holds.get_mut(hash) {
            Some(hold) => hold.wanted = false,
            None => self.remove(hash),
        }
    }

    fn remove(&self, hash: &ContentHash) {
        let path = self.path(hash);
        match super::remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("a content that nobody needs stays in {}: {error}", path.display());
            }
            _ => {}
        }
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<ContentHash, Hold>> {
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Keeps a content where it is.
#[derive(Debug)]
pub struct Held {
    contents: Contents,
    hash: ContentHash,
}

impl Held {
    /// Nobody knows whether a version has it: it stays until the next start, which does.
    pub fn leave(self) {
        self.contents.wanted(&self.hash);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holds = self.contents.holds();
        let Some(hold) = holds.get_mut(&self.hash) else { return };
        hold.times -= 1;
        if hold.times == 0 {
            let wanted = hold.wanted;
            holds.remove(&self.hash);
            if !wanted {
                self.contents.remove(&self.hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    struct Disk {
        folder: tempfile::TempDir,
        contents: Contents,
    }

    impl Disk {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let contents = Contents::new(folder.path());
            contents.sweep(&HashSet::new()).unwrap();
            Self { folder, contents }
        }

        fn arrives(&self, text: &str) -> (Held, bool) {
            let part = self.folder.path().join("part");
            let mut file = File::create(&part).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            self.contents.keep(&part, &file, hash(text)).unwrap()
        }

        fn has(&self, text: &str) -> bool {
            self.contents.open(&hash(text)).is_ok()
        }
    }

    fn hash(text: &str) -> ContentHash {
        ContentHash(*blake3::hash(text.as_bytes()).as_bytes())
    }

    #[test]
    fn what_becomes_no_version_is_gone_again() {
        let disk = Disk::new();
        let (held, known) = disk.arrives("a");
        assert!(disk.has("a") && !known);
        drop(held);
        assert!(!disk.has("a"));
    }

    #[test]
    fn what_a_version_has_stays_until_none_has_it() {
        let disk = Disk::new();
        let (held, _) = disk.arrives("a");
        disk.contents.wanted(&hash("a"));
        drop(held);
        assert!(disk.has("a"));
        let (again, known) = disk.arrives("a");
        assert!(known);
        drop(again);
        assert!(disk.has("a"), "the upload that was refused took nothing with it");
        disk.contents.let_go(&hash("a"));
        assert!(!disk.has("a"));
    }

    #[test]
    fn a_content_that_is_let_go_while_it_comes_again_stays_for_the_new_version() {
        let disk = Disk::new();
        let (first, _) = disk.arrives("a");
        disk.contents.wanted(&hash("a"));
        drop(first);
        let (second, _) = disk.arrives("a");
        disk.contents.let_go(&hash("a"));
        assert!(disk.has("a"));
        disk.contents.wanted(&hash("a"));
        drop(second);
        assert!(disk.has("a"));
    }

    #[test]
    fn of_two_that_bring_the_same_the_one_that_is_refused_takes_nothing_from_the_other() {
        let disk = Disk::new();
        let ((one, _), (other, known)) = (disk.arrives("a"), disk.arrives("a"));
        assert!(known);
        drop(one);
        assert!(disk.has("a"));
        disk.contents.wanted(&hash("a"));
        drop(other);
        assert!(disk.has("a"));
    }

    #[test]
    fn a_start_removes_what_no_version_has_and_leaves_what_is_not_of_our_making() {
        let disk = Disk::new();
        for text in ["a", "b"] {
            let (held, _) = disk.arrives(text);
            held.leave();
        }
        let foreign = disk.folder.path().join("content/README");
        fs::write(&foreign, "").unwrap();
        disk.contents.sweep(&HashSet::from([hash("a")])).unwrap();
        assert!(disk.has("a") && !disk.has("b") && foreign.exists());
    }

    #[test]
    fn a_damaged_content_is_replaced_when_it_comes_again() {
        let disk = Disk::new();
        disk.arrives("abc").0.leave();
        fs::write(disk.contents.path(&hash("abc")), "ab").unwrap();
        let (held, known) = disk.arrives("abc");
        held.leave();
        assert!(!known);
        assert_eq!(fs::read(disk.contents.path(&hash("abc"))).unwrap(), b"abc");
    }

    #[test]
    fn nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let disk = Disk::new();
        disk.arrives("a").0.leave();
        let folder = disk.folder.path().join("content");
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o077, 0);
    }
}
