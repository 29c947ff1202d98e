//! Where a download becomes a file: beside its place, under a name that says of what it is a part.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blake3::Hasher;
use protocol::file::ContentHash;
use rustix::fs::OFlags;

use crate::cli::exit::{Failure, Kind};
use crate::cli::transfer::fetch::hash_of;
use crate::cli::transfer::rename::{rename, unwritable};

/// As long as a name can be.
const LONGEST: usize = 255;

pub struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Partial {
    /// Goes on with the part of an earlier time, if it is of the same content.
    pub fn open(target: &Path, hash: &ContentHash) -> Result<Self, Failure> {
        let path = target.with_file_name(part_name(target, hash));
        // In a folder that others may write to, somebody could have put a link there, to what is ours.
        let no_link = OFlags::NOFOLLOW.bits() as i32;
        let file =
            File::options().read(true).write(true).create(true).truncate(false).custom_flags(no_link).open(&path);
        let file = file.map_err(|error| unwritable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file, path, target: target.into() }),
            Err(TryLockError::WouldBlock) => {
                let told = format!("{} is on its way here already", target.display());
                Err(Failure::new(Kind::Refused, told))
            }
            Err(TryLockError::Error(error)) => Err(unwritable(&path, &error)),
        }
    }

    /// How much there is of it, and its hash so far.
    pub fn there(&mut self, most: u64) -> Result<(u64, Hasher), Failure> {
        let failed = |error: io::Error| unwritable(&self.path, &error);
        if self.file.metadata().map_err(failed)?.len() > most {
            self.file.set_len(0).map_err(failed)?;
        }
        self.file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut hasher = Hasher::new();
        let length = update(&mut hasher, &mut self.file).map_err(failed)?;
        Ok((length, hasher))
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| unwritable(&self.path, &error))
    }

    /// It is whole: to the disk with it, and to its place.
    pub fn finish(self, force: bool, executable: bool) -> Result<(), Failure> {
        let synced = || {
            if executable {
                let mode = self.file.metadata()?.permissions().mode();
                self.file.set_permissions(Permissions::from_mode(runnable(mode)))?;
            }
            self.file.sync_all()
        };
        synced().map_err(|error| unwritable(&self.path, &error))?;
        rename(&self.path, &self.target, force)
    }

    pub fn throw_away(self) {
        // It would be thrown away the next time.
        let _ = fs::remove_file(&self.path);
    }
}

/// 0755 without what the umask took from others when the file was made: who may read it may run it.
fn runnable(mode: u32) -> u32 {
    (mode | (mode & 0o444) >> 2) & 0o755
}

/// `data.csv.0123456789abcdef.part`.
fn part_name(target: &Path, hash: &ContentHash) -> String {
    let name = target.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let ending = format!(".{}.part", &hash.to_string()[..16]);
    let fits = name.floor_char_boundary(LONGEST - ending.len());
    format!("{}{ending}", &name[..fits])
}

pub fn hash(path: &Path) -> Result<ContentHash, Failure> {
    let mut hasher = Hasher::new();
    let hashed = File::open(path).and_then(|mut file| update(&mut hasher, &mut file));
    hashed.map_err(|error| Failure::new(Kind::Refused, format_args!("{} cannot be read: {error}", path.display())))?;
    Ok(hash_of(&hasher))
}

fn update(hasher: &mut Hasher, from: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(length),
            read => {
                hasher.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_read_a_program_may_run_it_and_nobody_else() {
        for (made, is) in [(0o100644, 0o755), (0o100664, 0o755), (0o100640, 0o750), (0o100600, 0o700)] {
            assert_eq!(runnable(made), is, "{made:o}");
        }
    }

    #[test]
    fn a_part_has_a_name_that_fits_however_long_its_file_is_called() {
        let hash = ContentHash([0xab; 32]);
        assert_eq!(part_name(Path::new("/x/data.csv"), &hash), "data.csv.abababababababab.part");
        for name in ["x".repeat(255), "é".repeat(127)] {
            let part = part_name(Path::new(&name), &hash);
            assert!(part.len() <= LONGEST && part.ends_with(".abababababababab.part"), "{part}");
        }
    }
}
