//! Files that jobs are given, as the verbs name and show them; and programs, which stay programs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::common::{BRAMBLE, said};
use crate::place::{Place, told};

impl Place {
    /// Another verb than `file`.
    fn verb(&self, words: &[&str]) -> Output {
        let mut command = Command::new(BRAMBLE);
        command.arg("--manager").arg(format!("unix://{}", self.socket().display()));
        command.args(words).current_dir(self.work()).stdin(Stdio::null()).output().unwrap()
    }

    fn prints(&self, words: &[&str]) -> String {
        let done = self.verb(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }
}

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_job_shows_what_it_was_given_whatever_becomes_of_the_name() {
    let place = Place::new();
    place.write("data.csv", 1000);
    place.write("notes", 10);
    place.does(&["put", "data.csv", "notes"]);
    let words = ["run", "--file", "data.csv=input", "--writable-file", "notes", "--", "true"];
    assert_eq!(place.prints(&words), "1\n");
    let before = place.contents().len();
    place.write("data.csv", 500);
    place.does(&["put", "data.csv"]);
    place.does(&["rm", "notes"]);
    assert_eq!(place.contents().len(), before + 1, "what was given stays");
    let job: Value = serde_json::from_str(&place.prints(&["job", "1", "--json"])).unwrap();
    assert_eq!(job["files"][0]["name"], "input");
    assert_eq!(job["files"][0]["size"], 1000);
    assert_eq!((&job["files"][1]["name"], &job["files"][1]["writable"]), (&"notes".into(), &true.into()));
    let shown = place.prints(&["job", "1"]);
    assert!(shown.contains("input (1000 B), notes (10 B, writable)"), "{shown}");
    let list = place.prints(&["job", "--json"]);
    assert!(!list.contains("input"), "a list of jobs tells nothing of their files: {list}");
}

#[test]
fn what_is_not_kept_is_refused_with_how_to_keep_it() {
    let place = Place::new();
    place.write("data.csv", 10);
    fs::create_dir(place.path("results")).unwrap();
    place.write("results/may.csv", 10);
    let refused = |file: &str| told(&place.verb(&["run", "--file", file, "--", "true"]));
    let (code, why) = refused("data.csv");
    assert_eq!(
        (code, why.as_str()),
        (5, "bramble: you keep no file \"data.csv\"; bring it with: bramble file put data.csv\n")
    );
    let (code, why) = refused("./data.csv");
    assert!(code == 2 && why.contains("bramble file put ./data.csv, then write: --file data.csv"), "{why}");
    let (code, why) = refused("results/may.csv");
    assert!(code == 5 && why.contains("bramble file put results/may.csv, then write: --file may.csv"), "{why}");
    let (code, why) = told(&place.verb(&["run", "--file", "a=x", "--file", "b=x", "--", "true"]));
    assert!(code == 2 && why.contains("two files would be called \"x\""), "{why}");
}

#[test]
fn a_program_comes_back_as_one() {
    let place = Place::new();
    for (name, bits) in [("tool", 0o755), ("text", 0o644)] {
        place.write(name, 100);
        fs::set_permissions(place.path(name), Permissions::from_mode(bits)).unwrap();
    }
    place.does(&["put", "tool", "text"]);
    fs::create_dir(place.path("back")).unwrap();
    place.does(&["get", "tool", "back"]);
    place.does(&["get", "text", "back"]);
    assert_eq!(mode(&place.path("back/tool")) & 0o111, (mode(&place.path("back/text")) & 0o444) >> 2);
    assert_eq!(mode(&place.path("back/text")) & 0o111, 0);
    let listed = String::from_utf8(place.does(&["ls"])).unwrap();
    assert!(listed.contains("tool*") && !listed.contains("text*"), "{listed}");
    let files = place.list();
    assert_eq!((&files["files"][1]["executable"], files["files"][0].get("executable")), (&true.into(), None));
    // Given to a job, it is one there too.
    place.prints(&["run", "--file", "tool", "--", "./tool"]);
    let job: Value = serde_json::from_str(&place.prints(&["job", "1", "--json"])).unwrap();
    assert_eq!(job["files"][0]["executable"], true);
}

#[test]
fn several_are_put_by_one_command_each_by_itself() {
    let place = Place::new();
    for name in ["a", "b"] {
        place.write(name, 10);
    }
    let said = String::from_utf8(place.does(&["put", "a", "b"])).unwrap();
    assert_eq!(said, "a: kept, 10 B\nb: kept, 10 B\n");
    let (code, why) = place.refuses(&["put", "a", "nothing", "b"]);
    assert!(code == 6 && why.contains("nothing cannot be read"), "{why}");
    let told: Value = serde_json::from_slice(&place.does(&["put", "a", "b", "--json"])).unwrap();
    assert_eq!((&told[1]["path"], &told[1]["name"], &told[1]["known"]), (&"b".into(), &"b".into(), &true.into()));
    let (code, why) = place.refuses(&["put", "a", "b", "--as", "c"]);
    assert!(code == 2 && why.contains("--name is for one path"), "{why}");
    let (code, why) = place.refuses(&["put", "a", "./a"]);
    assert!(code == 2 && why.contains("two of these would be kept as \"a\""), "{why}");
    place.does(&["put", "a", "--as", "c"]);
    assert_eq!(place.names(), ["a", "b", "c"]);
}
