//! A stream becomes a folder. What it says is believed of nothing: every name is taken apart, every folder on the way is
//! opened without following a link, and nothing that is there is written over.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags, mkdirat, open, openat, symlinkat, syncfs};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::{LONGEST_NAME, path_of, stays_inside};

#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("the packed folder has the entry {}, which {why}; nothing of it was kept", path.display())]
    Hostile { path: PathBuf, why: String },
    #[error("the packed folder has more than {0} entries; --most allows more")]
    TooMany(u64),
    #[error("{} cannot be written: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the packed folder cannot be read: {0}")]
    Read(io::Error),
}

fn hostile(path: &[u8], why: impl Into<String>) -> UnpackError {
    UnpackError::Hostile { path: path_of(path), why: why.into() }
}

/// Into a folder that is there, empty and nobody else's. Says how many entries there were. All of `from` is read.
pub fn unpack(from: impl Read, into: &Path, most: u64) -> Result<u64, UnpackError> {
    let mut archive = Archive::new(from);
    let root = open(into, FOLDER, Mode::empty());
    let mut place = Place { root: root.map_err(|e| failed(into, e.into()))?, last: None };
    let (mut long_name, mut long_target) = (None, None);
    let mut count = 0;
    // Raw: names that do not fit into their header are read here, and no longer than they may be.
    for entry in archive.entries().map_err(UnpackError::Read)?.raw(true) {
        let mut entry = entry.map_err(UnpackError::Read)?;
        count += 1;
        match entry.header().entry_type() {
            EntryType::GNULongName => {
                long_name = Some(text(&mut entry)?);
                count -= 1;
            }
            EntryType::GNULongLink => {
                long_target = Some(text(&mut entry)?);
                count -= 1;
            }
            _ if count > most => return Err(UnpackError::TooMany(most)),
            kind => {
                let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
                let target = long_target.take();
                place.put(&mut entry, kind, &name, target)?;
            }
        }
    }
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(UnpackError::Read)?;
    syncfs(&place.root).map_err(|e| failed(into, e.into()))?;
    Ok(count)
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::RDONLY);

struct Place {
    root: OwnedFd,
    /// The folder that was last written into: mostly it is the next one too.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Place {
    fn put(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        kind: EntryType,
        name: &[u8],
        target: Option<Vec<u8>>,
    ) -> Result<(), UnpackError> {
        let path = name.strip_suffix(b"/").filter(|_| kind == EntryType::Directory).unwrap_or(name);
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        if path.first() == Some(&b'/') {
            return Err(hostile(name, "is not inside the folder: its name begins with /"));
        }
        if parts.contains(&&b".."[..]) {
            return Err(hostile(name, "is not inside the folder: its name has .. in it"));
        }
        if parts.iter().any(|part| matches!(*part, b"" | b".") || part.contains(&0)) {
            return Err(hostile(name, "has no proper name"));
        }
        let (last, folders) = parts.split_last().ok_or_else(|| hostile(name, "has no proper name"))?;
        let folder = self.folder(folders, name)?;
        let wrong = |errno: Errno| match errno {
            Errno::EXIST => hostile(name, "is there twice"),
            other => failed(&path_of(name), other.into()),
        };
        let mode = entry.header().mode().map_err(|_| hostile(name, "has a damaged header"))? & 0o777;
        match kind {
            EntryType::Directory => {
                // What comes into it must be written too.
                mkdirat(folder, *last, Mode::from_raw_mode(mode | 0o700)).map_err(wrong)
            }
            EntryType::Symlink => {
                let target = target
                    .or_else(|| entry.header().link_name_bytes().map(|bytes| bytes.into_owned()))
                    .unwrap_or_default();
                if !stays_inside(&target, folders.len()) || target.contains(&0) {
                    let to = path_of(&target);
                    return Err(hostile(name, format!("is a link out of the folder, to {}", to.display())));
                }
                symlinkat(&target[..], folder, *last).map_err(wrong)
            }
            EntryType::Regular => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = openat(folder, *last, flags, Mode::from_raw_mode(mode | 0o600)).map_err(wrong)?;
                fill(File::from(file), entry, name)
            }
            _ => Err(hostile(name, "is neither a file nor a folder nor a link")),
        }
    }

    /// The folder of that path, every part of it a real one.
    fn folder(&mut self, parts: &[&[u8]], name: &[u8]) -> Result<&OwnedFd, UnpackError> {
        if parts.is_empty() {
            return Ok(&self.root);
        }
        let path = parts.join(&b'/');
        if self.last.as_ref().is_none_or(|(last, _)| *last != path) {
            let mut at: Option<OwnedFd> = None;
            for part in parts {
                let inside = openat(at.as_ref().unwrap_or(&self.root), *part, FOLDER, Mode::empty());
                at = Some(inside.map_err(|errno| match errno {
                    Errno::NOENT => hostile(name, "is in a folder that did not come before it"),
                    Errno::LOOP | Errno::NOTDIR => hostile(name, "passes through something that is not a folder"),
                    other => failed(&path_of(name), other.into()),
                })?);
            }
            self.last = at.map(|at| (path, at));
        }
        Ok(self.last.as_ref().map_or(&self.root, |(_, folder)| folder))
    }
}

fn fill(mut file: File, entry: &mut Entry<'_, impl Read>, name: &[u8]) -> Result<(), UnpackError> {
    let size = entry.header().entry_size().map_err(|_| hostile(name, "has a damaged header"))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0;
    loop {
        let read = entry.read(&mut buffer).map_err(UnpackError::Read)?;
        if read == 0 {
            break;
        }
        io::Write::write_all(&mut file, &buffer[..read]).map_err(|e| failed(&path_of(name), e))?;
        written += read as u64;
    }
    if written != size {
        return Err(hostile(name, format!("was to have {size} bytes and has {written}")));
    }
    let changed = entry.header().mtime().ok().and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    // A time that this file system cannot hold is not worth the file.
    let _ = changed.map(|at| file.set_modified(at));
    Ok(())
}

/// A name that did not fit into its header.
fn text(entry: &mut Entry<'_, impl Read>) -> Result<Vec<u8>, UnpackError> {
    let mut text = vec![];
    entry.take(LONGEST_NAME + 1).read_to_end(&mut text).map_err(UnpackError::Read)?;
    if text.len() as u64 > LONGEST_NAME {
        return Err(hostile(&text[..80], format!("has a name of more than {LONGEST_NAME} bytes")));
    }
    text.pop_if(|last| *last == 0);
    Ok(text)
}

fn failed(path: &Path, source: io::Error) -> UnpackError {
    UnpackError::Write { path: path.into(), source }
}
