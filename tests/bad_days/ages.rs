//! Agents and managers of different ages: those that can work together do, and of the others both sides say who has
//! to be updated.

use protocol::agent::ToAgent;
use serde_json::json;

use crate::common::{folder, said, until};
use crate::fake::{Fake, runtime};
use crate::kit::Manager;

#[test]
fn an_agent_one_version_older_works_and_an_even_older_one_is_told_to_be_updated() {
    if !cfg!(debug_assertions) {
        test_support::leave_out!("only a build for tests can be made a manager of another age");
    }
    let here = folder();
    let state = here.path().join("state");
    let manager = Manager::start(here.path());
    let worker = manager.worker("pi-1", &here.path().join("pi-1"));
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let flag = here.path().join("flag");
    let script = format!("echo begun; while ! [ -e {} ]; do sleep 0.01; done; exit 6", flag.display());
    let job = String::from_utf8(manager.verb(&["run", "--", "sh", "-c", &script]).stdout).unwrap().trim().to_owned();
    until("it runs", || (manager.json(&["job", &job, "--json"])["state"] == "running").then_some(()));
    let ssh = manager.ssh.clone();
    let newer = |manager: Manager, spoken: &'static str| {
        manager.ends();
        Manager::on(here.path(), &state, &ssh, |command| {
            command.env("BRAMBLE_TEST_PROTOCOLS", spoken);
        })
    };

    // The manager is updated first, as the page on installing says: what runs goes on, new work is taken.
    let manager = newer(manager, "1-2");
    until("pi-1 is up", || manager.is_up("pi-1").then_some(()));
    let done = manager.verb(&["run", "--wait", "--", "sh", "-c", "echo still; exit 4"]);
    assert_eq!((done.status.code(), &done.stdout[..]), (Some(4), &b"still\n"[..]), "{}", said(&done));

    // And once more, without the agent.
    let manager = newer(manager, "2-3");
    let sentence = "of pi-1 speaks protocol 1, manager 0.1.0 speaks protocols 2 to 3: update bramble on pi-1";
    until("the agent says so", || worker.trouble().contains(sentence).then_some(()));
    let told = manager.events();
    assert_eq!(told.matches(sentence).count(), 1, "told once, however often it tries: {told}");
    let node = manager.json(&["node", "pi-1", "--json"]);
    assert!(node["trouble"].as_str().is_some_and(|told| told.contains(sentence)), "{node}");
    let listed = String::from_utf8(manager.verb(&["node", "ls"]).stdout).unwrap();
    assert!(listed.contains("not let in"), "{listed}");
    let sheet = String::from_utf8(manager.verb(&["node", "pi-1"]).stdout).unwrap();
    assert!(sheet.contains(sentence), "{sheet}");

    // Updated in time, and nothing of the task was lost.
    let manager = newer(manager, "1-1");
    std::fs::write(&flag, "").unwrap();
    manager.verb(&["wait", &job]);
    let task = manager.json(&["task", &format!("{job}.0"), "--json"])["task"].clone();
    assert_eq!((&task["code"], &task["attempt"]), (&6.into(), &1.into()), "{task}");
    assert_eq!(manager.json(&["node", "pi-1", "--json"])["trouble"], serde_json::Value::Null);
    manager.ends();
}

#[test]
fn an_agent_of_the_future_is_told_that_the_manager_is_too_old_and_its_new_words_are_no_fault() {
    let here = folder();
    let manager = Manager::start(here.path());
    runtime().block_on(async {
        let fake = Fake::join(&manager, "tomorrow").await;
        let mut hello = serde_json::to_value(fake.hello()).unwrap();
        hello["mood"] = json!({"happy": true});
        hello["facts"]["colour"] = json!("green");
        hello["protocol"] = json!(99);
        hello["version"] = json!("7.0");
        let sentence =
            "agent 7.0 of tomorrow speaks protocol 99, manager 0.1.0 speaks protocol 1: update bramble on the manager";
        for _ in 0..3 {
            let mut control = fake.say_first(&json!({"hello": hello})).await;
            let bye = control.hears().await;
            let Some(ToAgent::Bye { reason, stay_away: false }) = bye else { panic!("{bye:?}") };
            assert_eq!(reason, sentence);
            assert_eq!(control.hears().await, None, "and that is the end of it");
        }
        assert_eq!(manager.events().matches(sentence).count(), 1, "{}", manager.events());
        assert_eq!(manager.json(&["node", "tomorrow", "--json"])["trouble"], sentence);
        // One that still speaks our number may say as many new things as it likes.
        hello["protocol"] = json!(1);
        let mut control = fake.say_first(&json!({"hello": hello})).await;
        assert!(matches!(control.hears().await, Some(ToAgent::Welcome(_))));
        control.says(&json!({"dreamt": {"of": "sheep"}})).await;
        assert_eq!(control.hears().await, Some(ToAgent::NotUnderstood { name: "dreamt".into() }));
        control.says(&json!({"metrics": {"cpu": 12.0, "joy": 3}})).await;
        until("its metrics", || {
            (manager.json(&["node", "tomorrow", "--json"])["metrics"]["cpu"] == 12.0).then_some(())
        });
        assert_eq!(manager.json(&["node", "tomorrow", "--json"])["trouble"], serde_json::Value::Null);
    });
    manager.ends();
}
