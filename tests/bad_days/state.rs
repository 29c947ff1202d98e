//! A state folder that cannot be used: each time one sentence that names the file and says what to do, and the file is
//! left as it was.

use std::path::Path;

use protocol::job::JobSpec;
use rustix::process::Signal;

use crate::common::{folder, until};
use crate::kit::{Disk, Manager, manager_command, refused, submit};

/// The state folder of a manager that has run a while.
fn used(here: &Path, state: &Path) {
    let manager = Manager::on(here, state, "127.0.0.1:0", |_| {});
    for number in 0..200 {
        let words = ["echo".to_owned(), format!("{number:0500}")];
        submit(&manager.socket, JobSpec::of(words)).unwrap();
    }
    manager.ends();
}

fn refuses(here: &Path, state: &Path, words: &[&str]) {
    let before = std::fs::read(state.join("bramble.db")).unwrap();
    let (code, told) = refused(&mut manager_command(here, state, "127.0.0.1:0"));
    assert_eq!(code, Some(3), "{told}");
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
    // A page in the middle, whoever it belongs to.
    let page = good.len() / 4096 / 2 * 4096;
    with(page, &[0xa5; 4096]);
    refuses(here.path(), &state, &[&named, "is damaged", "restore a backup, or move it away to begin anew"]);
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    refuses(here.path(), &state, &[&named, "is damaged", "restore a backup, or move it away to begin anew"]);

    std::fs::write(&path, &good).unwrap();
    let manager = Manager::on(here.path(), &state, "127.0.0.1:0", |_| {});
    assert_eq!(manager.json(&["job", "200", "--json"])["state"], "queued");
    manager.ends();
}

#[test]
fn a_state_folder_that_turns_read_only_is_said_and_work_goes_on_when_it_is_writable_again() {
    let here = folder();
    let Some(disk) = Disk::new(here.path().join("disk"), "200m") else {
        test_support::leave_out!("mounting needs root");
    };
    let state = disk.path.join("state");
    used(here.path(), &state);
    disk.read_only(true);
    let words = [state.to_str().unwrap(), "cannot be written", "its disk is not read-only"];
    refuses(here.path(), &state, &words);
    disk.read_only(false);

    let manager = Manager::on(here.path(), &state, "127.0.0.1:0", |_| {});
    let _worker = manager.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let flag = here.path().join("flag");
    let script = format!("while ! [ -e {} ]; do sleep 0.01; done; echo done; exit 9", flag.display());
    let job = submit(&manager.socket, JobSpec { node: Some("pi-1".parse().unwrap()), ..JobSpec::of(["sh", "-c", &script]) });
    manager.signal(Signal::STOP);
    disk.read_only(true);
    manager.signal(Signal::CONT);
    let refused = submit(&manager.socket, JobSpec::of(["true"])).unwrap_err();
    assert!(refused.contains("the manager cannot write to its disk") && refused.contains("goes on when it can"), "{refused}");
    let done = manager.verb(&["run", "--", "true"]);
    assert_eq!(done.status.code(), Some(4), "{}", crate::common::said(&done));
    std::fs::write(&flag, "").unwrap();
    disk.read_only(false);
    let job = job.unwrap();
    let done = manager.verb(&["wait", &job.to_string()]);
    assert_eq!(done.status.code(), Some(1), "{}", crate::common::said(&done));
    let task = manager.json(&["task", &format!("{job}.0"), "--json"])["task"].clone();
    assert_eq!((&task["code"], &task["attempt"]), (&9.into(), &1.into()), "{task}");
    manager.ends();
}
