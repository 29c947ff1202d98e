//! All bytes that fuzzing has found worth keeping, tried once more. `cargo xtask fuzz` looks for others.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// Tries each file of a corpus; says of which it was where one fails.
fn replay(name: &str, least: usize, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&corpus).expect("there is a corpus").flatten().map(|e| e.path()).collect();
    paths.sort();
    assert!(paths.len() >= least, "{} has only {} files", corpus.display(), paths.len());
    for path in paths {
        let bytes = fs::read(&path).expect("a file of the corpus can be read");
        if std::panic::catch_unwind(|| target(&bytes)).is_err() {
            panic!("fuzz/corpus/{name}/{} does not hold", path.file_name().unwrap_or_default().display());
        }
    }
}

#[test]
fn no_submission_file_makes_it_panic_and_every_mistake_has_its_line() {
    replay("submission", 20, targets::submission);
}

#[test]
fn no_packed_folder_reaches_beyond_its_place_or_changes_on_the_way() {
    replay("folder", 20, targets::folder);
}

#[test]
fn no_frame_is_read_in_two_ways() {
    replay("frames", 20, targets::frames);
}
