//! Full disks, at the manager and at a worker: what no longer fits is refused with a sentence, what was promised is
//! kept, and when there is room again all goes on without a hand.

use protocol::job::JobSpec;

use crate::common::{folder, said, until};
use crate::kit::{Disk, Manager, submit};

#[test]
fn a_manager_without_room_refuses_new_work_keeps_every_result_and_goes_on_when_there_is_room() {
    let here = folder();
    let Some(disk) = Disk::new(here.path().join("disk"), "96m") else {
        test_support::leave_out!("mounting needs root");
    };
    let manager = Manager::on(here.path(), &disk.path.join("state"), "127.0.0.1:0", |_| {});
    let _worker = manager.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    assert_eq!(std::fs::metadata(disk.path.join("state/reserve")).unwrap().len(), 16 << 20, "put aside");
    let (flag, last) = (here.path().join("flag"), here.path().join("last"));
    let script = |flag: &std::path::Path| {
        let ends = "head -c 30000 /dev/urandom | base64 -w0 | head -c 30000; exit $((BRAMBLE_INDEX % 100 + 1))";
        let wait = format!("while ! [ -e {} ]; do sleep 0.05; done; {ends}", flag.display());
        JobSpec::of(["sh", "-c", &wait])
    };
    let array = |last| Some(protocol::job::Array { first: 0, last });
    let job = submit(&manager.socket, JobSpec { array: array(59), ..script(&flag) }).unwrap();
    until("some run", || (manager.json(&["job", &job.to_string(), "--json"])["counts"]["running"] == 2).then_some(()));

    // Nearly full: nothing new, and what was taken on goes on and is kept.
    let ballast = disk.fill(3 << 20);
    let refused = manager.verb(&["run", "--", "true"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{told}");
    assert!(
        told.contains("the manager's disk is nearly full (")
            && told.contains("nothing new is accepted until there is room"),
        "{told}"
    );
    // Full to the last byte: the reserve is for the results, two megabytes of them.
    let more = disk.fill(0);
    assert_eq!(more, ballast);
    std::fs::write(&flag, "").unwrap();
    let done = manager.verb(&["wait", &job.to_string()]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    assert!(!disk.path.join("state/reserve").exists(), "it was given up");
    assert!(manager.log().contains("the reserve was given up so that results can still be kept"), "{}", manager.log());

    // Without a reserve either: results wait at the node, and are not lost.
    std::fs::remove_file(&ballast).unwrap();
    let late = submit(&manager.socket, JobSpec { array: array(1), ..script(&last) }).unwrap();
    until("they run", || (manager.json(&["job", &late.to_string(), "--json"])["counts"]["running"] == 2).then_some(()));
    let _ = std::fs::remove_file(disk.path.join("state/reserve"));
    let ballast = disk.fill(0);
    std::fs::write(&last, "").unwrap();
    let told = until("the disk is full", || {
        // Nothing fits any more, not even a token. The first to ask may hear that nobody knows what became of it.
        let refused = manager.verb(&["join-token"]);
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.success() || refused.status.code() == Some(4), "{told}");
        told.contains("the manager cannot write to its disk").then_some(told)
    });
    assert!(told.contains("full") && told.contains("it goes on when it can"), "{told}");
    std::fs::remove_file(&ballast).unwrap();
    for (job, last) in [(job, 59), (late, 1)] {
        let done = until("an answer", || {
            Some(manager.verb(&["wait", &job.to_string()])).filter(|d| d.status.code() == Some(1))
        });
        assert!(String::from_utf8_lossy(&done.stdout).contains("failed") || !done.stderr.is_empty(), "{}", said(&done));
        for index in [0, last / 2, last] {
            let task = manager.json(&["task", &format!("{job}.{index}"), "--json"])["task"].clone();
            assert_eq!((&task["code"], &task["attempt"]), (&(index % 100 + 1).into(), &1.into()), "{task}");
            assert_eq!(manager.verb(&["logs", &format!("{job}.{index}")]).stdout.len(), 30_000);
        }
    }
    assert_eq!(manager.verb(&["run", "--wait", "--", "true"]).status.code(), Some(0), "as ever");
    until("the reserve is put aside again", || {
        manager.verb(&["join-token"]);
        disk.path.join("state/reserve").exists().then_some(())
    });
    manager.ends();
}

#[test]
fn a_worker_without_room_takes_nothing_until_there_is_some_and_loses_no_end() {
    let here = folder();
    let Some(disk) = Disk::new(here.path().join("disk"), "8m") else {
        test_support::leave_out!("mounting needs root");
    };
    let manager = Manager::start(here.path());
    let worker = manager.worker("pi-1", &disk.path.join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let flag = here.path().join("flag");
    let wait = format!("echo small; while ! [ -e {} ]; do sleep 0.01; done; exit 9", flag.display());
    let quiet = submit(&manager.socket, JobSpec::of(["sh", "-c", &wait])).unwrap();
    until("it runs", || (manager.json(&["job", &quiet.to_string(), "--json"])["state"] == "running").then_some(()));

    // It prints more than there is room for: it is told so itself, by the system, and what it printed until then is there.
    let loud = manager.verb(&["run", "--wait", "--", "sh", "-c", "head -c 32M /dev/zero || exit 3"]);
    assert_eq!(loud.status.code(), Some(3), "{}", String::from_utf8_lossy(&loud.stderr));
    assert!(loud.stdout.len() > 1 << 20, "{} bytes", loud.stdout.len());

    // Not even its folder can be made, or its beginning written down. Nothing that was asked for fails because of that.
    let ballast = disk.fill(0);
    let many = manager.json(&["run", "--json", "--array", "0-999", "--", "sh", "-c", "exit 7"])["job"].to_string();
    let last = format!("{many}.999");
    until("pi-1 says that it is full", || {
        let why = manager.json(&["why", &last, "--json"]).to_string();
        why.contains("its disk is full: it takes no new work until there is room").then_some(())
    });
    let node = manager.verb(&["node", "pi-1"]);
    assert!(String::from_utf8_lossy(&node.stdout).contains("disk full"), "{}", said(&node));
    let job = manager.json(&["job", &many, "--json"]);
    assert!(job["counts"]["queued"].as_u64() > Some(0), "{job}");
    // What ends meanwhile is told all the same.
    std::fs::write(&flag, "").unwrap();
    let done = manager.verb(&["wait", &quiet.to_string()]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    let task = manager.json(&["task", &format!("{quiet}.0"), "--json"])["task"].clone();
    assert_eq!((&task["code"], &task["attempt"]), (&9.into(), &1.into()), "{task}");
    assert_eq!(&manager.verb(&["logs", &quiet.to_string()]).stdout[..], b"small\n");
    let before = worker.status();
    std::fs::remove_file(ballast).unwrap();
    assert_eq!(manager.verb(&["wait", &many]).status.code(), Some(1));
    let job = manager.json(&["job", &many, "--json"]);
    assert_eq!(job["counts"]["failed"], 1000, "{job}");
    let first = manager.json(&["task", &many, "--all", "--json"]);
    let tasks = first["tasks"].as_array().or(first.as_array()).unwrap().clone();
    assert!(tasks.iter().all(|task| task["code"] == 7), "each ran: {tasks:?}");

    let again = manager.verb(&["run", "--wait", "--", "sh", "-c", "echo room; exit 4"]);
    assert_eq!((again.status.code(), &again.stdout[..]), (Some(4), &b"room\n"[..]), "{}", said(&again));
    let after = worker.status();
    for same in ["keeper_pid", "agent_pid", "agent_restarts"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    // Its journal is sound: the next keeper finds nothing in it that does not belong there.
    until("all is acknowledged", || (worker.status()["unacked"] == 0).then_some(()));
    let state = worker.state.clone();
    drop(worker);
    let _worker = manager.worker("pi-1", &state);
    let done = manager.verb(&["run", "--wait", "--", "true"]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let log = std::fs::read_to_string(here.path().join("pi-1.log")).unwrap();
    assert!(!log.contains("is skipped"), "{log}");
    manager.ends();
}
