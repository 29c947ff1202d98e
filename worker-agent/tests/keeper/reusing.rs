//! What a task leaves behind is killed, and the next task is none the worse for it.

use std::path::Path;
use std::time::Duration;

use protocol::job::Outcome;

use super::worker::*;

/// More than there are cgroups at that moment, so that each of them comes to be used again if it ever is.
const MANY: u32 = 20;

fn many_run(worker: &mut Worker, from: u32) {
    for index in from..from + MANY {
        worker.spawn(attempt(index), &["true"]);
        assert_eq!(worker.outcome(attempt(index)), Outcome::Exited(0), "task {index}");
    }
}

fn leaves_something_to_be_killed(worker: &mut Worker, index: u32) {
    worker.shell(attempt(index), "sleep 1000 & echo bg");
    assert_eq!(worker.outcome(attempt(index)), Outcome::Exited(0));
}

fn ends_only_by_sigkill(worker: &mut Worker, index: u32) {
    worker.shell(attempt(index), "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    worker.lines(attempt(index), 1);
    worker.stop(attempt(index), Duration::ZERO);
    assert_eq!(worker.outcome(attempt(index)), stopped());
}

fn runs_on(worker: &mut Worker, index: u32) {
    worker.shell(attempt(index), "sleep 1000 & echo ready; while ! [ -e go ]; do sleep 0.01; done");
    worker.lines(attempt(index), 1);
}

fn let_go(worker: &mut Worker, index: u32) -> Outcome {
    std::fs::write(worker.work(attempt(index)).join("go"), "").unwrap();
    worker.outcome(attempt(index))
}

fn folders(base: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(base).into_iter().flatten().flatten().filter(|one| one.path().is_dir());
    entries.map(|one| one.file_name().into_string().unwrap()).collect()
}

fn assert_no_more_cgroups_than(worker: &Worker, most: usize) {
    if let Some(base) = worker.cgroups() {
        let left = folders(&base);
        assert!(left.len() <= most, "cgroups pile up: {left:?}");
    }
}

#[test]
fn many_tasks_run_after_one_whose_children_had_to_be_killed() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        for round in 0..5 {
            leaves_something_to_be_killed(&mut worker, round * 100);
            many_run(&mut worker, round * 100 + 1);
        }
        assert_no_more_cgroups_than(&worker, 1);
    }
}

#[test]
fn many_tasks_run_after_stops_that_needed_sigkill() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        for round in 0..5 {
            ends_only_by_sigkill(&mut worker, round * 100);
            many_run(&mut worker, round * 100 + 1);
        }
        assert_no_more_cgroups_than(&worker, 1);
    }
}

#[test]
fn many_tasks_run_in_an_upgraded_keeper_whatever_was_killed_before() {
    let mut worker = Worker::start();
    for round in 0..3 {
        let from = round * 1000;
        runs_on(&mut worker, from);
        leaves_something_to_be_killed(&mut worker, from + 1);
        many_run(&mut worker, from + 2);
        let mut command = worker.command(&["upgrade", PROGRAM]);
        let answer = std::thread::spawn(move || command.output().unwrap());
        worker.meet_agent();
        assert!(answer.join().unwrap().status.success());
        many_run(&mut worker, from + 100);
        assert_eq!(let_go(&mut worker, from), Outcome::Exited(0));
        many_run(&mut worker, from + 200);
        assert_no_more_cgroups_than(&worker, 2);
    }
}

#[test]
fn many_tasks_run_in_the_keeper_after_a_killed_one() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        for round in 0..3 {
            let from = round * 1000;
            runs_on(&mut worker, from);
            leaves_something_to_be_killed(&mut worker, from + 1);
            // Its main process ends without a keeper, its child is left for the next.
            runs_on(&mut worker, from + 2);
            many_run(&mut worker, from + 3);
            worker.kill_keeper();
            std::fs::write(worker.work(attempt(from + 2)).join("go"), "").unwrap();
            worker.start_keeper();
            many_run(&mut worker, from + 100);
            assert_eq!(let_go(&mut worker, from), unknown_exit());
            many_run(&mut worker, from + 200);
            assert_no_more_cgroups_than(&worker, 3);
        }
    }
}

#[test]
fn cgroups_that_tasks_made_inside_their_own_go_with_it() {
    let mut worker = Worker::start();
    let Some(base) = worker.cgroups().filter(|_| is_root()) else { return };
    let script =
        format!("set -- {}/[0-9]*; for at; do mkdir -p $at/mine/too; done; sleep 1000 & echo bg", base.display());
    worker.shell(attempt(0), &script);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0));
    many_run(&mut worker, 1);
    assert_no_more_cgroups_than(&worker, 1);
    worker.signal_keeper(libc::SIGTERM);
    assert_eq!(worker.keeper_end(), Some(0));
    assert!(!base.exists(), "{:?}", folders(&base));
}

#[test]
fn a_cgroup_of_the_keeper_before_is_not_used_again_when_its_task_has_ended() {
    let mut worker = Worker::start();
    let Some(base) = worker.cgroups().filter(|_| is_root()) else { return };
    runs_on(&mut worker, 0);
    let [old] = <[String; 1]>::try_from(folders(&base)).unwrap();
    worker.kill_keeper();
    worker.start_keeper();
    worker.spawn(attempt(1), &["cat", "/proc/self/cgroup"]);
    assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(0));
    assert!(!worker.output(attempt(1), "out").contains(&format!("/{old}\n")));
    assert_eq!(let_go(&mut worker, 0), unknown_exit());
    many_run(&mut worker, 2);
    assert!(!base.join(old).exists());
}
