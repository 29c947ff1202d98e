//! All that is in a folder. Each thing is opened by its name in the folder that it lies in, and no link is followed: what
//! somebody puts in its place meanwhile leads nowhere.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, Stat, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::{LONGEST_NAME, PackError, path_of, stays_inside};

/// Nothing lies in more folders than this: each on the way there is open.
pub const DEEPEST: usize = 256;

/// Of what anybody left, the names that are in memory at one time take no more than this.
const MOST_OF_NAMES: usize = 32 << 20;

/// What to do about a thing that cannot be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    Fail,
    LeaveOut,
}

/// A folder to be packed.
pub struct Folder<'a> {
    pub at: BorrowedFd<'a>,
    /// In what is said of it.
    pub called: &'a Path,
    pub most: u64,
    pub otherwise: Otherwise,
}

pub struct Entry {
    /// From the root of the folder on.
    pub name: Vec<u8>,
    pub stat: Stat,
    pub what: What,
}

pub enum What {
    File(OwnedFd),
    Folder,
    Link { target: Vec<u8> },
}

impl Entry {
    pub fn size(&self) -> u64 {
        if matches!(self.what, What::File(_)) { u64::try_from(self.stat.st_size).unwrap_or(0) } else { 0 }
    }
}

/// A folder on the way to where the walk is.
struct Level {
    at: OwnedFd,
    name: Vec<u8>,
    names: Names,
    next: usize,
}

/// What a walk has met.
#[derive(Default)]
struct Met {
    entries: u64,
    /// The length of all names that are in memory now.
    names: usize,
}

impl Folder<'_> {
    /// Each folder before what is in it, sorted by the bytes of names. Says how many things were left out. Of all that
    /// lies between the root and where it is, only the names are in memory.
    pub fn walk(&self, mut each: impl FnMut(Entry) -> Result<(), PackError>) -> Result<u64, PackError> {
        let mut met = Met::default();
        let root = open_folder(self.at, b".").map_err(|error| self.unreadable(b"", error))?;
        let mut open = vec![self.level(root, vec![], &mut met)?];
        let mut left_out = 0;
        while let Some((level, above)) = open.split_last_mut() {
            let depth = above.len();
            let Some(name) = level.names.get(level.next) else {
                met.names -= level.names.bytes.len();
                open.pop();
                continue;
            };
            level.next += 1;
            let mut inside = level.name.clone();
            if !inside.is_empty() {
                inside.push(b'/');
            }
            inside.extend_from_slice(name);
            let (at, name) = (level.at.as_fd(), name.to_vec());
            match self.look(at, &name, inside, depth, &mut met) {
                Ok((entry, below)) => {
                    each(entry)?;
                    open.extend(below);
                }
                // It went away meanwhile.
                Err(error) if self.otherwise == Otherwise::LeaveOut && errno_of(&error) == Some(Errno::NOENT) => {}
                Err(error) if self.otherwise == Otherwise::LeaveOut && is_its_own(&error) => left_out += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(left_out)
    }

    fn look(
        &self,
        at: BorrowedFd<'_>,
        name: &[u8],
        inside: Vec<u8>,
        depth: usize,
        met: &mut Met,
    ) -> Result<(Entry, Option<Level>), PackError> {
        let path = || self.path(&inside);
        let failed = |errno| PackError::Read { path: path(), source: Errno::into(errno) };
        // With the slash after the name of a folder, and the zero after that.
        if inside.len() as u64 + 2 > LONGEST_NAME {
            return Err(PackError::TooDeep(path()));
        }
        let mut stat = statat(at, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let mut below = None;
        let what = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = open_file(at, name).map_err(failed)?;
                stat = fstat(&file).map_err(failed)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(PackError::Changed(path()));
                }
                What::File(file)
            }
            FileType::Directory if depth >= DEEPEST => return Err(PackError::TooDeep(path())),
            FileType::Directory => {
                let folder = open_folder(at, name).map_err(failed)?;
                stat = fstat(&folder).map_err(failed)?;
                below = Some(self.level(folder, inside.clone(), met)?);
                What::Folder
            }
            FileType::Symlink => {
                let target = readlinkat(at, name, vec![]).map_err(failed)?.into_bytes();
                if !stays_inside(&target, depth) {
                    return Err(PackError::LeadsOut { path: path(), target: path_of(&target) });
                }
                What::Link { target }
            }
            FileType::Socket => return Err(PackError::Special { path: path(), what: "a socket" }),
            FileType::Fifo => return Err(PackError::Special { path: path(), what: "a pipe" }),
            _ => return Err(PackError::Special { path: path(), what: "a device" }),
        };
        Ok((Entry { name: inside, stat, what }, below))
    }

    fn level(&self, at: OwnedFd, name: Vec<u8>, met: &mut Met) -> Result<Level, PackError> {
        let mut names = Names::default();
        let mut buffer = [MaybeUninit::uninit(); 8 * 1024];
        let mut found = RawDir::new(&at, &mut buffer);
        while let Some(entry) = found.next() {
            let entry = entry.map_err(|error| self.unreadable(&name, error))?;
            let inner = entry.file_name().to_bytes();
            if inner == b"." || inner == b".." {
                continue;
            }
            met.entries += 1;
            if met.entries > self.most {
                return Err(PackError::TooMany { path: self.called.into(), most: self.most });
            }
            met.names += inner.len();
            if met.names > MOST_OF_NAMES && self.otherwise == Otherwise::LeaveOut {
                return Err(PackError::LongNames(self.called.into()));
            }
            names.add(inner);
        }
        names.sort();
        Ok(Level { at, name, names, next: 0 })
    }

    pub fn path(&self, inside: &[u8]) -> PathBuf {
        if inside.is_empty() { self.called.into() } else { self.called.join(path_of(inside)) }
    }

    fn unreadable(&self, inside: &[u8], errno: Errno) -> PackError {
        PackError::Read { path: self.path(inside), source: errno.into() }
    }
}

/// Whether it would be the same at every try, and for whoever put it there.
fn is_its_own(error: &PackError) -> bool {
    const OURS: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR];
    match error {
        PackError::Special { .. } | PackError::LeadsOut { .. } | PackError::TooDeep(_) => true,
        _ => errno_of(error).is_some_and(|errno| !OURS.contains(&errno)),
    }
}

fn errno_of(error: &PackError) -> Option<Errno> {
    let PackError::Read { source, .. } = error else { return None };
    Errno::from_io_error(source)
}

const COMMON: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

fn open_folder(at: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(at, name, COMMON | OFlags::DIRECTORY, Mode::empty())
}

/// What is something else by now is noticed, and not waited for.
fn open_file(at: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(at, name, COMMON | OFlags::NOCTTY, Mode::empty())
}

/// The names in one folder, of which there may be a million: one after the other.
#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    /// Where each begins, and how long it is.
    index: Vec<(usize, u16)>,
}

impl Names {
    fn add(&mut self, name: &[u8]) {
        self.index.push((self.bytes.len(), name.len() as u16));
        self.bytes.extend_from_slice(name);
    }

    fn sort(&mut self) {
        let Self { bytes, index } = self;
        index.sort_unstable_by(|one, other| part(bytes, *one).cmp(part(bytes, *other)));
    }

    fn get(&self, number: usize) -> Option<&[u8]> {
        self.index.get(number).map(|one| part(&self.bytes, *one))
    }
}

fn part(bytes: &[u8], (begin, length): (usize, u16)) -> &[u8] {
    &bytes[begin..begin + usize::from(length)]
}
