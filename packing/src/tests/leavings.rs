//! Folders in which somebody left whatever they liked.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat};

use super::*;

fn leavings<'a>(folder: &'a File, most: u64) -> Leavings<'a> {
    Leavings { folder: folder.as_fd(), called: Path::new("out"), most }
}

/// The stream, and what was said of it.
fn packed(folder: &Path) -> (Vec<u8>, Measured) {
    let folder = File::open(folder).unwrap();
    let leavings = leavings(&folder, 1000);
    let measured = leavings.measure().unwrap();
    let mut bytes = vec![];
    leavings.pack(&measured, &mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, measured.size);
    (bytes, measured)
}

fn names(folder: &Path) -> Vec<String> {
    let found = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = found.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_cannot_be_packed_is_left_out_and_counted_and_the_rest_comes() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path();
    fs::create_dir(folder.join("sub")).unwrap();
    fs::write(folder.join("sub/file"), "text").unwrap();
    symlink("sub/file", folder.join("link")).unwrap();
    let _listening = UnixListener::bind(folder.join("sub/socket")).unwrap();
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    symlink("/etc/passwd", folder.join("absolute")).unwrap();
    symlink("../..", folder.join("sub/up")).unwrap();
    let (bytes, measured) = packed(folder);
    assert_eq!((measured.entries, measured.left_out), (3, 4));
    let (back, done) = unpacked(&bytes);
    assert_eq!(done.unwrap(), 3);
    let into = back.path().join("into");
    assert_eq!((names(&into), names(&into.join("sub"))), (vec!["link".into(), "sub".into()], vec!["file".into()]));
    assert_eq!(fs::read_to_string(into.join("link")).unwrap(), "text");
}

#[test]
fn where_nothing_is_to_be_left_out_it_is_the_stream_of_any_folder() {
    let here = tempfile::tempdir().unwrap();
    for name in ["b", "a", "c d", "ünï"] {
        fs::create_dir(here.path().join(name)).unwrap();
        fs::write(here.path().join(name).join("x".repeat(200)), name).unwrap();
    }
    assert!(packed(here.path()).0 == stream(here.path()).unwrap());
    let empty = tempfile::tempdir().unwrap();
    let (_, measured) = packed(empty.path());
    assert_eq!((measured.entries, measured.left_out), (0, 0));
}

/// Folders in each other.
fn deep(top: &Path, name: &[u8], depth: usize) {
    let mut at: OwnedFd = File::open(top).unwrap().into();
    for _ in 0..depth {
        mkdirat(&at, name, Mode::RWXU).unwrap();
        at = openat(&at, name, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let file = openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
        rustix::io::write(&file, b"text").unwrap();
    }
}

#[test]
fn what_lies_too_deep_is_left_out_and_where_all_is_wanted_refused() {
    let here = tempfile::tempdir().unwrap();
    deep(here.path(), b"d", 300);
    let (bytes, measured) = packed(here.path());
    assert_eq!((measured.entries, measured.left_out), (2 * 256, 1));
    assert_eq!(unpacked(&bytes).1.unwrap(), 2 * 256);
    let told = stream(here.path()).unwrap_err().to_string();
    assert!(told.ends_with("d/d lies too deep in the folder"), "{told}");

    // Longer than any path may be, and as long as a name in a stream may be.
    let here = tempfile::tempdir().unwrap();
    deep(here.path(), &[b'n'; 255], 300);
    let (bytes, measured) = packed(here.path());
    assert_eq!((measured.entries, measured.left_out), (2 * 255, 1));
    assert_eq!(unpacked(&bytes).1.unwrap(), measured.entries);
}

#[test]
fn too_many_are_too_many_wherever_they_are() {
    let here = tempfile::tempdir().unwrap();
    for folder in ["a", "a/a", "b"] {
        fs::create_dir(here.path().join(folder)).unwrap();
        for name in ["x", "y", "z"] {
            symlink("/etc", here.path().join(folder).join(name)).unwrap();
        }
    }
    let folder = File::open(here.path()).unwrap();
    let told = leavings(&folder, 11).measure().unwrap_err();
    assert!(matches!(told, PackError::TooMany { most: 11, .. }), "{told}");
    assert_eq!(leavings(&folder, 12).measure().unwrap().left_out, 9, "what is left out is looked at, too");
}

#[test]
fn what_seems_larger_than_any_disk_is_only_a_number() {
    let here = tempfile::tempdir().unwrap();
    // As large as this file system lets them seem.
    for name in ["a", "b", "c"] {
        let file = File::create(here.path().join(name)).unwrap();
        let _ = [i64::MAX as u64, 1 << 44, 1 << 40].into_iter().find(|size| file.set_len(*size).is_ok());
    }
    let folder = File::open(here.path()).unwrap();
    assert!(leavings(&folder, 10).measure().unwrap().size >= 3 << 40);
}

#[test]
fn what_is_put_in_its_place_meanwhile_leads_nowhere() {
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("file"), "secret").unwrap();
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("a"), vec![1; 300_000]).unwrap();
    fs::create_dir(here.path().join("sub")).unwrap();
    fs::write(here.path().join("sub/file"), "honest").unwrap();
    let folder = File::open(here.path()).unwrap();
    let leavings = leavings(&folder, 10);
    let measured = leavings.measure().unwrap();

    /// At the first byte the folder becomes a link.
    struct Swaps<'a> {
        here: &'a Path,
        elsewhere: &'a Path,
        bytes: Vec<u8>,
    }
    impl Write for Swaps<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.bytes.is_empty() {
                fs::rename(self.here.join("sub"), self.here.join("was")).unwrap();
                symlink(self.elsewhere, self.here.join("sub")).unwrap();
            }
            self.bytes.write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut swaps = Swaps { here: here.path(), elsewhere: elsewhere.path(), bytes: vec![] };
    let told = leavings.pack(&measured, &mut swaps).unwrap_err();
    assert!(matches!(told, PackError::Changed(_)), "{told}");
    assert!(!swaps.bytes.windows(6).any(|bytes| bytes == b"secret"));
    assert!((swaps.bytes.len() as u64) < measured.size);
}

#[test]
fn no_more_comes_than_was_measured_however_it_grows() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("a"), "small").unwrap();
    let folder = File::open(here.path()).unwrap();
    let leavings = leavings(&folder, 10);
    let measured = leavings.measure().unwrap();
    fs::write(here.path().join("a"), vec![1; 1_000_000]).unwrap();
    fs::write(here.path().join("b"), vec![1; 1_000_000]).unwrap();
    let mut bytes = vec![];
    assert!(matches!(leavings.pack(&measured, &mut bytes), Err(PackError::Changed(_))));
    assert!((bytes.len() as u64) < measured.size);
}
