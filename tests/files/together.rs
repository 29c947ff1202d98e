//! Many at once: one name, one content, one connection that stands still.

use std::io::{Read, Write};

use protocol::api::{Body, Reply, Request};
use protocol::file::FileGet;

use crate::kit::slowest_answer;
use crate::place::{Place, noise};
use crate::wire::{Wire, hash, upload};

#[test]
fn the_same_content_is_kept_once_and_goes_with_the_last_that_has_it() {
    let place = Place::new();
    let content = place.write("one", 300_000);
    std::fs::write(place.path("two"), &content).unwrap();
    place.does(&["put", "one"]);
    let again = String::from_utf8(place.does(&["put", "two"])).unwrap();
    assert!(again.contains("these bytes were there already"), "{again}");
    assert_eq!(place.contents().len(), 1);
    place.does(&["rm", "one"]);
    assert_eq!(place.does(&["cat", "two"]), content);
    place.does(&["rm", "two"]);
    assert!(place.contents().is_empty());
}

#[test]
fn of_two_uploads_of_one_name_both_are_whole_and_the_later_one_stays() {
    let place = Place::new();
    let (one, two) = (noise("one", 2_000_000), noise("two", 3_000_000));
    // Also of the same file: they have the same tag.
    let tags = [(Some("same"), Some("same")), (Some("one"), Some("two")), (None, None)];
    for (first_tag, second_tag) in tags {
        let (first, _) = Wire::begin(&place, upload("data", None, first_tag));
        let (second, _) = Wire::begin(&place, upload("data", None, second_tag));
        let (mut first, mut second) = (first.from(0), second.from(0));
        for (a, b) in one.chunks(500_000).zip(two.chunks(750_000)) {
            assert!(first.chunks(a) && second.chunks(b));
        }
        let kept = second.keep(hash(&two)).unwrap();
        assert_eq!(place.does(&["cat", "data"]), two);
        let later = first.keep(hash(&one)).unwrap();
        assert!(later.file.version > kept.file.version);
        assert_eq!(place.does(&["cat", "data"]), one);
        assert_eq!(place.contents().len(), 1, "the other was replaced");
        place.no_half_is_left();
    }
}

#[test]
fn a_file_that_is_replaced_or_removed_while_it_is_read_is_read_to_its_end() {
    let place = Place::new();
    let content = place.write("data", 8_000_000);
    place.does(&["put", "data"]);
    let mut wire = Wire::reach(&place);
    let get = FileGet { file: "data".parse().unwrap(), from: 0, hash: None };
    wire.0.say(Request::FileGet(get));
    let answer = wire.0.next();
    assert!(matches!(answer, Some(Body::Reply(Reply::FileComing(_)))), "{answer:?}");
    place.does(&["rm", "data"]);
    // Some came with the answer; the rest, and the end, are to come.
    let mut rest = vec![];
    wire.0.socket.read_to_end(&mut rest).unwrap();
    assert!(rest.len() > content.len() - 200_000, "{} bytes", rest.len());
    assert_eq!(rest[rest.len() - 4..], [0; 4]);
}

#[test]
fn one_that_stands_still_holds_up_nobody_and_nobody_has_all_places() {
    let place = Place::new();
    let content = place.write("data", 4_000_000);
    place.does(&["put", "data"]);
    let mut still = vec![];
    for n in 0..8 {
        let (wire, _) = Wire::begin(&place, upload(&format!("half {n}"), None, None));
        let mut wire = wire.from(0);
        assert!(wire.chunks(&content[..1_000_000]));
        still.push(wire);
        let mut wire = Wire::reach(&place);
        // It is not read: what is on the way fills the socket.
        wire.0.say(Request::FileGet(FileGet { file: "data".parse().unwrap(), from: 0, hash: None }));
        assert!(matches!(wire.0.next(), Some(Body::Reply(Reply::FileComing(_)))));
        still.push(wire);
    }
    let refused = Wire::try_begin(&place, upload("more", None, None)).err().unwrap();
    assert!(refused.message.contains("16 transfers of files under way already"), "{refused}");
    assert!(slowest_answer(&place.socket(), 50) < std::time::Duration::from_secs(2));
    still.truncate(10);
    crate::common::until("there is a place again", || place.run(&["cat", "data"]).status.success().then_some(()));
    assert_eq!(place.does(&["cat", "data"]), content);
    drop(still);
    place.no_half_is_left();
}

#[test]
fn a_transfer_has_a_connection_of_its_own_and_what_makes_no_sense_ends_it() {
    let place = Place::new();
    let mut wire = Wire::reach(&place);
    for request in [Request::FileSend { from: 0 }, Request::FileKeep { hash: hash(b"") }, Request::FileDrop] {
        let answer = wire.0.ask(request);
        assert!(
            matches!(&answer, Some(Body::Error(told)) if told.message.contains("begins with file_put")),
            "{answer:?}"
        );
    }
    wire.0.say(Request::Wait { targets: vec![] });
    wire.0.say(Request::Watch);
    wire.0.say(Request::FilePut(upload("data", None, None)));
    let told = std::iter::from_fn(|| wire.0.next()).find_map(|body| match body {
        Body::Error(told) if told.message.contains("connection of its own") => Some(told),
        _ => None,
    });
    assert!(told.is_some());

    // A chunk that is too long, an offset that is none, a call in the wrong place.
    let (wire, _) = Wire::begin(&place, upload("data", None, None));
    let mut wire = wire.from(0);
    wire.0.socket.write_all(&(2_u32 << 20).to_be_bytes()).unwrap();
    assert_eq!(wire.0.next(), None);
    let (wire, _) = Wire::begin(&place, upload("data", None, None));
    assert!(wire.from(77).refused().message.contains("begin at 0"));
    let (mut wire, _) = Wire::begin(&place, upload("data", None, None));
    wire.0.say(Request::Nodes);
    assert!(wire.refused().message.contains("file_send"));
    place.no_half_is_left();
    assert!(place.names().is_empty());
}
