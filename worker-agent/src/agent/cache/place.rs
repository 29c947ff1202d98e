//! What a task is given comes into its folder, before anybody but us can reach that: it is handed over last.
//!
//! A file that the task may only read is, in this order of liking, a clone that shares its blocks with the cache, a link
//! to the cached file itself, or a copy. A link is made only where we are root and the task is not: who owns a file
//! may change its mode and then the file. What removes task folders unlinks files and changes none of them.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::agent::Given;
use protocol::id::AttemptId;
use protocol::result::OUT;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use rustix::io::Errno;

use super::{PLAIN, PROGRAM, entry, tree};
use crate::agent::content::Content;
use crate::agent::folder;
use crate::layout::Layout;

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("{0:?} is not among the files that are kept here any more")]
    Lost(String, Content),
    #[error("there is not enough room for {0:?} on the node's disk")]
    NoRoom(String),
    #[error("{0:?} cannot be put into its folder: {1}")]
    File(String, io::Error),
    #[error("its folder cannot be made: {0}")]
    Folder(io::Error),
}

/// Makes the folder of an attempt, with all it is given. `uid`: of the task, where it is not ours.
pub fn place(layout: &Layout, attempt: AttemptId, uid: Option<u32>, files: &[Given]) -> Result<PathBuf, PlaceError> {
    let path = folder::make(layout, attempt, None).map_err(PlaceError::Folder)?;
    let into = open_folder(CWD, path.as_os_str().as_bytes()).map_err(PlaceError::Folder)?;
    for given in files {
        let what = Placing { cache: layout.cache(), uid, writable: given.writable };
        what.place(given, &into).map_err(|error| {
            let (name, content) = (given.name.to_string(), Content::of(given));
            match Errno::from_io_error(&error) {
                Some(Errno::NOSPC | Errno::DQUOT) => PlaceError::NoRoom(name),
                Some(Errno::NOENT) => PlaceError::Lost(name, content),
                Some(Errno::EXIST) if name == OUT => {
                    PlaceError::File(name, io::Error::other("the folder for its result is called so"))
                }
                _ => PlaceError::File(name, error),
            }
        })?;
    }
    if let Some(uid) = uid {
        folder::hand_over(&path, uid).map_err(PlaceError::Folder)?;
    }
    Ok(path)
}

struct Placing {
    cache: PathBuf,
    uid: Option<u32>,
    writable: bool,
}

impl Placing {
    fn place(&self, given: &Given, into: &OwnedFd) -> io::Result<()> {
        let (name, entry) = (given.name.as_str().as_bytes(), entry(&self.cache, Content::of(given)));
        if Content::of(given).is_folder() {
            let (tree, _) = tree(&entry).ok_or(Errno::NOENT)?;
            return self.folder(&tree, into, name);
        }
        let plain = entry.join(PLAIN);
        if given.executable && !self.writable {
            return self.file(&program(&entry, &plain)?, into, name);
        }
        self.file_with(&plain, into, name, given.executable)
    }

    /// As executable as it is in the cache.
    fn file(&self, from: &Path, into: &OwnedFd, name: &[u8]) -> io::Result<()> {
        let executable = fs::symlink_metadata(from)?.permissions().mode() & 0o111 != 0;
        self.file_with(from, into, name, executable)
    }

    fn file_with(&self, from: &Path, into: &OwnedFd, name: &[u8], executable: bool) -> io::Result<()> {
        let source = open_file(from)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat(into, name, flags, Mode::RUSR | Mode::WUSR)?);
        if rustix::fs::ioctl_ficlone(&file, &source).is_err() {
            if !self.writable && self.uid.is_some() {
                rustix::fs::unlinkat(into, name, AtFlags::empty())?;
                match rustix::fs::linkat(CWD, from, into, name, AtFlags::empty()) {
                    Ok(()) => return Ok(()),
                    Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::NOENT)) => return Err(error.into()),
                    // Too many links, or none at all on this file system.
                    Err(_) => file = File::from(rustix::fs::openat(into, name, flags, Mode::RUSR | Mode::WUSR)?),
                }
            }
            io::copy(&mut &source, &mut file)?;
        }
        file.set_modified(source.metadata()?.modified()?)?;
        file.set_permissions(Permissions::from_mode(match (self.writable, executable) {
            (true, true) => 0o755,
            (true, false) => 0o644,
            (false, true) => 0o555,
            (false, false) => 0o444,
        }))?;
        match self.uid {
            Some(uid) if self.writable => own(&file, uid),
            _ => Ok(()),
        }
    }

    /// A tree of folders that are the task's, with the files of this one. Of what is still to come only the names are in
    /// memory.
    fn folder(&self, tree: &Path, into: &OwnedFd, name: &[u8]) -> io::Result<()> {
        let top = self.make_folder(into, name)?;
        let mut folders = vec![PathBuf::new()];
        while let Some(inside) = folders.pop() {
            let from = tree.join(&inside);
            // No part of it is a link: we made all of them.
            let to = if inside.as_os_str().is_empty() {
                top.try_clone()?
            } else {
                open_folder(&top, inside.as_os_str().as_bytes())?
            };
            for found in fs::read_dir(&from)? {
                let found = found?;
                let (name, kind) = (found.file_name(), found.file_type()?);
                if kind.is_dir() {
                    self.make_folder(&to, name.as_bytes())?;
                    folders.push(inside.join(name));
                } else if kind.is_symlink() {
                    rustix::fs::symlinkat(fs::read_link(found.path())?, &to, name.as_bytes())?;
                    if let Some(uid) = self.uid {
                        let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)));
                        rustix::fs::chownat(&to, name.as_bytes(), uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
                    }
                } else {
                    self.file(&found.path(), &to, name.as_bytes())?;
                }
            }
        }
        Ok(())
    }

    fn make_folder(&self, into: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
        rustix::fs::mkdirat(into, name, Mode::RWXU)?;
        let made = open_folder(into, name)?;
        rustix::fs::fchmod(&made, Mode::from_raw_mode(0o755))?;
        if let Some(uid) = self.uid {
            own(&made, uid)?;
        }
        Ok(made)
    }
}

/// The same bytes as a file that may be run, made when it is first asked for.
fn program(entry: &Path, plain: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let path = entry.join(PROGRAM);
    if fs::symlink_metadata(&path).is_ok() {
        return Ok(path);
    }
    let source = open_file(plain)?;
    // Another task may be given it in the same moment: whichever is last stays.
    let begun = entry.join(format!("{PROGRAM}.{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    // Left by an agent that was killed in the middle.
    let _ = fs::remove_file(&begun);
    let mut file = File::create_new(&begun)?;
    let made = match rustix::fs::ioctl_ficlone(&file, &source) {
        Ok(()) => Ok(0),
        Err(_) => io::copy(&mut &source, &mut file),
    };
    let made = made.and_then(|_| {
        file.set_permissions(Permissions::from_mode(0o555))?;
        // After a power cut its name may be there, so its bytes must be.
        file.sync_all()?;
        fs::rename(&begun, &path)
    });
    if made.is_err() {
        let _ = fs::remove_file(&begun);
    }
    made.map(|()| path)
}

fn own(what: impl AsFd, uid: u32) -> io::Result<()> {
    Ok(rustix::fs::fchown(what, Some(Uid::from_raw(uid)), Some(Gid::from_raw(uid)))?)
}

fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

fn open_folder(at: impl AsFd, path: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}
