//! Verbs of several targets: `stop`, `retry`, `wait`, and what acts on nodes.

use protocol::api::{More, Refusal, Reply, Request};
use protocol::event::{Event, What};
use protocol::id::Target;
use protocol::job::TaskState;
use protocol::name::NodeName;
use protocol::time::UnixMillis;
use serde_json::json;

use crate::fake::{Fake, Say};
use crate::sample::{ended, job};

/// A manager that knows job 17 and no other.
fn only_17() -> Fake {
    Fake::that(|request| {
        let targets: &[Target] = match request {
            Request::Stop { targets, .. } | Request::Retry { targets } | Request::Wait { targets } => targets,
            _ => &[],
        };
        vec![match (targets, request) {
            ([one], _) if one.job().0 != 17 => Say::Refuse(Refusal::not_found(format!("there is no job {one}"))),
            (_, Request::Wait { .. }) => Say::Reply(ended(TaskState::Failed, Some(3), "exit code 3")),
            _ => Say::Reply(Reply::Done { tasks: 3 }),
        }]
    })
}

#[test]
fn stopping_says_how_many_tasks_it_reached() {
    let fake = only_17();
    fake.run(&["stop", "17", "--reason", "wrong input"]).says(0, "17: stopping 3 tasks\n", "");
    let reason = Some("wrong input".into());
    assert_eq!(fake.asked(), [Request::Stop { targets: vec!["17".parse().unwrap()], reason }]);
}

#[test]
fn one_that_fails_does_not_spoil_the_others() {
    let ran = only_17().run(&["stop", "17.0-9", "99", "17.3"]);
    ran.says(6, "17.0-9: stopping 3 tasks\n17.3: stopping 3 tasks\n", "bramble: there is no job 99\n");
}

#[test]
fn all_that_fail_alike_fail_as_one_would() {
    only_17().run(&["retry", "98", "99"]).says(5, "", "bramble: there is no job 98\nbramble: there is no job 99\n");
    only_17().run(&["retry", "17"]).says(0, "17: 3 tasks queued again\n", "");
}

#[test]
fn as_json_there_is_one_element_for_each_target() {
    let ran = only_17().run(&["stop", "17", "99", "--json"]);
    let error = json!({"kind": "not_found", "message": "there is no job 99"});
    assert_eq!(ran.json(), json!([{"target": "17", "tasks": 3}, {"target": "99", "error": error}]));
    assert_eq!(ran.stderr, json!({ "error": error }).to_string() + "\n");
    assert_eq!(ran.code, Some(6));
}

#[test]
fn waiting_is_0_or_1_whatever_the_programs_code_was() {
    only_17().run(&["wait", "17.3"]).says(1, "17.3 failed: exit code 3\n", "");
    let good = Fake::replying(ended(TaskState::Succeeded, Some(0), ""));
    good.run(&["wait", "17", "18"]).says(0, "17 succeeded\n18 succeeded\n", "");
    for state in [TaskState::Stopped, TaskState::Lost] {
        assert_eq!(Fake::replying(ended(state, None, "why")).run(&["wait", "17"]).code, Some(1));
    }
    only_17().run(&["wait", "17", "99"]).says(6, "17 failed: exit code 3\n", "bramble: there is no job 99\n");
    let json = only_17().run(&["wait", "17.3", "--json"]).json();
    assert_eq!((&json[0]["target"], &json[0]["code"]), (&json!("17.3"), &json!(3)));
}

#[test]
fn nodes_are_acted_on_by_name() {
    let fake = Fake::replying(Reply::Done { tasks: 0 });
    fake.run(&["node", "drain", "pi-1", "pi-2"]).says(0, "pi-1: draining\npi-2: draining\n", "");
    fake.run(&["node", "undrain", "pi-1"]).says(0, "pi-1: takes tasks again\n", "");
    fake.run(&["node", "reboot", "pi-1"]).says(0, "pi-1: reboot asked\n", "");
    let revoked = fake.run(&["node", "revoke", "pi-1"]).stdout;
    assert!(revoked.starts_with("pi-1: its key is let in no more; what ran there is lost"), "{revoked}");
    assert_eq!(fake.run(&["node", "rm", "pi-1", "--json"]).json(), json!([{"node": "pi-1", "waiting": 0, "jobs": []}]));
    let (one, two) = ("pi-1".parse().unwrap(), "pi-2".parse().unwrap());
    let expected = [
        Request::Drain { node: one, on: true },
        Request::Drain { node: two, on: true },
        Request::Drain { node: "pi-1".parse().unwrap(), on: false },
        Request::Reboot { node: "pi-1".parse().unwrap() },
        Request::RevokeNode { node: "pi-1".parse().unwrap() },
        Request::RemoveNode { node: "pi-1".parse().unwrap() },
    ];
    let mut asked = fake.asked();
    asked.retain(|request| !matches!(request, Request::Events(_) | Request::Jobs(_)));
    assert!(asked.len() == expected.len() && expected.iter().all(|request| asked.contains(request)), "{asked:?}");
}

#[test]
fn a_reboot_that_the_node_refuses_is_refused() {
    let fake = Fake::that(|request| {
        let what = |what| Event { no: 1, at: UnixMillis(0), person: None, what };
        let node: NodeName = "pi-1".parse().unwrap();
        match request {
            Request::Events(_) => vec![
                Say::More(More::Events(vec![what(What::RebootAsked { node: node.clone() })])),
                Say::More(More::Events(vec![what(What::OrderRefused {
                    node,
                    what: "reboot".into(),
                    reason: "this node was started with --refuse-reboot".into(),
                })])),
            ],
            _ => vec![Say::Reply(Reply::Done { tasks: 0 })],
        }
    });
    let sentence = "bramble: pi-1 does not reboot: this node was started with --refuse-reboot\n";
    fake.run(&["node", "reboot", "pi-1"]).says(3, "", sentence);
}

#[test]
fn a_removed_node_names_the_tasks_it_leaves_behind() {
    let fake = Fake::that(|request| {
        vec![Say::Reply(match request {
            Request::Jobs(_) => {
                let mut pinned = job(18, TaskState::Queued, 3);
                pinned.node = Some("pi-1".parse().unwrap());
                Reply::Jobs { total: 2, jobs: vec![pinned, job(17, TaskState::Queued, 1)] }
            }
            _ => Reply::Done { tasks: 0 },
        })]
    });
    let told = "pi-1: forgotten; 3 tasks wait for it and would wait for ever: stop what is not wanted any more \
                (bramble stop 18), or let pi-1 join again\n";
    fake.run(&["node", "rm", "pi-1"]).says(0, told, "");
}
