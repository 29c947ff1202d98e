//! Watches the folders of the person's themes and keymaps, so that what is saved there shows at once.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

/// Dropping it ends the watching.
pub struct Live {
    stop: Arc<OwnedFd>,
}

/// `give` is called from a thread of its own with each `.toml` file that came, changed or went, once it is written in
/// full; it says whether it wants more. The folders need not be there yet.
pub fn watch(folders: Vec<PathBuf>, give: impl Fn(PathBuf) -> bool + Send + 'static) -> io::Result<Live> {
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    arm(&inotify, &folders);
    let before = shot(&folders);
    let until = stop.clone();
    thread::Builder::new().name("live".to_owned()).spawn(move || follow(&inotify, &until, &folders, before, &give))?;
    Ok(Live { stop })
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}

/// What tells one state of a file from another. An editor that renames a new file into place changes the inode.
type State = (u64, u64, i64, i64);

fn follow(
    inotify: &OwnedFd,
    until: &OwnedFd,
    folders: &[PathBuf],
    mut before: BTreeMap<PathBuf, State>,
    give: &impl Fn(PathBuf) -> bool,
) {
    loop {
        let mut fds = [PollFd::new(inotify, PollFlags::IN), PollFd::new(until, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        if !fds[1].revents().is_empty() {
            return;
        }
        drain(inotify);
        // A folder may have come or gone, and its watch with it.
        arm(inotify, folders);
        let now = shot(folders);
        let changed = now.keys().chain(before.keys().filter(|path| !now.contains_key(*path)));
        for path in changed.filter(|path| now.get(*path) != before.get(*path)) {
            if !give(path.clone()) {
                return;
            }
        }
        before = now;
    }
}

/// What happened is seen by looking; that something did is all there is to know.
fn drain(inotify: &OwnedFd) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = Reader::new(inotify, &mut buffer);
    while events.next().is_ok() {}
}

fn arm(inotify: &OwnedFd, folders: &[PathBuf]) {
    // Not on creation: a file is empty then, and of no use before it is closed.
    let files = WatchFlags::CLOSE_WRITE | WatchFlags::MOVE | WatchFlags::DELETE | WatchFlags::DELETE_SELF;
    let coming = WatchFlags::CREATE | WatchFlags::MOVED_TO;
    let wanted = || {
        let mut watches: BTreeMap<&Path, WatchFlags> = BTreeMap::new();
        for folder in folders {
            let Some(there) = folder.ancestors().find(|path| path.is_dir()) else { continue };
            let flags = if there == folder { files } else { coming };
            *watches.entry(there).or_insert(WatchFlags::ONLYDIR) |= flags;
        }
        watches
    };
    let mut armed = BTreeMap::new();
    loop {
        let watches = wanted();
        // A folder that came before its parent was watched is seen only by looking again.
        if watches == armed {
            return;
        }
        for (path, flags) in &watches {
            // It may be gone again already, and then the one above it tells.
            let _ = add_watch(inotify, *path, *flags);
        }
        armed = watches;
    }
}

fn shot(folders: &[PathBuf]) -> BTreeMap<PathBuf, State> {
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let toml = paths.filter(|path| path.extension() == Some(OsStr::new("toml")));
    toml.filter_map(|path| fs::metadata(&path).ok().map(|data| (path, state(&data)))).collect()
}

fn state(data: &Metadata) -> State {
    (data.ino(), data.size(), data.mtime(), data.mtime_nsec())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    fn watched(folders: &[&str]) -> (TempDir, Live, Receiver<PathBuf>) {
        let dir = TempDir::new().unwrap();
        let (to, changed) = channel();
        let folders = folders.iter().map(|folder| dir.path().join(folder)).collect();
        let live = watch(folders, move |path| to.send(path).is_ok()).unwrap();
        (dir, live, changed)
    }

    fn next(changed: &Receiver<PathBuf>) -> String {
        let path = changed.recv_timeout(Duration::from_secs(10)).unwrap();
        path.file_name().unwrap().to_string_lossy().into_owned()
    }

    #[test]
    fn a_file_is_told_when_it_is_written_replaced_and_removed() {
        let (dir, _live, changed) = watched(&[""]);
        let file = |name: &str| dir.path().join(name);
        fs::write(file("notes.txt"), "of no interest").unwrap();
        fs::write(file("mine.toml"), "[styles]").unwrap();
        assert_eq!(next(&changed), "mine.toml");
        fs::write(file("mine.toml~"), "[styles]").unwrap();
        fs::rename(file("mine.toml~"), file("mine.toml")).unwrap();
        assert_eq!(next(&changed), "mine.toml");
        fs::remove_file(file("mine.toml")).unwrap();
        assert_eq!(next(&changed), "mine.toml");
        assert!(changed.try_recv().is_err());
    }

    #[test]
    fn folders_that_come_later_are_watched_too() {
        let (dir, _live, changed) = watched(&["bramble/themes", "bramble/keymaps"]);
        let (themes, keymaps) = (dir.path().join("bramble/themes"), dir.path().join("bramble/keymaps"));
        fs::create_dir_all(&themes).unwrap();
        fs::create_dir_all(&keymaps).unwrap();
        fs::write(themes.join("mine.toml"), "").unwrap();
        assert_eq!(next(&changed), "mine.toml");
        fs::write(keymaps.join("keymap.toml"), "").unwrap();
        assert_eq!(next(&changed), "keymap.toml");
    }

    #[test]
    fn watching_ends_with_its_handle() {
        let (_dir, live, changed) = watched(&[""]);
        drop(live);
        assert_eq!(changed.recv_timeout(Duration::from_secs(10)), Err(RecvTimeoutError::Disconnected));
    }
}
