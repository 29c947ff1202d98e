//! `why`, `event`, `join-token`, completions and man pages.

use protocol::api::{EventQuery, More, Refusal, Reply, Request, Why, WhyNode};
use protocol::event::{Event, What};
use protocol::id::{JobId, TaskId};
use protocol::job::TaskState;
use protocol::node::Role;
use protocol::time::UnixMillis;

use crate::common::screen::Terminal;
use crate::fake::{Fake, Gate, Say, bramble};
use crate::sample::task;

#[test]
fn why_tells_the_whole_and_then_each_node() {
    let fake = Fake::that(|request| {
        vec![Say::Reply(match request {
            Request::Tasks(_) => Reply::Tasks { total: 9, tasks: vec![task(TaskId::new(17, 3), TaskState::Queued)] },
            _ => Reply::Why(Why {
                id: TaskId::new(17, 3),
                state: TaskState::Queued,
                summary: "waits for 8 free CPUs: 2 tasks are ahead".into(),
                ahead: 2,
                nodes: vec![
                    WhyNode { node: "pi-1".parse().unwrap(), reason: "has 4 CPUs".into() },
                    WhyNode { node: "pi-12".parse().unwrap(), reason: "is draining".into() },
                ],
            }),
        })]
    });
    let told = "\
17.3 waits for 8 free CPUs: 2 tasks are ahead

NODE   REASON
pi-1   has 4 CPUs
pi-12  is draining
";
    fake.run(&["why", "17.3"]).says(0, told, "");
    fake.run(&["why", "17"]).says(0, told, "");
    assert_eq!(fake.run(&["why", "17.3", "--json"]).json()["ahead"], 2);
}

fn event(no: u64, what: What) -> Event {
    Event { no, at: UnixMillis(1_700_000_000_000 + no), person: None, what }
}

#[test]
fn events_are_sentences_with_their_time() {
    let fake = Fake::that(|_| {
        let token = Event { person: Some("ana".parse().unwrap()), ..event(1, What::TokenMade { role: Role::Worker }) };
        let refused = What::JoinRefused { name: "pi-1".parse().unwrap(), reason: "\x1b[2J".into() };
        vec![Say::More(More::Events(vec![token, event(2, refused)])), Say::Reply(Reply::End)]
    });
    fake.run(&["event"]).says(
        0,
        "    1  2023-11-14T22:13:20.001Z  join token for a worker made (by ana)
    2  2023-11-14T22:13:20.002Z  join of pi-1 refused: \\u{1b}[2J
",
        "",
    );
    let lines = fake.run(&["event", "--json"]).json_lines();
    assert_eq!((lines.len(), &lines[0]["no"], &lines[0]["person"]), (2, &1.into(), &"ana".into()));
}

#[test]
fn events_may_be_followed_from_a_time_on() {
    let gate = Gate::new();
    let until = gate.clone();
    let fake = Fake::that(move |_| {
        let up =
            |no, name: &str| Say::More(More::Events(vec![event(no, What::NodeUp { node: name.parse().unwrap() })]));
        vec![up(1, "pi-1"), Say::Await(until.clone()), up(2, "pi-2"), Say::Reply(Reply::End)]
    });
    let terminal = Terminal::of(fake.command(&["event", "-f", "--since", "2025-06-01T14:30"]), 80);
    terminal.until_shows("    1  2023-11-14 22:13:20  pi-1 up");
    gate.open();
    terminal.until_shows("pi-2 up");
    assert_eq!(terminal.ends().1, Some(0));
    let query = EventQuery { since: Some(UnixMillis(1_748_788_200_000)), follow: true, ..EventQuery::default() };
    assert_eq!(fake.asked(), [Request::Events(query)]);
}

const LINE: &str = "bramble worker-agent run --manager pi-0:2222 --join bramble1-worker-x";

#[test]
fn a_join_token_in_a_pipe_is_the_line_alone() {
    let fake = Fake::that(|request| match request {
        Request::JoinToken { role: Role::Worker, ttl_seconds: Some(300) } => vec![Say::Reply(Reply::JoinToken {
            token: "bramble1-worker-x".into(),
            line: LINE.into(),
            expires_at: UnixMillis(1_700_000_000_000),
        })],
        other => vec![Say::Refuse(Refusal::usage(format!("{other:?}")))],
    });
    let words = ["join-token", "--ttl", "5m"];
    fake.run(&words).says(0, &format!("{LINE}\n"), "");
    let json = fake.run(&["join-token", "--ttl", "5m", "--json"]).json();
    assert_eq!(json["token"], "bramble1-worker-x");
    assert_eq!(json["expires_at"], 1_700_000_000_000_u64);
    let (screen, _) = Terminal::of(fake.command(&words), 80).ends();
    assert!(screen.starts_with("Run this on the new worker, once, within "), "{screen}");
    let install = screen.find("  sudo bramble install worker --manager pi-0:2222 --join bramble1-worker-x\n").unwrap();
    assert!(screen.find(&format!("  {LINE}\n")).unwrap() > install, "{screen}");
}

#[test]
fn completions_and_man_pages_are_made_from_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let output = bramble(&["completions", shell]).output().unwrap();
        assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("join-token"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert!(bramble(&["man", "--out", pages.to_str().unwrap()]).status().unwrap().success());
    for page in ["bramble.1", "bramble-run.1", "bramble-node-drain.1"] {
        assert!(std::fs::read_to_string(pages.join(page)).unwrap().contains(".TH"), "{page}");
    }
}

#[test]
fn a_job_without_tasks_that_wait_is_told_of_by_its_first() {
    let fake = Fake::that(|request| {
        vec![match request {
            Request::Tasks(query) if query.states.is_empty() => {
                Say::Reply(Reply::Tasks { total: 1, tasks: vec![task(TaskId::new(17, 0), TaskState::Running)] })
            }
            Request::Tasks(_) => Say::Reply(Reply::Tasks { total: 0, tasks: vec![] }),
            Request::Why { id: TaskId { job: JobId(17), index: 0 } } => {
                let (id, state) = (TaskId::new(17, 0), TaskState::Running);
                Say::Reply(Reply::Why(Why { id, state, summary: "runs on pi-1".into(), ahead: 0, nodes: vec![] }))
            }
            other => Say::Refuse(Refusal::usage(format!("{other:?}"))),
        }]
    });
    fake.run(&["why", "17"]).says(0, "17.0 runs on pi-1\n", "");
}

#[test]
fn events_go_on_after_a_number() {
    let fake = Fake::replying(Reply::End);
    fake.run(&["event", "--after", "4711"]).says(0, "", "");
    let query = EventQuery { after: Some(4711), limit: u32::MAX, ..EventQuery::default() };
    assert_eq!(fake.asked(), [Request::Events(query)]);
}
