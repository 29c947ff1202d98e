//! Folders that outlast a power cut. A name is on the disk for certain only when the folder it is in was synced: until
//! then everything below it may be gone, however well it was synced itself.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Makes a folder, and those above it that are missing, so that they last.
pub fn make(path: &Path, mode: u32) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.is_dir()).collect();
    for folder in missing.into_iter().rev().filter(|folder| *folder != Path::new("")) {
        match DirBuilder::new().mode(mode).create(folder) {
            // Somebody else was faster, and syncs it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => {}
            made => made.and_then(|()| sync_name(folder))?,
        }
    }
    Ok(())
}

/// The name of this file or folder is there after a power cut, or its being gone.
pub fn sync_name(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        Some(_) => File::open(".")?.sync_all(),
        // The root of everything has no name.
        None => Ok(()),
    }
}
