//! Folders: packed on the way in, unpacked on the way out, and nothing gets out of them.

use std::fs;
use std::os::unix::fs::symlink;

use protocol::file::FileKind;

use crate::place::Place;
use crate::wire::{Wire, hash, upload};

/// Kept as a folder, whatever its bytes are.
fn keep(place: &Place, name: &str, bytes: &[u8]) {
    let mut put = upload(name, None, None);
    put.kind = FileKind::Folder;
    let (wire, _) = Wire::begin(place, put);
    let mut wire = wire.from(0);
    assert!(wire.chunks(bytes));
    wire.keep(hash(bytes)).unwrap();
}

#[test]
fn a_folder_comes_back_as_it_was_and_equal_folders_are_kept_once() {
    let place = Place::new();
    let folder = place.path("exp eriment");
    fs::create_dir_all(folder.join("sub/empty")).unwrap();
    fs::write(folder.join("sub/new\nline ünï"), "text").unwrap();
    fs::write(folder.join("x".repeat(255)), vec![1; 2_000_000]).unwrap();
    symlink("sub/new\nline ünï", folder.join("link")).unwrap();
    place.does(&["put", "exp eriment"]);
    place.does(&["get", "exp eriment", "back"]);
    assert_eq!(fs::read(place.path("back").join("link")).unwrap(), b"text");
    assert_eq!(fs::read(place.path("back").join("x".repeat(255))).unwrap(), vec![1; 2_000_000]);
    assert!(place.path("back/sub/empty").is_dir());
    let again = String::from_utf8(place.does(&["put", "back/"])).unwrap();
    assert!(again.starts_with("back: kept") && again.contains("these bytes were there already"), "{again}");
    assert_eq!(place.contents().len(), 1);
    let listed = String::from_utf8(place.does(&["ls"])).unwrap();
    assert!(listed.contains("folder") && listed.contains("exp eriment/"), "{listed}");
    let (code, why) = place.refuses(&["get", "exp eriment", "--force"]);
    assert!(code == 3 && why.contains("is there already"), "{why}");
    place.does(&["put", ".", "--name", "all"]);
}

#[test]
fn what_cannot_be_in_a_folder_is_refused_by_its_name() {
    let place = Place::new();
    fs::create_dir_all(place.path("folder/sub")).unwrap();
    let thing = place.path("folder/sub/thing");
    let refuses = |says: &str| {
        let (code, why) = place.refuses(&["put", "folder"]);
        assert!(code == 3 && why.contains("folder/sub/thing ") && why.contains(says), "{why}");
        fs::remove_file(&thing).unwrap();
    };
    let _listening = std::os::unix::net::UnixListener::bind(&thing).unwrap();
    refuses("is a socket");
    for target in ["/etc/passwd", "../../out", "../../../../etc"] {
        symlink(target, &thing).unwrap();
        refuses(target);
    }
    if crate::place::is_root() {
        use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
        // Where containers forbid it, there are none to be found either.
        if mknodat(CWD, &thing, FileType::CharacterDevice, Mode::RUSR, makedev(1, 3)).is_ok() {
            refuses("is a device");
        }
    }
    for n in 0..10 {
        fs::write(place.path(format!("folder/{n}")), "").unwrap();
    }
    let (code, why) = place.refuses(&["put", "folder", "--most", "10"]);
    assert!(code == 3 && why.contains("more than 10 files in "), "{why}");
    place.does(&["put", "folder", "--most", "11"]);
    let (code, why) = place.refuses(&["get", "folder", "back", "--most", "10"]);
    assert!(code == 3 && why.contains("more than 10 entries"), "{why}");
    place.does(&["get", "folder", "back", "--most", "11"]);
}

#[test]
fn a_hostile_folder_puts_nothing_anywhere() {
    let place = Place::new();
    let entry = |kind, name: &str, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        header
    };
    use tar::EntryType::{Char, Directory, Link, Regular, Symlink};
    let whole = place.path("whole path").display().to_string();
    let hostile = [
        ("climbs", vec![entry(Regular, "../out", "")]),
        ("whole", vec![entry(Regular, &whole, "")]),
        ("link out", vec![entry(Symlink, "link", "../.."), entry(Regular, "link/out", "")]),
        ("through", vec![entry(Directory, "d/", ""), entry(Symlink, "link", "d"), entry(Regular, "link/x", "")]),
        ("hard", vec![entry(Link, "link", "/etc/passwd")]),
        ("device", vec![entry(Char, "null", "")]),
    ];
    let names = |place: &Place| {
        let mut names: Vec<_> = fs::read_dir(place.work()).unwrap().map(|one| one.unwrap().file_name()).collect();
        names.sort();
        names
    };
    for (name, entries) in hostile {
        let mut builder = tar::Builder::new(vec![]);
        entries.iter().for_each(|header| builder.append(header, &b""[..]).unwrap());
        keep(&place, name, &builder.into_inner().unwrap());
        let (code, why) = place.refuses(&["get", name, "back"]);
        assert!(code == 3 && why.contains("nothing of it was kept"), "{name}: {why}");
        assert!(names(&place).is_empty(), "{name}: {:?}", names(&place));
    }
    keep(&place, "no folder", b"this is no archive at all");
    let (code, _) = place.refuses(&["get", "no folder", "back"]);
    assert_eq!(code, 3);
    assert!(names(&place).is_empty(), "{:?}", names(&place));
    assert!(!place.here.path().join("out").exists());
}
