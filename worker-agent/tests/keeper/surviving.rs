//! Whatever happens to agent and keeper, tasks run on and their ends are noticed, never guessed.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::keeper::{Ended, FromKeeper, Kept, Record, ToKeeper};
use protocol::time::UnixMillis;
use serde_json::Value;

use super::worker::*;

/// A task that prints its pid, goes on when a file appears, prints more and exits with 7.
fn patient(worker: &mut Worker, attempt: AttemptId) -> i32 {
    worker.shell(attempt, "echo $$; while ! [ -e go ]; do sleep 0.01; done; echo whole; exit 7");
    worker.lines(attempt, 1)[0].parse().unwrap()
}

fn let_go(worker: &Worker, attempt: AttemptId) {
    std::fs::write(worker.work(attempt).join("go"), "").unwrap();
}

fn journal(worker: &Worker, records: &[Record]) {
    std::fs::create_dir_all(worker.state()).unwrap();
    let path = worker.state().join("journal");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for record in records {
        writeln!(file, "{}", serde_json::to_string(record).unwrap()).unwrap();
    }
}

fn starting(attempt: AttemptId) -> Record {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned();
    Record::Starting { attempt, boot_id, at: UnixMillis(1000), limit: None, note: Value::Null }
}

fn ended(message: &FromKeeper) -> Option<Outcome> {
    if let FromKeeper::Ended(ended) = message { Some(ended.outcome.clone()) } else { None }
}

#[test]
fn a_killed_agent_is_started_again_and_told_what_is_kept() {
    let mut worker = Worker::start();
    let mut order = worker.order(attempt(0), &["false"]);
    order.note = serde_json::json!({"cpus": 3});
    worker.say(&ToKeeper::Spawn(order));
    let end = worker.ended(attempt(0));
    let pid = patient(&mut worker, attempt(1));
    let agent = worker.agent_pid();
    kill(agent, libc::SIGKILL);
    worker.meet_agent();
    assert_ne!(worker.agent_pid(), agent);
    assert_eq!(worker.kept(attempt(0)).ended, Some(end));
    assert_eq!(worker.kept(attempt(0)).note, serde_json::json!({"cpus": 3}));
    let Kept { pid: kept, ended: None, .. } = *worker.kept(attempt(1)) else { panic!("{:?}", worker.hello) };
    assert_eq!(kept, Some(pid));
    let_go(&worker, attempt(1));
    assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(7));
}

#[test]
fn what_ends_while_there_is_no_agent_is_told_to_the_next() {
    let mut worker = Worker::start();
    patient(&mut worker, attempt(0));
    // The end reaches an agent that is dead but not yet replaced, or the hello of the next: never nobody.
    let_go(&worker, attempt(0));
    kill(worker.agent_pid(), libc::SIGKILL);
    worker.meet_agent();
    let end = match worker.kept(attempt(0)).ended.clone() {
        Some(ended) => ended,
        None => worker.ended(attempt(0)),
    };
    assert_eq!(end.outcome, Outcome::Exited(7));
}

#[test]
fn an_agent_that_talks_nonsense_is_replaced_and_nothing_else_happens() {
    let mut worker = Worker::start();
    patient(&mut worker, attempt(0));
    let agent = worker.agent_pid();
    worker.say_bytes(&[0, 0, 0, 3, b'{', b'{', b'{']);
    worker.meet_agent();
    worker.say_bytes(&[0xff, 0xff, 0xff, 0xff]);
    worker.meet_agent();
    assert_ne!(worker.agent_pid(), agent);
    let_go(&worker, attempt(0));
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(7));
}

#[test]
fn a_word_of_a_newer_agent_is_answered_and_not_feared() {
    let mut worker = Worker::start();
    worker.say_bytes(b"\0\0\0\x0c{\"dance\":{}}");
    assert_eq!(worker.hear(), FromKeeper::NotUnderstood { name: "dance".into() });
}

#[test]
fn a_task_outlives_its_killed_keeper_with_its_output_whole_and_its_end_is_noticed_and_not_guessed() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        let pid = patient(&mut worker, attempt(0));
        let agent = worker.agent_pid();
        worker.kill_keeper();
        until("the agent to go with its keeper", || !runs(agent));
        worker.start_keeper();
        assert_eq!(worker.kept(attempt(0)).pid, Some(pid));
        assert!(runs(pid));
        let_go(&worker, attempt(0));
        let end = worker.ended(attempt(0));
        assert_eq!(end.outcome, unknown_exit(), "{mode:?}");
        assert!(end.ran_ms.is_some());
        assert_eq!(worker.output(attempt(0), "out"), format!("{pid}\nwhole\n"));
        // And it stays so, for every keeper after that.
        worker.kill_keeper();
        worker.start_keeper();
        assert_eq!(worker.kept_outcome(attempt(0)), unknown_exit());
    }
}

#[test]
fn what_ended_while_there_was_no_keeper_has_an_unknown_exit_too() {
    let mut worker = Worker::start();
    let pid = patient(&mut worker, attempt(0));
    worker.kill_keeper();
    let_go(&worker, attempt(0));
    until("the task to end", || !runs(pid));
    worker.start_keeper();
    assert_eq!(worker.kept_outcome(attempt(0)), unknown_exit());
    assert_eq!(worker.output(attempt(0), "out"), format!("{pid}\nwhole\n"));
}

#[test]
fn an_exit_that_was_seen_is_never_unknown() {
    let mut worker = Worker::start();
    worker.shell(attempt(0), "exit 9");
    worker.outcome(attempt(0));
    worker.kill_keeper();
    worker.start_keeper();
    assert_eq!(worker.kept_outcome(attempt(0)), Outcome::Exited(9));
    worker.say(&ToKeeper::Forget { attempts: vec![attempt(0)] });
    worker.shell(attempt(1), "exit 0");
    worker.outcome(attempt(1));
    worker.kill_keeper();
    worker.start_keeper();
    assert_eq!(worker.hello.len(), 1, "what was forgotten stays forgotten: {:?}", worker.hello);
}

#[test]
fn a_task_found_again_can_be_stopped_with_everything_that_belongs_to_it() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(
            attempt(0),
            "(setsid sh -c 'echo $$; exec sleep 1000' &); trap '' TERM; echo $$; while :; do sleep 0.01; done",
        );
        let pids: Vec<i32> = worker.lines(attempt(0), 2).iter().map(|line| line.parse().unwrap()).collect();
        worker.kill_keeper();
        worker.start_keeper();
        worker.stop(attempt(0), Duration::from_millis(20));
        assert_eq!(worker.outcome(attempt(0)), stopped(), "{mode:?}");
        assert!(pids.iter().all(|pid| !runs(*pid)), "{mode:?}");
    }
}

#[test]
fn a_stop_outlives_the_keeper_that_was_asked() {
    let mut worker = Worker::start();
    worker.shell(attempt(0), "trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done");
    worker.lines(attempt(0), 1);
    worker.stop(attempt(0), Duration::from_millis(500));
    worker.lines(attempt(0), 2);
    worker.kill_keeper();
    worker.start_keeper();
    let end = worker.kept(attempt(0)).ended.clone().unwrap_or_else(|| worker.ended(attempt(0)));
    assert_eq!(end.outcome, stopped());
}

#[test]
fn what_a_task_left_behind_ends_with_the_next_keeper_if_this_one_could_not_end_it() {
    for mode in modes() {
        let mut worker = Worker::start_in(mode);
        worker.shell(
            attempt(0),
            "(setsid sh -c 'echo $$; exec sleep 1000' &); echo $$; while ! [ -e go ]; do sleep 0.01; done",
        );
        let pids: Vec<i32> = worker.lines(attempt(0), 2).iter().map(|line| line.parse().unwrap()).collect();
        worker.kill_keeper();
        let_go(&worker, attempt(0));
        until("the main process to end", || pids.iter().any(|pid| !runs(*pid)));
        worker.start_keeper();
        assert_eq!(worker.kept_outcome(attempt(0)), unknown_exit());
        assert!(pids.iter().all(|pid| !runs(*pid)), "{mode:?}");
    }
}

#[test]
fn after_the_node_restarted_its_tasks_are_lost_and_may_run_again() {
    let mut worker = Worker::prepare(Mode::Usual);
    // Something with that number runs now, and has nothing to do with it.
    let pid = std::process::id() as i32;
    let Record::Starting { attempt: one, at, note, .. } = starting(attempt(0)) else { panic!() };
    let before = Record::Starting { attempt: one, boot_id: "before".into(), at, limit: None, note };
    journal(&worker, &[before, Record::Running { attempt: one, pid, start_ticks: 1 }]);
    worker.start_keeper();
    let lost = Outcome::Lost { reason: "the node restarted".into(), again: true };
    assert_eq!(worker.kept_outcome(one), lost);
}

#[test]
fn after_the_node_restarted_only_an_end_whose_output_is_safe_counts() {
    let mut worker = Worker::prepare(Mode::Usual);
    let begun = |index| {
        let Record::Starting { attempt, at, note, .. } = starting(attempt(index)) else { panic!() };
        Record::Starting { attempt, boot_id: "before".into(), at, limit: None, note }
    };
    let ended = |index, outcome| {
        let (started_at, ended_at) = (Some(UnixMillis(1000)), UnixMillis(2000));
        let attempt = attempt(index);
        Record::Ended(Ended { attempt, outcome, started_at, ended_at, ran_ms: Some(1), out_of_memory: false })
    };
    let records = (0..3).map(begun).chain([
        ended(0, Outcome::Exited(0)),
        ended(1, Outcome::Exited(0)),
        Record::Safe { attempts: vec![attempt(1)] },
        // Nobody would run it again for what it printed.
        ended(2, stopped()),
    ]);
    journal(&worker, &records.collect::<Vec<_>>());
    for _ in 0..2 {
        worker.start_keeper();
        let Outcome::Lost { reason, again: true } = worker.kept_outcome(attempt(0)) else {
            panic!("{:?}", worker.hello)
        };
        assert!(reason.contains("before its output was safe"), "{reason}");
        assert_eq!(worker.kept_outcome(attempt(1)), Outcome::Exited(0));
        assert_eq!(worker.kept_outcome(attempt(2)), stopped());
        // Once it has been decided, it stays so.
        worker.kill_keeper();
    }
}

#[test]
fn an_end_that_nobody_takes_is_made_safe_and_so_is_one_that_waits_when_the_keeper_ends() {
    let mut worker = Worker::start();
    let safe = |worker: &Worker, attempt: AttemptId| {
        let text = std::fs::read_to_string(worker.state().join("journal")).unwrap();
        let mut records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        records.any(|record| matches!(record, Record::Safe { attempts } if attempts.contains(&attempt)))
    };
    worker.shell(attempt(0), "echo printed; exit 3");
    assert_eq!(worker.outcome(attempt(0)), Outcome::Exited(3));
    assert!(!safe(&worker, attempt(0)), "what is taken at once costs nothing");
    until("it to be safe", || safe(&worker, attempt(0)));
    worker.shell(attempt(1), "echo printed; exit 4");
    assert_eq!(worker.outcome(attempt(1)), Outcome::Exited(4));
    worker.signal_keeper(libc::SIGTERM);
    assert_eq!(worker.keeper_end(), Some(0));
    assert!(safe(&worker, attempt(1)), "it may be switched off now");
}

#[test]
fn a_process_that_was_given_the_number_of_a_task_is_not_taken_for_it() {
    let mut worker = Worker::prepare(Mode::Usual);
    let pid = std::process::id() as i32;
    journal(&worker, &[starting(attempt(0)), Record::Running { attempt: attempt(0), pid, start_ticks: 1 }]);
    worker.start_keeper();
    assert_eq!(worker.kept_outcome(attempt(0)), unknown_exit());
}

#[test]
fn a_task_whose_keeper_was_killed_before_it_wrote_down_its_process_is_found_by_its_marks() {
    let mut worker = Worker::prepare(Mode::Usual);
    journal(&worker, &[starting(attempt(0))]);
    std::fs::create_dir_all(worker.state().join("spool")).unwrap();
    let mut command = Command::new("sleep");
    command.arg("1000").stdin(Stdio::null()).env_clear();
    command.env("BRAMBLE_WORKER", worker.state()).env("BRAMBLE_ATTEMPT", "1.0#1");
    // SAFETY: a system call.
    unsafe { command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into)) };
    let mut task = command.spawn().unwrap();
    worker.start_keeper();
    assert_eq!(worker.kept(attempt(0)).pid, Some(task.id() as i32));
    task.kill().unwrap();
    task.wait().unwrap();
    assert_eq!(worker.outcome(attempt(0)), unknown_exit());
}

#[test]
fn a_task_that_never_came_to_be_may_run_again_and_one_that_did_may_not() {
    let mut worker = Worker::prepare(Mode::Usual);
    journal(&worker, &[starting(attempt(0)), starting(attempt(1))]);
    std::fs::create_dir_all(worker.state().join("spool")).unwrap();
    // Its output is the first thing a process makes.
    std::fs::write(worker.output_path(attempt(1), "out"), "").unwrap();
    worker.start_keeper();
    let Outcome::Lost { again: true, .. } = worker.kept_outcome(attempt(0)) else { panic!("{:?}", worker.hello) };
    assert_eq!(worker.kept_outcome(attempt(1)), unknown_exit());
}

#[test]
fn wherever_the_keeper_is_killed_no_task_may_run_again_that_ran() {
    for lines in 1..=18 {
        let mut worker = Worker::start();
        let attempts: Vec<AttemptId> = (0..6).map(attempt).collect();
        for &attempt in &attempts {
            worker.shell(attempt, "echo ran >> ran");
        }
        let journal = worker.state().join("journal");
        let written = || std::fs::read(&journal).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        until("the journal to grow", || written() >= lines);
        worker.kill_keeper();
        worker.start_keeper();
        for attempt in attempts {
            let kept = worker.hello.iter().find(|kept| kept.attempt == attempt).cloned();
            let outcome = kept.map(|kept| kept.ended.unwrap_or_else(|| worker.ended(attempt)).outcome);
            let ran = std::fs::read_to_string(worker.work(attempt).join("ran")).unwrap_or_default();
            match outcome {
                Some(Outcome::Exited(0)) => assert_eq!(ran, "ran\n"),
                Some(outcome) if outcome == unknown_exit() => assert!(ran.len() <= 4, "{ran}"),
                Some(Outcome::Lost { again: true, .. }) | None => assert_eq!(ran, "", "{attempt} after {lines} lines"),
                Some(other) => panic!("{attempt} after {lines} lines: {other:?}"),
            }
        }
        assert!(worker.processes().is_empty());
    }
}

#[test]
fn a_process_marked_as_a_task_nobody_knows_of_is_ended() {
    let mut worker = Worker::prepare(Mode::Usual);
    let mut forgotten = Command::new("sleep");
    forgotten.arg("1000").env("BRAMBLE_WORKER", worker.state()).env("BRAMBLE_ATTEMPT", "1.0#1");
    let mut forgotten = forgotten.spawn().unwrap();
    let mut of_another_worker = Command::new("sleep");
    of_another_worker.arg("1000").env("BRAMBLE_WORKER", worker.file("elsewhere")).env("BRAMBLE_ATTEMPT", "1.0#1");
    let mut of_another_worker = of_another_worker.spawn().unwrap();
    worker.start_keeper();
    assert!(!forgotten.wait().unwrap().success());
    assert!(runs(of_another_worker.id() as i32));
    of_another_worker.kill().unwrap();
    of_another_worker.wait().unwrap();
}

#[test]
fn a_journal_torn_at_its_end_and_damaged_in_the_middle_is_used_for_all_the_rest() {
    let mut worker = Worker::start();
    worker.shell(attempt(0), "exit 4");
    worker.outcome(attempt(0));
    let pid = patient(&mut worker, attempt(1));
    worker.kill_keeper();
    let path = worker.state().join("journal");
    let text = std::fs::read_to_string(&path).unwrap();
    let (first, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, format!("{first}\n\u{0}\u{0}garbage\n{rest}{{\"ended\":{{\"atte")).unwrap();
    worker.start_keeper();
    assert_eq!(worker.kept_outcome(attempt(0)), Outcome::Exited(4));
    assert_eq!(worker.kept(attempt(1)).pid, Some(pid));
    let_go(&worker, attempt(1));
    assert_eq!(worker.outcome(attempt(1)), unknown_exit());
}

#[test]
fn a_keeper_that_is_asked_to_end_leaves_the_tasks_running() {
    let mut worker = Worker::start();
    let pid = patient(&mut worker, attempt(0));
    let agent = worker.agent_pid();
    worker.signal_keeper(libc::SIGTERM);
    assert_eq!(worker.keeper_end(), Some(0));
    assert!(runs(pid));
    assert!(!runs(agent));
    worker.start_keeper();
    assert_eq!(worker.kept(attempt(0)).pid, Some(pid));
    worker.stop(attempt(0), Duration::from_secs(10));
    assert_eq!(worker.hear_until(ended), stopped());
}

#[test]
fn two_keepers_do_not_share_a_folder_and_the_second_says_who_has_it() {
    let worker = Worker::start();
    let refused = worker.command(&["run"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused);
    assert!(said.contains(&format!("process {}", worker.keeper_pid())) && said.contains("--state"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    let mut same_socket = Command::new(PROGRAM);
    same_socket.arg("run").arg("--state").arg(worker.file("other")).arg("--run").arg(worker.file("run"));
    let refused = same_socket.output().unwrap();
    assert!(text(&refused).contains("choose another folder with --run"), "{}", text(&refused));
}

#[test]
fn an_agent_that_gives_up_ends_its_keeper_unless_there_are_tasks_to_keep() {
    let mut worker = Worker::start();
    let pid = patient(&mut worker, attempt(0));
    write_script(&worker.file("agent"), "exit 78\n");
    kill(worker.agent_pid(), libc::SIGKILL);
    until("the agent to give up a few times", || worker.status().agent_restarts >= 3);
    assert!(runs(pid));
    let_go(&worker, attempt(0));
    until("the task to end", || !runs(pid));
    worker.kill_keeper();

    std::fs::remove_file(worker.state().join("journal")).unwrap();
    let given_up = worker.keeper_command().output().unwrap();
    assert_eq!(given_up.status.code(), Some(78), "{}", text(&given_up));
}
