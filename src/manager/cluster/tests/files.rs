//! Files: whose they are, who may see them, and how much there may be of them.

use protocol::api::{Refusal, RefusalKind, Reply, Request, Right};
use protocol::event::What;
use protocol::file::{ContentHash, FileKept, FileKind, FileList, FileQuery, FileRef, FileView};
use protocol::name::{FileName, PersonName};
use protocol::time::UnixMillis;

use super::world::*;
use crate::manager::cluster::{Caller, ClusterConfig, Input, Told, Upload};

fn called(text: &str) -> FileName {
    text.parse().unwrap()
}

fn file(text: &str) -> FileRef {
    text.parse().unwrap()
}

fn people(names: &[&str]) -> Vec<PersonName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn viewer(person: &str) -> Caller {
    Caller { person: person.parse().unwrap(), right: Right::Viewer }
}

impl World {
    pub fn room(&mut self, caller: &Caller, name: &str, size: Option<u64>) -> Result<u64, Refusal> {
        let call = self.new_call();
        self.put(Input::PlanPut { call, caller: caller.clone(), name: called(name), size });
        match self.answers.remove(&call) {
            Some(Told::Room(room)) => Ok(room),
            Some(Told::Refused(refusal)) => Err(refusal),
            other => panic!("no room and no refusal: {other:?}"),
        }
    }

    /// A file of so many bytes, whose content is told by a letter.
    pub fn keep(&mut self, caller: &Caller, name: &str, size: u64, content: u8) -> Result<FileView, Refusal> {
        let call = self.new_call();
        let hash = ContentHash([content; 32]);
        let upload = Upload { name: called(name), kind: FileKind::File, executable: false, size, hash, known: false };
        self.put(Input::KeepFile { call, caller: caller.clone(), upload });
        match self.told(call).expect("an answer at once")? {
            Reply::FileKept(FileKept { file, .. }) => Ok(file),
            other => panic!("not kept: {other:?}"),
        }
    }

    pub fn list(&mut self, caller: &Caller, query: FileQuery) -> FileList {
        match self.ask_as(caller, Request::Files(query)) {
            Ok(Reply::Files(list)) => list,
            other => panic!("no list: {other:?}"),
        }
    }

    fn names(&mut self, caller: &Caller) -> Vec<String> {
        let list = self.list(caller, FileQuery::default());
        list.files.iter().map(|file| format!("{}/{}", file.owner, file.name)).collect()
    }

    fn see(&mut self, caller: &Caller, what: &str) -> Result<FileView, Refusal> {
        match self.ask_as(caller, Request::File { file: file(what) })? {
            Reply::File(view) => Ok(view),
            other => panic!("no file: {other:?}"),
        }
    }
}

fn with_quota(files_quota: u64) -> World {
    World::with(ClusterConfig { files_quota, ..ClusterConfig::default() })
}

#[test]
fn a_file_that_is_put_again_takes_the_place_of_the_one_before() {
    let mut world = World::new();
    let ana = operator("ana");
    let first = world.keep(&ana, "data.csv", 10, b'a').unwrap();
    world.pass(5000);
    let second = world.keep(&ana, "data.csv", 20, b'b').unwrap();
    assert_eq!((first.version, second.version), (1, 2));
    assert_eq!(second.kept_at, UnixMillis(first.kept_at.0 + 5000));
    assert_eq!(world.list(&ana, FileQuery::default()).used, 20);
    assert_eq!(world.kept.files.keys().copied().collect::<Vec<_>>(), [2], "nobody refers to the first");
    let last = world.events.last().unwrap();
    assert!(matches!(&last.what, What::FileKept { version: 2, size: 20, .. }), "{last:?}");
    assert_eq!(last.person.as_ref().unwrap().as_str(), "ana");
}

#[test]
fn a_content_goes_with_the_last_version_that_has_it() {
    // The kept world checks that no content goes while a row has it.
    let mut world = World::new();
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.keep(&ana, "one", 10, b'a').unwrap();
    world.keep(&bo, "two", 10, b'a').unwrap();
    let gone = |effects: &[crate::manager::cluster::Effect]| {
        use crate::manager::cluster::{Change, Effect};
        effects.iter().filter(|e| matches!(e, Effect::Persist(Change::ContentGone(_)))).count()
    };
    for (caller, name, goes) in [(&ana, "one", 0), (&bo, "two", 1)] {
        let call = world.new_call();
        let request = Request::FileRemove { file: file(name) };
        let effects = world.handle(Input::Request { call, caller: caller.clone(), request });
        assert_eq!(gone(&effects), goes, "{name}");
        world.commit(effects);
    }
    assert!(world.kept.files.is_empty());
}

#[test]
fn the_same_content_put_again_is_not_let_go() {
    let mut world = World::new();
    let ana = operator("ana");
    world.keep(&ana, "data", 10, b'a').unwrap();
    let again = world.keep(&ana, "data", 10, b'a').unwrap();
    assert_eq!(world.see(&ana, "data").unwrap(), again);
}

#[test]
fn nobody_keeps_more_than_the_quota() {
    let mut world = with_quota(100);
    let ana = operator("ana");
    assert_eq!(world.room(&ana, "a", None), Ok(100));
    world.keep(&ana, "a", 70, b'a').unwrap();
    assert_eq!(world.room(&ana, "b", None), Ok(30));
    assert_eq!(world.room(&ana, "a", None), Ok(100), "what it replaces counts for it");
    let told = world.room(&ana, "b", Some(31)).unwrap_err();
    assert_eq!(told.kind, RefusalKind::Refused);
    assert!(told.message.contains("\"b\" has 31 B") && told.message.contains("30 B are left"), "{told}");
    // Two that began side by side.
    world.keep(&ana, "b", 30, b'b').unwrap();
    assert_eq!(world.keep(&ana, "c", 1, b'c').unwrap_err().kind, RefusalKind::Refused);
    assert_eq!(world.list(&ana, FileQuery::default()).quota, 100);
    assert_eq!(world.room(&operator("bo"), "c", Some(100)), Ok(100), "each has their own");
}

#[test]
fn others_see_what_is_shared_with_them_and_nothing_else() {
    let mut world = World::new();
    let (ana, bo, cy) = (operator("ana"), viewer("bo"), viewer("cy"));
    world.keep(&ana, "data", 10, b'a').unwrap();
    world.keep(&ana, "diary", 10, b'b').unwrap();
    let share = |on| Request::FileShare { file: file("data"), with: people(&["bo", "ana"]), on };
    world.ask_as(&ana, share(true)).unwrap();
    assert_eq!(world.names(&bo), ["ana/data"]);
    assert!(world.names(&cy).is_empty());
    assert_eq!(world.see(&bo, "ana/data").unwrap().shared_with, people(&["bo"]), "an owner needs no share");
    for (caller, what) in [(&bo, "ana/diary"), (&bo, "data"), (&cy, "ana/data"), (&bo, "nobody/data")] {
        assert_eq!(world.see(caller, what).unwrap_err().kind, RefusalKind::NotFound, "{what}");
    }
    // It stays shared when it is put again, and when it is renamed.
    world.keep(&ana, "data", 11, b'c').unwrap();
    world.ask_as(&ana, Request::FileRename { file: file("data"), to: called("results") }).unwrap();
    assert_eq!(world.names(&bo), ["ana/results"]);
    world.restart();
    assert_eq!(world.names(&bo), ["ana/results"]);
    let request = Request::FileShare { file: file("results"), with: people(&["bo"]), on: false };
    world.ask_as(&ana, request).unwrap();
    assert!(world.names(&bo).is_empty());
}

#[test]
fn only_the_owner_or_an_admin_changes_a_file() {
    let mut world = World::new();
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.keep(&ana, "data", 10, b'a').unwrap();
    let share = Request::FileShare { file: file("data"), with: people(&["bo"]), on: true };
    world.ask_as(&ana, share).unwrap();
    let data = || file("ana/data");
    for request in [
        Request::FileRemove { file: data() },
        Request::FileRename { file: data(), to: called("mine") },
        Request::FileShare { file: data(), with: people(&["cy"]), on: true },
    ] {
        let told = world.ask_as(&bo, request.clone()).unwrap_err();
        assert_eq!(told.kind, RefusalKind::Refused, "{request:?}: {told}");
    }
    let moved = world.ask_as(&admin(), Request::FileRename { file: data(), to: called("old") }).unwrap();
    assert!(matches!(moved, Reply::File(FileView { ref owner, .. }) if owner.as_str() == "ana"), "{moved:?}");
    world.ask_as(&admin(), Request::FileRemove { file: file("ana/old") }).unwrap();
    assert!(world.kept.files.is_empty());
}

#[test]
fn a_new_name_is_not_taken_from_another_file() {
    let mut world = World::new();
    let ana = operator("ana");
    world.keep(&ana, "one", 10, b'a').unwrap();
    world.keep(&ana, "two", 10, b'b').unwrap();
    let told = world.ask_as(&ana, Request::FileRename { file: file("one"), to: called("two") }).unwrap_err();
    assert_eq!(told.kind, RefusalKind::Refused);
    assert_eq!(world.names(&ana), ["ana/one", "ana/two"]);
}

#[test]
fn a_version_number_is_never_given_twice() {
    let mut world = World::new();
    let ana = operator("ana");
    world.keep(&ana, "one", 10, b'a').unwrap();
    world.ask_as(&ana, Request::FileRemove { file: file("one") }).unwrap();
    world.restart();
    assert_eq!(world.keep(&ana, "one", 10, b'a').unwrap().version, 2);
}

#[test]
fn a_list_is_read_window_by_window_whatever_the_names_are() {
    let mut world = World::new();
    let ana = operator("ana");
    for n in 0..5000_u64 {
        let name = format!("{n:04}{}", "\u{1}".repeat(250));
        world.keep(&ana, &name, n, (n % 250) as u8).unwrap();
    }
    let (mut read, mut total) = (vec![], 1);
    while read.len() < total {
        let list = world.list(&ana, FileQuery { skip: read.len() as u32, limit: 5000, owner: None });
        let bytes = serde_json::to_vec(&list).unwrap().len();
        assert!(bytes < protocol::frame::LONGEST, "{bytes} bytes");
        assert!(!list.files.is_empty());
        total = list.total as usize;
        read.extend(list.files.into_iter().map(|file| file.size));
    }
    assert_eq!(read, (0..5000).collect::<Vec<_>>());
}

#[test]
fn times_are_those_of_the_managers_own_clock_even_where_it_goes_back() {
    let mut world = World::new();
    let ana = operator("ana");
    world.keep(&ana, "one", 10, b'a').unwrap();
    world.now.wall.0 -= 86_400_000;
    let later = world.keep(&ana, "one", 10, b'b').unwrap();
    assert_eq!((later.version, later.kept_at), (2, UnixMillis(DAWN - 86_400_000)), "the version says what is newer");
}
