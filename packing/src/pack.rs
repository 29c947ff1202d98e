//! A folder becomes a stream.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, Stat, fstat, open};
use tar::{EntryType, Header};

use super::walk::{Entry, Folder, Otherwise, What};

const BLOCK: u64 = 512;
/// Of a file that is read.
const BUFFER: usize = 64 * 1024;
/// Two empty blocks are the end.
const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{} is {what}, and only files, folders and links can be kept", path.display())]
    Special { path: PathBuf, what: &'static str },
    #[error("the link {} leads to {}, which is not for certain inside the folder", path.display(), target.display())]
    LeadsOut { path: PathBuf, target: PathBuf },
    #[error("there are more than {most} files in {}; --most allows more", path.display())]
    TooMany { path: PathBuf, most: u64 },
    #[error("the names of the files in {} are too long, taken together", .0.display())]
    LongNames(PathBuf),
    #[error("{} lies too deep in the folder", .0.display())]
    TooDeep(PathBuf),
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// Whoever takes the stream takes no more of it.
    #[error("the packed folder cannot be passed on: {0}")]
    Write(io::Error),
}

/// What a folder is before it is packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Of the stream.
    pub size: u64,
    /// Of everything in it but the bytes of files: of those, their times of change.
    pub fingerprint: [u8; 32],
    /// Files, folders and links.
    pub entries: u64,
    /// Things that are there and do not come: only of [`Leavings`].
    pub left_out: u64,
}

/// Looks at everything, and reads no file.
pub fn measure(root: &Path, most: u64) -> Result<Measured, PackError> {
    let at = open_root(root)?;
    Folder { at: at.as_fd(), called: root, most, otherwise: Otherwise::Fail }.measure()
}

/// Writes the stream, unless the folder is not what it was when it was measured. Never more than its size.
pub fn pack(root: &Path, most: u64, measured: &Measured, to: impl Write) -> Result<(), PackError> {
    let at = open_root(root)?;
    Folder { at: at.as_fd(), called: root, most, otherwise: Otherwise::Fail }.pack(measured, to)
}

/// A folder in which somebody left whatever they liked: what cannot be packed is left out, and counted.
#[derive(Debug, Clone, Copy)]
pub struct Leavings<'a> {
    pub folder: BorrowedFd<'a>,
    /// In what is said of it.
    pub called: &'a Path,
    pub most: u64,
}

impl Leavings<'_> {
    /// As [`measure`]. Every file is opened, to see whether it can be.
    pub fn measure(&self) -> Result<Measured, PackError> {
        self.folder().measure()
    }

    /// As [`pack`].
    pub fn pack(&self, measured: &Measured, to: impl Write) -> Result<(), PackError> {
        self.folder().pack(measured, to)
    }

    fn folder(&self) -> Folder<'_> {
        Folder { at: self.folder, called: self.called, most: self.most, otherwise: Otherwise::LeaveOut }
    }
}

fn open_root(path: &Path) -> Result<File, PackError> {
    let opened = open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    opened.map(File::from).map_err(|errno| PackError::Read { path: path.into(), source: errno.into() })
}

impl Folder<'_> {
    fn measure(&self) -> Result<Measured, PackError> {
        let mut measure = Measure::default();
        let left_out = self.walk(|entry| {
            measure.add(&entry);
            Ok(())
        })?;
        Ok(measure.end(left_out))
    }

    fn pack(&self, measured: &Measured, mut to: impl Write) -> Result<(), PackError> {
        let changed = || PackError::Changed(self.called.into());
        let mut measure = Measure::default();
        let left_out = self.walk(|entry| {
            measure.add(&entry);
            if measure.size.saturating_add(END.len() as u64) > measured.size {
                return Err(changed());
            }
            to.write_all(&head(&entry)).map_err(PackError::Write)?;
            self.copy(&entry, &mut to)
        })?;
        if measure.end(left_out) != *measured {
            return Err(changed());
        }
        to.write_all(&END).map_err(PackError::Write)
    }

    fn copy(&self, entry: &Entry, to: &mut impl Write) -> Result<(), PackError> {
        let What::File(file) = &entry.what else { return Ok(()) };
        let path = || self.path(&entry.name);
        let failed = |source| PackError::Read { path: path(), source };
        let mut left = entry.size();
        let mut buffer = vec![0; usize::try_from(left).unwrap_or(BUFFER).min(BUFFER)];
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
            let read = match rustix::io::read(file, &mut buffer[..room]) {
                Err(rustix::io::Errno::INTR) => continue,
                done => done.map_err(|errno| failed(errno.into()))?,
            };
            if read == 0 {
                return Err(PackError::Changed(path()));
            }
            to.write_all(&buffer[..read]).map_err(PackError::Write)?;
            left -= read as u64;
        }
        let now = fstat(file).map_err(|errno| failed(errno.into()))?;
        if !is_unchanged(&entry.stat, &now) {
            return Err(PackError::Changed(path()));
        }
        to.write_all(&END[..padding(entry.size()) as usize]).map_err(PackError::Write)
    }
}

fn is_unchanged(before: &Stat, now: &Stat) -> bool {
    before.st_size == now.st_size && before.st_mtime == now.st_mtime && before.st_mtime_nsec == now.st_mtime_nsec
}

/// All that comes before its bytes.
fn head(entry: &Entry) -> Vec<u8> {
    let mut head = vec![];
    let (kind, target) = match &entry.what {
        What::File(_) => (EntryType::Regular, &[][..]),
        What::Folder => (EntryType::Directory, &[][..]),
        What::Link { target } => (EntryType::Symlink, &target[..]),
    };
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(entry.size());
    header.set_mode(if kind == EntryType::Symlink { 0o777 } else { entry.stat.st_mode & 0o777 });
    // Of a folder and a link it says when they were made here, which nobody brings back.
    let changed = if kind == EntryType::Regular { u64::try_from(entry.stat.st_mtime).unwrap_or(0) } else { 0 };
    header.set_mtime(changed);
    header.set_uid(0);
    header.set_gid(0);
    let mut name = entry.name.clone();
    if kind == EntryType::Directory {
        name.push(b'/');
    }
    let old = header.as_old_mut();
    long(target, &mut old.linkname, EntryType::GNULongLink, &mut head);
    long(&name, &mut old.name, EntryType::GNULongName, &mut head);
    header.set_cksum();
    head.extend_from_slice(header.as_bytes());
    head
}

/// Into its field, as far as it fits; the whole of what does not comes in an entry of its own before it.
fn long(text: &[u8], field: &mut [u8; 100], kind: EntryType, head: &mut Vec<u8>) {
    let fits = text.len().min(field.len());
    field[..fits].copy_from_slice(&text[..fits]);
    if text.len() <= field.len() {
        return;
    }
    let mut header = Header::new_gnu();
    let name = b"././@LongLink";
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(text.len() as u64 + 1);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    head.extend_from_slice(header.as_bytes());
    head.extend_from_slice(text);
    let rest = 1 + padding(text.len() as u64 + 1);
    head.extend(std::iter::repeat_n(0, rest as usize));
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK) - size
}

#[derive(Default)]
struct Measure {
    size: u64,
    entries: u64,
    hasher: blake3::Hasher,
}

impl Measure {
    fn add(&mut self, entry: &Entry) {
        let head = head(entry);
        // What has no bytes on any disk may be longer than all disks together.
        let all = entry.size().saturating_add(head.len() as u64 + padding(entry.size()));
        self.size = self.size.saturating_add(all);
        self.entries += 1;
        self.hasher.update(&head);
        self.hasher.update(&entry.stat.st_mtime_nsec.to_le_bytes());
    }

    fn end(&self, left_out: u64) -> Measured {
        Measured {
            size: self.size.saturating_add(END.len() as u64),
            fingerprint: *self.hasher.finalize().as_bytes(),
            entries: self.entries,
            left_out,
        }
    }
}
