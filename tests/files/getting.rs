//! Files on their way back.

use crate::common::said;
use crate::gate::{Gate, Way};
use crate::place::{Place, told};
use crate::wire::hash;

const MIB: usize = 1 << 20;

fn part(name: &str, content: &[u8]) -> String {
    format!("{name}.{}.part", &hash(content).to_string()[..16])
}

#[test]
fn nothing_is_written_over_unless_it_is_the_same_or_forced() {
    let place = Place::new();
    let content = place.write("data", 3000);
    place.does(&["put", "data"]);
    let there = String::from_utf8(place.does(&["get", "data"])).unwrap();
    assert!(there.contains("was there already"), "{there}");
    std::fs::write(place.path("data"), "mine").unwrap();
    let (code, why) = place.refuses(&["get", "data"]);
    assert!(code == 3 && why.contains("data is there already and is another file"), "{why}");
    assert_eq!(std::fs::read(place.path("data")).unwrap(), b"mine");
    place.does(&["get", "data", "--force"]);
    assert_eq!(std::fs::read(place.path("data")).unwrap(), content);
    std::fs::remove_file(place.path("data")).unwrap();
    std::os::unix::fs::symlink("elsewhere", place.path("data")).unwrap();
    let (code, why) = place.refuses(&["get", "data", "--force"]);
    assert!(code == 3 && why.contains("something else"), "{why}");
    assert!(!place.path("elsewhere").exists());
    // Nor through a link that somebody put where its part would be.
    std::os::unix::fs::symlink("elsewhere", place.path(part("back", &content))).unwrap();
    let (code, why) = place.refuses(&["get", "data", "back"]);
    assert!(code == 3 && why.contains("cannot be written"), "{why}");
    assert!(!place.path("elsewhere").exists());
}

#[test]
fn a_get_goes_on_with_the_part_that_is_there_if_it_is_of_the_same_content() {
    let place = Place::new();
    let content = place.write("data", 3_000_000);
    place.does(&["put", "data"]);
    let name = part("back", &content);
    std::fs::write(place.path(&name), &content[..2_000_000]).unwrap();
    let before = sent(place.pid());
    place.does(&["get", "data", "back"]);
    let sent = sent(place.pid()) - before;
    assert!(sent < 1_500_000, "{sent} bytes were sent for the last million");
    assert_eq!(std::fs::read(place.path("back")).unwrap(), content);
    assert!(!place.path(&name).exists());
    // Damaged on this disk: noticed, and got whole the next time. Longer than the whole: not used.
    for damage in [vec![7; 1_000_000], vec![7; 4_000_000]] {
        std::fs::remove_file(place.path("back")).unwrap();
        std::fs::write(place.path(&name), &damage).unwrap();
        if damage.len() < content.len() {
            let (code, why) = place.refuses(&["get", "data", "back"]);
            assert!(code == 3 && why.contains("is not what was kept"), "{why}");
            assert!(!place.path("back").exists());
        }
        place.does(&["get", "data", "back"]);
        assert_eq!(std::fs::read(place.path("back")).unwrap(), content);
    }
    let left: Vec<_> = std::fs::read_dir(place.work()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// Bytes that a process has read so far, to send them.
fn sent(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap()
}

#[test]
fn a_get_whose_manager_is_killed_in_the_middle_waits_for_it_and_goes_on() {
    let mut place = Place::new();
    let content = place.write("data", 48 * MIB);
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::rename(place.path("data"), place.path("folder/data")).unwrap();
    place.does(&["put", "folder/data"]);
    place.does(&["put", "folder"]);
    std::fs::create_dir(place.path("to")).unwrap();
    for (name, file) in [("data", "to/data"), ("folder", "to/folder/data")] {
        let gate = Gate::before(&place.socket(), Way::FromManager, 32 * MIB);
        let getting = place.command_at(&gate.socket, &["get", name, "to"]).spawn().unwrap();
        gate.wait();
        place.kill();
        gate.open();
        place.start();
        let done = getting.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", said(&done));
        assert!(String::from_utf8_lossy(&done.stderr).contains("trying again"), "{}", said(&done));
        let again = sent(place.pid());
        assert!(again < 24 * MIB as u64, "the new manager has read {again} bytes");
        assert!(std::fs::read(place.path(file)).unwrap() == content, "{name}");
        std::fs::remove_file(&gate.socket).unwrap();
    }
    let left: Vec<_> = std::fs::read_dir(place.path("to")).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn a_content_that_is_damaged_on_the_managers_disk_is_not_given_out_as_whole() {
    let place = Place::new();
    let content = place.write("data", 100_000);
    place.does(&["put", "data"]);
    let kept = place.contents().remove(0);
    let mut damaged = content.clone();
    damaged[50_000] ^= 1;
    std::fs::write(&kept, &damaged).unwrap();
    for words in [&["get", "data", "back"][..], &["cat", "data"]] {
        let (code, why) = told(&place.run(words));
        assert!(code == 3 && why.contains("is not what was kept"), "{why}");
    }
    assert!(!place.path("back").exists());
    std::fs::write(&kept, "short").unwrap();
    let (code, why) = place.refuses(&["get", "data", "back"]);
    assert!(code == 4 && why.contains("is damaged"), "{why}");
    std::fs::remove_file(&kept).unwrap();
    let (code, why) = place.refuses(&["get", "data", "back"]);
    assert!(code == 4 && why.contains("cannot be read"), "{why}");
    // Put again, it is whole again.
    place.does(&["put", "data"]);
    assert_eq!(place.does(&["cat", "data"]), content);
}
