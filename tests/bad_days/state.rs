//! A state folder that cannot be used: each time one sentence that names the file and says what to do, and the file is
//! left as it was.

use std::path::Path;

use protocol::job::JobSpec;

use crate::common::{folder, said, until};
use crate::kit::{Disk, Manager, manager_command, refused, submit};

/// The state folder of a manager that has run a while.
fn used(here: &Path, state: &Path) {
    let manager = Manager::on(here, state, "127.0.0.1:0", |_| {});
    for number in 0..200 {
        let words = ["echo".to_owned(), format!("{number:0500}")];
        submit(&manager.socket, JobSpec::of(words)).unwrap();
    }
    manager.ends();
    // All of it into the one file that is damaged here.
    let db = rusqlite::Connection::open(state.join("bramble.db")).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, u32>(0)).unwrap();
}

fn refuses(here: &Path, state: &Path, words: &[&str]) {
    let before = std::fs::read(state.join("bramble.db")).unwrap();
    let (code, told) = refused(&mut manager_command(here, state, "127.0.0.1:0"));
    assert_eq!(code, Some(1), "{told}");
    for word in words {
        assert!(told.contains(word), "{word:?} is not in: {told}");
    }
    assert_eq!(std::fs::read(state.join("bramble.db")).unwrap(), before, "the file was touched");
}

#[test]
fn a_database_that_is_newer_or_damaged_is_refused_with_what_to_do() {
    let here = folder();
    let state = here.path().join("state");
    used(here.path(), &state);
    let path = state.join("bramble.db");
    let named = path.display().to_string();
    let good = std::fs::read(&path).unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut damaged = good.clone();
        damaged[at..at + bytes.len()].copy_from_slice(bytes);
        std::fs::write(&path, damaged).unwrap();
    };
    // The number of the schema is in the head of the file.
    with(60, &99_u32.to_be_bytes());
    refuses(here.path(), &state, &[&named, "schema 99", "newer bramble", "run the newer version, or restore a backup"]);
    with(0, &[0xa5; 100]);
    refuses(here.path(), &state, &[&named, "is damaged", "restore a backup, or move it away to begin anew"]);
    // A page of what the queue is made of.
    let some_job = format!("{:0500}", 150).into_bytes();
    let page = good.windows(500).position(|bytes| bytes == some_job).unwrap() / 4096 * 4096;
    with(page, &[0xa5; 4096]);
    refuses(here.path(), &state, &[&named, "is damaged", "restore a backup, or move it away to begin anew"]);
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    refuses(here.path(), &state, &[&named, "is damaged", "restore a backup, or move it away to begin anew"]);

    // What is not needed to go on may be damaged: it is told to who asks for it.
    std::fs::write(&path, &good).unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute("UPDATE event SET what = '{' WHERE no = 9", []).unwrap();
    drop(db);
    let manager = Manager::on(here.path(), &state, "127.0.0.1:0", |_| {});
    let done = manager.verb(&["event", "--limit", "10000"]);
    let told = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(4), "{}", said(&done));
    assert!(told.contains("holds something unreadable in event") && told.contains("restore a backup"), "{told}");
    assert_eq!(manager.json(&["job", "200", "--json"])["state"], "queued");
    manager.ends();
}

#[test]
fn on_a_read_only_disk_manager_and_worker_say_so_and_find_all_of_it_when_it_is_writable_again() {
    let here = folder();
    let Some(disk) = Disk::new(here.path().join("disk"), "200m") else {
        test_support::leave_out!("mounting needs root");
    };
    let state = disk.path.join("state");
    used(here.path(), &state);
    let manager = Manager::on(here.path(), &state, "127.0.0.1:0", |_| {});
    let worker = manager.worker("pi-1", &disk.path.join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let keeper = worker.command();
    drop(worker);
    let ssh = manager.ssh.clone();
    manager.ends();

    disk.read_only(true);
    refuses(here.path(), &state, &[state.to_str().unwrap(), "cannot be written", "its disk is not read-only"]);
    let (code, told) = refused(&mut { keeper });
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("pi-1/lock cannot be used") && told.contains("Read-only file system"), "{told}");
    disk.read_only(false);

    let manager = Manager::on(here.path(), &state, &ssh, |_| {});
    let _worker = manager.worker("pi-1", &disk.path.join("pi-1"));
    let done = manager.verb(&["wait", "200"]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    manager.ends();
}
