//! Contents that come, are placed, and go.

use std::os::unix::fs::PermissionsExt;

use protocol::agent::Given;
use protocol::file::{ContentHash, FileKind};
use protocol::id::AttemptId;

use super::arrive::{ArriveError, Part};
use super::place::{PlaceError, place};
use super::*;

/// Of a task, where the test is root.
const UID: u32 = 1_900_000_001;

fn room() -> (tempfile::TempDir, Layout) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
    folder::prepare(&layout).unwrap();
    (dir, layout)
}

fn task_uid() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(UID)
}

fn given(name: &str, kind: FileKind, bytes: &[u8]) -> Given {
    let hash = ContentHash(*blake3::hash(bytes).as_bytes());
    let name = name.parse().unwrap();
    Given { name, kind, size: bytes.len() as u64, hash, executable: false, writable: false }
}

fn file(name: &str, bytes: &[u8]) -> Given {
    given(name, FileKind::File, bytes)
}

fn arrive(layout: &Layout, given: &Given, bytes: &[u8]) -> Result<(), ArriveError> {
    let mut part = Part::open(layout, Content::of(given), given.size, 0)?;
    part.add(bytes)?;
    part.finish()
}

/// A cache with these files in it, each used later than the one before.
fn filled(layout: &Layout, limit: u64, files: &[&Given], bytes: &[&[u8]]) -> Cache {
    let mut cache = Cache::open(layout, Some(limit)).unwrap();
    for (one, bytes) in files.iter().zip(bytes) {
        arrive(layout, one, bytes).unwrap();
        cache.know(Content::of(one));
    }
    cache
}

fn packed(folder: &Path) -> Vec<u8> {
    let measured = packing::measure(folder, 1000).unwrap();
    let mut bytes = vec![];
    packing::pack(folder, 1000, &measured, &mut bytes).unwrap();
    bytes
}

fn attempt(index: u32) -> AttemptId {
    protocol::id::TaskId::new(1, index).attempt(1)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|found| found.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_came_in_part_goes_on_and_what_is_wrong_begins_anew() {
    let (_dir, layout) = room();
    let _cache = Cache::open(&layout, None).unwrap();
    let bytes = vec![7; 200_000];
    let data = file("data", &bytes);
    let content = Content::of(&data);
    let mut part = Part::open(&layout, content, data.size, 0).unwrap();
    part.add(&bytes[..150_000]).unwrap();
    drop(part);
    let mut part = Part::open(&layout, content, data.size, 0).unwrap();
    assert_eq!((part.length(), part.lacks()), (150_000, 50_000));
    part.add(&[8; 50_000]).unwrap();
    assert!(matches!(part.finish(), Err(ArriveError::Wrong)));
    let mut part = Part::open(&layout, content, data.size, 0).unwrap();
    assert_eq!(part.length(), 0);
    part.add(&bytes).unwrap();
    part.finish().unwrap();
    let entry = layout.cache().join(content.to_string());
    assert_eq!(names(&layout.cache()), [content.to_string()]);
    assert_eq!(fs::read(entry.join(PLAIN)).unwrap(), bytes);
    assert_eq!((mode(&entry.join(PLAIN)), mode(&layout.cache())), (0o444, 0o700));
    // More than it should be is not it.
    fs::write(part_path(&layout, content), vec![7; 300_000]).unwrap();
    assert_eq!(Part::open(&layout, content, data.size, 0).unwrap().length(), 0);
}

fn part_path(layout: &Layout, content: Content) -> PathBuf {
    part(&layout.cache(), content)
}

#[test]
fn what_finds_no_room_says_how_much_it_lacks() {
    let (_dir, layout) = room();
    let _cache = Cache::open(&layout, None).unwrap();
    let data = file("data", b"x");
    let Err(error) = Part::open(&layout, Content::of(&data), 1 << 60, 0) else { panic!("there is no such disk") };
    assert!(error.want_of_room().is_some_and(|lack| lack > 1 << 59));
    assert!(error.to_string().contains("it needs 1024 PiB more, and "), "{error}");
}

#[test]
fn what_others_bring_meanwhile_is_room_that_is_taken() {
    let (_dir, layout) = room();
    let _cache = Cache::open(&layout, None).unwrap();
    let content = Content::of(&file("data", b"x"));
    Part::open(&layout, content, 1, 0).unwrap();
    let Err(error) = Part::open(&layout, content, 1, 1 << 60) else { panic!("there is no such disk") };
    assert!(error.want_of_room().is_some(), "{error}");
}

#[test]
fn what_nobody_knows_any_more_is_in_nobodys_way() {
    let (_dir, layout) = room();
    let data = file("data", b"text");
    let mut cache = filled(&layout, u64::MAX, &[&data], &[b"text"]);
    cache.forget(Content::of(&data));
    arrive(&layout, &data, b"text").unwrap();
    cache.know(Content::of(&data));
    assert!(cache.has(Content::of(&data)));
    let young = file("young", b"young");
    fs::write(part_path(&layout, Content::of(&young)), "you").unwrap();
    cache.drop_parts(|content| content == Content::of(&young));
    assert!(part_path(&layout, Content::of(&young)).exists(), "it is on its way");
    cache.drop_parts(|_| false);
    assert_eq!(names(&layout.cache()), [Content::of(&data).to_string()]);
}

#[test]
fn nothing_given_takes_the_place_of_the_result() {
    let (_dir, layout) = room();
    let data = file("out", b"text");
    let _cache = filled(&layout, u64::MAX, &[&data], &[b"text"]);
    let told = place(&layout, attempt(1), task_uid(), &[data]).unwrap_err().to_string();
    assert_eq!(told, "\"out\" cannot be put into its folder: the folder for its result is called so");
}

#[test]
fn a_task_finds_what_it_was_given_and_can_change_only_its_own() {
    let (_dir, layout) = room();
    let (text, script) = (b"text".as_slice(), b"#!/bin/sh\n".as_slice());
    let read_only = file("data", text);
    let program = Given { executable: true, ..file("run", script) };
    let own = Given { writable: true, ..file("own", text) };
    let own_program = Given { writable: true, executable: true, ..file("own run", script) };
    let _cache = filled(&layout, u64::MAX, &[&read_only, &program], &[text, script]);
    let given = [read_only, program, own, own_program];
    let path = place(&layout, attempt(1), task_uid(), &given).unwrap();
    assert_eq!(names(&path), ["data", "out", "own", "own run", "run"]);
    assert_eq!((mode(&path), mode(&path.join("out"))), (0o700, 0o700));
    for (name, expected, is_own) in
        [("data", 0o444, false), ("run", 0o555, false), ("own", 0o644, true), ("own run", 0o755, true)]
    {
        let meta = fs::symlink_metadata(path.join(name)).unwrap();
        assert_eq!((mode(&path.join(name)), meta.len() > 0), (expected, true), "{name}");
        if rustix::process::geteuid().is_root() {
            assert_eq!(meta.uid(), if is_own { UID } else { 0 }, "{name}");
        }
    }
    if rustix::process::geteuid().is_root() {
        assert_eq!(fs::symlink_metadata(&path).unwrap().uid(), UID);
        assert_eq!(fs::symlink_metadata(path.join("out")).unwrap().uid(), UID);
    }
    let cached = layout.cache().join(Content::of(&given[0]).to_string()).join(PLAIN);
    fs::write(path.join("own"), "changed").unwrap();
    assert_eq!((fs::read(&cached).unwrap(), mode(&cached)), (text.to_vec(), 0o444));
    // Removing the folder leaves the cached file as it was.
    let before = fs::symlink_metadata(&cached).unwrap();
    assert!(folder::remove(&layout, attempt(1)));
    folder::empty_gone(&layout).unwrap();
    let after = fs::symlink_metadata(&cached).unwrap();
    assert_eq!((after.mode(), after.uid(), after.len()), (before.mode(), before.uid(), before.len()));
    assert_eq!(after.nlink(), 1);
    assert!(!path.exists());
}

#[test]
fn a_folder_comes_with_all_that_is_in_it() {
    let (dir, layout) = room();
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("sub/deep")).unwrap();
    fs::create_dir(source.join("empty")).unwrap();
    fs::write(source.join("sub/deep/text"), "text").unwrap();
    fs::write(source.join("run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(source.join("run"), fs::Permissions::from_mode(0o750)).unwrap();
    std::os::unix::fs::symlink("../run", source.join("sub/link")).unwrap();
    let bytes = packed(&source);
    let shared = given("shared", FileKind::Folder, &bytes);
    let own = Given { writable: true, ..given("own", FileKind::Folder, &bytes) };
    let cache = filled(&layout, u64::MAX, &[&shared], &[&bytes]);
    assert!(cache.bytes > 4096);
    assert_eq!(names(&layout.cache()), [Content::of(&shared).to_string()], "no part of it is left");
    let path = place(&layout, attempt(1), task_uid(), &[shared, own]).unwrap();
    for (folder, file, run) in [("shared", 0o444, 0o555), ("own", 0o644, 0o755)] {
        let folder = path.join(folder);
        assert_eq!(names(&folder), ["empty", "run", "sub"]);
        assert_eq!(fs::read_to_string(folder.join("sub/deep/text")).unwrap(), "text");
        assert_eq!(fs::read_link(folder.join("sub/link")).unwrap(), Path::new("../run"));
        assert_eq!((mode(&folder.join("sub/deep/text")), mode(&folder.join("run"))), (file, run));
        assert_eq!((mode(&folder), mode(&folder.join("sub/deep"))), (0o755, 0o755));
        if rustix::process::geteuid().is_root() {
            let owner = |name: &str| fs::symlink_metadata(folder.join(name)).unwrap().uid();
            assert_eq!((owner("sub/deep"), owner("sub/link")), (UID, UID));
            assert_eq!(owner("run"), if run == 0o755 { UID } else { 0 });
        }
    }
}

#[test]
fn a_hostile_folder_is_refused_and_leaves_nothing() {
    let (_dir, layout) = room();
    let _cache = Cache::open(&layout, None).unwrap();
    let mut header = [0; 1024];
    header[..6].copy_from_slice(b"../out");
    let bad = given("bad", FileKind::Folder, &header);
    let error = arrive(&layout, &bad, &header).unwrap_err();
    assert!(matches!(error, ArriveError::Unpack(_)), "{error}");
    assert!(!part_path(&layout, Content::of(&bad)).exists());
    assert_eq!(names(&layout.cache()), [""; 0]);
    let empty = given("empty", FileKind::Folder, &[0; 1024]);
    arrive(&layout, &empty, &[0; 1024]).unwrap();
    assert_eq!(names(&layout.cache()), [Content::of(&empty).to_string()]);
}

#[test]
fn nothing_that_is_there_is_written_over_and_what_lacks_is_named() {
    let (_dir, layout) = room();
    let data = file("data", b"text");
    let twice = Given { writable: true, ..data.clone() };
    let mut cache = filled(&layout, u64::MAX, &[&data], &[b"text"]);
    let error = place(&layout, attempt(1), None, &[data.clone(), twice]).unwrap_err();
    assert!(error.to_string().contains("\"data\" cannot be put into its folder"), "{error}");
    fs::remove_dir_all(layout.cache().join(Content::of(&data).to_string())).unwrap();
    let error = place(&layout, attempt(2), None, std::slice::from_ref(&data)).unwrap_err();
    assert!(matches!(error, PlaceError::Lost(_, content) if content == Content::of(&data)), "{error}");
    cache.forget(Content::of(&data));
    assert_eq!((cache.bytes, cache.has(Content::of(&data))), (0, false));
}

#[test]
fn what_was_used_longest_ago_goes_first_and_what_is_needed_never() {
    let (_dir, layout) = room();
    let contents: Vec<Vec<u8>> = (0..4u8).map(|number| vec![number; 100_000]).collect();
    let files: Vec<Given> = contents.iter().map(|bytes| file("data", bytes)).collect();
    let bytes: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let ids: Vec<Content> = files.iter().map(Content::of).collect();
    let mut cache = filled(&layout, 450_000, &files.iter().collect::<Vec<_>>(), &bytes);
    assert!(!cache.make_room(&layout, 0, &BTreeSet::new()), "all of it fits");
    assert!(!cache.make_room(&layout, 450_001, &BTreeSet::new()), "nothing makes room for what never fits");
    cache.used(ids[0]);
    assert!(cache.make_room(&layout, 100_000, &[ids[1]].into()));
    let has = |cache: &Cache| ids.iter().map(|one| cache.has(*one)).collect::<Vec<_>>();
    assert_eq!(has(&cache), [true, true, false, true], "the second was needed, the first was used last");
    assert_eq!(names(&layout.cache()).len(), 3);
    assert!(cache.make_room(&layout, 450_000, &[ids[0], ids[1]].into()));
    assert_eq!(has(&cache), [true, true, false, false], "what is needed stays, whatever the limit is");
    assert!(!cache.make_room(&layout, 450_000, &[ids[0], ids[1]].into()));
    assert!(!cache.give_back(&layout, 150_000, &[ids[1]].into()), "that would be for nothing");
    assert_eq!(has(&cache), [true, true, false, false]);
    assert!(cache.give_back(&layout, 50_000, &BTreeSet::new()));
    assert_eq!(has(&cache), [true, false, false, false], "no more than needed");
    arrive(&layout, &files[1], &contents[1]).unwrap();
    cache.know(ids[1]);
    assert!(cache.empty(&layout, &[ids[1]].into()));
    assert_eq!(has(&cache), [false, true, false, false]);
    folder::empty_gone(&layout).unwrap();
}

#[test]
fn a_new_agent_finds_what_was_whole_in_the_order_it_was_used_and_removes_the_rest() {
    let (_dir, layout) = room();
    let files = [file("data", b"one"), file("data", b"two")];
    let ids = files.each_ref().map(Content::of);
    let mut cache = filled(&layout, u64::MAX, &[&files[0], &files[1]], &[b"one", b"two"]);
    let before = cache.bytes;
    cache.used(ids[0]);
    for (index, old) in [(0, 100), (1, 200)] {
        let folder = fs::File::open(layout.cache().join(ids[index].to_string())).unwrap();
        folder.set_modified(SystemTime::now() - Duration::from_secs(old)).unwrap();
    }
    let cache_folder = layout.cache();
    let (young, old) = (file("young", b"young"), file("old", b"old"));
    for (given, age) in [(&young, 60), (&old, 2 * 24 * 3600)] {
        let part = fs::File::create(part_path(&layout, Content::of(given))).unwrap();
        part.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }
    fs::create_dir(new(&cache_folder, Content::of(&young))).unwrap();
    fs::create_dir_all(cache_folder.join("stranger/folder")).unwrap();
    fs::write(cache_folder.join("x"), "").unwrap();
    fs::create_dir(cache_folder.join(Content::of(&young).to_string())).unwrap();

    let mut again = Cache::open(&layout, Some(before / 2)).unwrap();
    assert_eq!(again.bytes, before);
    let mut expected = vec![ids[0].to_string(), ids[1].to_string(), format!("{}{PART}", Content::of(&young))];
    expected.sort();
    assert_eq!(names(&cache_folder), expected);
    assert!(again.make_room(&layout, 0, &BTreeSet::new()));
    assert!(again.has(ids[0]) && !again.has(ids[1]), "the second was used longer ago");
}
