//! Managers that go away while somebody waits, and come back.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock};

use protocol::api::{EventQuery, LogChunk, More, Refusal, Reply, Request};
use protocol::event::{Event, What};
use protocol::id::TaskId;
use protocol::job::{Stream, TaskState};
use protocol::time::UnixMillis;

use crate::fake::{Fake, Gate, Ran, Say};
use crate::sample::{ended, submitted, task};

const AWAY: &str = "bramble: the manager went away; waiting for it to come back\n";

fn patient(fake: &Fake, words: &[&str]) -> Ran {
    Ran::of(fake.command(words).env("BRAMBLE_PATIENCE", "30s").output().unwrap())
}

fn chunk(stream: Stream, offset: u64, bytes: &str) -> Say {
    Say::More(More::Log(LogChunk { stream, offset, bytes: bytes.as_bytes().to_vec().into() }))
}

/// What the manager says the first time, and from then on.
fn first_then(first: Vec<Say>, then: impl Fn() -> Vec<Say> + Send + Sync) -> impl Fn() -> Vec<Say> + Send + Sync {
    let first = Mutex::new(Some(first));
    move || first.lock().unwrap().take().unwrap_or_else(&then)
}

/// A manager that restarts when it has told half the log; the latest attempt then is this one, begun at that time.
fn restarting(attempt: u32, began: UnixMillis) -> Fake {
    let gate = Gate::new();
    let opened = gate.clone();
    let note = || Say::More(More::LogNote { text: "pi-1 is slow".into() });
    let logs = first_then(
        vec![note(), chunk(Stream::Stdout, 0, "one\ntw"), chunk(Stream::Stderr, 0, "oh"), Say::Die],
        move || {
            opened.open();
            let again = [chunk(Stream::Stdout, 0, "one\n"), chunk(Stream::Stdout, 4, "two\n")];
            let more = [chunk(Stream::Stdout, 8, "three\n"), chunk(Stream::Stderr, 0, "oh no\n")];
            [note()].into_iter().chain(again).chain(more).chain([Say::Reply(Reply::End)]).collect()
        },
    );
    Fake::that(move |request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => logs(),
        Request::Wait { .. } => {
            vec![Say::Await(gate.clone()), Say::Reply(ended(TaskState::Succeeded, Some(0), ""))]
        }
        Request::Task { id } => {
            let mut shown = task(*id, TaskState::Running);
            shown.attempt = attempt;
            let attempts = (1..=attempt).map(|number| protocol::api::AttemptView {
                id: id.attempt(number),
                state: TaskState::Running,
                node: None,
                started_at: Some(began),
                ended_at: None,
                ran_ms: None,
                code: None,
                reason: String::new(),
                late: None,
            });
            vec![Say::Reply(Reply::Task { task: shown, attempts: attempts.collect(), results: vec![] })]
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    })
}

#[test]
fn a_job_is_waited_for_through_a_restart_and_each_byte_comes_once() {
    let fake = restarting(1, UnixMillis(0));
    let ran = patient(&fake, &["run", "--wait", "--", "thing"]);
    ran.says(0, "one\ntwo\nthree\n", &format!("bramble: pi-1 is slow\noh{AWAY} no\n"));
    let submitted = fake.asked().iter().filter(|request| matches!(request, Request::Submit(_))).count();
    assert_eq!(submitted, 1);
}

#[test]
fn a_manager_that_dies_between_its_answer_and_the_log_is_waited_for() {
    let (gate, socket) = (Gate::new(), Arc::new(OnceLock::<PathBuf>::new()));
    let (opened, of_fake) = (gate.clone(), socket.clone());
    let fake = Fake::that(move |request| match request {
        Request::Submit(_) => {
            let socket = of_fake.get().unwrap();
            std::fs::rename(socket, socket.with_extension("away")).unwrap();
            vec![Say::Reply(submitted(17, 1))]
        }
        Request::Wait { .. } => {
            vec![Say::Await(gate.clone()), Say::Reply(ended(TaskState::Succeeded, Some(0), ""))]
        }
        Request::Logs(_) => {
            opened.open();
            vec![chunk(Stream::Stdout, 0, "one\n"), Say::Reply(Reply::End)]
        }
        Request::Task { id } => {
            let shown = task(*id, TaskState::Running);
            vec![Say::Reply(Reply::Task { task: shown, attempts: vec![], results: vec![] })]
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    });
    let path = PathBuf::from(fake.address().strip_prefix("unix://").unwrap());
    socket.set(path.clone()).unwrap();
    let mut command = fake.command(&["run", "--wait", "--", "thing"]);
    command.env("BRAMBLE_PATIENCE", "30s").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, AWAY);
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stdout).as_ref()), (Some(0), "one\n"));
}

#[test]
fn a_log_is_followed_through_a_restart() {
    let followed = |fake: Fake| patient(&fake, &["logs", "17.0", "-f"]).stdout;
    assert_eq!(followed(restarting(1, UnixMillis(0))), "one\ntwo\nthree\n");
    assert_eq!(followed(restarting(2, UnixMillis(0))), "one\ntwo\nthree\n", "the second attempt was the one we saw");
}

#[test]
fn an_attempt_that_began_meanwhile_is_told_from_its_start() {
    let ran = patient(&restarting(2, UnixMillis(u64::MAX / 2)), &["logs", "17.0", "-f"]);
    assert_eq!(ran.stdout, "one\ntwone\ntwo\nthree\n");
}

#[test]
fn every_target_is_waited_for_again_and_the_person_told_once() {
    let wait = first_then(vec![Say::Die], || vec![Say::Reply(ended(TaskState::Succeeded, Some(0), ""))]);
    let fake = Fake::that(move |_| wait());
    patient(&fake, &["wait", "17", "18", "19"]).says(0, "17 succeeded\n18 succeeded\n19 succeeded\n", AWAY);
}

#[test]
fn a_manager_that_says_it_is_stopping_is_waited_for() {
    let stopping = Refusal::unavailable("the manager is stopping");
    let wait = first_then(vec![Say::Refuse(stopping)], || vec![Say::Reply(ended(TaskState::Succeeded, Some(0), ""))]);
    let fake = Fake::that(move |_| wait());
    let ran = patient(&fake, &["wait", "17"]);
    ran.says(0, "17 succeeded\n", "bramble: the manager is stopping; waiting for it\n");
}

#[test]
fn events_go_on_after_the_last_one_seen() {
    let up = |no| {
        let what = What::NodeUp { node: "pi-1".parse().unwrap() };
        Say::More(More::Events(vec![Event { no, at: UnixMillis(1_700_000_000_000), person: None, what }]))
    };
    let events = first_then(vec![up(7), Say::Die], move || vec![up(8), Say::Reply(Reply::End)]);
    let fake = Fake::that(move |_| events());
    let ran = patient(&fake, &["event", "-f"]);
    let line = |no| format!("    {no}  2023-11-14T22:13:20.000Z  pi-1 up\n");
    ran.says(0, &(line(7) + &line(8)), AWAY);
    let resumed = EventQuery { after: Some(7), limit: u32::MAX, follow: true, ..EventQuery::default() };
    assert_eq!(fake.asked().last(), Some(&Request::Events(resumed)));
}

#[test]
fn one_that_stays_away_is_given_up() {
    let fake = Fake::that(|_| vec![Say::Die]);
    for words in [&["wait", "17"][..], &["logs", "17.0", "-f"], &["event", "-f"]] {
        let ran = Ran::of(fake.command(words).env("BRAMBLE_PATIENCE", "150ms").output().unwrap());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(4), ""), "{ran:?}");
        assert!(ran.stderr.starts_with(AWAY) && ran.stderr.contains("before it had answered"), "{ran:?}");
    }
}

#[test]
fn what_must_not_be_asked_twice_is_not() {
    let fake = Fake::that(|_| vec![Say::Die]);
    for words in [&["run", "--", "true"][..], &["stop", "17"], &["retry", "17"], &["node", "drain", "pi-1"]] {
        assert_eq!(patient(&fake, words).code, Some(4), "{words:?}");
    }
    assert_eq!(fake.asked().len(), 4);
}

#[test]
fn a_job_that_cannot_start_says_why_once() {
    let gate = Gate::new();
    let fake = Fake::that(move |request| match request {
        Request::Submit(_) => vec![Say::Reply(submitted(17, 1))],
        Request::Logs(_) => vec![Say::Await(gate.clone()), Say::Reply(Reply::End)],
        Request::Wait { .. } => {
            vec![Say::Await(gate.clone()), Say::Reply(ended(TaskState::Stopped, None, "stopped by ana"))]
        }
        Request::Why { id } if *id == TaskId::new(17, 0) => {
            let summary = "needs 99 CPUs, and the largest worker, pi-1, has 4".into();
            let why = protocol::api::Why { id: *id, state: TaskState::Queued, summary, ahead: 0, nodes: vec![] };
            vec![Say::Reply(Reply::Why(why)), Say::Open(gate.clone())]
        }
        _ => vec![Say::Refuse(Refusal::usage("not in this test"))],
    });
    fake.run(&["run", "--wait", "--cpus", "99", "--", "true"]).says(
        1,
        "",
        "bramble: 17.0 needs 99 CPUs, and the largest worker, pi-1, has 4\nbramble: job 17 stopped: stopped by ana\n",
    );
}
