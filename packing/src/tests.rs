//! Folders that are packed and unpacked, and streams that nobody should have made.

mod leavings;

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::*;

fn stream(folder: &Path) -> Result<Vec<u8>, PackError> {
    let measured = measure(folder, MOST_ENTRIES)?;
    let mut bytes = vec![];
    pack(folder, MOST_ENTRIES, &measured, &mut bytes)?;
    assert_eq!(bytes.len() as u64, measured.size);
    Ok(bytes)
}

fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<u64, UnpackError>) {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("into");
    fs::create_dir(&into).unwrap();
    let done = unpack(bytes, &into, 1000);
    (folder, done)
}

/// A stream with one entry before the end.
fn with(kind: EntryType, name: &[u8], target: &[u8], content: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(vec![]);
    builder.append(&header(kind, name, target, content), content).unwrap();
    builder.into_inner().unwrap()
}

fn header(kind: EntryType, name: &[u8], target: &[u8], content: &[u8]) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target);
    header.set_cksum();
    header
}

fn why(bytes: &[u8]) -> String {
    let (folder, done) = unpacked(bytes);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left, ["into"], "something came out of the folder");
    done.unwrap_err().to_string()
}

#[test]
fn a_folder_comes_back_as_it_was_whatever_its_names_are() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path().join("folder");
    let deep = folder.join("a b").join("ünï\n✓").join("x".repeat(255));
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::write(deep.join("y".repeat(255)), vec![7; 100_000]).unwrap();
    fs::write(folder.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::write(folder.join("nothing"), "").unwrap();
    fs::write(folder.join(std::ffi::OsStr::from_bytes(b"not \xff UTF-8")), "x").unwrap();
    fs::set_permissions(folder.join("run.sh"), fs::Permissions::from_mode(0o750)).unwrap();
    symlink("../run.sh", folder.join("a b/link")).unwrap();
    symlink(format!("a b/ünï\n✓/{}/{}", "x".repeat(255), "y".repeat(255)), folder.join("long link")).unwrap();
    let bytes = stream(&folder).unwrap();
    let (back, done) = unpacked(&bytes);
    done.unwrap();
    let into = back.path().join("into");
    assert_eq!(stream(&into).unwrap(), bytes, "packed again, it is the same");
    assert_eq!(fs::read(into.join("long link")).unwrap(), vec![7; 100_000]);
    assert_eq!(fs::metadata(into.join("a b/link")).unwrap().permissions().mode() & 0o777, 0o750);
    let time = |path: &Path| {
        let time = fs::metadata(path.join("run.sh")).unwrap().modified().unwrap();
        time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    };
    assert_eq!(time(&into), time(&folder));
}

#[test]
fn when_a_folder_or_a_link_was_made_changes_no_byte() {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let here = tempfile::tempdir().unwrap();
    fs::create_dir(here.path().join("sub")).unwrap();
    symlink("sub", here.path().join("link")).unwrap();
    let before = stream(here.path()).unwrap();
    let old = Timespec { tv_sec: 1000, tv_nsec: 0 };
    for name in ["sub", "link", "."] {
        let times = Timestamps { last_access: old, last_modification: old };
        utimensat(CWD, here.path().join(name), &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
    assert!(stream(here.path()).unwrap() == before, "what was unpacked is packed to the same bytes");
}

#[test]
fn a_stream_is_one_that_any_tar_reads() {
    let here = tempfile::tempdir().unwrap();
    let name = "n".repeat(150);
    fs::create_dir(here.path().join("folder")).unwrap();
    fs::write(here.path().join("folder").join(&name), "text").unwrap();
    let bytes = stream(here.path()).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["folder/".to_owned(), format!("folder/{name}")]);
}

#[test]
fn devices_sockets_and_links_that_lead_out_are_refused_by_name() {
    let here = tempfile::tempdir().unwrap();
    let folder = here.path();
    fs::create_dir(folder.join("sub")).unwrap();
    let _listening = std::os::unix::net::UnixListener::bind(folder.join("sub/socket")).unwrap();
    let told = stream(folder).unwrap_err().to_string();
    assert!(told.ends_with("sub/socket is a socket, and only files, folders and links can be kept"), "{told}");
    fs::remove_file(folder.join("sub/socket")).unwrap();
    for target in ["/etc/passwd", "..", "../..", "../../x", "x/../../..", "a/../b"] {
        symlink(target, folder.join("sub/link")).unwrap();
        let told = stream(folder).map(drop);
        fs::remove_file(folder.join("sub/link")).unwrap();
        match target {
            // To the root of the folder itself.
            ".." => told.unwrap(),
            _ => {
                let told = told.unwrap_err().to_string();
                assert!(told.contains("sub/link leads to ") && told.contains(target), "{told}");
            }
        }
    }
}

#[test]
fn a_folder_that_changes_while_it_is_packed_is_noticed() {
    let here = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        fs::write(here.path().join(name), vec![1; 300_000]).unwrap();
    }
    let measured = measure(here.path(), MOST_ENTRIES).unwrap();
    struct Meddles<'a>(&'a Path, bool);
    impl Write for Meddles<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if !std::mem::replace(&mut self.1, true) {
                fs::write(self.0, "shorter").unwrap();
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    for victim in ["a", "c"] {
        let meddles = Meddles(&here.path().join(victim), false);
        let told = pack(here.path(), MOST_ENTRIES, &measured, meddles).unwrap_err();
        assert!(matches!(told, PackError::Changed(_)), "{victim}: {told}");
    }
}

#[test]
fn nothing_gets_out_of_the_folder_it_is_unpacked_into() {
    let file = |name: &[u8]| with(EntryType::Regular, name, b"", b"x");
    for name in [&b"../out"[..], b"a/../../out", b"..", b"a/.."] {
        assert!(why(&file(name)).contains(".. in it"), "{name:?}");
    }
    assert!(why(&file(b"/tmp/out")).contains("begins with /"));
    for name in [&b""[..], b".", b"./a", b"a//b", b"a/"] {
        assert!(why(&file(name)).contains("no proper name"), "{name:?}");
    }
    for target in [&b"/etc"[..], b"..", b"../out", b"a/../../out", b""] {
        let told = why(&with(EntryType::Symlink, b"link", target, b""));
        assert!(told.contains("is a link out of the folder"), "{told}");
    }
    for kind in [EntryType::Link, EntryType::Char, EntryType::Block, EntryType::Fifo, EntryType::XHeader] {
        let told = why(&with(kind, b"thing", b"x", b""));
        assert!(told.contains("entry thing, which is neither a file nor a folder nor a link"), "{told}");
    }
}

#[test]
fn nothing_passes_through_a_link_or_writes_over_what_is_there() {
    let dir = |name: &[u8]| (header(EntryType::Directory, name, b"", b""), &b""[..]);
    let link = |name: &[u8], target: &[u8]| (header(EntryType::Symlink, name, target, b""), &b""[..]);
    let file = |name: &[u8]| (header(EntryType::Regular, name, b"", b"x"), &b"x"[..]);
    for (entries, says) in [
        (vec![dir(b"sub/"), link(b"link", b"sub"), file(b"link/x")], "passes through"),
        (vec![file(b"x"), file(b"x/y")], "passes through"),
        (vec![link(b"link", b"x"), file(b"link")], "is there twice"),
        (vec![file(b"x"), file(b"x")], "is there twice"),
        (vec![dir(b"x/"), dir(b"x/")], "is there twice"),
        (vec![file(b"no/x")], "did not come before it"),
    ] {
        let mut builder = Builder::new(vec![]);
        entries.iter().for_each(|(header, content)| builder.append(header, *content).unwrap());
        let told = why(&builder.into_inner().unwrap());
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn no_more_entries_come_than_are_wanted() {
    let here = tempfile::tempdir().unwrap();
    for n in 0..11 {
        fs::write(here.path().join(n.to_string()), "").unwrap();
    }
    assert!(measure(here.path(), 10).unwrap_err().to_string().contains("more than 10 files"));
    let bytes = stream(here.path()).unwrap();
    let into = tempfile::tempdir().unwrap();
    let told = unpack(&bytes[..], into.path(), 10).unwrap_err().to_string();
    assert!(told.contains("more than 10 entries"), "{told}");
}

#[test]
fn a_name_without_end_costs_no_memory() {
    let mut header = header(EntryType::GNULongName, b"././@LongLink", b"", b"");
    header.set_size(1 << 40);
    header.set_cksum();
    let endless = std::io::Read::chain(&header.as_bytes()[..], std::io::repeat(b'x'));
    let into = tempfile::tempdir().unwrap();
    let told = unpack(endless, into.path(), 10).unwrap_err().to_string();
    assert!(told.contains("more than 65536 bytes"), "{told}");
}

#[test]
fn a_stream_that_breaks_off_is_no_folder() {
    let here = tempfile::tempdir().unwrap();
    fs::write(here.path().join("x"), vec![1; 10_000]).unwrap();
    let bytes = stream(here.path()).unwrap();
    for end in [100, 512, 5000] {
        assert!(unpacked(&bytes[..end]).1.is_err(), "{end}");
    }
}
