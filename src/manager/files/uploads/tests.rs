use super::*;
use std::io::Write;

struct Disk {
    folder: tempfile::TempDir,
    uploads: Uploads,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let uploads = Uploads::new(folder.path());
        uploads.sweep().unwrap();
        Self { folder, uploads }
    }

    /// The manager starts anew.
    fn again(&mut self) {
        self.uploads = Uploads::new(self.folder.path());
        self.uploads.sweep().unwrap();
    }

    fn write(&self, key: u8, bytes: usize) -> Part {
        let mut part = self.uploads.begin(ana(), Some(ContentHash([key; 32]))).unwrap();
        part.file().unwrap().write_all(&vec![0; bytes]).unwrap();
        part
    }

    fn names(&self) -> usize {
        fs::read_dir(self.folder.path().join("uploads/ana")).map_or(0, |names| names.count())
    }

    fn backdate(&self, by: Duration) {
        let past = Instant::now();
        for half in self.uploads.halves().known.values_mut() {
            half.idle = half.idle.map(|_| Idle { since: past, before: by });
        }
    }
}

fn ana() -> &'static str {
    "ana"
}

fn length(part: &mut Part) -> u64 {
    part.file().unwrap().metadata().unwrap().len()
}

#[test]
fn an_upload_that_broke_off_is_there_when_it_comes_again() {
    let mut disk = Disk::new();
    drop(disk.write(1, 100));
    assert_eq!(length(&mut disk.uploads.begin(ana(), Some(ContentHash([1; 32]))).unwrap()), 100);
    disk.again();
    assert_eq!(length(&mut disk.uploads.begin(ana(), Some(ContentHash([1; 32]))).unwrap()), 100);
    assert_eq!(length(&mut disk.uploads.begin("bo", Some(ContentHash([1; 32]))).unwrap()), 0, "not hers");
}

#[test]
fn one_without_a_key_or_thrown_away_leaves_nothing() {
    let disk = Disk::new();
    let mut part = disk.uploads.begin(ana(), None).unwrap();
    part.file().unwrap().write_all(b"abc").unwrap();
    drop(part);
    disk.write(1, 100).discard();
    assert_eq!(disk.names(), 0);
}

#[test]
fn two_that_upload_the_same_at_once_do_not_write_into_one_file() {
    let disk = Disk::new();
    let one = disk.write(1, 100);
    let mut other = disk.uploads.begin(ana(), Some(ContentHash([1; 32]))).unwrap();
    assert_ne!(one.path(), other.path());
    assert_eq!(length(&mut other), 0);
}

#[test]
fn what_nobody_came_back_for_in_a_day_goes() {
    let disk = Disk::new();
    drop(disk.write(1, 100));
    disk.backdate(DAY - Duration::from_secs(60));
    disk.uploads.tidy();
    assert_eq!(disk.names(), 1);
    disk.backdate(DAY);
    let busy = disk.write(2, 100);
    disk.uploads.tidy();
    assert_eq!(disk.names(), 1, "the other is being written to");
    drop(busy);
}

#[test]
fn what_seems_to_come_from_the_future_is_kept_for_a_day_too() {
    let mut disk = Disk::new();
    let path = disk.write(1, 100).path().to_owned();
    let age = |ahead: bool, by: u64| {
        let by = Duration::from_secs(by);
        let at = if ahead { SystemTime::now() + by } else { SystemTime::now() - by };
        File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
    };
    age(true, 50 * 365 * 86_400);
    disk.again();
    assert_eq!(disk.names(), 1);
    age(false, 86_000);
    disk.again();
    assert_eq!(disk.names(), 1);
    age(false, 86_500);
    disk.again();
    assert_eq!(disk.names(), 0);
}

#[test]
fn halves_give_way_to_what_is_uploaded_now() {
    let disk = Disk::new();
    drop(disk.write(1, 100));
    disk.backdate(Duration::from_secs(60));
    drop(disk.write(2, 100));
    let now = disk.write(3, 10);
    assert_eq!(disk.uploads.others(ana(), &now, 200), 200);
    assert_eq!(disk.uploads.others(ana(), &now, 100), 100, "the older one has gone");
    assert_eq!(length(&mut disk.uploads.begin(ana(), Some(ContentHash([2; 32]))).unwrap()), 100);
}

#[test]
fn there_are_never_many_halves_of_one_person() {
    let disk = Disk::new();
    for key in 0..100 {
        drop(disk.write(key, 1));
    }
    assert!(disk.names() <= MOST_IDLE + 1, "{}", disk.names());
}

fn attempt(text: &str) -> AttemptId {
    text.parse().unwrap()
}

/// So many bytes of so many that were announced.
fn half(uploads: &Uploads, of: &str, bytes: usize, announced: u64) -> Part {
    let key = ContentHash([bytes as u8; 32]);
    let mut part = uploads.begin_of("pi-1", attempt(of), key, announced).unwrap();
    part.file().unwrap().write_all(&vec![0; bytes]).unwrap();
    part
}

#[test]
fn a_half_of_a_result_says_whose_it_is_and_goes_when_nobody_will_bring_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let uploads = Uploads::of_nodes(folder.path());
        uploads.sweep().unwrap();
        uploads
    };
    let uploads = start();
    for of in ["17.0#1", "17.3#2"] {
        drop(half(&uploads, of, 100, 200));
    }
    let unfit = folder.path().join("arriving/pi-1").join(format!("{}.part", ContentHash([7; 32])));
    fs::write(&unfit, "as they were called before").unwrap();
    let again = start();
    let mut waiting = again.of_attempts();
    waiting.sort();
    let pi_1: NodeName = "pi-1".parse().unwrap();
    assert_eq!(waiting, [(pi_1.clone(), attempt("17.0#1")), (pi_1.clone(), attempt("17.3#2"))]);
    assert!(!unfit.exists(), "nobody can tell what it is half of");
    let busy = half(&again, "17.0#1", 100, 200);
    again.forget(&[(pi_1.clone(), attempt("17.0#1")), (pi_1.clone(), attempt("17.3#2"))]);
    assert!(busy.path().exists(), "it is being written to");
    drop(busy);
    assert_eq!(again.of_attempts(), [(pi_1, attempt("17.0#1"))]);
}

#[test]
fn all_halves_of_a_node_but_the_largest_take_no_more_than_its_share() {
    let folder = tempfile::tempdir().unwrap();
    let uploads = Uploads::of_nodes(folder.path());
    drop(half(&uploads, "1.0#1", 100, 1000));
    drop(half(&uploads, "1.1#1", 100, 1000));
    assert!(uploads.all_but_one_fit("pi-1", 100), "what waits takes what is there of it");
    let large = half(&uploads, "1.2#1", 10, 1 << 40);
    assert!(uploads.all_but_one_fit("pi-1", 100));
    assert_eq!(uploads.of_attempts().len(), 1, "one gave way");
    let other = half(&uploads, "1.3#1", 10, 101);
    assert!(!uploads.all_but_one_fit("pi-1", 100), "what comes now takes what was said of it");
    assert!(uploads.all_but_one_fit("pi-2", 0));
    drop((large, other));
    assert!(uploads.all_but_one_fit("pi-1", 10));
}
