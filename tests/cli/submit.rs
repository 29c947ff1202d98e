//! `bramble submit`, as far as no manager is needed for it, or one that takes nothing.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use protocol::api::{Refusal, Reply, Request};
use protocol::job::{JobSpec, TaskState};
use serde_json::json;
use tempfile::TempDir;

use crate::fake::{Fake, Ran, Say, bramble};
use crate::sample::{ended, submitted};

/// A folder with a submission that brings a script and a file.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("run.py"), "print(1)\n").unwrap();
    fs::write(place.path().join("a.csv"), "1,2\n").unwrap();
    fs::write(place.path().join("job.toml"), "executable = \"run.py\"\nargs = [\"two words\"]\ndata = \"a.csv\"\n")
        .unwrap();
    place
}

fn within(place: &Path, args: &[&str]) -> Command {
    let mut command = bramble(args);
    // Nobody is asked, so it does not matter that nobody is there.
    command.env("BRAMBLE_MANAGER", "unix:///nonexistent/m.sock").current_dir(place);
    command
}

fn ran(place: &Path, args: &[&str]) -> Ran {
    Ran::of(within(place, args).output().unwrap())
}

fn fed(place: &Path, args: &[&str], text: &[u8]) -> Ran {
    let mut child =
        within(place, args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn a_check_says_what_would_run_and_asks_nobody() {
    let place = place();
    let text = "\
command  python3 ./run.py 'two words'
started  by python3, because of its extension
file     run.py, file of 9 B
file     a.csv, file of 4 B
node     any that fits and has python3
cpus     1
tasks    1
";
    ran(place.path(), &["submit", "job.toml", "--check"]).says(0, text, "");
    // Paths begin beside the file, wherever one is.
    let whole = place.path().join("job.toml");
    ran(Path::new("/"), &["submit", "--check", whole.to_str().unwrap()]).says(0, text, "");
}

#[test]
fn a_check_as_json_has_the_job_itself() {
    let place = place();
    let checked = ran(place.path(), &["submit", "job.toml", "--check", "--json"]).json();
    let kept_first = json!([
        { "name": "run.py", "path": "run.py", "kind": "file", "size": 9, "executable": false },
        { "name": "a.csv", "path": "a.csv", "kind": "file", "size": 4, "executable": false },
    ]);
    let files = json!([{ "file": "run.py" }, { "file": "a.csv" }]);
    let job = json!({ "command": ["python3", "./run.py", "two words"], "files": files, "interpreters": ["python3"] });
    assert_eq!(checked, json!({ "job": job, "tasks": 1, "kept_first": kept_first }));
}

#[test]
fn everything_that_was_said_is_told() {
    let place = place();
    fs::create_dir(place.path().join("set")).unwrap();
    fs::write(place.path().join("run.pl"), "#!/usr/bin/env perl\n").unwrap();
    let text = "executable = \"./run.pl\"\ndata = [\"set/\"]\nfiles = [\"words\", { file = \"ana/set\", as = \"input\", \
                writable = true }]\nenv = { RATE = \"0.1\", SAID = \"it's\" }\ncpus = 2\nnode = \"pi-3\"\nname = \"night run\"\n\
                array = \"5-9\"\n";
    let checked = fed(place.path(), &["submit", "-", "--check"], text.as_bytes());
    let lines: Vec<&str> = checked.stdout.lines().filter(|line| !line.starts_with("file     set, folder of")).collect();
    let expected = [
        "command  ./run.pl",
        "started  by its first line, /usr/bin/env perl",
        "name     night run",
        "file     run.pl, file of 20 B, from ./run.pl",
        "file     kept already as words",
        "file     input, kept already as ana/set, writable",
        "env      RATE=0.1",
        "env      'SAID=it'\\''s'",
        "node     pi-3, when it has perl",
        "cpus     2",
        "tasks    5, BRAMBLE_INDEX 5 to 9",
    ];
    assert_eq!(lines, expected);
    assert_eq!((checked.stderr.as_str(), checked.code), ("", Some(0)));
}

#[test]
fn names_as_a_folder_can_hold_them_are_shown_on_one_line_and_command_nothing() {
    let place = place();
    let longest = "é".repeat(127) + "x";
    for name in ["two words", "new\nline", "-rf", "ünïcode ✓", "\u{1b}[2J", &longest] {
        fs::write(place.path().join(name), "x").unwrap();
        let text = format!("executable = \"cat\"\ndata = {}\n", json!(name));
        let checked = fed(place.path(), &["submit", "-", "--check"], text.as_bytes());
        assert_eq!((checked.code, checked.stdout.lines().count()), (Some(0), 6), "{name:?}: {checked:?}");
        assert!(!checked.stdout.contains('\u{1b}'), "{name:?}");
        let told = fed(place.path(), &["submit", "-", "--check", "--json"], text.as_bytes()).json();
        assert_eq!(told["kept_first"][0]["name"], json!(name));
    }
}

#[test]
fn what_is_wrong_is_one_sentence_with_its_place() {
    let place = place();
    let sentence = "job.toml:2: args is a list of texts; write args = [\"a\", \"b\"]";
    fs::write(place.path().join("job.toml"), "executable = \"run.py\"\nargs = \"1\"\n").unwrap();
    ran(place.path(), &["submit", "job.toml"]).says(2, "", &format!("bramble: {sentence}\n"));
    ran(place.path(), &["submit", "job.toml", "--wait"]).says(2, "", &format!("bramble: {sentence}\n"));
    let told = ran(place.path(), &["submit", "job.toml", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&told.stderr).unwrap();
    assert_eq!(error, json!({ "error": { "kind": "usage", "message": sentence } }));
    let told = fed(place.path(), &["submit", "-", "--check"], b"executable = \"rum.py\"\n");
    assert!(told.stderr.starts_with("bramble: stdin:1: rum.py is not there, did you mean run.py?"), "{told:?}");
    let told = ran(place.path(), &["submit", "run.py"]);
    let script = "this is a script and no submission; write a file beside it that says executable = \"run.py\"";
    assert!(told.stderr.starts_with(&format!("bramble: run.py:1: {script}")), "{told:?}");
    let told = fed(place.path(), &["submit", "-", "--check"], b"executable = \"x\"\n\xff\n");
    told.says(2, "", "bramble: stdin:2: this line is not UTF-8; save the file as UTF-8\n");
}

#[test]
fn a_submission_that_is_not_there_is_told_as_such() {
    let place = place();
    let said = |args: &[&str]| {
        let told = ran(place.path(), args);
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""));
        told.stderr
    };
    assert!(said(&["submit", "nothere.toml"]).contains("nothere.toml: this submission file cannot be read"));
    assert!(said(&["submit", "."]).contains("cannot be read"));
    assert!(said(&["submit"]).contains("<FILE>"));
    assert!(said(&["submit", "job.toml", "--check", "--wait"]).contains("--wait"));
}

#[test]
fn the_schema_is_printed_for_editors() {
    let printed = ran(Path::new("/"), &["submit", "--schema"]);
    let schema: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    let one_of = ["executable", "step", "split"].map(|name| json!({ "required": [name] }));
    assert_eq!((schema["oneOf"].clone(), printed.code), (json!(one_of), Some(0)));
}

#[test]
fn the_example_is_one_that_would_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let told = ran(root, &["submit", "examples/primes/primes.toml", "--check", "--json"]).json();
    assert_eq!((told["tasks"].clone(), told["job"]["name"].clone()), (json!(9), json!("primes")));
    let wrap = "exec \"$0\" \"$@\" > out/part";
    assert_eq!(told["job"]["command"], json!(["sh", "-c", wrap, "./primes.py", "ranges.txt"]));
    let reduce = json!({ "command": ["sort", "-n", "-o", "out/result", "{inputs}"], "part": "part" });
    assert_eq!(told["job"]["reduce"], reduce);
}

#[test]
fn a_check_says_who_is_told() {
    let place = place();
    let text = "executable = \"sort\"\nnotify = [\"mail:ana@example.org\", \"https://example.org/hook\"]\n";
    let expected = "\
command  sort
started  as a program that the node finds in its PATH, since no such file is here
node     any that fits
notify   mail:ana@example.org
notify   https://example.org/hook
cpus     1
tasks    1
";
    fed(place.path(), &["submit", "-", "--check"], text.as_bytes()).says(0, expected, "");
}

#[test]
fn a_check_tells_steps_sweeps_and_splits_as_they_are_meant() {
    let place = place();
    let text = "data = \"a.csv\"\n[[step]]\nexecutable = \"run.py\"\nargs = [\"{input}\", \"{rate}\"]\n[[step]]\nexecutable = \
                \"sort\"\n[sweep]\nrate = { from = 0.5, to = 10, step = 0.5 }\nseed = [\"a b\"]\n[env]\nSEED = \"{seed}\"\n";
    let expected = "\
step 1   python3 ./run.py a.csv '{rate}'
started  by python3, because of its extension
step 2   sort
started  as a program that the node finds in its PATH, since no such file is here
sweep    rate: 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0 … 10.0 (20)
sweep    seed: 'a b' (1)
file     run.py, file of 9 B
file     a.csv, file of 4 B
env      'SEED={seed}'
node     any that fits and has python3
cpus     1
tasks    20, one for each combination
";
    fed(place.path(), &["submit", "-", "--check"], text.as_bytes()).says(0, expected, "");
    let text = "[split]\nfile = \"a.csv\"\nby = { separator = \",\" }\nchunks = 9\nmap = [\"run.py\"]\nreduce = [\"cat\", \"{inputs}\"]\n";
    let expected = "\
map      python3 ./run.py
started  by python3, because of its extension
reduce   cat '{inputs}'
started  as a program that the node finds in its PATH, since no such file is here
split    a.csv into 2 parts of 2 B
file     run.py, file of 9 B
node     any that fits and has python3
cpus     1
tasks    3, the last of which reduces what the others left
";
    fed(place.path(), &["submit", "-", "--check"], text.as_bytes()).says(0, expected, "");
}

/// A manager that takes whatever job it is given, none of which brings files along.
fn taking() -> Fake {
    Fake::that(|request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => vec![Say::Reply(Reply::End)],
        Request::Wait { .. } => vec![Say::Reply(ended(TaskState::Failed, Some(7), "exit code 7"))],
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

#[test]
fn it_goes_on_as_run_does() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("job.toml");
    fs::write(&path, "executable = \"uname\"\nargs = [\"-a\"]\n").unwrap();
    let path = path.to_str().unwrap();
    let fake = taking();
    fake.run(&["submit", path]).says(0, "17\n", "");
    fake.run(&["submit", path, "--json"]).says(0, "{\"job\":17,\"tasks\":1}\n", "");
    fake.run(&["submit", path, "--wait"]).says(7, "", "");
    assert_eq!(fake.asked()[0], Request::Submit(JobSpec::of(["uname", "-a"])));
}

#[test]
fn a_manager_that_is_not_there_leaves_everything_as_it_was() {
    let place = place();
    let told = ran(place.path(), &["submit", "job.toml"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(4), ""));
    assert_eq!(ran(place.path(), &["submit", "job.toml", "--wait"]).code, Some(125));
}
