//! One keeper per state folder. The lock belongs to the open file, so it goes with it through an exec, and into every
//! child until that has become its program: whoever gets it knows that nothing of a keeper before is half begun.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::fs::{FlockOperation, flock};
use rustix::io::{FdFlags, fcntl_setfd};

use super::clock::Moment;

/// The number of the descriptor, for a keeper's own new self.
pub const INHERITED: &str = "BRAMBLE_KEEPER_LOCK";

/// A keeper that was killed a moment ago still holds it while its last child is being born.
const PATIENCE: Duration = Duration::from_secs(1);

pub struct Lock(File);

impl Lock {
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let cannot = || format!("the lock {} cannot be used", path.display());
        if let Some(file) = inherited(path) {
            return Ok(Self(file));
        }
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options.open(path).with_context(cannot)?;
        let until = Moment::now() + PATIENCE;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(error).with_context(cannot);
            }
            if Moment::now() >= until {
                anyhow::bail!("{}", taken(&mut file, path));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        // For the sentence the next one reads; the lock itself is what counts.
        let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        Ok(Self(file))
    }

    /// Lets it live through an exec, or no longer.
    pub fn keep_through_exec(&self, keep: bool) -> io::Result<i32> {
        let flags = if keep { FdFlags::empty() } else { FdFlags::CLOEXEC };
        fcntl_setfd(self.0.as_fd(), flags)?;
        Ok(self.0.as_raw_fd())
    }
}

fn taken(file: &mut File, path: &Path) -> String {
    let mut pid = String::new();
    let _ = file.read_to_string(&mut pid);
    let folder = path.parent().unwrap_or(path).display();
    let by = if pid.is_empty() { String::new() } else { format!(" (process {pid})") };
    format!("another worker{by} already uses {folder}; stop it first, or choose another folder with --state DIR")
}

/// What our old self left open for us, if it really is this lock.
fn inherited(path: &Path) -> Option<File> {
    let number = std::env::var(INHERITED).ok()?.parse().ok().filter(|number| *number > 2)?;
    // SAFETY: asked first whether it is open at all; nothing else in this process has opened anything yet.
    let file = unsafe {
        if libc::fcntl(number, libc::F_GETFD) < 0 {
            return None;
        }
        File::from(OwnedFd::from_raw_fd(number))
    };
    let (its, wanted) = (file.metadata().ok()?, std::fs::metadata(path).ok()?);
    let same = (its.dev(), its.ino()) == (wanted.dev(), wanted.ino());
    (same && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()).then_some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_keeper_on_one_folder_is_told_who_has_it_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).err().unwrap().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert!(refused.contains("--state"), "{refused}");
        drop(first);
        Lock::take(&path).unwrap();
    }
}
