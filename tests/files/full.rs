//! Full disks and full quotas.

use protocol::api::RefusalKind;
use protocol::job::JobSpec;

use crate::common::{folder, said, until};
use crate::kit::{Disk, Manager, Raw, submit};
use crate::place::{Place, noise, told};
use crate::wire::{Wire, upload};

const MIB: usize = 1 << 20;

#[test]
fn nobody_keeps_more_than_the_quota_however_it_comes() {
    let place = Place::with("[files]\nquota = \"1 MiB\"\n");
    place.write("large", MIB + 1);
    let (code, why) = place.refuses(&["put", "large"]);
    assert!(
        code == 3 && why.contains("\"large\" has 1.0 MiB, and of the 1.0 MiB you may keep 1.0 MiB are left"),
        "{why}"
    );
    let (code, why) = told(&place.feed(&["put", "-", "--name", "large"], &noise("stdin", 3 * MIB)));
    assert!(code == 3 && why.contains("it has more than 1.0 MiB, which is all that there is room for"), "{why}");
    place.no_half_is_left();
    place.write("half", MIB / 2);
    place.does(&["put", "half"]);
    place.does(&["put", "half"]);
    assert_eq!(place.refuses(&["put", "large"]).0, 3);
    let list = place.list();
    assert_eq!((list["used"].as_u64(), list["quota"].as_u64()), (Some(MIB as u64 / 2), Some(MIB as u64)));
    // Halves count too, until they are needed no more.
    let (wire, _) = Wire::begin(&place, upload("other", None, Some("tag")));
    let mut wire = wire.from(0);
    assert!(wire.chunks(&noise("other", MIB / 4)));
    until("it is there", || (place.halves().first()?.metadata().ok()?.len() > 200_000).then_some(()));
    let (code, _) = told(&place.feed(&["put", "-", "--name", "more"], &noise("more", MIB / 3)));
    assert_eq!(code, 3);
    drop(wire);
    assert_eq!(place.names(), ["half"]);
}

#[test]
fn a_disk_that_is_full_in_the_middle_refuses_the_upload_and_takes_nothing_with_it() {
    let here = folder();
    let Some(disk) = Disk::new(here.path().join("disk"), "128m") else {
        test_support::leave_out!("mounting needs root");
    };
    let manager = Manager::on(here.path(), &disk.path.join("state"), "127.0.0.1:0", |_| {});
    std::fs::write(here.path().join("large"), vec![0; 120 * MIB]).unwrap();
    std::fs::write(here.path().join("small"), noise("small", 1000)).unwrap();
    let put = |name: &str| manager.verb(&["file", "put", here.path().join(name).to_str().unwrap()]);
    assert!(put("small").status.success());
    let (code, why) = told(&put("large"));
    assert!(code == 4 && why.contains("the manager's disk has no room for 120 MiB ("), "{why}");

    let mut raw = Raw::reach(&manager.socket).unwrap();
    raw.say(protocol::api::Request::FilePut(upload("half", None, Some("tag"))));
    assert!(raw.next().is_some());
    let mut wire = Wire(raw).from(0);
    assert!(wire.chunks(&noise("half", 4 * MIB)));
    let ballast = disk.fill(0);
    wire.chunks(&noise("half", 4 * MIB));
    let refusal = wire.refused();
    assert_eq!(refusal.kind, RefusalKind::Unavailable);
    assert!(refusal.message.contains("the manager's disk is full; nothing of it was kept"), "{refusal}");
    let halves = || std::fs::read_dir(disk.path.join("state/uploads/root")).map_or(0, |halves| halves.count());
    until("its room is free again", || (halves() == 0).then_some(()));
    let (code, why) = told(&put("small"));
    assert!(code == 4 && why.contains("nothing new is accepted until there is room"), "{why}");

    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(manager.verb(&["file", "cat", "small"]).stdout, noise("small", 1000));
    let done = put("small");
    assert!(done.status.success(), "{}", said(&done));
    manager.ends();
}

#[test]
fn a_stop_settles_what_waits_for_a_manager_without_room() {
    let here = folder();
    let Some(disk) = Disk::new(here.path().join("disk"), "128m") else {
        test_support::leave_out!("mounting needs root");
    };
    let manager = Manager::on(here.path(), &disk.path.join("state"), "127.0.0.1:0", |_| {});
    let _worker = manager.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let flag = here.path().join("flag");
    // More than fits where the manager has given up its reserve, too.
    let leaves = format!("while ! [ -e {} ]; do sleep 0.01; done; head -c 40M /dev/zero > out/large", flag.display());
    let job = submit(&manager.socket, JobSpec::of(["sh", "-c", &leaves])).unwrap().to_string();
    until("it runs", || (manager.json(&["job", &job, "--json"])["state"] == "running").then_some(()));
    let ballast = disk.fill(0);
    std::fs::write(&flag, "").unwrap();
    let log = || std::fs::read_to_string(here.path().join("pi-1.log")).unwrap_or_default();
    let refused = "could not be delivered, trying again: the manager does not take it: the manager's disk";
    until("the manager does not take it", || log().contains(refused).then_some(()));
    assert_eq!(manager.json(&["job", &job, "--json"])["state"], "running", "it waits for room");

    let done = until("the stop is taken", || Some(manager.verb(&["stop", &job])).filter(|done| done.status.success()));
    assert!(done.status.success(), "{}", said(&done));
    let waited = manager.verb(&["wait", &job]);
    assert!(waited.status.success(), "it ended as it did: {}", said(&waited));
    let events = String::from_utf8(manager.verb(&["event"]).stdout).unwrap();
    let told = format!("what task {job}.0 left was not kept: its task was stopped before the manager could keep it (");
    assert!(events.contains(&told), "{events}");
    let halves = std::fs::read_dir(disk.path.join("state/arriving/pi-1")).map_or(0, |halves| halves.count());
    assert_eq!(halves, 0);
    std::fs::remove_file(&ballast).unwrap();
    let again = manager.verb(&["run", "--wait", "--", "sh", "-c", "echo small > out/small"]);
    assert!(again.status.success(), "{}", said(&again));
    manager.ends();
}
