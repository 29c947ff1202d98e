//! Attempts nobody hears the end of: leases, losses, and results that come after all.

use protocol::agent::{FromAgent, ToAgent};
use protocol::job::{JobSpec, Outcome, TaskState};

use super::world::*;

fn power_cut() -> Outcome {
    Outcome::Lost { reason: "the power was cut".into(), again: true }
}

#[test]
fn when_a_lease_lapses_its_tasks_are_queued_again_with_an_event() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(array(0, 1));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.said();
    world.pass(59_999);
    assert_eq!(world.state("1.0"), TaskState::Running);
    world.succeeds("pi-2", "1.1#1");
    world.said();
    world.pass(1);
    assert_eq!(world.said(), ["attempt 1.0#1 lost on pi-1: its node did not come back; queued again"]);
    let orders = world.orders("pi-2");
    assert!(matches!(orders.last(), Some(ToAgent::Start(order)) if order.attempt == attempt("1.0#2")), "{orders:?}");
    let attempts = world.attempts("1.0");
    assert_eq!((attempts[0].state, attempts[1].state), (TaskState::Lost, TaskState::Starting));
    assert_eq!(world.kept.attempts.len(), 1);
}

#[test]
fn a_task_that_is_queued_again_takes_its_old_place() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.config.backlog = Some(0);
    world.restart();
    world.submit(JobSpec::of(["true"]));
    world.link("pi-1", 1, vec![]);
    world.unlink("pi-1");
    world.link("pi-2", 1, vec![]);
    world.submit(array(0, 9));
    world.pass(60_000);
    assert_eq!((world.state("1.0"), world.state("2.0")), (TaskState::Queued, TaskState::Starting));
    world.succeeds("pi-2", "2.0#1");
    assert_eq!((world.state("1.0"), world.state("2.1")), (TaskState::Starting, TaskState::Queued));
}

#[test]
fn leases_are_granted_anew_when_the_manager_starts() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(50_000);
    world.restart();
    world.pass(59_000);
    assert_eq!(world.state("1.0"), TaskState::Running);
    world.pass(1_000);
    assert_eq!(world.state("1.0"), TaskState::Queued);
}

#[test]
fn a_task_that_loses_its_node_again_and_again_is_given_up() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    for number in 1..=4 {
        let id = format!("1.0#{number}");
        world.started("pi-1", &id);
        world.finished("pi-1", &id, power_cut());
        assert_eq!(World::acked(&world.orders("pi-1")), [id]);
    }
    let task = world.task("1.0");
    assert_eq!((task.state, task.attempt), (TaskState::Lost, 4));
    assert_eq!(task.reason, "the power was cut; lost 4 times, so it is not tried again by itself");
    assert_eq!(world.attempts("1.0").len(), 4);
    assert_eq!(world.retry("1.0").unwrap(), 1);
    assert_eq!(world.task("1.0").attempt, 5);
}

#[test]
fn orders_that_only_waited_there_are_not_blamed_for_their_node() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 1));
    for boot in 2..9 {
        world.unlink("pi-1");
        world.boots.insert("pi-1".into(), format!("boot-{boot}"));
        world.link("pi-1", 1, vec![]);
    }
    assert_eq!(world.state("1.0"), TaskState::Lost);
    assert!(!world.state("1.1").ended());
}

#[test]
fn exit_unknown_ends_a_task_and_is_not_run_again_by_itself() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.finished("pi-1", "1.0#1", Outcome::Lost { reason: "exit unknown".into(), again: false });
    assert_eq!((world.state("1.0"), world.task("1.0").attempt), (TaskState::Lost, 1));
}

#[test]
fn a_late_result_of_a_replaced_attempt_is_kept_apart() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(60_000);
    world.started("pi-2", "1.0#2");
    world.said();
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    assert!(World::discarded(&world.orders("pi-1")).is_empty(), "its result may still come");
    world.finished("pi-1", "1.0#1", Outcome::Exited(5));
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), ["pi-1 up", "late result of replaced attempt 1.0#1 from pi-1: failed; kept apart"]);
    assert_eq!(world.kept.outputs[&attempt("1.0#1")].0, printed("said by 1.0#1\n"));
    assert_eq!(world.state("1.0"), TaskState::Running);
    for _ in 0..2 {
        let attempts = world.attempts("1.0");
        assert_eq!((attempts[0].state, attempts[0].late.clone()), (TaskState::Lost, Some(Outcome::Exited(5))));
        world.restart();
    }
    // Once more changes nothing.
    world.link("pi-1", 1, vec![]);
    world.orders("pi-1");
    world.said();
    world.finished("pi-1", "1.0#1", Outcome::Exited(6));
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.attempts("1.0")[0].late, Some(Outcome::Exited(5)));
}

#[test]
fn a_replaced_attempt_that_still_runs_is_killed() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(60_000);
    world.link("pi-1", 1, vec![held("1.0#1", false)]);
    assert_eq!(World::discarded(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.task("1.0").node, Some(name("pi-2")));
}

#[test]
fn a_lost_attempt_that_was_not_replaced_yet_is_taken_back_running() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(60_000);
    assert_eq!(world.state("1.0"), TaskState::Queued);
    world.restart();
    world.link("pi-1", 1, vec![held("1.0#1", false)]);
    assert!(matches!(world.orders("pi-1")[..], [ToAgent::Welcome(_)]), "nothing is killed, nothing started");
    assert_eq!((world.state("1.0"), world.task("1.0").attempt), (TaskState::Running, 1));
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.state("1.0"), TaskState::Succeeded);
    assert_eq!(world.kept.tasks[&task("1.0")].losses, 0);
}

#[test]
fn a_lost_attempt_that_was_not_replaced_yet_may_still_tell_its_end() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(60_000);
    world.ask(protocol::api::Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    world.finished("pi-1", "1.0#1", Outcome::Exited(3));
    let task = world.task("1.0");
    assert_eq!((task.state, task.code, task.attempt), (TaskState::Failed, Some(3), 1));
}

#[test]
fn a_stop_that_was_asked_comes_true_when_the_node_stays_away() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.stop("1.0").unwrap();
    assert!(world.task("1.0").stopping);
    world.pass(60_000);
    let task = world.task("1.0");
    assert_eq!((task.state, &*task.reason), (TaskState::Stopped, "by root; its node did not come back"));
    // What came of it after all is kept apart: the task has ended.
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    world.orders("pi-1");
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.state("1.0"), TaskState::Stopped);
    assert_eq!(world.attempts("1.0")[0].late, Some(Outcome::Exited(0)));
}

#[test]
fn a_lost_task_that_waits_is_stopped_like_any_other() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(60_000);
    world.stop("1").unwrap();
    assert_eq!(world.state("1.0"), TaskState::Stopped);
    world.link("pi-1", 1, vec![held("1.0#1", false)]);
    assert_eq!(World::discarded(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.attempts("1.0")[0].state, TaskState::Lost);
}

#[test]
fn the_last_words_on_a_lost_attempt_said_twice_count_once() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let report = FromAgent::Finished(world.end("1.0#1", power_cut()));
    world.report("pi-1", report.clone());
    world.orders("pi-1");
    world.said();
    world.report("pi-1", report);
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.task("1.0").attempt, 2);
}
