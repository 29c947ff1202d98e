//! The same run on a node with an agent, on nodes without one, and on the manager: the same answers.

use std::collections::BTreeMap;

use protocol::bytes::Blob;
use protocol::job::{NotStarted, Outcome};
use protocol::run::{RunAs, Whence};

use crate::asking::{Asks, Told, spec};
use crate::common::{Demo, folder, said, until};
use crate::machine::{Machine, missing};

struct World {
    demo: Demo,
    _machine: Machine,
    _here: tempfile::TempDir,
    on: Vec<String>,
}

/// A node with an agent, one without, by sudo, and the manager.
fn world() -> Option<World> {
    if missing() {
        return None;
    }
    let (here, machine) = (folder(), Machine::start());
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    demo.add("pi-8", &machine.place("pi"));
    demo.add("pi-9", &machine.place("root"));
    let nodes = demo.json(&["--json", "node"]);
    let linked = nodes.as_array().unwrap().iter().find(|node| node["state"] == "up" && node["role"] == "worker");
    let linked = linked.unwrap()["name"].as_str().unwrap().to_owned();
    Some(World {
        demo,
        _machine: machine,
        _here: here,
        on: vec!["manager".into(), "pi-8".into(), "pi-9".into(), linked],
    })
}

impl World {
    fn all(&self, command: &[&str]) -> BTreeMap<String, Told> {
        self.with(command, |_| {})
    }

    fn with(&self, command: &[&str], change: impl FnOnce(&mut protocol::run::RunSpec)) -> BTreeMap<String, Told> {
        let on: Vec<&str> = self.on.iter().map(String::as_str).collect();
        let mut spec = spec(&on, RunAs::Root, command);
        change(&mut spec);
        let told = self.demo.run(spec);
        assert_eq!(told.len(), 4, "{:?}", told.keys());
        told
    }
}

#[test]
fn all_of_them_answer_alike() {
    let Some(world) = world() else { return };
    for (node, told) in world.all(&["sh", "-c", "echo out; echo err >&2; exit 7"]) {
        assert_eq!(told.outcome(), &Outcome::Exited(7), "{node}");
        assert_eq!((told.stdout().as_str(), told.stderr().as_str()), ("out\n", "err\n"), "{node}");
        assert!(
            told.answer.started_at.is_some() && told.answer.ended_at.is_some() && told.answer.ran_ms.is_some(),
            "{node}"
        );
    }
    for (node, told) in world.all(&["id", "-un"]) {
        assert_eq!(told.stdout(), "root\n", "{node}");
    }
    for (node, told) in world.all(&["sh", "-c", "kill -TERM $$"]) {
        assert_eq!(told.outcome(), &Outcome::Signaled(15), "{node}");
    }
    for (node, told) in world.all(&["no-such-program", "x"]) {
        let not_found = matches!(told.outcome(), Outcome::NotStarted { kind: NotStarted::NotFound, .. });
        assert!(not_found, "{node}: {:?}", told.outcome());
        assert_eq!(told.answer.code, Some(127), "{node}");
    }
    for (node, told) in world.all(&["/etc/passwd"]) {
        let not_executable = matches!(told.outcome(), Outcome::NotStarted { kind: NotStarted::NotExecutable, .. });
        assert!(not_executable, "{node}: {:?}", told.outcome());
    }
    let hostile = ["printf", "%s|", "a b", "'", "\"; rm -rf /", "-n", "$(id)", "", "two\nlines", "grüß", "\\", "*"];
    let expected: String = hostile[2..].iter().map(|word| format!("{word}|")).collect();
    for (node, told) in world.all(&hostile) {
        assert_eq!(told.stdout(), expected, "{node}");
    }
    let large = "0123456789abcdef".repeat(60_000);
    let told = world.with(&["sh", "-c", "wc -c; exit 3"], |spec| spec.stdin = Blob(large.clone().into_bytes()));
    for (node, told) in told {
        assert_eq!((told.stdout().trim(), told.outcome()), ("960000", &Outcome::Exited(3)), "{node}");
    }
    // A megabyte of output from each.
    for (node, told) in world.all(&["sh", "-c", "yes 0123456789abcde | head -c 1048576; echo over >&2"]) {
        assert!(told.stdout == "0123456789abcde\n".repeat(65_536).as_bytes(), "{node}: {} bytes", told.stdout.len());
        assert_eq!(told.stderr(), "over\n", "{node}");
    }
    world.demo.quit();
}

#[test]
fn the_verbs_do_it_too() {
    let Some(world) = world() else { return };
    let on = world.on.join(",");
    let all = world.demo.verb(&["--json", "exec", "--on", &on, "--", "sh", "-c", "echo \"$0\"; exit 3", "it's"]);
    let lines: Vec<serde_json::Value> = String::from_utf8(all.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5, "{}", said(&all));
    for answer in &lines[..4] {
        assert_eq!((&answer["stdout"], &answer["code"]), (&"it's\n".into(), &3.into()), "{answer}");
    }
    let one = world.demo.fed(&["exec", "--on", "pi-8", "--stdin", "--", "tr", "a-z", "A-Z"], "by sudo, over ssh\n");
    assert_eq!(
        (one.status.code(), String::from_utf8_lossy(&one.stdout)),
        (Some(0), "BY SUDO, OVER SSH\n".into()),
        "{}",
        said(&one)
    );
    let gone = world.demo.verb(&["exec", "--on", "pi-9", "--", "no-such-program"]);
    assert_eq!(gone.status.code(), Some(127), "{}", said(&gone));
    world.demo.quit();
}

#[test]
fn output_comes_as_it_is_printed_and_a_stop_ends_all_of_it() {
    let Some(world) = world() else { return };
    let mark = "86501";
    let on: Vec<&str> = world.on.iter().map(String::as_str).collect();
    let command = ["sh", "-c", "echo begun; sleep 86501 & wait"];
    let run = world.demo.begin(spec(&on, RunAs::Root, &command));
    let mut stopped = false;
    let told = world.demo.follow(run, |so_far| {
        if !stopped && so_far.values().filter(|told| told.stdout == b"begun\n").count() == 4 {
            stopped = true;
            world.demo.stop(run);
        }
    });
    assert!(stopped);
    for (node, told) in told {
        assert!(matches!(told.outcome(), Outcome::Stopped { .. }), "{node}: {:?}", told.outcome());
    }
    until("nothing of it is left", || (!sleeps(mark)).then_some(()));
    world.demo.quit();
}

#[test]
fn a_time_limit_counts_from_its_start_and_what_does_not_listen_is_killed() {
    let Some(world) = world() else { return };
    let told = world
        .with(&["bash", "-c", "trap '' TERM; echo on; sleep 86502; sleep 86503"], |spec| spec.timeout_ms = Some(1500));
    for (node, told) in told {
        assert_eq!(told.outcome(), &Outcome::TimedOut { limit_ms: 1500 }, "{node}");
        assert_eq!((told.stdout().as_str(), told.answer.code), ("on\n", Some(124)), "{node}");
    }
    until("nothing of it is left", || (!sleeps("86502") && !sleeps("86503")).then_some(()));
    world.demo.quit();
}

#[test]
fn what_the_manager_runs_itself_ends_with_it_and_is_lost() {
    let Some(world) = world() else { return };
    let (demo, on) = (&world.demo, ["manager", "pi-9"]);
    let run = demo.begin(spec(&on, RunAs::Root, &["sh", "-c", "echo begun; sleep 86504"]));
    until("both run", || (count("86504") == 2).then_some(()));
    for pid in crate::common::daemons(&demo.state, "manager") {
        crate::common::signal_pid(pid, rustix::process::Signal::TERM);
    }
    until("nothing of it is left", || (!sleeps("86504")).then_some(()));
    until("the manager is back", || demo.verb(&["node"]).status.success().then_some(()));
    let told = demo.follow(run, |_| {});
    for (node, told) in &told {
        assert!(matches!(told.outcome(), Outcome::Lost { again: false, .. }), "{node}: {:?}", told.outcome());
    }
    assert_eq!(told["manager"].answer.node, Whence::Manager);
    world.demo.quit();
}

fn sleeps(seconds: &str) -> bool {
    count(seconds) > 0
}

fn count(seconds: &str) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines.filter(|line| *line == format!("sleep\0{seconds}\0").as_bytes()).count()
}
