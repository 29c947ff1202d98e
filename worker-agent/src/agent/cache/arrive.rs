//! A content on its way in: what has come of it, whether it is what it should be, and how it becomes part of the cache.
//!
//! All of this reads and writes files, and is for a thread that may wait for them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use blake3::Hasher;
use packing::{MOST_ENTRIES, UnpackError};
use protocol::unit::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::{PLAIN, TREE, entry, file_system, new, on_disk, part};
use crate::agent::content::Content;
use crate::agent::folder;
use crate::layout::Layout;

pub const CHUNK: usize = 64 * 1024;
/// So that what comes makes no disk full: a node says that it is long before the last byte.
const LEFT_FREE: u64 = 96 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ArriveError {
    #[error("there is not enough room for it on the node's disk: it needs {needed} more, and {free} are free")]
    NoRoom { needed: Bytes, free: Bytes },
    /// Found out only by writing.
    #[error("there is no room left for it on the node's disk")]
    Full,
    #[error("its bytes are not those of that hash")]
    Wrong,
    #[error(transparent)]
    Unpack(UnpackError),
    #[error("it cannot be written on the node: {0}")]
    Write(io::Error),
}

impl From<io::Error> for ArriveError {
    fn from(error: io::Error) -> Self {
        if is_want_of_room(&error) { ArriveError::Full } else { ArriveError::Write(error) }
    }
}

impl From<UnpackError> for ArriveError {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::Write { source, .. } if is_want_of_room(&source) => ArriveError::Full,
            other => ArriveError::Unpack(other),
        }
    }
}

impl ArriveError {
    /// How many bytes are wanting for certain, where that is the reason.
    pub fn want_of_room(&self) -> Option<u64> {
        match self {
            ArriveError::NoRoom { needed, free } => Some(needed.0.saturating_sub(free.0)),
            ArriveError::Full => Some(1),
            _ => None,
        }
    }
}

fn is_want_of_room(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::NOSPC | Errno::DQUOT))
}

/// A content that has come in part.
pub struct Part {
    layout: Layout,
    content: Content,
    size: u64,
    file: File,
    hasher: Hasher,
    length: u64,
}

impl Part {
    /// Goes on with what is there. Fails where the rest finds no room, `beside` what others bring.
    pub fn open(layout: &Layout, content: Content, size: u64, beside: u64) -> Result<Self, ArriveError> {
        let cache = layout.cache();
        let path = part(&cache, content);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(flags);
        let file = match options.open(&path) {
            // Of an agent that is not root, killed when it was whole and had no place yet.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fs::remove_file(&path)?;
                options.open(&path)?
            }
            opened => opened?,
        };
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let mut one = Self { layout: layout.clone(), content, size, file, hasher: Hasher::new(), length: 0 };
        let mut buffer = vec![0; CHUNK];
        loop {
            match one.file.read(&mut buffer)? {
                0 => break,
                read => {
                    one.hasher.update(&buffer[..read]);
                    one.length += read as u64;
                }
            }
        }
        // A folder is there twice for a moment.
        let unpacked = if content.is_folder() { size } else { 0 };
        let needed = one.lacks().saturating_add(unpacked);
        let free = file_system(&cache).1.saturating_sub(beside).saturating_sub(LEFT_FREE);
        if needed > free {
            return Err(ArriveError::NoRoom { needed: Bytes(needed), free: Bytes(free) });
        }
        Ok(one)
    }

    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn lacks(&self) -> u64 {
        self.size - self.length
    }

    /// The next bytes of it; no more than it lacks.
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), ArriveError> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Into the cache, all of it or nothing. What is wrong or cannot be unpacked is removed.
    pub fn finish(self) -> Result<(), ArriveError> {
        let (layout, content) = (self.layout.clone(), self.content);
        let Err(error) = self.check_and_keep() else { return Ok(()) };
        let (new, part) = (new(&layout.cache(), content), part(&layout.cache(), content));
        if fs::symlink_metadata(&new).is_ok() {
            folder::put_away(&layout, &new)?;
        }
        if matches!(error, ArriveError::Wrong | ArriveError::Unpack(_)) {
            fs::remove_file(part)?;
        }
        Err(error)
    }

    fn check_and_keep(self) -> Result<(), ArriveError> {
        let (cache, content) = (self.layout.cache(), self.content);
        if *self.hasher.finalize().as_bytes() != content.hash.0 {
            return Err(ArriveError::Wrong);
        }
        let (new, part) = (new(&cache, content), part(&cache, content));
        fs::create_dir(&new)?;
        if content.is_folder() {
            unpack(&part, &new)?;
        } else {
            // After a power cut its name may be there, so its bytes must be.
            self.file.set_permissions(fs::Permissions::from_mode(0o444))?;
            self.file.sync_all()?;
            fs::rename(&part, new.join(PLAIN))?;
        }
        let entry = entry(&cache, content);
        // Something that nobody knows any more may be in the way.
        if fs::symlink_metadata(&entry).is_ok() {
            folder::put_away(&self.layout, &entry)?;
        }
        fs::rename(&new, entry)?;
        if content.is_folder() {
            fs::remove_file(&part)?;
        }
        Ok(())
    }
}

fn unpack(part: &Path, into: &Path) -> Result<(), ArriveError> {
    let tree = into.join("tree");
    fs::create_dir(&tree)?;
    packing::unpack(File::open(part)?, &tree, MOST_ENTRIES)?;
    let bytes = settle(&tree)?;
    fs::rename(&tree, into.join(format!("{TREE}{bytes}")))?;
    Ok(())
}

/// Gives everything the mode that it has in a task's folder, and says how much it takes.
fn settle(tree: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        bytes += on_disk(&fs::symlink_metadata(&folder)?);
        for found in fs::read_dir(&folder)? {
            let (path, meta) = {
                let found = found?;
                (found.path(), found.metadata()?)
            };
            if meta.is_dir() {
                folders.push(path);
                continue;
            }
            bytes += on_disk(&meta);
            if meta.is_file() {
                let mode = if meta.permissions().mode() & 0o111 == 0 { 0o444 } else { 0o555 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(bytes)
}
