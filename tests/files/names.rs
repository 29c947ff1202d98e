//! A file may be called whatever a folder can hold, and whatever it is called commands no terminal.

use crate::place::{Place, told};

#[test]
fn a_file_comes_back_whatever_its_name_is() {
    let place = Place::new();
    let names = ["two words", "new\nline", "ünïcode ✓ 日本", "\u{1b}[2J\u{7}", "-rf", "...", "'\"$(x)`", "tab\t"];
    let longest = ["é".repeat(127) + "x", "x".repeat(255)];
    let names: Vec<&str> = names.into_iter().chain(longest.iter().map(String::as_str)).collect();
    for name in &names {
        let content = place.write(name, 1000);
        place.does(&["put", "--", &format!("./{name}")]);
        assert_eq!(place.does(&["cat", "--", name]), content, "{name:?}");
        std::fs::create_dir_all(place.path("back")).unwrap();
        place.does(&["get", "--", name, "back"]);
        assert_eq!(std::fs::read(place.path("back").join(name)).unwrap(), content, "{name:?}");
    }
    let mut kept = place.names();
    let mut wanted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    kept.sort();
    wanted.sort();
    assert_eq!(kept, wanted);
    for words in [&["ls"][..], &["ls", "--json"], &["rm", "\u{1b}[2J\u{7}", "new\nline"]] {
        let printed = String::from_utf8(place.does(words)).unwrap();
        assert!(!printed.contains(['\u{1b}', '\u{7}']), "{printed:?}");
    }
    let events = place.manager().events();
    assert!(events.contains(r#"/"new\nline" kept"#) && !events.contains('\u{1b}'), "{events}");
    assert!(!place.manager().log().contains('\u{7}'));
}

#[test]
fn what_is_no_name_is_told_so() {
    let place = Place::new();
    place.write("data", 10);
    for bad in ["", ".", "..", "a/b", "/etc/passwd", &"x".repeat(256)] {
        let (code, told) = place.refuses(&["put", "data", "--name", bad]);
        assert_eq!(code, 2, "{bad:?}: {told}");
    }
    let (code, why) = told(&place.feed(&["put", "-"], b"text"));
    assert_eq!((code, why.as_str()), (2, "bramble: what comes from stdin has no name; give it one with --name\n"));
    let (code, why) = place.refuses(&["put", "nothing"]);
    assert_eq!(code, 5, "{why}");
    let (code, why) = place.refuses(&["put", "/dev/null"]);
    assert!(code == 2 && why.contains("/dev/null is neither a file nor a folder"), "{why}");
    let (code, why) = place.refuses(&["get", "nothing"]);
    assert!(code == 5 && why.contains("there is no file \"nothing\""), "{why}");
    assert!(place.names().is_empty());
}

#[test]
fn stdin_is_kept_under_a_name_and_nothing_is_a_file_too() {
    let place = Place::new();
    for (name, content) in [("text", &b"some text"[..]), ("nothing", b"")] {
        let done = place.feed(&["put", "-", "--name", name, "--json"], content);
        let view: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(view["size"], content.len());
        assert_eq!(view["hash"], blake3::hash(content).to_hex().as_str());
        assert_eq!(place.does(&["cat", name]), content);
    }
}

#[test]
fn a_file_has_one_name_at_a_time_and_goes_when_it_is_removed() {
    let place = Place::new();
    let content = place.write("data", 5000);
    place.does(&["put", "data"]);
    place.does(&["mv", "data", "old data"]);
    assert_eq!(place.names(), ["old data"]);
    assert_eq!(place.does(&["cat", "old data"]), content);
    place.write("data", 10);
    place.does(&["put", "data"]);
    assert_eq!(place.refuses(&["mv", "data", "old data"]).0, 3);
    let (code, told) = place.refuses(&["rm", "data", "nothing", "old data"]);
    assert!(code == 6 && told.contains("nothing"), "{told}");
    assert!(place.names().is_empty());
    assert!(place.contents().is_empty(), "{:?}", place.contents());
    let events = place.manager().events();
    for said in ["\"data\" kept, 4.9 KiB", "\"data\" renamed to \"old data\"", "\"old data\" removed"] {
        assert!(events.contains(said), "{said}: {events}");
    }
}
