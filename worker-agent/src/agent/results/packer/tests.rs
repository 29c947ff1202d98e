//! What comes of what a task left, and what must not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::PathBuf;

use super::*;
use crate::agent::folder;

const UID: u32 = 1_900_000_001;
const OTHER: u32 = 1_900_000_002;

struct Place {
    dir: tempfile::TempDir,
    layout: Layout,
    attempt: AttemptId,
    root: bool,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
        folder::prepare(&layout).unwrap();
        let attempt = "17.3#2".parse().unwrap();
        let root = rustix::process::geteuid().is_root();
        folder::make(&layout, attempt, root.then_some(UID)).unwrap();
        Self { dir, layout, attempt, root }
    }

    fn out(&self) -> PathBuf {
        self.layout.out(self.attempt)
    }

    /// As its task would have made it.
    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.out().join(name);
        fs::write(&path, bytes).unwrap();
        self.give(&path, UID);
    }

    fn give(&self, path: &Path, uid: u32) {
        if self.root {
            chown(path, Some(uid), Some(uid)).unwrap();
        }
    }

    fn start(&self) -> Packer {
        Packer::start(self.layout.clone(), self.attempt, self.root).unwrap()
    }

    /// What was said of it, where the bytes begin, and the bytes.
    async fn all(&self, offset: u64, hash: ContentHash) -> Result<(Left, u64, Vec<u8>), NotPacked> {
        let mut packer = self.start();
        let Said::Looked { left, .. } = packer.next().await? else { panic!("there is something") };
        packer.begin(offset, hash);
        let Said::From(from) = packer.next().await? else { panic!("where it begins") };
        let mut bytes = vec![];
        loop {
            match packer.next().await? {
                Said::Piece(piece) => {
                    assert!((1..=PIECE).contains(&piece.len()));
                    bytes.extend(piece);
                }
                Said::End(hash) => {
                    if from == 0 {
                        assert_eq!(hash, hash_of(&bytes));
                    }
                    return Ok((left, from, bytes));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    async fn names(&self) -> (Left, Vec<String>) {
        let (left, from, bytes) = self.all(0, hash_of(b"")).await.unwrap();
        assert_eq!((from, bytes.len() as u64), (0, left.size));
        let into = tempfile::tempdir().unwrap();
        assert_eq!(packing::unpack(&bytes[..], into.path(), 1000).unwrap(), left.entries);
        let found = fs::read_dir(into.path()).unwrap();
        let mut names: Vec<_> = found.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        (left, names)
    }

    async fn fails(&self) -> NotPacked {
        self.start().next().await.unwrap_err()
    }
}

fn hash_of(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}

fn varied(length: u32) -> Vec<u8> {
    (0..length / 4).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[tokio::test]
async fn the_bytes_begin_where_the_other_side_has_no_more_of_them_and_only_if_those_are_the_same() {
    let place = Place::new();
    place.write("data", &varied(1_000_000));
    let (left, from, whole) = place.all(0, hash_of(b"")).await.unwrap();
    assert_eq!((left.entries, left.left_out, from, whole.len() as u64), (1, 0, 0, left.size));
    let size = left.size;
    for offset in [1, 511, 512, 300_000, size - 1, size] {
        let part = &whole[..offset as usize];
        let (_, from, rest) = place.all(offset, hash_of(part)).await.unwrap();
        assert_eq!(from, offset);
        assert!(rest == whole[offset as usize..]);
        let (_, from, all) = place.all(offset, hash_of(b"something else")).await.unwrap();
        assert!(from == 0 && all == whole, "{offset}");
    }
    let (_, from, all) = place.all(size + 1, hash_of(&whole)).await.unwrap();
    assert!(from == 0 && all == whole, "nobody has more than there is");
}

#[tokio::test]
async fn what_its_owner_cannot_read_is_left_out_and_so_is_what_leads_elsewhere() {
    let place = Place::new();
    if !place.root {
        return;
    }
    place.write("mine", b"text");
    for (name, mode, owner) in [("of root", 0o600, 0), ("of another", 0o600, OTHER), ("closed", 0o000, UID)] {
        let path = place.out().join(name);
        fs::write(&path, "secret").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        place.give(&path, owner);
        let folder = place.out().join(format!("folder {name}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("file"), "secret").unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(mode & 0o100)).unwrap();
        place.give(&folder, owner);
    }
    symlink("/etc/shadow", place.out().join("link")).unwrap();
    let (left, names) = place.names().await;
    assert_eq!((names, left.left_out), (vec!["mine".to_owned()], 7));
}

#[tokio::test]
async fn this_thread_alone_gives_up_what_it_may() {
    let place = Place::new();
    if !place.root {
        return;
    }
    place.write("mine", b"text");
    place.names().await;
    let secret = place.dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    let other = std::thread::spawn({
        let secret = secret.clone();
        move || {
            become_owner(UID).unwrap();
            assert!(rustix::process::getgroups().unwrap().is_empty());
            assert_eq!(fs::read(secret).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            assert!(become_owner(OTHER).is_err(), "it cannot become anybody else");
        }
    });
    other.join().unwrap();
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(become_owner(0).is_err());
}

#[tokio::test]
async fn what_is_roots_is_no_result() {
    let place = Place::new();
    if !place.root {
        return;
    }
    place.write("mine", b"text");
    place.give(&place.layout.work(place.attempt), 0);
    let NotPacked::Never(why) = place.fails().await else { panic!("it is not packed") };
    assert_eq!(why, "out cannot be read as its owner: that is root");
}

#[tokio::test]
async fn nothing_and_what_is_no_folder_have_their_answers() {
    let place = Place::new();
    fs::remove_dir(place.out()).unwrap();
    assert!(matches!(place.start().next().await, Ok(Said::Nothing)));
    let elsewhere = place.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("file"), "x").unwrap();
    symlink(&elsewhere, place.out()).unwrap();
    let NotPacked::Torn(why) = place.fails().await else { panic!("no link is followed") };
    assert!(why.starts_with("out cannot be read: "), "{why}");
    folder::remove(&place.layout, place.attempt);
    assert!(matches!(place.start().next().await, Ok(Said::Nothing)));
}

#[tokio::test]
async fn what_changes_meanwhile_is_torn() {
    let place = Place::new();
    place.write("a", &varied(4_000_000));
    let mut packer = place.start();
    assert!(matches!(packer.next().await, Ok(Said::Looked { .. })));
    place.write("b", b"more");
    packer.begin(0, hash_of(b""));
    let torn = loop {
        match packer.next().await {
            Ok(Said::From(_) | Said::Piece(_)) => {}
            other => break other,
        }
    };
    let Err(NotPacked::Torn(why)) = torn else { panic!("it is not what it was: {torn:?}") };
    assert_eq!(why, "out changed while it was read");
}

#[test]
fn no_name_makes_a_sentence_endless_or_moves_the_cursor() {
    let told = |name: &str| match NotPacked::from(PackError::Changed(name.into())) {
        NotPacked::Torn(why) => why,
        NotPacked::Never(why) => panic!("{why}"),
    };
    assert_eq!(told("out/a\n\u{1b}[2Jb"), "out/a??[2Jb changed while it was read");
    let long = told(&"ä".repeat(10_000));
    assert_eq!((long.chars().count(), long.ends_with("ä…")), (LONGEST + 1, true));
    let many = NotPacked::from(PackError::TooMany { path: OUT.into(), most: 10 });
    let NotPacked::Never(why) = many else { panic!("no other try can help") };
    assert_eq!(why, "there are more than 10 files in out/; pack them into one");
}

#[tokio::test]
async fn the_thread_waits_for_whoever_takes_it_and_ends_when_nobody_does() {
    let place = Place::new();
    place.write("a", &varied(4_000_000));
    let mut packer = place.start();
    assert!(matches!(packer.next().await, Ok(Said::Looked { .. })));
    packer.begin(0, hash_of(b""));
    assert!(matches!(packer.next().await, Ok(Said::From(0))));
    // It has read on as far as it may.
    while packer.said.len() < AHEAD {
        tokio::task::yield_now().await;
    }
    let packers = || {
        let names = fs::read_dir("/proc/self/task").unwrap();
        let name = |task: io::Result<fs::DirEntry>| fs::read_to_string(task.unwrap().path().join("comm")).ok();
        names.filter_map(name).filter(|name| name.trim() == "packer").count()
    };
    assert_eq!(packers(), 1);
    drop(packer);
    while packers() > 0 {
        tokio::task::yield_now().await;
    }
}
