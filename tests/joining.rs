//! Joining, and every way it is refused: one clear sentence on the node, and one on the manager's side.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::{BRAMBLE, folder, said, signal_pid, until, verb};
use rustix::process::Signal;
use serde_json::Value;

/// A manager alone, as installed on a real machine.
struct Manager {
    child: Child,
    socket: PathBuf,
    ssh: String,
}

impl Manager {
    fn start(state: &Path) -> Self {
        let config = state.join("manager.toml");
        let run = state.join("run");
        let text = format!("ssh = \"127.0.0.1:0\"\nstate = {:?}\nrun = {run:?}\n", state.join("state"));
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(state.join("log")).unwrap();
        let mut command = Command::new(BRAMBLE);
        command.args(["manager", "--config"]).arg(&config).stdin(Stdio::null()).stderr(log);
        let child = command.spawn().unwrap();
        let socket = run.join("manager.sock");
        let token = until("the manager answers", || {
            let done = verb(&socket, &["join-token", "--json"]).output().unwrap();
            done.status.success().then(|| serde_json::from_slice::<Value>(&done.stdout).unwrap())
        });
        let line = token["line"].as_str().unwrap();
        let ssh = line.split_whitespace().skip_while(|w| *w != "--manager").nth(1).unwrap().to_owned();
        Self { child, socket, ssh }
    }

    fn verb(&self, words: &[&str]) -> Output {
        verb(&self.socket, words).output().unwrap()
    }

    fn token(&self, more: &[&str]) -> String {
        let done = self.verb(&[&["join-token", "--json"], more].concat());
        assert!(done.status.success(), "{}", said(&done));
        let token: Value = serde_json::from_slice(&done.stdout).unwrap();
        token["token"].as_str().unwrap().to_owned()
    }

    fn state_of(&self, node: &str) -> Option<String> {
        let done = self.verb(&["node", node, "--json"]);
        let view: Value = serde_json::from_slice(&done.stdout).ok()?;
        Some(view["state"].as_str()?.to_owned())
    }

    fn events(&self) -> String {
        String::from_utf8(self.verb(&["event"]).stdout).unwrap()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        signal_pid(self.child.id() as i32, Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A worker that is ended with the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        signal_pid(self.0.id() as i32, Signal::TERM);
        let _ = self.0.wait();
    }
}

fn worker(state: &Path, name: &str, manager: &str, token: Option<&str>) -> Command {
    let mut command = Command::new(BRAMBLE);
    command
        .args(["worker-agent", "run", "--refuse-reboot", "--name", name, "--manager", manager, "--state"])
        .arg(state);
    if let Some(token) = token {
        command.args(["--join", token]);
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(Stdio::null());
    command
}

/// What a node says that is refused for good.
fn refused(state: &Path, name: &str, manager: &str, token: &str) -> String {
    let done = worker(state, name, manager, Some(token)).output().unwrap();
    assert!(!done.status.success(), "{}", said(&done));
    let text = String::from_utf8(done.stderr).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn every_way_of_not_joining_is_a_clear_sentence_on_both_sides() {
    let here = folder();
    let place = |name: &str| here.path().join(name);
    std::fs::create_dir_all(place("one")).unwrap();
    std::fs::create_dir_all(place("other")).unwrap();
    let manager = Manager::start(&place("one"));
    let other = Manager::start(&place("other"));

    // As it should be.
    let token = manager.token(&[]);
    let first = Worker(worker(&place("w1"), "pi-1", &manager.ssh, Some(&token)).spawn().unwrap());
    until("pi-1 is up", || (manager.state_of("pi-1")? == "up").then_some(()));

    // A token used twice.
    let why = refused(&place("w2"), "pi-2", &manager.ssh, &token);
    assert!(why.contains("used"), "{why}");
    assert!(manager.events().contains("join of pi-2 refused"), "{}", manager.events());

    // A name already taken.
    let fresh = manager.token(&[]);
    let why = refused(&place("w2"), "pi-1", &manager.ssh, &fresh);
    assert!(why.contains("pi-1") && why.contains("taken"), "{why}");

    // A refusal does not use the token up: the same one serves under another name.
    let second = Worker(worker(&place("w2"), "pi-2", &manager.ssh, Some(&fresh)).spawn().unwrap());
    until("pi-2 is up", || (manager.state_of("pi-2")? == "up").then_some(()));

    // Expired.
    let short = manager.token(&["--ttl", "1s"]);
    let why = until("it expires", || {
        let why = refused(&place("w3"), "pi-1", &manager.ssh, &short);
        (!why.contains("taken")).then_some(why)
    });
    assert!(why.contains("expired"), "{why}");

    // For another role: the node sees it itself.
    let cooler = manager.token(&[]).replace("bramble1-worker-", "bramble1-cooler-");
    let why = refused(&place("w3"), "pi-3", &manager.ssh, &cooler);
    assert!(why.contains("cooler") && why.contains("worker"), "{why}");

    // Another manager answers where this token was to be used.
    let why = refused(&place("w3"), "pi-3", &other.ssh, &manager.token(&[]));
    assert!(why.contains("host key"), "{why}");
    assert!(!other.events().contains("pi-3"), "nothing may have been said to it: {}", other.events());

    // A damaged token, and none at all.
    let why = refused(&place("w3"), "pi-3", &manager.ssh, "bramble1-worker-oops");
    assert!(why.contains("join-token"), "{why}");
    let none = worker(&place("w4"), "pi-4", &manager.ssh, None).output().unwrap();
    assert!(!none.status.success() && String::from_utf8_lossy(&none.stderr).contains("join-token"), "{}", said(&none));

    // A revoked key: the link ends at once, the node says why and goes on asking, the manager lets nobody in.
    assert!(manager.verb(&["node", "revoke", "pi-2"]).status.success());
    until("pi-2 is down", || (manager.state_of("pi-2")? == "down").then_some(()));
    assert!(manager.events().contains("pi-2's key revoked"));
    until("the node knows", || {
        let status =
            Command::new(BRAMBLE).args(["worker-agent", "status", "--json", "--state"]).arg(place("w2")).output();
        String::from_utf8(status.unwrap().stdout).unwrap().contains("revoked").then_some(())
    });
    drop(second);
    // A token does not help a revoked key either; a node that has joined once goes on asking, and says so.
    let mut again = worker(&place("w2"), "pi-2", &manager.ssh, Some(&manager.token(&[])));
    let again = Worker(again.stderr(std::fs::File::create(place("said")).unwrap()).spawn().unwrap());
    until("the node says why", || std::fs::read_to_string(place("said")).unwrap().contains("revoked").then_some(()));
    assert_eq!(manager.state_of("pi-2").as_deref(), Some("down"));
    drop(again);
    drop(first);
}
