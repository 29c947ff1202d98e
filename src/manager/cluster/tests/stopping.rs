//! Stop and retry.

use protocol::api::{RefusalKind, Request, Right};
use protocol::job::{JobSpec, Outcome, TaskState};

use super::world::*;
use crate::manager::cluster::Caller;

#[test]
fn what_waits_is_stopped_at_once_and_what_runs_by_its_node() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 9));
    world.started("pi-1", "1.0#1");
    world.starts("pi-1");
    world.said();
    assert_eq!(world.stop("1").unwrap(), 10);
    assert_eq!(world.state("1.9"), TaskState::Stopped);
    let stops = World::stops(&world.orders("pi-1"));
    let five = ["1.4#1", "1.3#1", "1.2#1", "1.1#1", "1.0#1"];
    assert_eq!(stops, five.map(|id| (id.to_owned(), "by root".to_owned())));
    assert_eq!(world.said(), ["stop of 1 asked: by root"]);
    assert!(world.task("1.0").stopping);
    world.finished("pi-1", "1.0#1", stopped("by root"));
    let task = world.task("1.0");
    assert_eq!((task.state, task.stopping, &*task.reason), (TaskState::Stopped, false, "by root"));
    assert_eq!(world.said(), ["task 1.0 stopped on pi-1: by root"]);
    assert_eq!(world.kept.tasks[&super::world::task("1.0")].stopping, None);
}

#[test]
fn a_program_that_ended_before_its_stop_keeps_its_own_end() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.stop("1.0").unwrap();
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.state("1.0"), TaskState::Succeeded);
}

#[test]
fn a_stop_that_came_true_and_is_told_twice_counts_once() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.stop("1.0").unwrap();
    world.finished("pi-1", "1.0#1", stopped("by root"));
    world.orders("pi-1");
    world.said();
    world.unlink("pi-1");
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    world.orders("pi-1");
    world.finished("pi-1", "1.0#1", stopped("by root"));
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), ["pi-1 down: the link broke", "pi-1 up"]);
    assert_eq!(world.attempts("1.0")[0].late, None);
}

#[test]
fn a_stop_is_sent_again_after_the_node_was_away() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    let targets = vec![target("1.0-1")];
    world.ask(Request::Stop { targets, reason: Some("enough\nof this".into()) }).unwrap();
    world.restart();
    world.link("pi-1", 2, vec![held("1.0#1", false)]);
    let orders = world.orders("pi-1");
    assert_eq!(World::stops(&orders), [("1.0#1".into(), "enough of this".into())]);
    assert_eq!(orders.len(), 2, "what was not there is not begun any more: {orders:?}");
    assert_eq!(world.state("1.1"), TaskState::Stopped);
}

#[test]
fn a_stopped_task_that_is_given_back_ends_stopped() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 1));
    world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.stop("1.1").unwrap();
    world.recalled("pi-1", "1.1#1");
    assert_eq!(world.state("1.1"), TaskState::Stopped);
}

#[test]
fn stopping_what_has_ended_says_so() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(array(0, 2));
    world.succeeds("pi-1", "1.0#1");
    let refusal = world.stop("1.0").unwrap_err();
    assert_eq!((refusal.kind, &*refusal.message), (RefusalKind::Refused, "1.0 has ended already: succeeded"));
    assert_eq!(world.stop("1.0-1").unwrap(), 1, "some of several had ended");
    world.finished("pi-1", "1.1#1", stopped("by root"));
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.stop("1").unwrap_err().message, "all these tasks of job 1 have ended already");
}

#[test]
fn targets_that_do_not_exist_say_what_does() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(5, 9));
    world.submit(JobSpec::of(["true"]));
    let mut says = |what: &str| {
        let refusal = world.stop(what).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::NotFound, "{what}");
        refusal.message
    };
    assert_eq!(says("9"), "there is no job 9");
    assert_eq!(says("1.4"), "there is no 1.4: the tasks of job 1 are 1.5 to 1.9");
    assert_eq!(says("1.0-4"), "there is no 1.0-4: the tasks of job 1 are 1.5 to 1.9");
    assert_eq!(says("2.1"), "there is no 2.1: the one task of job 2 is 2.0");
    assert_eq!(says("1.9#2"), "there is no 1.9#2: the latest attempt of 1.9 is #1");
    assert_eq!(says("1.5#2"), "there is no 1.5#2: the latest attempt of 1.5 is #1");
    let none = world.ask(Request::Stop { targets: vec![], reason: None }).unwrap_err();
    assert_eq!(none.kind, RefusalKind::Usage);
}

#[test]
fn an_attempt_means_its_task_only_while_it_is_the_latest() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.retry("1.0#1").unwrap();
    world.started("pi-1", "1.0#2");
    let refusal = world.stop("1.0#1").unwrap_err();
    assert_eq!(
        (refusal.kind, &*refusal.message),
        (RefusalKind::Refused, "1.0#1 is over: the latest attempt of 1.0 is #2")
    );
    assert_eq!(world.stop("1.0#2").unwrap(), 1);
}

#[test]
fn an_operator_stops_and_retries_own_jobs_only() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit_as("ana", JobSpec::of(["true"]));
    for request in
        [Request::Stop { targets: vec![target("1")], reason: None }, Request::Retry { targets: vec![target("1")] }]
    {
        let refusal = world.ask_as(&operator("bob"), request).unwrap_err();
        assert_eq!(refusal.kind, RefusalKind::Refused);
        assert!(refusal.message.starts_with("job 1 is ana's: bob may "), "{}", refusal.message);
    }
    let stop = Request::Stop { targets: vec![target("1")], reason: None };
    world.ask_as(&operator("ana"), stop).unwrap();
    let events = world.events.last().unwrap();
    assert_eq!(events.person.as_ref().unwrap().as_str(), "ana");
    let bob_rules = Caller { right: Right::Admin, ..operator("bob") };
    world.ask_as(&bob_rules, Request::Stop { targets: vec![target("1")], reason: None }).unwrap();
}

#[test]
fn a_retry_runs_what_failed_again_under_the_next_number() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(array(0, 2));
    world.succeeds("pi-1", "1.0#1");
    world.finished("pi-1", "1.1#1", Outcome::Exited(2));
    world.said();
    assert_eq!(world.retry("1").unwrap(), 1, "what succeeded stays, what runs goes on");
    assert_eq!(world.said(), ["task 1.1 queued again on request"]);
    assert_eq!((world.state("1.1"), world.task("1.1").attempt), (TaskState::Starting, 2));
    let first = &world.attempts("1.1")[0];
    assert_eq!((first.state, first.code, first.id), (TaskState::Failed, Some(2), attempt("1.1#1")));
    world.restart();
    assert_eq!(world.attempts("1.1").len(), 2);
    world.link("pi-1", 4, vec![held("1.1#2", false), held("1.2#1", false)]);
    world.succeeds("pi-1", "1.1#2");
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.cluster.job_view(protocol::id::JobId(1)).unwrap().counts.succeeded, 3);
}

#[test]
fn a_task_that_succeeded_runs_again_only_when_it_is_named() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(array(0, 1));
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.1#1");
    assert!(world.retry("1").unwrap_err().message.contains("name it, as in 17.3"));
    assert_eq!(world.retry("1.0").unwrap(), 1);
    world.submit(JobSpec::of(["true"]));
    world.succeeds("pi-1", "2.0#1");
    assert_eq!(world.retry("2").unwrap(), 1, "the only task of a job is named by its job");
}

#[test]
fn what_has_not_ended_is_not_retried() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(array(0, 1));
    assert_eq!(world.retry("1.0").unwrap_err().message, "1.0 has not ended: it is starting; stop it first, then retry");
    let refusal = world.retry("1").unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Refused);
    assert!(refusal.message.contains("has not ended yet; stop it first"), "{}", refusal.message);
}

#[test]
fn stopping_a_hundred_thousand_that_wait_is_one_event() {
    let mut world = World::new();
    world.submit(array(0, 99_999));
    world.said();
    assert_eq!(world.stop("1").unwrap(), 100_000);
    assert_eq!(world.said(), ["stop of 1 asked: by root"]);
    assert_eq!(world.cluster.queue.len(), 0);
    assert_eq!(world.state("1.99999"), TaskState::Stopped);
}

#[test]
fn part_of_an_array_is_stopped_by_a_range() {
    let mut world = World::new();
    world.submit(array(10, 99));
    assert_eq!(world.stop("1.0-19").unwrap(), 10);
    assert_eq!(world.stop("1.15-24").unwrap(), 5);
    assert_eq!(world.cluster.queue.len(), 75);
}
