//! A folder becomes a stream.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tar::{EntryType, Header};

use super::{path_of, stays_inside};

const BLOCK: u64 = 512;
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
}

/// Looks at everything, and reads no file.
pub fn measure(root: &Path, most: u64) -> Result<Measured, PackError> {
    let mut measure = Measure::default();
    walk(root, most, |entry| {
        measure.add(&entry);
        Ok(())
    })?;
    Ok(measure.end())
}

/// Writes the stream, unless the folder is not what it was when it was measured.
pub fn pack(root: &Path, most: u64, measured: &Measured, mut to: impl Write) -> Result<(), PackError> {
    let mut measure = Measure::default();
    walk(root, most, |entry| {
        measure.add(&entry);
        to.write_all(&entry.head()).map_err(PackError::Write)?;
        if entry.is_file() { copy(&entry, &mut to) } else { Ok(()) }
    })?;
    to.write_all(&END).map_err(PackError::Write)?;
    if measure.end() == *measured { Ok(()) } else { Err(PackError::Changed(root.into())) }
}

struct Entry {
    path: PathBuf,
    /// From the root of the folder on.
    name: Vec<u8>,
    meta: Metadata,
    /// Where it is a link.
    target: Vec<u8>,
}

impl Entry {
    fn is_file(&self) -> bool {
        self.meta.is_file()
    }

    fn size(&self) -> u64 {
        if self.is_file() { self.meta.len() } else { 0 }
    }

    /// All that comes before its bytes.
    fn head(&self) -> Vec<u8> {
        let mut head = vec![];
        let kind = match &self.meta {
            meta if meta.is_dir() => EntryType::Directory,
            meta if meta.is_symlink() => EntryType::Symlink,
            _ => EntryType::Regular,
        };
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(self.size());
        header.set_mode(if kind == EntryType::Symlink { 0o777 } else { self.meta.mode() & 0o777 });
        // Of a folder and a link it says when they were made here, which nobody brings back.
        let changed = if self.is_file() { u64::try_from(self.meta.mtime()).unwrap_or(0) } else { 0 };
        header.set_mtime(changed);
        header.set_uid(0);
        header.set_gid(0);
        let mut name = self.name.clone();
        if kind == EntryType::Directory {
            name.push(b'/');
        }
        let old = header.as_old_mut();
        long(&self.target, &mut old.linkname, EntryType::GNULongLink, &mut head);
        long(&name, &mut old.name, EntryType::GNULongName, &mut head);
        header.set_cksum();
        head.extend_from_slice(header.as_bytes());
        head
    }
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
    hasher: blake3::Hasher,
}

impl Measure {
    fn add(&mut self, entry: &Entry) {
        let head = entry.head();
        self.size += head.len() as u64 + entry.size() + padding(entry.size());
        self.hasher.update(&head);
        self.hasher.update(&entry.meta.mtime_nsec().to_le_bytes());
    }

    fn end(&self) -> Measured {
        Measured { size: self.size + END.len() as u64, fingerprint: *self.hasher.finalize().as_bytes() }
    }
}

fn copy(entry: &Entry, to: &mut impl Write) -> Result<(), PackError> {
    let failed = |source| PackError::Read { path: entry.path.clone(), source };
    let changed = || PackError::Changed(entry.path.clone());
    // What is something else by now is noticed, and not waited for.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits() as i32;
    let mut file = File::options().read(true).custom_flags(flags).open(&entry.path).map_err(failed)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut left = entry.size();
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
        let read = file.read(&mut buffer[..room]).map_err(failed)?;
        if read == 0 {
            return Err(changed());
        }
        to.write_all(&buffer[..read]).map_err(PackError::Write)?;
        left -= read as u64;
    }
    let now = file.metadata().map_err(failed)?;
    let same = |of: fn(&Metadata) -> (u64, i64, i64)| of(&now) == of(&entry.meta);
    if !same(|meta| (meta.len(), meta.mtime(), meta.mtime_nsec())) || now.ino() != entry.meta.ino() {
        return Err(changed());
    }
    to.write_all(&END[..padding(entry.size()) as usize]).map_err(PackError::Write)
}

/// Everything in the folder, each folder before what is in it, sorted by the bytes of names. Of all that lies between
/// the root and where it is, only the names are in memory.
fn walk(root: &Path, most: u64, mut each: impl FnMut(Entry) -> Result<(), PackError>) -> Result<(), PackError> {
    let mut open = vec![(Vec::new(), names(root, most)?.into_iter())];
    let mut count = 0;
    while let Some((folder, left)) = open.last_mut() {
        let Some(name) = left.next() else {
            open.pop();
            continue;
        };
        let mut inside = folder.clone();
        if !inside.is_empty() {
            inside.push(b'/');
        }
        inside.extend_from_slice(name.as_bytes());
        count += 1;
        if count > most {
            return Err(PackError::TooMany { path: root.into(), most });
        }
        let path = root.join(path_of(&inside));
        let entry = look(path.clone(), inside.clone(), open.len() - 1)?;
        let is_folder = entry.meta.is_dir();
        each(entry)?;
        if is_folder {
            open.push((inside, names(&path, most)?.into_iter()));
        }
    }
    Ok(())
}

fn names(folder: &Path, most: u64) -> Result<Vec<OsString>, PackError> {
    let failed = |source| PackError::Read { path: folder.into(), source };
    let mut names = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
        if names.len() as u64 > most {
            return Err(PackError::TooMany { path: folder.into(), most });
        }
    }
    names.sort_unstable();
    Ok(names)
}

fn look(path: PathBuf, name: Vec<u8>, depth: usize) -> Result<Entry, PackError> {
    let failed = |source| PackError::Read { path: path.clone(), source };
    let meta = fs::symlink_metadata(&path).map_err(failed)?;
    let kind = meta.file_type();
    let special = match () {
        () if kind.is_socket() => Some("a socket"),
        () if kind.is_fifo() => Some("a pipe"),
        () if kind.is_block_device() || kind.is_char_device() => Some("a device"),
        () => None,
    };
    if let Some(what) = special {
        return Err(PackError::Special { path, what });
    }
    let mut target = vec![];
    if kind.is_symlink() {
        target = fs::read_link(&path).map_err(failed)?.into_os_string().into_vec();
        if !stays_inside(&target, depth) {
            return Err(PackError::LeadsOut { path, target: path_of(&target) });
        }
    }
    Ok(Entry { path, name, meta, target })
}
