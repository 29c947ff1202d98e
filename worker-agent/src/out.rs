//! Looks at what tasks leave in the folder for their results. A task may have made anything of it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use protocol::id::AttemptId;
use rustix::fs::{CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::layout::Layout;

/// Whether there is anything in it.
pub fn has_any(layout: &Layout, attempt: AttemptId) -> io::Result<bool> {
    match open(layout, attempt) {
        Ok(folder) => Ok(!is_empty(folder)?),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Where it is still a folder: no link is followed.
pub fn open(layout: &Layout, attempt: AttemptId) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, layout.out(attempt), flags, Mode::empty())
}

pub fn is_empty(folder: impl AsFd) -> Result<bool, Errno> {
    all_names(folder, |_| false)
}

/// Whether there is nothing else in a folder.
pub fn is_only(folder: impl AsFd, name: &str) -> Result<bool, Errno> {
    all_names(folder, |found| found == name.as_bytes())
}

fn all_names(folder: impl AsFd, mut wanted: impl FnMut(&[u8]) -> bool) -> Result<bool, Errno> {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut names = RawDir::new(folder.as_fd(), &mut buffer);
    while let Some(entry) = names.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." && !wanted(name) {
            return Ok(false);
        }
    }
    Ok(true)
}
