//! A secret, from the command line to the task: it is where it must be, and nowhere else.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use common::{Demo, daemons, folder, said, signal_pid, until, verb};
use rustix::process::Signal;

const VALUE: &str = "swordfish-q7Zp1vT0yL4mW9xK";
/// As a program prints it that shows it to nobody.
const BACKWARDS: &str = "Kx9Wm4Ly0Tv1pZ7q-hsifdrows";

fn fed(demo: &Demo, words: &[&str], input: &str) -> Output {
    let mut child = verb(&demo.socket(), words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Files below a folder that have these bytes in them.
fn found_in(folder: &Path, wanted: &[&[u8]], found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found_in(&path, wanted, found);
        } else if kind.is_file() {
            // What goes away meanwhile holds nothing.
            let bytes = std::fs::read(&path).unwrap_or_default();
            if wanted.iter().any(|wanted| memchr::memmem::find(&bytes, wanted).is_some()) {
                found.push(path);
            }
        }
    }
}

#[test]
fn a_secret_is_where_it_must_be_and_nowhere_else() {
    let here = folder();
    let state = here.path().join("demo");
    let demo = Demo::start(&state, &["--nodes", "1"]);
    let set = fed(&demo, &["secret", "set", "hub.token"], &format!("{VALUE}\n"));
    assert!(set.status.success(), "{}", said(&set));

    // What was acknowledged is kept.
    for pid in daemons(&state, "manager") {
        signal_pid(pid, Signal::KILL);
    }
    until("the manager is back", || demo.verb(&["secret", "ls"]).status.success().then_some(()));

    let script = "printf %s \"$HUB_TOKEN\" | rev; echo; rev < \"$BRAMBLE_SECRETS/key\"; echo; stat -c %a \"$BRAMBLE_SECRETS/key\"";
    let run = ["run", "--wait", "--secret", "hub.token", "--secret-file", "hub.token=key", "--", "sh", "-c", script];
    let ran = demo.verb(&run);
    let printed = String::from_utf8_lossy(&ran.stdout).replace('\n', " ");
    assert_eq!(printed.split_whitespace().collect::<Vec<_>>(), [BACKWARDS, BACKWARDS, "400"], "{}", said(&ran));

    // Nobody is shown it, whatever is asked.
    let mut outputs = vec![set, ran];
    for words in [
        &["secret"][..],
        &["secret", "ls", "--json"],
        &["job", "1"],
        &["job", "1", "--json"],
        &["task", "1.0", "--json"],
        &["logs", "1.0"],
        &["event"],
        &["event", "--json"],
        &["node", "--json"],
    ] {
        let output = demo.verb(words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        outputs.push(output);
    }
    for output in &outputs {
        let text = said(output);
        assert!(!text.contains(VALUE), "{text}");
    }
    let events = String::from_utf8_lossy(&outputs[8].stdout).into_owned();
    assert!(events.contains("hub.token"), "that it was set is told: {events}");

    // Of all that daemons have written, only the manager's database has it, as it is or as it travels.
    use base64::{Engine, engine::general_purpose::STANDARD};
    let encoded = STANDARD.encode(VALUE);
    let mut found = vec![];
    found_in(here.path(), &[VALUE.as_bytes(), encoded.as_bytes()], &mut found);
    assert!(!found.is_empty(), "it is kept");
    let database = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("bramble.db");
    assert!(found.iter().all(database), "{found:?}");

    let removed = demo.verb(&["secret", "rm", "hub.token"]);
    assert!(removed.status.success(), "{}", said(&removed));
    let again = demo.verb(&["retry", "1"]);
    assert!(said(&again).contains("hub.token"), "{}", said(&again));
    assert!(!again.status.success());
    demo.quit();
}
