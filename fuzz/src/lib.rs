//! What must hold of any bytes at all, whoever sends them. `cargo xtask fuzz` looks for bytes of which it does not;
//! `tests/corpus/` tries all that were ever worth keeping, in `corpus/`, with every run of the tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use bytes::BytesMut;
use protocol::frame::{self, FrameError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// In memory where there is such a place: each try makes folders and syncs them.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for a try cannot be made")
}

/// A submission file is understood, or the mistake in it is told with a line that it has.
pub fn submission(bytes: &[u8]) {
    static BESIDE: LazyLock<PathBuf> = LazyLock::new(|| {
        let beside = scratch().keep();
        fs::write(beside.join("run.py"), "print(1)").expect("a script beside a submission cannot be written");
        fs::write(beside.join("a.csv"), "1\n2\n3\n").expect("data beside a submission cannot be written");
        beside
    });
    match bramble::cli::submit::understand("job.toml", bytes.to_vec(), &BESIDE) {
        Ok(spec) => spec.check().expect("what is understood can be submitted"),
        Err(mistake) => {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
            assert!(mistake.line.is_none_or(|line| (1..=lines).contains(&line)), "line {:?} of {lines}", mistake.line);
            assert!(!mistake.sentence.trim().is_empty(), "a mistake has to be told");
        }
    }
}

/// A packed folder is unpacked or refused, and never reaches beyond its place. What was unpacked packs to the same
/// bytes, however often.
pub fn folder(bytes: &[u8]) {
    let place = scratch();
    let around = |name: &str| place.path().join(name);
    let unpacked = |bytes: &[u8], name: &str| {
        fs::create_dir(around(name)).expect("a folder cannot be made");
        packing::unpack(bytes, &around(name), 1000)
    };
    let packed = |name: &str| {
        let measured = packing::measure(&around(name), 1000).expect("what was unpacked can be packed");
        let mut bytes = vec![];
        packing::pack(&around(name), 1000, &measured, &mut bytes).expect("what was measured can be packed");
        assert_eq!(bytes.len() as u64, measured.size);
        bytes
    };
    let came = unpacked(bytes, "first");
    let names: Vec<_> =
        fs::read_dir(place.path()).expect("the place is there").flatten().map(|e| e.file_name()).collect();
    assert_eq!(names, ["first"], "something is beside its place");
    if came.is_ok() {
        let once = packed("first");
        unpacked(&once, "second").expect("what was packed can be unpacked");
        assert_eq!(packed("second"), once);
    }
}

/// Frames are taken apart in the same way however they arrive, and a message that is understood means the same when it
/// is written and read again.
pub fn frames(bytes: &[u8]) {
    let whole = all(&mut BytesMut::from(bytes));
    let mut arriving = BytesMut::new();
    let mut pieces = vec![];
    for piece in bytes.chunks(7) {
        arriving.extend_from_slice(piece);
        pieces.extend(all(&mut arriving));
    }
    assert_eq!(whole, pieces);
    for json in &whole {
        same_again::<protocol::api::Call>(json);
        same_again::<protocol::api::Answer>(json);
        same_again::<protocol::agent::FromAgent>(json);
        same_again::<protocol::agent::ToAgent>(json);
        same_again::<protocol::agent::BulkHello>(json);
        same_again::<protocol::agent::FetchReply>(json);
        same_again::<protocol::agent::JoinRequest>(json);
        same_again::<protocol::keeper::ToKeeper>(json);
        same_again::<protocol::keeper::FromKeeper>(json);
    }
}

fn all(from: &mut BytesMut) -> Vec<Vec<u8>> {
    let mut frames = vec![];
    while let Ok(Some(json)) = frame::split(from) {
        frames.push(json.to_vec());
    }
    frames
}

fn same_again<T: Serialize + DeserializeOwned>(json: &[u8]) {
    let message: T = match frame::parse(json) {
        Ok(message) => message,
        Err(FrameError::Unknown(unknown)) => return assert!(unknown.name.chars().count() <= 64),
        Err(_) => return,
    };
    let mut written = BytesMut::new();
    // Numbers and characters may be written longer than they came.
    if frame::encode(&message, &mut written).is_err() {
        return;
    }
    let json = frame::split(&mut written).expect("what was written is a frame").expect("and it is whole");
    let again: T = frame::parse(&json).expect("what was written can be read");
    let text = |message: &T| serde_json::to_string(message).expect("a message can be written");
    assert_eq!(text(&message), text(&again));
}
