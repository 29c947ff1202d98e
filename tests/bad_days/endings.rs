//! Commands that do not start, do not end well, or will not end at all.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use protocol::job::JobSpec;

use crate::common::{Demo, folder, processes_of, said, until};
use crate::kit::submit;

/// A file that a task of any uid may try to run.
fn program(folder: &Path, name: &str, mode: u32, text: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The head of a program for a machine that this is not.
fn foreign_elf() -> Vec<u8> {
    let mut head = b"\x7fELF\x02\x01\x01".to_vec();
    head.resize(64, 0);
    head[16] = 2; // ET_EXEC
    head[18] = if cfg!(target_arch = "riscv64") { 62 } else { 243 };
    head
}

#[test]
fn every_way_a_command_can_fail_has_its_code_and_its_sentence() {
    let here = folder();
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    let bin = here.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let bin = bin.as_path();
    let plain = program(bin, "plain", 0o644, b"#!/bin/sh\n");
    let orphan = program(bin, "orphan", 0o755, b"#!/no/such/interpreter\n");
    let foreign = program(bin, "foreign", 0o755, &foreign_elf());
    let text = program(bin, "text", 0o755, b"echo a script without its first line\n");
    let place = bin.to_str().unwrap();
    // What it is, its code, and what its one sentence has to say.
    let cases: &[(&[&str], i32, &str)] = &[
        (&["no-such-program"], 127, "failed: command not found: no-such-program"),
        (&[&orphan], 127, "its interpreter /no/such/interpreter is not on this node"),
        (&[&plain], 126, "permission denied; chmod +x makes it a program"),
        (&[place], 126, "it is a folder"),
        (&[&foreign], 126, "neither a program for this kind of machine nor a script that begins with #!"),
        (&[&text], 126, "neither a program for this kind of machine nor a script that begins with #!"),
        (&["sh", "-c", "exit 255"], 255, "failed: exit code 255"),
        (&["sh", "-c", "rm -rf \"$HOME\" 2> /dev/null; exit 7"], 7, ""),
        (&["sh", "-c", "kill -HUP $$"], 129, "failed: killed by signal 1 (SIGHUP)"),
        (&["sh", "-c", "kill -INT $$"], 130, "failed: killed by signal 2 (SIGINT)"),
        (&["sh", "-c", "kill -ABRT $$"], 134, "failed: killed by signal 6 (SIGABRT)"),
        (&["sh", "-c", "kill -KILL $$"], 137, "failed: killed by signal 9 (SIGKILL)"),
        (&["sh", "-c", "kill -SEGV $$"], 139, "failed: killed by signal 11 (SIGSEGV)"),
        (&["sh", "-c", "kill -TERM $$"], 143, "failed: killed by signal 15 (SIGTERM)"),
        (&["sh", "-c", "kill -34 $$"], 162, "failed: killed by signal 34 (SIGRTMIN)"),
    ];
    for (number, (command, code, sentence)) in (1..).zip(cases) {
        let done = demo.verb(&[&["run", "--wait", "--"], *command].concat());
        let shown = said(&done);
        assert_eq!(done.status.code(), Some(*code), "{shown}");
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        if sentence.is_empty() {
            assert_eq!(told, "", "its own code says all");
        } else {
            assert!(told.starts_with(&format!("bramble: job {number} failed: ")) && told.contains(sentence), "{shown}");
            assert_eq!(told.lines().count(), 1, "{shown}");
        }
        // Who looks later reads the same.
        let task = demo.json(&["task", &format!("{number}.0"), "--json"])["task"].clone();
        assert_eq!((&task["state"], &task["code"]), (&"failed".into(), &(*code).into()), "{task}");
    }
    // A shell refuses such a word itself; a program that speaks to the manager may ask for it.
    let long = JobSpec::of(["true", "x".repeat(200_000).as_str()]);
    let job = submit(&demo.socket(), long).unwrap().to_string();
    let done = demo.verb(&["wait", &job]);
    assert_eq!(done.status.code(), Some(1), "{}", said(&done));
    let task = demo.json(&["task", &format!("{job}.0"), "--json"])["task"].clone();
    let why = "not executable: true: its arguments and environment are longer than this system allows";
    assert_eq!((&task["code"], &task["reason"]), (&126.into(), &why.into()));
    // What cannot even be handed in.
    let monster = "x".repeat(120_000);
    let words: Vec<&str> = std::iter::repeat_n(monster.as_str(), 10).collect();
    let done = demo.verb(&[&["run", "--wait", "--", "true"], &words[..]].concat());
    assert_eq!(done.status.code(), Some(2), "{}", said(&done));
    assert!(String::from_utf8_lossy(&done.stderr).contains("bytes; at most 1048576 fit"), "{}", said(&done));
    a_task_whose_folder_goes_away_ends_as_it_would_have(&demo);
    // All slots are free again: as many tasks as there are run at once.
    let slots = demo.json(&["node", "pi-1", "--json"])["slots"].as_u64().unwrap();
    let last = (slots - 1).to_string();
    demo.verb(&["run", "--array", &format!("0-{last}"), "--", "sleep", "1000"]);
    until("all slots are used", || {
        (demo.json(&["node", "pi-1", "--json"])["running"].as_u64() == Some(slots)).then_some(())
    });
    demo.quit();
}

fn a_task_whose_folder_goes_away_ends_as_it_would_have(demo: &Demo) {
    let script = "echo before; while [ -d \"$HOME\" ]; do sleep 0.01; done; echo after; exit 7";
    let job = String::from_utf8(demo.verb(&["run", "--", "sh", "-c", script]).stdout).unwrap().trim().to_owned();
    until("it says something", || demo.verb(&["logs", &job]).stdout.starts_with(b"before").then_some(()));
    std::fs::remove_dir_all(demo.state.join(format!("workers/pi-1/work/{job}.0#1"))).unwrap();
    let done = demo.verb(&["logs", "-f", &job]);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "before\nafter\n");
    assert_eq!(demo.json(&["task", &format!("{job}.0"), "--json"])["task"]["code"], 7);
}

/// In a session of its own, adopted by nobody, with nothing open, without a mark in its environment.
const DAEMON: &str = "env -i PATH=\"$PATH\" setsid sh -c 'sh -c \"echo \\$\\$ > $0; exec sleep 1000\" \
    </dev/null >/dev/null 2>&1 &' \"$PWD/pid\"; while ! [ -s pid ]; do sleep 0.01; done; cat pid; exit 4";

#[test]
fn a_task_that_daemonises_takes_its_daemon_with_it() {
    let here = folder();
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    let done = demo.verb(&["run", "--wait", "--", "sh", "-c", DAEMON]);
    assert_eq!(done.status.code(), Some(4), "{}", said(&done));
    let daemon = String::from_utf8_lossy(&done.stdout).trim().to_owned();
    // What ends is told only when nothing of it is left.
    let alive = std::fs::read(format!("/proc/{daemon}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep"));
    assert!(!alive, "the daemon {daemon} outlived its task");
    assert_eq!(demo.json(&["node", "pi-1", "--json"])["running"], 0);
    // So does one whose task is stopped.
    let job =
        String::from_utf8(demo.verb(&["run", "--", "sh", "-c", &DAEMON.replace("exit 4", "exec sleep 1000")]).stdout);
    let task = format!("{}.0", job.unwrap().trim());
    let daemon = until("the daemon", || {
        let log = demo.verb(&["logs", &task]);
        let pid = String::from_utf8_lossy(&log.stdout).trim().to_owned();
        (!pid.is_empty()).then_some(pid)
    });
    assert!(demo.verb(&["stop", &task]).status.success());
    let waited = demo.verb(&["wait", &task]);
    assert_eq!(waited.status.code(), Some(1), "{}", said(&waited));
    assert!(!std::fs::exists(format!("/proc/{daemon}")).unwrap(), "the daemon {daemon} outlived its stopped task");
    let state = demo.state.clone();
    demo.quit();
    assert_eq!(processes_of(&state), Vec::<String>::new());
}
