//! How a node gets a manager, and what it says where that cannot be.

use std::sync::atomic::Ordering;

use protocol::agent::{JoinReply, ToAgent};
use protocol::node::Role;

use crate::manager::Manager;
use crate::worker::{Place, Worker};

/// The agent gave up, and its keeper with it.
const GAVE_UP: Option<i32> = Some(78);

#[tokio::test]
async fn what_cannot_be_ends_the_worker_with_one_clear_sentence() {
    let manager = Manager::new().await;
    let (address, token) = (manager.address.to_string(), manager.token(Role::Worker));
    let cooler = manager.token(Role::Cooler);
    let another = Manager::new().await;
    let elsewhere = another.address.to_string();
    for (arguments, sentence) in [
        (vec![], "has not joined a manager"),
        (vec!["--join", &token], "--manager HOST:PORT"),
        (vec!["--manager", &address, "--join", "bramble1-worker-x"], "not a join token"),
        (vec!["--manager", &address, "--join", &cooler], "for a cooler, and this is a worker"),
        (vec!["--manager", &elsewhere, "--join", &token], "is not the manager that made this token"),
    ] {
        let place = Place::new();
        let (status, said) = place.run_to_end(&arguments).await;
        assert_eq!(status.code(), GAVE_UP, "{arguments:?}: {said}");
        assert_eq!(said.matches(sentence).count(), 1, "{sentence:?} is said once in: {said}");
        assert!(!said.contains("starts again"), "nothing does: {said}");
        assert!(!place.state().join("manager.json").exists());
    }
    for manager in [manager, another] {
        assert_eq!(manager.door.asked.load(Ordering::SeqCst), 0, "no key was offered to anyone");
    }
}

#[tokio::test]
async fn a_refusal_is_passed_on_and_final() {
    let mut manager = Manager::new().await;
    let (address, token) = (manager.address.to_string(), manager.token(Role::Worker));
    let place = Place::new();
    let arguments = ["--manager", &address, "--join", &token];
    let refusing = manager.answer_join(|_| Some(JoinReply::Refused { reason: "this token was used by pi-7".into() }));
    let ((status, said), request) = tokio::join!(place.run_to_end(&arguments), refusing);
    assert_eq!((request.role, request.name.as_str()), (Role::Worker, "pi-1"));
    assert_eq!(status.code(), GAVE_UP);
    assert!(
        said.contains(&format!("the manager at {address} refused this node: this token was used by pi-7")),
        "{said}"
    );
}

#[tokio::test]
async fn a_node_joins_once_and_comes_back_by_its_key() {
    let mut manager = Manager::new().await;
    let (address, token) = (manager.address.to_string(), manager.token(Role::Worker));
    let arguments = ["--manager", &address, "--join", &token];
    let worker = Place::new().start(&arguments);
    // The first answer is lost on the way: the same node asks again with the same token.
    let first = manager.answer_join(|_| None).await;
    let second = manager.let_join().await;
    assert_eq!(first, second);
    let control = manager.linked().await;
    let hello = &control.hello;
    assert_eq!((hello.node.as_str(), hello.slots, hello.held.len()), ("pi-1", 2, 0));
    assert!(hello.facts.memory.is_some() && hello.cpus >= 1);
    worker.agent_says("linked", |status| status["link"] == "linked" && status["manager"] == address.as_str()).await;

    // Killed and started with the same words: it needs no token any more.
    worker.kill_agent().await;
    manager.linked().await;
}

#[tokio::test]
async fn a_node_that_was_revoked_says_so_and_joins_again_with_a_new_token() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    manager.door.revoke_all();
    let reason = "pi-1 was revoked by ana".to_owned();
    control.say(ToAgent::Bye { reason, stay_away: true }).await;
    control.closes().await;
    worker.agent_says("why it was let go", |status| says(status, "pi-1 was revoked by ana")).await;
    // Its next agent dials at once, still has the token it was started with, and asks with that; here it is good again.
    worker.kill_agent().await;
    let refused = |_: &_| Some(JoinReply::Refused { reason: "this token was used by pi-1".into() });
    manager.answer_join(refused).await;
    worker
        .agent_says("how to join again", |status| says(status, "revoked or removed") && says(status, "was used"))
        .await;
    worker.kill_agent().await;
    manager.let_join().await;
    manager.linked().await;
}

#[tokio::test]
async fn a_manager_with_another_key_is_told_nothing_and_the_node_goes_on_trying() {
    let mut manager = Manager::new().await;
    let (worker, control) = Worker::joined(&mut manager).await;
    drop(control);
    let stranger = Manager::new().await;
    let address = stranger.address.to_string();
    let place = worker.end_keeping_place();
    let worker = place.start(&["--manager", &address]);
    worker.agent_says("another key", |status| says(status, "is not the manager this node joined")).await;
    assert_eq!(stranger.door.asked.load(Ordering::SeqCst), 0, "no key was offered");
}

#[tokio::test]
async fn a_manager_of_another_age_is_told_apart_by_a_sentence() {
    let mut manager = Manager::new().await;
    let (worker, control) = Worker::joined(&mut manager).await;
    drop(control);
    let mut control = manager.greeted().await;
    control.say(ToAgent::Welcome(protocol::agent::Welcome { protocol: 0, ..crate::welcome() })).await;
    control.closes().await;
    worker
        .agent_says("too old", |status| says(status, "speaks protocol 0") && says(status, "update the manager"))
        .await;
}

fn says(status: &serde_json::Value, words: &str) -> bool {
    status["last_error"].as_str().is_some_and(|said| said.contains(words))
}
