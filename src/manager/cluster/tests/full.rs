//! Nodes whose disk is full.

use protocol::agent::{Finished, FromAgent, ToAgent};
use protocol::job::{JobSpec, NotStarted, Outcome, TaskState};
use protocol::node::Metrics;

use super::why::why;
use super::world::*;

fn disk(world: &mut World, node: &str, full: bool) {
    let of = |disk_full| Metrics { disk_full, ..Metrics::default() };
    world.report(node, FromAgent::Metrics(of(full).since(&of(!full))));
}

fn finds_no_room(world: &mut World, node: &str, id: &str) {
    let message = "its folder cannot be made: no space left".into();
    let end = world.end(id, Outcome::NotStarted { kind: NotStarted::Fault, message });
    world.report(node, FromAgent::Finished(Finished { started_at: None, ran_ms: None, ..end }));
}

#[test]
fn a_full_node_takes_nothing_says_so_and_goes_on_when_there_is_room() {
    let mut world = World::of(&[("pi-1", 2)]);
    disk(&mut world, "pi-1", true);
    world.submit(JobSpec::of(["true"]));
    assert!(world.starts("pi-1").is_empty());
    let why = why(&mut world, "1.0");
    assert_eq!(why.summary, "waits for a worker: none takes it now");
    assert_eq!(why.nodes[0].reason, "its disk is full: it takes no new work until there is room");
    disk(&mut world, "pi-1", false);
    assert_eq!(world.starts("pi-1"), ["1.0#1"]);
}

#[test]
fn what_could_not_begin_for_want_of_room_begins_elsewhere_and_what_waits_there_is_called_back() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 2));
    let given = world.orders("pi-1");
    assert!(given.len() > 1, "one runs there, others wait: {given:?}");
    world.add("pi-2", 1);
    world.said();
    disk(&mut world, "pi-1", true);
    let called_back = World::recalls(&world.orders("pi-1"));
    assert!(!called_back.is_empty());
    finds_no_room(&mut world, "pi-1", "1.0#1");
    let reason =
        "attempt 1.0#1 lost on pi-1: the node's disk is full: its folder cannot be made: no space left; queued again";
    assert_eq!(world.said(), [reason]);
    // Its end once more, because the ack was lost, changes nothing.
    finds_no_room(&mut world, "pi-1", "1.0#1");
    assert_eq!(world.said(), [""; 0]);
    called_back.iter().for_each(|id| world.recalled("pi-1", id));
    for id in ["1.0#2", "1.1#1", "1.2#1"] {
        world.succeeds("pi-2", id);
    }
    assert_eq!(world.task("1.0").state, TaskState::Succeeded);
}

#[test]
fn without_room_anywhere_a_task_waits_and_is_not_tried_for_ever() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    for number in 1..=4 {
        assert_eq!(world.starts("pi-1"), [format!("1.0#{number}")]);
        disk(&mut world, "pi-1", true);
        finds_no_room(&mut world, "pi-1", &format!("1.0#{number}"));
        world.pass(3_600_000);
        let orders = world.orders("pi-1");
        assert!(!orders.iter().any(|order| matches!(order, ToAgent::Start(_))), "{orders:?}");
        disk(&mut world, "pi-1", false);
    }
    let task = world.task("1.0");
    assert_eq!((task.state, task.attempt), (TaskState::Lost, 4));
    assert!(task.reason.contains("no space left; lost 4 times"), "{}", task.reason);
}

#[test]
fn a_fault_on_a_node_with_room_is_the_end_of_the_task() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    finds_no_room(&mut world, "pi-1", "1.0#1");
    let task = world.task("1.0");
    assert_eq!((task.state, task.code), (TaskState::Failed, Some(125)));
}

#[test]
fn a_stop_of_what_could_not_begin_is_a_stop() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.stop("1").unwrap();
    disk(&mut world, "pi-1", true);
    finds_no_room(&mut world, "pi-1", "1.0#1");
    assert_eq!(world.state("1.0"), TaskState::Stopped);
}
