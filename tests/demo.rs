//! The demo as a newcomer meets it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Demo, daemons, demo_command, folder, processes_of, said, until};
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

#[test]
fn a_demo_runs_work_beside_another_and_finds_its_state_again() {
    let (here, there) = (folder(), folder());
    let one = Demo::start(here.path(), &[]);
    let two = Demo::start(there.path(), &["--nodes", "1"]);
    assert_eq!(one.line["nodes"].as_array().unwrap().len(), 3);
    assert_ne!(one.line["ssh"], two.line["ssh"]);

    let done = one.verb(&["run", "--wait", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(done.status.code(), Some(7), "{}", said(&done));
    assert_eq!((&done.stdout[..], &done.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));

    // Temperature is simulated, and says so; a demo does not reboot the machine it runs on.
    let node = until("a temperature", || {
        let node = one.json(&["node", "pi-2", "--json"]);
        node["metrics"]["temperature"].is_number().then_some(node)
    });
    assert_eq!(node["facts"]["simulated"], true);
    one.verb(&["node", "reboot", "pi-2"]);
    until("the refusal", || {
        let events = one.verb(&["event", "--json"]);
        String::from_utf8_lossy(&events.stdout).contains("order_refused").then_some(())
    });

    // A second demo in the same place is told so.
    let second = demo_command(here.path(), &[]).output().unwrap();
    assert!(String::from_utf8_lossy(&second.stderr).contains("already runs"), "{}", said(&second));

    // Quitting stops what runs, with the reason; nothing is left, and the next run knows all of it.
    let endless = String::from_utf8(one.verb(&["run", "--", "sleep", "1000"]).stdout).unwrap();
    until("it runs", || (one.json(&["job", endless.trim(), "--json"])["state"] == "running").then_some(()));
    one.quit();
    let again = Demo::start(here.path(), &[]);
    let task = again.json(&["task", &format!("{}.0", endless.trim()), "--json"]);
    let task = task.get("task").unwrap_or(&task).clone();
    assert_eq!((&task["state"], &task["reason"]), (&"stopped".into(), &"demo ended".into()), "{task}");
    again.quit();
    two.quit();
}

#[test]
fn what_a_killed_demo_left_is_adopted_by_the_next() {
    let here = folder();
    let mut killed = Demo::start(here.path(), &["--nodes", "2"]);
    let script = "for i in $(seq 600); do echo $i; sleep 0.1; done";
    let job = String::from_utf8(killed.verb(&["run", "--", "sh", "-c", script]).stdout).unwrap();
    let id = format!("{}.0", job.trim());
    until("it runs", || (killed.json(&["job", job.trim(), "--json"])["state"] == "running").then_some(()));
    let (manager, keepers) = (daemons(here.path(), "manager"), daemons(here.path(), "run"));
    assert_eq!((manager.len(), keepers.len()), (1, 2));
    killed.signal(Signal::KILL);
    killed.child.wait().unwrap();

    let adopting = Demo::start(here.path(), &["--nodes", "2"]);
    assert_eq!((daemons(here.path(), "manager"), daemons(here.path(), "run")), (manager, keepers));
    let stopped = adopting.verb(&["stop", &id]);
    assert!(stopped.status.success(), "{}", said(&stopped));
    adopting.quit();
}

#[test]
fn workers_of_a_killed_demo_are_ended_even_where_the_next_one_has_fewer_or_no_time() {
    for moment in [None, Some(0), Some(40), Some(120)] {
        let here = folder();
        let mut killed = Demo::start(here.path(), &["--nodes", "3"]);
        killed.verb(&["run", "--node", "pi-3", "--", "sleep", "1000"]);
        until("it runs", || (killed.json(&["task", "1.0", "--json"])["task"]["state"] == "running").then_some(()));
        killed.signal(Signal::KILL);
        killed.child.wait().unwrap();
        match moment {
            None => Demo::start(here.path(), &["--nodes", "1"]).quit(),
            Some(moment) => {
                let mut next = demo_command(here.path(), &["--nodes", "1"]).spawn().unwrap();
                std::thread::sleep(Duration::from_millis(moment)); // why: the moment is what is tested
                common::signal_pid(next.id() as i32, Signal::INT);
                next.wait().unwrap();
                if moment == 0 {
                    // It may not even have begun: then it ended nothing, and the next one does.
                    Demo::start(here.path(), &["--nodes", "1"]).quit();
                }
            }
        }
        assert_eq!(processes_of(here.path()), Vec::<String>::new(), "left behind: {moment:?}");
    }
}

#[test]
fn a_keeper_killed_just_before_the_demo_is_quit_leaves_no_task_behind() {
    let here = folder();
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    demo.verb(&["run", "--", "sleep", "1000"]);
    until("it runs", || (demo.json(&["task", "1.0", "--json"])["task"]["state"] == "running").then_some(()));
    // Without its manager too: nothing delays the end until the keeper is back by itself.
    for pid in [daemons(here.path(), "manager"), daemons(here.path(), "run")].concat() {
        common::signal_pid(pid, Signal::KILL);
    }
    demo.quit();
    let again = Demo::start(here.path(), &["--nodes", "1"]);
    let task = again.json(&["task", "1.0", "--json"]);
    assert_eq!(task["task"]["reason"], "demo ended", "{task}");
    again.quit();
}

#[test]
fn ctrl_c_at_any_moment_leaves_nothing_behind() {
    for moment in [0, 20, 60, 120, 250, 400, 700] {
        let here = folder();
        let mut demo = demo_command(here.path(), &[]).spawn().unwrap();
        let at = Instant::now() + Duration::from_millis(moment);
        // A moment in its life, not a condition: any will do.
        std::thread::sleep(at.saturating_duration_since(Instant::now())); // why: the moment is what is tested
        common::signal_pid(demo.id() as i32, Signal::INT);
        demo.wait().unwrap();
        assert_eq!(processes_of(here.path()), Vec::<String>::new(), "left behind when interrupted after {moment} ms");
    }
}

#[test]
fn a_demo_whose_line_nobody_reads_leaves_nothing_behind() {
    let here = folder();
    let mut command = demo_command(here.path(), &["--nodes", "1"]);
    let mut demo = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(demo.stdout.take());
    let done = demo.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(3), "{}", said(&done));
    assert!(String::from_utf8_lossy(&done.stderr).contains("nobody reads"), "{}", said(&done));
    assert_eq!(processes_of(here.path()), Vec::<String>::new(), "left behind");
}

#[test]
fn a_manager_goes_on_where_its_log_cannot_be_written() {
    let here = folder();
    let config = here.path().join("manager.toml");
    let (state, run) = (here.path().join("state"), here.path().join("run"));
    std::fs::write(&config, format!("ssh = \"127.0.0.1:0\"\nstate = {state:?}\nrun = {run:?}\n")).unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(common::BRAMBLE);
    let mut manager = command.args(["manager", "--config"]).arg(&config).stderr(full).spawn().unwrap();
    let answers = until("an answer, or its end", || {
        let answered = common::verb(&run.join("manager.sock"), &["node"]).output().unwrap().status.success();
        (answered || manager.try_wait().unwrap().is_some()).then_some(answered)
    });
    common::signal_pid(manager.id() as i32, Signal::TERM);
    let ended = manager.wait().unwrap();
    assert!(answers && ended.success(), "answered: {answers}, {ended}");
}

#[test]
fn who_waits_while_the_manager_stops_is_told_that_it_went_away() {
    let here = folder();
    let config = here.path().join("manager.toml");
    let (state, run) = (here.path().join("state"), here.path().join("run"));
    std::fs::write(&config, format!("ssh = \"127.0.0.1:0\"\nstate = {state:?}\nrun = {run:?}\n")).unwrap();
    let mut manager = std::process::Command::new(common::BRAMBLE);
    let mut manager = manager.args(["manager", "--config"]).arg(&config).spawn().unwrap();
    let socket = run.join("manager.sock");
    until("an answer", || {
        common::verb(&socket, &["run", "--", "true"]).output().unwrap().status.success().then_some(())
    });
    until("the last caller has gone", || (connections(&socket) == 1).then_some(()));
    // An answer that had been given arrives, whatever the moment; who still waits is not told a riddle.
    let mut waits = common::verb(&socket, &["wait", "1"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    until("it waits", || (connections(&socket) >= 2).then_some(()));
    common::signal_pid(manager.id() as i32, Signal::TERM);
    let mut told = String::new();
    BufReader::new(waits.stderr.take().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("went away"), "{told}");
    // It would go on waiting for the manager to come back.
    waits.kill().unwrap();
    waits.wait().unwrap();
    assert!(manager.wait().unwrap().success());
}

/// Sockets of this name in the kernel's list: the one that listens, and one for each caller that was let in.
fn connections(socket: &std::path::Path) -> usize {
    let list = std::fs::read_to_string("/proc/net/unix").unwrap();
    list.lines().filter(|line| line.ends_with(socket.to_str().unwrap())).count()
}
