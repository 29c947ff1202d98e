//! Verbs of several targets: `stop`, `retry`, `wait`, and what acts on nodes.

use protocol::api::{Refusal, Reply, Request};
use protocol::id::Target;
use protocol::job::TaskState;
use serde_json::json;

use crate::fake::{Fake, Say};
use crate::sample::ended;

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
    fake.run(&["node", "revoke", "pi-1"]).says(0, "pi-1: its key is let in no more\n", "");
    fake.run(&["node", "rm", "pi-1", "--json"]).says(0, "[{\"node\":\"pi-1\"}]\n", "");
    let (one, two) = ("pi-1".parse().unwrap(), "pi-2".parse().unwrap());
    let expected = [
        Request::Drain { node: one, on: true },
        Request::Drain { node: two, on: true },
        Request::Drain { node: "pi-1".parse().unwrap(), on: false },
        Request::Reboot { node: "pi-1".parse().unwrap() },
        Request::RevokeNode { node: "pi-1".parse().unwrap() },
        Request::RemoveNode { node: "pi-1".parse().unwrap() },
    ];
    let asked = fake.asked();
    assert!(asked.len() == expected.len() && expected.iter().all(|request| asked.contains(request)), "{asked:?}");
}
