//! What breaks in the middle: a connection, the manager, the file itself.

use std::time::{Duration, SystemTime};

use protocol::api::RefusalKind;

use crate::common::{said, until};
use crate::gate::{Gate, Way};
use crate::place::{Place, noise, told};
use crate::wire::{Wire, hash, upload};

const MIB: usize = 1 << 20;

#[test]
fn an_upload_that_broke_off_goes_on_where_it_stopped_even_of_another_manager() {
    let mut place = Place::new();
    let content = noise("data", 3 * MIB);
    let put = || upload("data", Some(content.len() as u64), Some("as it was"));
    let (wire, ready) = Wire::begin(&place, put());
    assert_eq!(ready.offset, 0);
    let mut wire = wire.from(0);
    assert!(wire.chunks(&content[..MIB]));
    until("a megabyte is there", || (place.halves().first()?.metadata().ok()?.len() == MIB as u64).then_some(()));
    drop(wire);
    let again = until("nobody writes to it any more", || {
        Some(Wire::begin(&place, put())).filter(|(_, ready)| ready.offset > 0)
    });
    let (wire, ready) = again;
    assert_eq!((ready.offset, ready.hash), (MIB as u64, hash(&content[..MIB])));
    let mut wire = wire.from(MIB as u64);
    assert!(wire.chunks(&content[MIB..2 * MIB]));
    until("two are there", || (place.halves().first()?.metadata().ok()?.len() == 2 * MIB as u64).then_some(()));
    place.kill();
    place.start();
    for other in
        [upload("other", Some(content.len() as u64), Some("as it was")), upload("data", Some(7), Some("as it was"))]
    {
        assert_eq!(Wire::begin(&place, other.clone()).1.offset, 0, "{other:?}");
    }
    let (wire, ready) = Wire::begin(&place, put());
    assert_eq!((ready.offset, ready.hash), (2 * MIB as u64, hash(&content[..2 * MIB])));
    let mut wire = wire.from(ready.offset);
    assert!(wire.chunks(&content[2 * MIB..]));
    wire.keep(hash(&content)).unwrap();
    assert_eq!(place.does(&["cat", "data"]), content);
    place.no_half_is_left();
}

/// Bytes that a process has written so far.
fn written(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse().ok()).unwrap()
}

/// A put of 48 MiB, of which the manager has about 32.
fn half_way(place: &Place, patience: &str) -> (std::process::Child, Gate, Vec<u8>) {
    let content = place.write("data", 48 * MIB);
    let gate = Gate::before(&place.socket(), Way::ToManager, 32 * MIB);
    let mut command = place.command_at(&gate.socket, &["put", "data"]);
    let putting = command.env("BRAMBLE_PATIENCE", patience).spawn().unwrap();
    gate.wait();
    until("most of it is written", || (place.halves().first()?.metadata().ok()?.len() > 31 * MIB as u64).then_some(()));
    (putting, gate, content)
}

#[test]
fn a_put_whose_manager_is_killed_in_the_middle_waits_for_it_and_goes_on() {
    let mut place = Place::new();
    let (putting, gate, content) = half_way(&place, "60s");
    place.kill();
    gate.open();
    place.start();
    let done = putting.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        String::from_utf8_lossy(&done.stderr).contains("the connection broke off; trying again"),
        "{}",
        said(&done)
    );
    let again = written(place.pid());
    assert!(again < 24 * MIB as u64, "the new manager has written {again} bytes, as if nothing had been there");
    place.does(&["get", "data", "back"]);
    assert_eq!(std::fs::read(place.path("back")).unwrap(), content);
}

#[test]
fn one_whose_manager_stays_away_says_that_the_same_command_goes_on() {
    let mut place = Place::new();
    let (putting, _gate, _) = half_way(&place, "200ms");
    place.kill();
    let (code, why) = told(&putting.wait_with_output().unwrap());
    assert!(code == 4 && why.contains("the same command goes on where it stopped"), "{code} {why}");
    place.start();
    assert_eq!(place.halves().len(), 1);
    place.does(&["put", "data"]);
    assert_eq!((place.names(), place.halves().len()), (vec!["data".into()], 0));
    assert!(written(place.pid()) < 24 * MIB as u64);
}

#[test]
fn half_uploads_go_when_nobody_came_back_for_a_day() {
    let mut place = Place::new();
    for name in ["old", "young"] {
        let (wire, _) = Wire::begin(&place, upload(name, None, Some("tag")));
        let mut wire = wire.from(0);
        // What is brought to the disk comes in pieces of a quarter of a megabyte.
        assert!(wire.chunks(&noise(name, MIB / 4)));
    }
    until("both are there", || {
        let halves = place.halves();
        (halves.len() == 2 && halves.iter().all(|half| half.metadata().unwrap().len() == MIB as u64 / 4)).then_some(())
    });
    place.kill();
    let now = SystemTime::now();
    for (half, hours) in place.halves().iter().zip([25, 23]) {
        let half = std::fs::File::options().write(true).open(half).unwrap();
        half.set_modified(now - Duration::from_secs(hours * 3600)).unwrap();
    }
    place.start();
    assert_eq!(place.halves().len(), 1);
}

#[test]
fn what_arrives_as_something_else_than_was_sent_is_not_kept() {
    let place = Place::new();
    place.write("data", 100);
    place.does(&["put", "data"]);
    for (size, sent, says) in [
        (None, hash(b"something else"), "is not what was sent"),
        (Some(20), hash(b"0123456789"), "was to have 20 bytes, and 10 came"),
    ] {
        let (wire, _) = Wire::begin(&place, upload("data", size, Some("tag")));
        let mut wire = wire.from(0);
        assert!(wire.chunks(b"0123456789"));
        let told = wire.keep(sent).unwrap_err();
        assert!(told.kind == RefusalKind::Refused && told.message.contains(says), "{told}");
        assert!(told.message.contains("nothing was kept"), "{told}");
        place.no_half_is_left();
    }
    assert_eq!(place.list()["files"][0]["version"], 1);
    assert_eq!(place.contents().len(), 1);
}

#[test]
fn more_than_was_announced_is_not_taken() {
    let place = Place::new();
    let (wire, _) = Wire::begin(&place, upload("data", Some(10), Some("tag")));
    let mut wire = wire.from(0);
    wire.chunks(&[0; 1000]);
    wire.end_quietly();
    assert!(wire.refused().message.contains("more than 10 B"));
    place.no_half_is_left();
}

#[test]
fn a_file_that_changes_while_it_is_put_is_not_kept() {
    // It grows, it shrinks, it is replaced.
    for change in 0..3 {
        let place = Place::new();
        let (putting, gate, content) = half_way(&place, "60s");
        match change {
            0 => std::fs::write(place.path("data"), [&content[..], b"more"].concat()).unwrap(),
            1 => std::fs::write(place.path("data"), &content[..1000]).unwrap(),
            _ => {
                std::fs::write(place.path("new"), &content).unwrap();
                std::fs::rename(place.path("new"), place.path("data")).unwrap();
            }
        }
        gate.open();
        let (code, why) = told(&putting.wait_with_output().unwrap());
        assert!(code == 3 && why.contains("data changed while it was put; nothing was kept"), "{change}: {why}");
        place.no_half_is_left();
        assert!(place.names().is_empty() && place.contents().is_empty());
    }
}

#[test]
fn files_of_any_time_are_put_and_found_again_when_clocks_differ() {
    let place = Place::new();
    for (name, at) in [
        ("future", SystemTime::now() + Duration::from_secs(50 * 365 * 86_400)),
        ("before 1970", SystemTime::UNIX_EPOCH - Duration::from_secs(86_400)),
    ] {
        std::fs::create_dir(place.path(name)).unwrap();
        let content = place.write(&format!("{name}/data"), 1000);
        let file = std::fs::File::options().write(true).open(place.path(name).join("data")).unwrap();
        file.set_modified(at).unwrap();
        place.does(&["put", name]);
        place.does(&["put", &format!("{name}/data")]);
        assert_eq!(place.does(&["cat", "data"]), content);
        place.does(&["get", name, &format!("{name} back")]);
        assert_eq!(std::fs::read(place.path(format!("{name} back")).join("data")).unwrap(), content);
        let kept = place.list()["files"][0]["kept_at"].as_u64().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64;
        assert!(now.abs_diff(kept) < 60_000, "by the manager's clock: {kept}");
    }
}

#[test]
fn a_file_is_on_the_managers_disk_before_anybody_is_told_and_no_other_file_is_left() {
    let mut place = Place::new();
    let content = place.write("data", 100_000);
    place.does(&["put", "data"]);
    // What a manager left that was killed between the two.
    let orphan = place.here.path().join("state/content/ab").join(format!("ab{}", "0".repeat(62)));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, "nobody refers to it").unwrap();
    place.kill();
    place.start();
    assert!(!orphan.exists());
    assert_eq!(place.does(&["cat", "data"]), content);
}
