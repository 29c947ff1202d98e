//! `bramble submit`: what its file names is kept, and the job has it.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::common::{BRAMBLE, said};
use crate::place::{Place, told};

fn submit(place: &Place, words: &[&str]) -> Output {
    let mut command = Command::new(BRAMBLE);
    command.arg("--manager").arg(format!("unix://{}", place.socket().display()));
    command.arg("submit").args(words).current_dir(place.work()).stdin(Stdio::null());
    command.output().unwrap()
}

/// The job that is submitted so, as its manager wrote it down.
fn job(place: &Place, words: &[&str]) -> Value {
    let done = submit(place, &[words, &["--json"]].concat());
    assert!(done.status.success(), "{}", said(&done));
    let told: Value = serde_json::from_slice(&done.stdout).unwrap();
    let state = place.here.path().join("state/bramble.db");
    let db = rusqlite::Connection::open_with_flags(state, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let id = told["job"].as_i64().unwrap();
    let spec: String = db.query_row("SELECT spec FROM job WHERE id = ?1", [id], |row| row.get(0)).unwrap();
    serde_json::from_str(&spec).unwrap()
}

/// So many lines, split into as many parts.
fn split(place: &Place, parts: usize) {
    let lines: String = (0..parts).map(|n| format!("{n}\n")).collect();
    std::fs::write(place.path("numbers"), lines).unwrap();
    let text =
        format!("[split]\nfile = \"numbers\"\nby = \"lines\"\nchunks = {parts}\nmap = [\"wc\", \"{{input}}\"]\n");
    std::fs::write(place.path("split.toml"), text).unwrap();
}

/// A script and two things for it, one of them a folder, both called otherwise than plainly.
fn place() -> Place {
    let place = Place::new();
    std::fs::write(place.path("run.sh"), "#!/bin/sh\ncat 'two words.csv'\n").unwrap();
    place.write("two words.csv", 3000);
    std::fs::create_dir(place.path("ünïcode ✓")).unwrap();
    place.write("ünïcode ✓/x", 10);
    let text = "executable = \"run.sh\"\ndata = [\"two words.csv\", \"ünïcode ✓/\"]\nname = \"night run\"\n";
    std::fs::write(place.path("job.toml"), text).unwrap();
    place
}

#[test]
fn what_a_submission_names_is_kept_and_the_job_has_it() {
    let place = place();
    let job = job(&place, &["job.toml"]);
    let list = place.list();
    let of = |n: usize| json!({ "file": list["files"][n]["name"], "hash": list["files"][n]["hash"] });
    let files = json!([of(0), of(1), of(2)]);
    assert_eq!(job, json!({ "name": "night run", "command": ["./run.sh"], "files": files }));
    assert_eq!(place.names(), ["run.sh", "two words.csv", "ünïcode ✓"]);
    let view = place.manager().json(&["job", "1", "--json"]);
    let given: Vec<&Value> = view["files"].as_array().unwrap().iter().map(|file| &file["name"]).collect();
    assert_eq!(given, ["run.sh", "two words.csv", "ünïcode ✓"]);
    let kinds: Vec<&Value> = list["files"].as_array().unwrap().iter().map(|file| &file["kind"]).collect();
    assert_eq!(kinds, ["file", "file", "folder"]);
    assert_eq!(list["files"][0]["executable"], true, "its first line starts it, whatever its mode is here");
    assert_eq!(place.does(&["cat", "two words.csv"]), std::fs::read(place.path("two words.csv")).unwrap());
}

#[test]
fn its_tasks_run_with_what_was_brought() {
    let place = place();
    let _worker = place.worker("pi-1");
    for _ in 0..2 {
        let done = submit(&place, &["job.toml", "--wait"]);
        assert!(done.status.success(), "{}", said(&done));
        assert!(done.stdout == std::fs::read(place.path("two words.csv")).unwrap());
    }
}

#[test]
fn submitted_again_each_content_is_kept_once() {
    let place = place();
    job(&place, &["job.toml"]);
    let contents = place.contents();
    job(&place, &["job.toml"]);
    assert_eq!((place.contents().len(), place.names().len()), (contents.len(), 3));
}

#[test]
fn what_is_kept_already_is_referred_to() {
    let place = place();
    place.does(&["put", "two words.csv", "--name", "kept"]);
    let text = "executable = \"cat\"\nfiles = [{ file = \"kept\", as = \"in\", writable = true }]\n";
    std::fs::write(place.path("kept.toml"), text).unwrap();
    let job = job(&place, &["kept.toml"]);
    let files = json!([{ "file": "kept", "as": "in", "writable": true }]);
    assert_eq!(job, json!({ "command": ["cat"], "files": files }));
    assert_eq!(place.names(), ["kept"]);
}

#[test]
fn what_is_wrong_keeps_and_submits_nothing() {
    let place = place();
    let text = "executable = \"run.sh\"\ndata = [\"two words.csv\", \"nothere\"]\n";
    std::fs::write(place.path("wrong.toml"), text).unwrap();
    let (code, why) = told(&submit(&place, &["wrong.toml"]));
    assert_eq!((code, why.starts_with("bramble: wrong.toml:2: nothere is not there")), (2, true), "{why}");
    assert!(submit(&place, &["job.toml", "--check"]).status.success());
    assert_eq!(place.names(), Vec::<String>::new());
    assert_eq!(place.manager().json(&["job", "--json"]), json!([]));
}

#[test]
fn a_split_is_brought_in_parts_that_only_its_job_has() {
    let place = place();
    std::fs::write(place.path("numbers"), "1\n2\n3\n").unwrap();
    let split = "[split]\nfile = \"numbers\"\nby = \"lines\"\nchunks = 2\nmap = [\"wc\", \"{input}\"]\n";
    std::fs::write(place.path("split.toml"), format!("{split}reduce = [\"run.sh\", \"{{inputs}}\"]\n")).unwrap();
    let job = job(&place, &["split.toml"]);
    assert_eq!(place.names(), ["run.sh"], "what was put for the job alone is gone again");
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let files = job["files"].as_array().unwrap();
    for (n, text) in ["1\n2\n", "3\n"].into_iter().enumerate() {
        let part = &files[n + 1];
        assert_eq!((&part["as"], &part["only"], &part["hash"]), (&json!("numbers"), &json!(n), &json!(hash(text))));
    }
    assert_eq!(
        (&job["array"], &job["reduce"]["command"]),
        (&json!({ "first": 0, "last": 1 }), &json!(["./run.sh", "{inputs}"]))
    );
    // Also where the job is refused.
    std::fs::write(place.path("split.toml"), format!("node = \"pi-99\"\n{split}")).unwrap();
    let (code, why) = told(&submit(&place, &["split.toml"]));
    assert!(code != 0 && why.contains("pi-99"), "{why}");
    assert_eq!(place.names(), ["run.sh"]);
}

#[test]
fn the_same_split_submitted_several_times_at_once_is_as_many_jobs() {
    let place = Place::new();
    split(&place, 30);
    std::thread::scope(|scope| {
        let submitted: Vec<_> = (0..4).map(|_| scope.spawn(|| submit(&place, &["split.toml"]))).collect();
        for one in submitted {
            let done = one.join().unwrap();
            assert!(done.status.success(), "{}", said(&done));
        }
    });
    assert_eq!(place.manager().json(&["job", "--json"]).as_array().map(Vec::len), Some(4));
    assert_eq!(place.names(), Vec::<String>::new());
}
