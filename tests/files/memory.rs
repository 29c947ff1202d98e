//! However large a file is, it passes through little memory.

use std::process::Child;

use crate::common::PATIENCE;
use crate::place::Place;

const SIZE: usize = 256 << 20;
/// KiB, of either side.
pub const MOST: u64 = 24 * 1024;

/// The most memory that a process ever had for itself, in KiB: without the pages of the program, which are more with each
/// library that a build for tests has whole, and none of the files' business.
pub fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").trim().parse().ok()
    };
    number("VmHWM:")?.checked_sub(number("RssFile:")?)
}

/// Until it has ended; what it had at the last look.
pub fn peak_until_the_end(mut child: Child) -> u64 {
    let end = std::time::Instant::now() + PATIENCE;
    let mut most = 0;
    loop {
        most = peak(child.id()).unwrap_or(0).max(most);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return most;
        }
        assert!(std::time::Instant::now() < end, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(5)); // why: the pause between two looks
    }
}

#[test]
fn a_quarter_of_a_gigabyte_goes_in_and_out_through_a_tenth_of_that() {
    let place = Place::new();
    place.write("data", SIZE);
    std::fs::create_dir(place.path("folder")).unwrap();
    std::fs::hard_link(place.path("data"), place.path("folder/data")).unwrap();
    for words in [&["put", "data"][..], &["get", "data", "back"], &["put", "folder"], &["get", "folder", "folder back"]]
    {
        let client = peak_until_the_end(place.command(words).spawn().unwrap());
        assert!(client > 1024 && client < MOST, "{words:?} took {client} KiB");
    }
    let manager = peak(place.pid()).unwrap();
    assert!(manager < MOST, "the manager took {manager} KiB");
    let same = |one: &str, other: &str| {
        let hash = |name: &str| blake3::hash(&std::fs::read(place.path(name)).unwrap());
        hash(one) == hash(other)
    };
    assert!(same("data", "back") && same("data", "folder back/data"));
}
