//! The file system that is installed on: `/`, or a folder that stands for it.

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::Stop;

/// All paths asked of it are absolute, as the installed machine sees them.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    pub fn live() -> Self {
        Self { root: "/".into() }
    }

    pub fn below(root: &Path) -> Result<Self, Stop> {
        let found = root.canonicalize();
        let root = found.map_err(|error| Stop::Usage(format!("--root {}: {error}", root.display())))?;
        if !root.is_dir() {
            return Err(Stop::Usage(format!("--root {} is not a folder", root.display())));
        }
        Ok(Self { root })
    }

    /// Where a path of the installed machine lies for us.
    pub fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    pub fn is_there(&self, path: &Path) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    /// What a file says, `None` where there is none.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Stop> {
        match fs::read(self.at(path)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, "cannot be read", &error)),
        }
    }

    pub fn mode(&self, path: &Path) -> Option<u32> {
        Some(self.at(path).metadata().ok()?.permissions().mode() & 0o7777)
    }

    pub fn make_folder(&self, path: &Path, mode: u32) -> Result<(), Stop> {
        let at = self.at(path);
        let made = fs::create_dir_all(&at).and_then(|()| self.stays_below(&at));
        let set = made.and_then(|()| fs::set_permissions(&at, fs::Permissions::from_mode(mode)));
        set.map_err(|error| failed(path, "cannot be made", &error))
    }

    /// The file appears whole or not at all, whatever happens meanwhile.
    pub fn write(&self, path: &Path, mode: u32, content: &mut dyn io::Read) -> Result<(), Stop> {
        let at = self.at(path);
        let folder = at.parent().unwrap_or(&self.root);
        let written = (|| {
            fs::create_dir_all(folder)?;
            self.stays_below(folder)?;
            let mut new = tempfile::Builder::new().prefix(".bramble-").tempfile_in(folder)?;
            io::copy(content, &mut new)?;
            new.flush()?;
            new.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
            new.as_file().sync_all()?;
            new.persist(&at).map_err(|error| error.error)?;
            fs::File::open(folder)?.sync_all()
        })();
        written.map_err(|error| failed(path, "cannot be written", &error))
    }

    pub fn keep_as(&self, path: &Path, old: &Path) -> Result<(), Stop> {
        fs::copy(self.at(path), self.at(old)).map(drop).map_err(|error| failed(old, "cannot be written", &error))
    }

    pub fn link(&self, path: &Path, to: &Path) -> Result<(), Stop> {
        let at = self.at(path);
        let folder = at.parent().unwrap_or(&self.root);
        let linked = fs::create_dir_all(folder).and_then(|()| self.stays_below(folder)).and_then(|()| symlink(to, &at));
        linked.map_err(|error| failed(path, "cannot be made", &error))
    }

    pub fn remove(&self, path: &Path) -> Result<(), Stop> {
        match fs::remove_file(self.at(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, "cannot be removed", &error)),
            _ => Ok(()),
        }
    }

    /// A link inside an image must not lead a write out of it, into the machine it is prepared on.
    fn stays_below(&self, folder: &Path) -> io::Result<()> {
        if folder.canonicalize()?.starts_with(&self.root) {
            return Ok(());
        }
        Err(io::Error::other(format!("a link in it leads out of {}", self.root.display())))
    }
}

fn failed(path: &Path, what: &str, error: &io::Error) -> Stop {
    Stop::Failed(format!("{} {what}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_an_older_one_with_its_mode_and_leaves_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::below(root.path()).unwrap();
        let path = Path::new("/etc/x/y");
        disk.write(path, 0o600, &mut &b"one"[..]).unwrap();
        disk.write(path, 0o640, &mut &b"two"[..]).unwrap();
        assert_eq!(disk.read(path).unwrap().unwrap(), b"two");
        assert_eq!(disk.mode(path), Some(0o640));
        assert_eq!(fs::read_dir(root.path().join("etc/x")).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_an_image_does_not_lead_out_of_it() {
        let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        symlink(outside.path(), root.path().join("etc")).unwrap();
        let disk = Disk::below(root.path()).unwrap();
        let why = disk.write(Path::new("/etc/x"), 0o644, &mut &b"x"[..]).unwrap_err().to_string();
        assert!(why.contains("leads out of"), "{why}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_root_that_is_not_there_is_said() {
        let why = Disk::below(Path::new("/no/such/folder")).unwrap_err();
        assert!(matches!(why, Stop::Usage(_)), "{why}");
    }
}
