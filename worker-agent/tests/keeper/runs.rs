//! What only runs have: root's own privileges, an input, a folder to begin in, and a limit to their time.

use std::time::Duration;

use protocol::id::AttemptId;
use protocol::job::{NotStarted, Outcome};
use protocol::keeper::{Limit, Spawn, ToKeeper};

use super::worker::*;

const LONG_MS: u64 = 600_000;
const SOON_MS: u64 = 100;
/// A program that says what it hears and ends by itself.
const HEARS: &str = "trap 'echo heard; exit 5' TERM; echo ready; while :; do sleep 0.01; done";

/// One that ends only when it is killed, and so does the daemon it has made.
fn deaf() -> String {
    let deaf = "trap '' TERM; echo $$; while :; do sleep 0.01; done";
    format!("setsid sh -c \"{}\" & {deaf}", deaf.replace('$', "\\$"))
}

fn limited(worker: &Worker, attempt: AttemptId, ms: u64, grace_ms: u64, script: &str) -> Spawn {
    Spawn { limit: Some(Limit { ms, grace_ms }), ..worker.order(attempt, &["sh", "-c", script]) }
}

fn late(limit_ms: u64) -> Outcome {
    Outcome::TimedOut { limit_ms }
}

/// Told after the hello, or in it.
fn end_of(worker: &mut Worker, attempt: AttemptId) -> Outcome {
    match worker.kept(attempt).ended.clone() {
        Some(ended) => ended.outcome,
        None => worker.outcome(attempt),
    }
}

fn fault(outcome: Outcome) -> String {
    match outcome {
        Outcome::NotStarted { kind: NotStarted::Fault, message } => message,
        other => panic!("it is no fault: {other:?}"),
    }
}

#[test]
fn what_root_runs_has_all_that_root_may_do_and_is_still_ended_whole() {
    if !is_root() {
        test_support::leave_out!("running something as root needs root");
    }
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let script = "cat /proc/self/status; cat /proc/self/oom_score_adj; pwd; setsid sleep 1000 & echo $!; exit 3";
        let order = Spawn { root: true, cwd: Some("/etc".into()), ..worker.order(attempt(0), &["sh", "-c", script]) };
        worker.say(&ToKeeper::Spawn(order));
        assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(3), "{mode:?}");
        let out = worker.output(attempt(0), "out");
        let field = |name: &str| out.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        assert_eq!(field("NoNewPrivs:"), "0");
        assert_eq!(field("Uid:"), ["0"; 4].join("\t"));
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        let ours = own.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
        assert_eq!(field("CapEff:"), ours);
        let rest: Vec<&str> = out.lines().rev().take(3).collect();
        assert_eq!(rest[1..], ["/etc", "0"]);
        assert!(!runs(rest[0].parse().unwrap()), "{mode:?}: its daemon ended with it");
        assert!(worker.processes().is_empty(), "{mode:?}");
    }
}

#[test]
fn nobody_is_root_who_has_a_uid_and_nobody_where_the_worker_is_not() {
    let mut worker = Worker::start();
    let uid = if is_root() { Some(1_900_000_007) } else { None };
    let order = Spawn { root: true, uid, ..worker.order(attempt(0), &["id"]) };
    worker.say(&ToKeeper::Spawn(order));
    assert!(fault(worker.outcome(attempt(0))).contains("not root"));
    assert_eq!(worker.output(attempt(0), "out"), "");
}

#[test]
fn its_input_is_what_it_was_given_to_the_last_byte_and_only_a_file_of_its_own() {
    let mut worker = Worker::start();
    let input = worker.file("input");
    let bytes: Vec<u8> = (0..1_000_000u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(&input, &bytes).unwrap();
    let order = |worker: &Worker, attempt, from: &std::path::Path| Spawn {
        stdin: Some(from.display().to_string()),
        ..worker.order(attempt, &["cat"])
    };
    let first = order(&worker, attempt(0), &input);
    worker.say(&ToKeeper::Spawn(first));
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0));
    assert!(std::fs::read(worker.output_path(attempt(0), "out")).unwrap() == bytes);

    std::os::unix::fs::symlink(&input, worker.file("elsewhere")).unwrap();
    for (index, name) in [(1, "elsewhere"), (2, "nowhere")] {
        let order = order(&worker, attempt(index), &worker.file(name));
        worker.say(&ToKeeper::Spawn(order));
        let why = fault(worker.outcome(attempt(index)));
        assert!(why.contains("standard input") && why.contains(name), "{why}");
    }
}

#[test]
fn what_is_given_so_long_hears_that_it_is_over_and_is_called_late_whatever_its_code() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let order = limited(&worker, attempt(0), SOON_MS, LONG_MS, HEARS);
        worker.say(&ToKeeper::Spawn(order));
        let ended = worker.ended(attempt(0));
        assert_eq!(ended.outcome, late(SOON_MS), "{mode:?}");
        assert!(ended.ran_ms.unwrap() >= SOON_MS, "{ended:?}");
        assert_eq!(worker.output(attempt(0), "out"), "ready\nheard\n", "{mode:?}");
    }
}

#[test]
fn what_does_not_hear_it_is_killed_after_the_grace_with_its_daemons() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let order = limited(&worker, attempt(0), 300, 50, &deaf());
        worker.say(&ToKeeper::Spawn(order));
        let pids: Vec<i32> = worker.lines(attempt(0), 2).iter().map(|line| line.parse().unwrap()).collect();
        assert_eq!(worker.outcome(attempt(0)), late(300), "{mode:?}");
        assert!(pids.iter().all(|pid| !runs(*pid)), "{mode:?}");
        assert!(worker.processes().is_empty(), "{mode:?}");
    }
}

#[test]
fn two_whose_time_is_over_at_once_have_each_the_whole_grace() {
    let mut worker = Worker::start();
    for index in 0..3 {
        let order = limited(&worker, attempt(index), SOON_MS, LONG_MS, HEARS);
        worker.say(&ToKeeper::Spawn(order));
    }
    (0..3).for_each(|index| drop(worker.lines(attempt(index), 1)));
    // Where it was not looked at when it should have been, all of them are due together.
    worker.signal_keeper(libc::SIGSTOP);
    std::thread::sleep(Duration::from_millis(2 * SOON_MS)); // why: their time has to pass
    worker.signal_keeper(libc::SIGCONT);
    for index in 0..3 {
        assert_eq!(worker.outcome(attempt(index)), late(SOON_MS));
        assert_eq!(worker.output(attempt(index), "out"), "ready\nheard\n", "{index} was not asked to end");
    }
}

#[test]
fn what_ends_in_time_or_is_stopped_before_is_not_late() {
    let mut worker = Worker::start();
    for (index, ms) in [(0, LONG_MS), (1, u64::MAX)] {
        let order = limited(&worker, attempt(index), ms, u64::MAX, "exit 4");
        worker.say(&ToKeeper::Spawn(order));
        assert_eq!(worker.outcome(attempt(index)), Outcome::Exited(4));
    }
    let order = limited(&worker, attempt(2), LONG_MS, LONG_MS, HEARS);
    worker.say(&ToKeeper::Spawn(order));
    worker.lines(attempt(2), 1);
    worker.stop(attempt(2), Duration::from_secs(600));
    assert_eq!(worker.outcome(attempt(2)), stopped());
    // Who is late already can be given less grace, and is late all the same.
    let order = limited(&worker, attempt(3), 1, LONG_MS, &deaf());
    worker.say(&ToKeeper::Spawn(order));
    let asked = || std::fs::read_to_string(worker.state().join("journal")).unwrap().contains(r#""late":true"#);
    until("its time to be over", asked);
    worker.stop(attempt(3), Duration::ZERO);
    assert_eq!(worker.outcome(attempt(3)), late(1));
}

#[test]
fn the_limit_holds_while_there_is_no_agent_and_whoever_comes_next_is_told() {
    let mut worker = Worker::start();
    let order = limited(&worker, attempt(0), 300, 50, &deaf());
    worker.say(&ToKeeper::Spawn(order));
    worker.lines(attempt(0), 2);
    kill(worker.agent_pid(), libc::SIGKILL);
    worker.meet_agent();
    assert_eq!(end_of(&mut worker, attempt(0)), late(300));
}

#[test]
fn the_limit_outlives_a_killed_keeper_and_counts_from_the_beginning() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let order = limited(&worker, attempt(0), SOON_MS, 50, &deaf());
        worker.say(&ToKeeper::Spawn(order));
        let pids: Vec<i32> = worker.lines(attempt(0), 2).iter().map(|line| line.parse().unwrap()).collect();
        worker.kill_keeper();
        worker.start_keeper();
        assert_eq!(end_of(&mut worker, attempt(0)), late(SOON_MS), "{mode:?}");
        assert!(pids.iter().all(|pid| !runs(*pid)), "{mode:?}");
    }
}

#[test]
fn what_was_asked_to_end_because_it_was_late_is_late_for_the_next_keeper_too() {
    let mut worker = Worker::start();
    let script = "trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done";
    let order = limited(&worker, attempt(0), SOON_MS, 400, script);
    worker.say(&ToKeeper::Spawn(order));
    worker.lines(attempt(0), 2);
    worker.kill_keeper();
    worker.start_keeper();
    assert_eq!(end_of(&mut worker, attempt(0)), late(SOON_MS));
}
