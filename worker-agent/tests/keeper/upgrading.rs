//! The keeper becomes another binary, keeping its children: every exit code stays exact.

use std::process::Output;
use std::time::Duration;

use protocol::job::Outcome;
use protocol::keeper::{Limit, Spawn, ToKeeper};

use super::worker::*;

/// A binary that is a worker, but for what these lines of shell do before it runs.
fn new_binary(worker: &Worker, lines: &str) -> String {
    let path = worker.file("new-worker");
    let script = format!("[ \"$1\" = --version ] && echo worker-agent 99.9 && exit\n{lines}\nexec {PROGRAM} \"$@\"\n");
    write_script(&path, &script);
    path.display().to_string()
}

fn upgrade(worker: &Worker, path: &str) -> Output {
    worker.command(&["upgrade", path]).output().unwrap()
}

/// Waiting for a file, then `exit CODE`.
fn exits_later(worker: &mut Worker, index: u32, code: u32) {
    worker.shell(attempt(index), &format!("echo $$; while ! [ -e go ]; do sleep 0.01; done; exit {code}"));
    worker.lines(attempt(index), 1);
}

fn let_go(worker: &Worker, index: u32) {
    std::fs::write(worker.work(attempt(index)).join("go"), "").unwrap();
}

#[test]
fn an_upgraded_keeper_has_the_same_process_tasks_and_exact_exit_codes() {
    let mut worker = Worker::start();
    exits_later(&mut worker, 0, 11);
    exits_later(&mut worker, 1, 12);
    let go = worker.work(attempt(1)).join("go");
    let pid = worker.lines(attempt(1), 1)[0].clone();
    // The second task ends in the very middle of the exec, when nobody listens. (A shell that starts a process waits for
    // every child it has, and would take the exit code: so nothing but built-ins here.)
    let zombie = format!("{{ read -r pid name state rest; [ \"$state\" = Z ]; }} < /proc/{pid}/stat");
    let lines = format!(": > {}; until {zombie}; do :; done", go.display());
    let path = new_binary(&worker, &lines);
    let (keeper, agent) = (worker.keeper_pid(), worker.agent_pid());
    let answer = std::thread::spawn({
        let mut command = worker.command(&["upgrade", &path]);
        move || command.output().unwrap()
    });
    worker.meet_agent();
    let answer = answer.join().unwrap();
    assert!(answer.status.success(), "{}", text(&answer));
    assert!(text(&answer).contains(&format!("process {keeper}")), "{}", text(&answer));
    assert_eq!(worker.status().keeper_pid, keeper);
    assert_ne!(worker.agent_pid(), agent);
    assert_eq!(worker.kept_outcome(attempt(1)), Outcome::Exited(12));
    assert!(worker.kept(attempt(0)).ended.is_none());
    let_go(&worker, 0);
    let end = worker.ended(attempt(0));
    assert_eq!(end.outcome, Outcome::Exited(11));
    assert!(end.ran_ms.is_some());
}

#[test]
fn a_keeper_can_be_upgraded_again_and_again_and_still_locks_its_folder() {
    let mut worker = Worker::start();
    exits_later(&mut worker, 0, 13);
    let path = new_binary(&worker, "");
    for _ in 0..3 {
        let mut command = worker.command(&["upgrade", &path]);
        let answer = std::thread::spawn(move || command.output().unwrap());
        worker.meet_agent();
        assert!(answer.join().unwrap().status.success());
    }
    let second = worker.command(&["run"]).output().unwrap();
    assert!(text(&second).contains("another worker"), "{}", text(&second));
    worker.shell(attempt(1), "exit 14");
    assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(14));
    // The lock is open in the keeper, and not in its tasks.
    let (_, fds, _) = worker.run(attempt(2), &["ls", "/proc/self/fd"]);
    assert_eq!(fds, "0\n1\n2\n3\n");
    let_go(&worker, 0);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(13));
}

#[test]
fn a_stop_under_way_goes_on_after_the_upgrade() {
    let mut worker = Worker::start();
    worker.shell(attempt(0), "trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done");
    worker.lines(attempt(0), 1);
    worker.stop(attempt(0), Duration::from_secs(2));
    worker.lines(attempt(0), 2);
    let path = new_binary(&worker, "");
    let mut command = worker.command(&["upgrade", &path]);
    let answer = std::thread::spawn(move || command.output().unwrap());
    worker.meet_agent();
    assert!(answer.join().unwrap().status.success());
    let ended = worker.kept(attempt(0)).ended.clone().unwrap_or_else(|| worker.ended(attempt(0)));
    assert_eq!(ended.outcome, stopped());
}

#[test]
fn a_limit_to_its_time_goes_on_after_the_upgrade_and_an_exit_before_it_stays_exact() {
    let mut worker = Worker::start();
    let limit = |ms| Some(Limit { ms, grace_ms: 600_000 });
    let script = "trap 'echo heard; exit 5' TERM; echo ready; while ! [ -e go ]; do sleep 0.01; done; exit 16";
    for (index, ms) in [(0, 1_000), (1, 600_000)] {
        let order = Spawn { limit: limit(ms), ..worker.order(attempt(index), &["sh", "-c", script]) };
        worker.say(&ToKeeper::Spawn(order));
        worker.lines(attempt(index), 1);
    }
    let path = new_binary(&worker, "");
    let mut command = worker.command(&["upgrade", &path]);
    let answer = std::thread::spawn(move || command.output().unwrap());
    worker.meet_agent();
    assert!(answer.join().unwrap().status.success());
    let ended = worker.kept(attempt(0)).ended.clone().unwrap_or_else(|| worker.ended(attempt(0)));
    assert_eq!(ended.outcome, Outcome::TimedOut { limit_ms: 1_000 });
    assert_eq!(worker.output(attempt(0), "out"), "ready\nheard\n");
    let_go(&worker, 1);
    assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(16));
}

#[test]
fn what_is_not_a_worker_is_refused_with_the_reason_and_the_old_one_goes_on() {
    let mut worker = Worker::start();
    let agent = worker.agent_pid();
    let plain = worker.file("plain");
    std::fs::write(&plain, "").unwrap();
    let broken = worker.file("broken");
    write_script(&broken, "exit 3");
    let cases = [
        ("/no/such/worker".to_owned(), "cannot be used"),
        (plain.display().to_string(), "chmod +x"),
        ("/".into(), "is not a program"),
        ("/bin/true".into(), "not a worker"),
        (broken.display().to_string(), "ended with code 3"),
    ];
    for (path, why) in cases {
        let refused = upgrade(&worker, &path);
        assert_eq!(refused.status.code(), Some(1));
        assert!(text(&refused).contains(why), "{}", text(&refused));
    }
    assert_eq!(worker.status().agent_pid, Some(agent));
    worker.shell(attempt(0), "exit 3");
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(3));
}

#[test]
fn an_exec_that_fails_leaves_the_old_keeper_as_it_was_and_says_why() {
    let mut worker = Worker::start();
    exits_later(&mut worker, 0, 15);
    // Works when it is tried, and is gone when it is needed.
    let path = worker.file("vanishing");
    write_script(&path, "rm \"$0\"; echo worker-agent 99.9\n");
    let mut command = worker.command(&["upgrade", path.to_str().unwrap()]);
    let answer = std::thread::spawn(move || command.output().unwrap());
    worker.meet_agent();
    let answer = answer.join().unwrap();
    assert_eq!(answer.status.code(), Some(1));
    assert!(text(&answer).contains("the old worker goes on"), "{}", text(&answer));
    let_go(&worker, 0);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(15));
    let (_, fds, _) = worker.run(attempt(1), &["ls", "/proc/self/fd"]);
    assert_eq!(fds, "0\n1\n2\n3\n");
}
