//! A task ends whole: nothing of it is left running, however far it went from where it began.

use std::time::Duration;

use protocol::job::Outcome;
use protocol::keeper::ToKeeper;

use super::worker::*;

const LONG: Duration = Duration::from_secs(600);

fn pid_of(line: &str) -> i32 {
    line.trim().parse().unwrap_or_else(|_| panic!("no pid: {line:?}"))
}

#[test]
fn a_daemonised_child_ends_with_its_task() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(attempt(0), "setsid sh -c 'echo $$; exec sleep 1000' & read x < /dev/null; while ! [ -s ../../spool/*.out ]; do :; done; exit 3");
        let daemon = pid_of(&worker.lines(attempt(0), 1)[0]);
        assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(3), "{mode:?}");
        assert!(!runs(daemon), "{mode:?}");
        assert!(worker.processes().is_empty(), "{mode:?}");
    }
}

#[test]
fn a_daemon_without_its_marks_ends_with_its_task_too() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let daemon = "env -i PATH=\"$PATH\" setsid sh -c 'echo $$; exec sleep 1000'";
        worker.shell(attempt(0), &format!("({daemon} &); while ! [ -s ../../spool/*.out ]; do :; done; exit 3"));
        let daemon = pid_of(&worker.lines(attempt(0), 1)[0]);
        assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(3), "{mode:?}");
        assert!(!runs(daemon), "{mode:?}");
    }
}

#[test]
fn the_daemon_of_another_task_is_left_alone() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let daemon = "(setsid sh -c 'echo $$; exec sleep 1000' &)";
        worker.shell(attempt(0), &format!("{daemon}; exec sleep 1000"));
        let others = pid_of(&worker.lines(attempt(0), 1)[0]);
        worker.shell(attempt(1), &format!("{daemon}; while ! [ -s ../../spool/1.1#1.out ]; do :; done"));
        assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(0));
        assert!(!runs(pid_of(&worker.lines(attempt(1), 1)[0])), "{mode:?}");
        assert!(runs(others), "{mode:?}");
    }
}

#[test]
fn a_stop_is_heard_by_the_program_and_called_a_stop_whatever_its_code() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(attempt(0), "trap 'echo heard; exit 5' TERM; echo ready; while :; do sleep 0.01; done");
        worker.lines(attempt(0), 1);
        worker.stop(attempt(0), LONG);
        assert_eq!(worker.outcome(attempt(0)), stopped());
        assert_eq!(worker.output(attempt(0), "out"), "ready\nheard\n", "{mode:?}");
    }
}

#[test]
fn what_ignores_sigterm_is_killed_after_the_grace_with_all_its_children() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let deaf = "trap '' TERM; echo $$; while :; do sleep 0.01; done";
        worker.shell(attempt(0), &format!("setsid sh -c \"{}\" & {deaf}", deaf.replace('$', "\\$")));
        let processes: Vec<i32> = worker.lines(attempt(0), 2).iter().map(|line| pid_of(line)).collect();
        worker.stop(attempt(0), Duration::from_millis(50));
        let ended = worker.ended(attempt(0));
        assert_eq!(ended.outcome, stopped(), "{mode:?}");
        assert!(ended.ran_ms.unwrap() >= 50);
        assert!(processes.iter().all(|pid| !runs(*pid)), "{mode:?}");
        assert!(worker.processes().is_empty(), "{mode:?}");
    }
}

#[test]
fn a_child_may_use_the_grace_although_its_parent_has_ended() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let child = "trap \"sleep 0.2; echo saved; exit\" TERM; echo ready; while :; do sleep 0.01; done";
        worker.shell(attempt(0), &format!("setsid sh -c '{child}' & wait"));
        worker.lines(attempt(0), 1);
        worker.stop(attempt(0), LONG);
        assert_eq!(worker.outcome(attempt(0)), stopped(), "{mode:?}");
        assert_eq!(worker.output(attempt(0), "out"), "ready\nsaved\n", "{mode:?}");
    }
}

#[test]
fn a_frozen_task_hears_the_stop_too() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(attempt(0), "trap 'echo heard; exit' TERM; echo $$; kill -STOP $$; while :; do sleep 0.01; done");
        let pid = pid_of(&worker.lines(attempt(0), 1)[0]);
        let frozen = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ");
        until("the task to freeze", frozen);
        worker.stop(attempt(0), LONG);
        assert_eq!(worker.outcome(attempt(0)), stopped());
        assert_eq!(worker.lines(attempt(0), 2)[1], "heard", "{mode:?}");
    }
}

#[test]
fn nothing_escapes_that_forks_while_it_is_killed() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        // Every process starts the next one, in a session of its own, and ends: there is never one to hold on to.
        write_script(&worker.file("hop"), "trap '' TERM\n[ -e stop-hopping ] && exit\nsetsid \"$0\" &\n");
        let hop = worker.file("hop").display().to_string();
        worker.shell(attempt(0), &format!("{hop}; {hop}; {hop}; echo hopping; exec sleep 1000"));
        worker.lines(attempt(0), 1);
        worker.stop(attempt(0), Duration::ZERO);
        assert_eq!(worker.outcome(attempt(0)), stopped());
        let left = worker.processes();
        std::fs::write(worker.work(attempt(0)).join("stop-hopping"), "").unwrap();
        assert!(left.is_empty(), "{mode:?}: {left:?}");
    }
}

#[test]
fn what_is_forgotten_is_killed_and_never_told() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(attempt(0), "trap '' TERM; echo $$; while :; do sleep 0.01; done");
        let pid = pid_of(&worker.lines(attempt(0), 1)[0]);
        worker.say(&ToKeeper::Forget { attempts: vec![attempt(0)] });
        until("it to be killed", || !runs(pid));
        worker.spawn(attempt(1), &["true"]);
        let told = worker.hear_until(|message| match message {
            protocol::keeper::FromKeeper::Ended(ended) => Some(ended.attempt),
            _ => None,
        });
        assert_eq!(told, attempt(1), "{mode:?}");
    }
}

#[test]
fn a_task_that_ended_before_the_stop_came_keeps_its_own_end() {
    let mut worker = Worker::start();
    worker.spawn(attempt(0), &["false"]);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(1));
    worker.stop(attempt(0), LONG);
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(1));
}

#[test]
fn a_second_stop_can_shorten_the_grace_but_not_change_the_reason() {
    let mut worker = Worker::start();
    worker.shell(attempt(0), "trap '' TERM; echo ready; while :; do sleep 0.01; done");
    worker.lines(attempt(0), 1);
    worker.stop(attempt(0), LONG);
    worker.say(&ToKeeper::Stop { attempt: attempt(0), reason: "another".into(), grace_ms: 0 });
    assert_eq!(worker.outcome(attempt(0)), stopped());
}

/// The kernel kills at birth what is cloned into a cgroup that was ever killed.
#[test]
fn after_a_task_was_killed_with_what_it_left_the_next_ones_live() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(attempt(0), "sleep 1000 & exit 0");
        assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(0), "{mode:?}");
        worker.shell(attempt(1), "trap '' TERM; echo ready; while :; do sleep 1000; done");
        worker.lines(attempt(1), 1);
        worker.stop(attempt(1), Duration::ZERO);
        assert!(matches!(worker.outcome(attempt(1)), Outcome::Stopped { .. }), "{mode:?}");
        for index in 2..12 {
            worker.shell(attempt(index), "exit 7");
            assert_eq!(worker.outcome(attempt(index)), Outcome::Exited(7), "{mode:?}, task {index}");
        }
    }
}
