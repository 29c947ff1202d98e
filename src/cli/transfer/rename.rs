//! To its place, when it is whole.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::cli::exit::{Failure, Kind};

/// And the name to the disk. What came there meanwhile is not written over unless it is forced.
pub fn rename(from: &Path, to: &Path, force: bool) -> Result<(), Failure> {
    let failed = |error: io::Error| unwritable(to, &error);
    let flags = if force { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
    match renameat_with(CWD, from, CWD, to, flags) {
        // Not every file system can promise that.
        Err(Errno::INVAL) if to.symlink_metadata().is_err() => fs::rename(from, to).map_err(failed)?,
        done => done.map_err(|errno| failed(errno.into()))?,
    }
    keep_name(to)
}

/// Of two folders that are there; at no time is there none.
pub fn exchange(new: &Path, old: &Path, aside: &Path) -> Result<(), Failure> {
    let failed = |error: io::Error| unwritable(old, &error);
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL) => {
            fs::rename(old, aside).map_err(failed)?;
            fs::rename(new, old).map_err(failed)?;
        }
        done => done.map_err(|errno| failed(errno.into()))?,
    }
    keep_name(old)
}

fn keep_name(of: &Path) -> Result<(), Failure> {
    File::open(parent(of)).and_then(|folder| folder.sync_all()).map_err(|error| unwritable(of, &error))
}

/// The folder it is in.
pub fn parent(of: &Path) -> &Path {
    of.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

pub fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Kind::Refused, format_args!("{} cannot be written: {error}", path.display()))
}
