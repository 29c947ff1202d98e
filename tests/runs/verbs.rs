//! `bramble exec` and its kin, on real nodes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Output, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Demo, PATIENCE, daemons, folder, processes_of, said, signal_pid, until, verb};

fn text(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn lines(output: &Output) -> Vec<Value> {
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e}: {}", said(output)))).collect()
}

fn child(demo: &Demo, words: &[&str]) -> Child {
    verb(&demo.socket(), words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_command_on_several_nodes_is_answered_by_each() {
    let state = folder();
    let demo = Demo::start(state.path(), &["--nodes", "3"]);

    // Of one node it is as if the program ran here.
    let one = demo.verb(&["exec", "--on", "pi-1", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(text(&one), ("out\n".into(), "err\n".into(), Some(7)));
    let code = |words: &[&str]| demo.verb(&[&["exec", "--on", "pi-2"], words].concat()).status.code();
    assert_eq!(code(&["--", "sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(code(&["--", "no-such-program"]), Some(127));
    assert_eq!(code(&["--", "/etc/passwd"]), Some(126));
    assert_eq!(code(&["--timeout", "200ms", "--", "sleep", "1000"]), Some(124));
    let bytes = demo.verb(&["exec", "--on", "pi-1", "--", "printf", r"a\r\033[2J\377\000b"]);
    assert_eq!(bytes.stdout, b"a\r\x1b[2J\xff\0b");

    // Of several, equal answers are one, and failed ones come first.
    let script = "echo same; echo $BRAMBLE_NODE | grep -q pi-2 && exit 4; exit 0";
    let grouped = demo.verb(&["exec", "--on", "all", "--group", "--", "sh", "-c", script]);
    let told = "pi-2  exit code 4\nsame\n\npi-[1,3]  2 nodes, succeeded\nsame\n";
    assert_eq!((text(&grouped).0.as_str(), grouped.status.code()), (told, Some(6)), "{}", said(&grouped));

    // What failed, and only that, is repeated.
    let again = demo.verb(&["exec", "--retry-failed", "--json"]);
    let told = lines(&again);
    assert_eq!((told.len(), &told[0]["node"], &told[0]["code"]), (2, &"pi-2".into(), &4.into()), "{}", said(&again));

    // stdin reaches all of them.
    let words = ["exec", "--on", "pi-[1-3]", "--stdin", "--json", "--", "sha256sum"];
    let mut piped = verb(&demo.socket(), &words);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = piped.stdin.take().unwrap();
    stdin.write_all(&vec![b'x'; 1 << 20]).unwrap();
    drop(stdin);
    let done = piped.wait_with_output().unwrap();
    let told = lines(&done);
    assert_eq!(told.len(), 4, "{}", said(&done));
    assert!(told[..3].iter().all(|line| line["stdout"] == told[0]["stdout"] && line["code"] == 0), "{}", said(&done));

    // All of it is kept.
    let runs = demo.json(&["script", "runs", "--json"]);
    let numbers: Vec<u64> = runs.as_array().unwrap().iter().map(|run| run["id"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 9);
    assert!(numbers.windows(2).all(|two| two[0] > two[1]), "{numbers:?}");
    let (first, grouped) = (numbers[8].to_string(), numbers[2].to_string());
    let first = demo.verb(&["script", "result", &first, "pi-1"]);
    assert_eq!(text(&first), ("out\n".into(), "err\n".into(), Some(0)));
    let page = demo.verb(&["script", "result", &grouped]);
    assert!(text(&page).0.contains("pi-2  exit code 4\nsame\n\npi-[1,3]"), "{}", said(&page));
    demo.quit();
}

#[test]
fn a_dead_node_is_named_at_once_and_not_waited_for() {
    let state = folder();
    let demo = Demo::start(state.path(), &["--nodes", "2"]);
    for pid in daemons(state.path(), "run").into_iter().chain(daemons(state.path(), "agent")) {
        let line = crate::common::command_line(pid);
        if line.contains("pi-2") {
            signal_pid(pid, Signal::STOP);
        }
    }
    // Frozen, it is down when the manager has waited for a sign of life in vain.
    until("pi-2 is down", || {
        let nodes = demo.json(&["node", "--json"]);
        nodes.as_array()?.iter().any(|node| node["name"] == "pi-2" && node["state"] == "down").then_some(())
    });
    let begun = Instant::now();
    let mut running = child(&demo, &["exec", "--on", "all", "--", "sh", "-c", "echo here; read x; sleep 1000"]);
    let mut first = String::new();
    BufReader::new(running.stderr.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert_eq!(first, "bramble: pi-2 is down\n");
    assert!(begun.elapsed() < PATIENCE);
    signal_pid(running.id() as i32, Signal::INT);
    assert_eq!(running.wait().unwrap().code(), Some(130));
    for pid in daemons(state.path(), "run").into_iter().chain(daemons(state.path(), "agent")) {
        signal_pid(pid, Signal::CONT);
    }
    demo.quit();
}

#[test]
fn lines_come_live_and_ctrl_c_stops_it_on_every_node() {
    let state = folder();
    let demo = Demo::start(state.path(), &["--nodes", "3"]);
    let mut running = child(&demo, &["exec", "--on", "all", "--", "sh", "-c", "echo begun; exec sleep 4711"]);
    let mut out = BufReader::new(running.stdout.take().unwrap());
    let mut begun: Vec<String> = (0..3)
        .map(|_| {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line
        })
        .collect();
    begun.sort();
    assert_eq!(begun, ["pi-1: begun\n", "pi-2: begun\n", "pi-3: begun\n"]);
    signal_pid(running.id() as i32, Signal::INT);
    let ended = running.wait_with_output().unwrap();
    let (_, stderr, code) = text(&ended);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("3 stopped (pi-[1-3])"), "{stderr}");
    let left = processes_of(state.path()).into_iter().filter(|line| line.contains("sleep 4711")).count();
    assert_eq!(left, 0, "all have answered, so nothing of it runs");
    demo.quit();
}

#[test]
fn a_manager_that_is_killed_in_the_middle_loses_no_line_and_tells_none_twice() {
    let state = folder();
    let demo = Demo::start(state.path(), &["--nodes", "2"]);
    let gate = state.path().join("gate");
    let script = format!(
        "for n in 1 2 3; do echo line $n; done; until [ -e {} ]; do sleep 0.05; done; echo last",
        gate.display()
    );
    let mut running = child(&demo, &["exec", "--on", "all", "--", "sh", "-c", &script]);
    let mut out = BufReader::new(running.stdout.take().unwrap());
    let mut told: Vec<String> = vec![];
    let mut line = || {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        line
    };
    told.extend((0..6).map(|_| line()));
    daemons(state.path(), "manager").into_iter().for_each(|pid| signal_pid(pid, Signal::KILL));
    let mut away = String::new();
    let mut errors = BufReader::new(running.stderr.take().unwrap());
    errors.read_line(&mut away).unwrap();
    assert_eq!(away, "bramble: the manager went away; waiting for it to come back\n");
    std::fs::write(&gate, "").unwrap();
    told.extend((0..2).map(|_| line()));
    told.sort();
    let of = |node: &str| ["last", "line 1", "line 2", "line 3"].map(|line| format!("{node}: {line}\n"));
    assert_eq!(told, [of("pi-1"), of("pi-2")].concat());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), running.wait().unwrap().code()), ("", Some(0)));
    demo.quit();
}

/// KiB, that a process had for itself at most.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").trim().parse().ok()
    };
    number("VmHWM:")?.checked_sub(number("RssFile:")?)
}

#[test]
fn a_megabyte_from_each_of_eight_nodes_takes_little_memory_however_it_is_shown() {
    let state = folder();
    let demo = Demo::start(state.path(), &["--nodes", "8"]);
    let script = "head -c 3000000 /dev/zero | tr '\\0' ${BRAMBLE_NODE#pi-}; echo";
    for (layout, length) in [("--group", 8 * 3_000_001), ("--live", 8 * 3_000_001)] {
        let mut running = child(&demo, &["exec", "--on", "all", layout, "--", "sh", "-c", script]);
        let (mut out, mut bytes, mut most) = (running.stdout.take().unwrap(), 0, 0);
        let mut part = vec![0; 64 * 1024];
        loop {
            match out.read(&mut part).unwrap() {
                0 => break,
                n => bytes += n,
            }
            most = peak(running.id()).unwrap_or(0).max(most);
        }
        let ended = running.wait_with_output().unwrap();
        assert!(ended.status.success(), "{layout}: {}", said(&ended));
        assert!(bytes >= length && bytes < length + 8 * 1024, "{layout}: {bytes} bytes");
        assert!(most < 48 * 1024, "{layout}: {most} KiB");
    }
    demo.quit();
}
