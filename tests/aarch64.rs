//! A worker built for 64-bit Pis, under an emulator, beside a native one: it joins, runs tasks, and loses nothing when its
//! parts are killed. Many system calls are missing or different there, so this also tests what the worker does instead.
#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::{Demo, folder, processes_of, said, signal_pid, until};
use rustix::process::Signal;
use serde_json::Value;

/// Built by `cargo xtask test`.
const WORKER: &str = "BRAMBLE_AARCH64_WORKER";
const EMULATOR: &str = "qemu-aarch64-static";
/// Where Debian's cross compiler keeps the libraries of that machine.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// A worker of the foreign kind. Whoever wants to run its program runs a script that calls the emulator, so that
/// nothing has to be registered with the kernel of this machine.
struct Foreign {
    state: PathBuf,
    program: PathBuf,
    keeper: Child,
}

impl Foreign {
    fn join(here: &Path, demo: &Demo, worker: &Path) -> Self {
        let state = here.join("foreign");
        let real = here.join("worker-agent-aarch64");
        std::fs::copy(worker, &real).unwrap();
        let program = script(here, "worker-agent", &real);
        let token = demo.json(&["join-token", "--json"])["token"].as_str().unwrap().to_owned();
        let ssh = demo.line["ssh"].as_str().unwrap();
        let more = ["--join", &token, "--manager", ssh, "--name", "pi-arm", "--slots", "2"];
        let keeper = Self::keeper(&program, &state, &more);
        let foreign = Self { state, program, keeper };
        until("it is up", || {
            let node: Value = serde_json::from_slice(&demo.verb(&["node", "pi-arm", "--json"]).stdout).ok()?;
            (node["state"] == "up").then_some(())
        });
        foreign
    }

    fn keeper(program: &Path, state: &Path, more: &[&str]) -> Child {
        let mut command = Command::new(program);
        command.args(["run", "--refuse-reboot", "--state"]).arg(state).arg("--agent-program").arg(program);
        command.args(more).stdin(Stdio::null()).spawn().unwrap()
    }

    fn kill_keeper(&mut self) {
        self.keeper.kill().unwrap();
        self.keeper.wait().unwrap();
    }

    fn verb(&self, words: &[&str]) -> Output {
        Command::new(&self.program).args(words).arg("--state").arg(&self.state).output().unwrap()
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_slice(&self.verb(&["status", "--json"]).stdout).ok()
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        signal_pid(self.keeper.id() as i32, Signal::TERM);
        let _ = self.keeper.wait();
    }
}

fn script(here: &Path, name: &str, real: &Path) -> PathBuf {
    let path = here.join(name);
    std::fs::write(&path, format!("#!/bin/sh\nexec {EMULATOR} -L {LIBRARIES} {} \"$@\"\n", real.display())).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

fn state_of(demo: &Demo, task: &str) -> Option<String> {
    Some(demo.json(&["task", task, "--json"])["task"]["state"].as_str()?.to_owned())
}

#[test]
fn a_worker_for_64_bit_pis_joins_runs_tasks_and_loses_none() {
    if cfg!(target_arch = "aarch64") {
        return; // All other tests are this one.
    }
    let Some(worker) = std::env::var_os(WORKER).map(PathBuf::from) else {
        test_support::leave_out!("no worker was built for aarch64; cargo xtask test --test aarch64 builds it");
    };
    if !test_support::has_program(EMULATOR) {
        test_support::leave_out!("no {EMULATOR}: install qemu-user-static");
    }
    let here = folder();
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "1"]);
    let mut foreign = Foreign::join(here.path(), &demo, &worker);
    let on_it = |words: &[&str]| demo.verb(&[&["run", "--node", "pi-arm"], words].concat());

    // It is what it says: the machine is another one, and so is a program it runs.
    assert_eq!(demo.json(&["node", "pi-arm", "--json"])["facts"]["arch"], "aarch64");
    let done = on_it(&["--wait", "--", foreign.program.to_str().unwrap(), "facts", "--json"]);
    let facts: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {}", said(&done)));
    assert_eq!(facts["arch"], "aarch64", "{facts}");

    // Codes, both outputs, signals, what is not there, and many of them.
    let done = on_it(&["--wait", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(done.status.code(), Some(7), "{}", said(&done));
    assert_eq!((&done.stdout[..], &done.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    assert_eq!(on_it(&["--wait", "--", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    let done = on_it(&["--wait", "--", "no-such-program"]);
    assert_eq!(done.status.code(), Some(127), "{}", said(&done));
    let done = on_it(&["--wait", "--array", "0-49", "--", "true"]);
    assert!(done.status.success(), "{}", said(&done));
    // More than travels in a report.
    let done = on_it(&["--wait", "--", "sh", "-c", "seq 100000"]);
    assert_eq!(done.stdout.len(), 588_895, "{}", done.status);

    // Nothing is left of a task that has ended, nor of one that is stopped, also where it hid in a session of its own.
    let tasks = || processes_of(&foreign.state).into_iter().filter(|line| line.contains("sleep 1000")).count();
    let done = on_it(&["--wait", "--", "sh", "-c", "setsid sleep 1000 & sleep 0.1"]);
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(tasks(), 0, "{:?}", processes_of(&foreign.state));
    let job = String::from_utf8(on_it(&["--", "sh", "-c", "setsid sleep 1000 & sleep 1000"]).stdout).unwrap();
    let task = format!("{}.0", job.trim());
    until("it runs", || (state_of(&demo, &task)? == "running").then_some(()));
    assert!(demo.verb(&["stop", &task]).status.success());
    until("it is stopped", || (state_of(&demo, &task)? == "stopped").then_some(()));
    assert_eq!(tasks(), 0, "{:?}", processes_of(&foreign.state));

    // What runs survives the agent's death and the keeper's upgrade, and is followed while it prints.
    let gate = here.path().join("gate");
    let waits = format!("echo begun; until [ -e {0} ]; do sleep 0.05; done; echo over; exit 5", gate.display());
    let job = String::from_utf8(on_it(&["--", "sh", "-c", &waits]).stdout).unwrap();
    let task = format!("{}.0", job.trim());
    until("it prints", || (demo.verb(&["logs", &task]).stdout == b"begun\n").then_some(()));
    let agent = foreign.status().unwrap()["agent_pid"].as_i64().unwrap();
    signal_pid(agent as i32, Signal::KILL);
    until("another agent is linked", || {
        let status = foreign.status()?;
        (status["agent_pid"].as_i64()? != agent && status["agent"]["link"] == "linked").then_some(())
    });
    let next = script(here.path(), "next-worker-agent", &here.path().join("worker-agent-aarch64"));
    let done = foreign.verb(&["upgrade", next.to_str().unwrap()]);
    assert!(done.status.success(), "{}", said(&done));
    std::fs::write(&gate, "").unwrap();
    let done = demo.verb(&["wait", &task]);
    assert_eq!(demo.json(&["task", &task, "--json"])["task"]["code"], 5, "{}", said(&done));
    assert_eq!(demo.verb(&["logs", &task]).stdout, b"begun\nover\n");

    // A killed keeper: the task runs on, is found again, and its end is called what it is.
    std::fs::remove_file(&gate).unwrap();
    let job = String::from_utf8(on_it(&["--", "sh", "-c", &waits]).stdout).unwrap();
    let task = format!("{}.0", job.trim());
    until("it prints", || (demo.verb(&["logs", &task]).stdout == b"begun\n").then_some(()));
    foreign.kill_keeper();
    foreign.keeper = Foreign::keeper(&foreign.program, &foreign.state, &["--slots", "2"]);
    until("the keeper has found it", || (foreign.status()?["running"].as_u64()? == 1).then_some(()));
    std::fs::write(&gate, "").unwrap();
    demo.verb(&["wait", &task]);
    let ended = demo.json(&["task", &task, "--json"]);
    assert!(ended["task"]["reason"].as_str().is_some_and(|why| why.contains("exit unknown")), "{ended}");
    assert_eq!(demo.verb(&["logs", &task]).stdout, b"begun\nover\n");
    drop(foreign);
    demo.quit();
}
