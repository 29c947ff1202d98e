//! Nodes whose disk is full.

use protocol::agent::{Finished, FromAgent, ToAgent};
use protocol::job::{JobFile, JobSpec, NotStarted, Outcome, TaskState};
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

/// Of all that it was told.
fn begun(world: &mut World, node: &str) -> Vec<String> {
    let start = |order: ToAgent| match order {
        ToAgent::Start(order) => Some(order.attempt.to_string()),
        _ => None,
    };
    world.orders(node).into_iter().filter_map(start).collect()
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
fn a_node_that_has_no_room_for_files_is_given_none_for_a_while_and_goes_on_with_other_work() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.keep(&operator("ana"), "data", 10, b'a').unwrap();
    let with_data = || JobSpec { files: vec![JobFile::of("data".parse().unwrap())], ..array(0, 9) };
    world.submit(with_data());
    let given = world.starts("pi-1");
    assert!(!given.is_empty());
    world.said();
    for id in &given {
        let message = "there is not enough room for it".into();
        let end = world.end(id, Outcome::NotStarted { kind: NotStarted::NoRoom, message });
        world.report("pi-1", FromAgent::Finished(Finished { started_at: None, ran_ms: None, ..end }));
    }
    assert_eq!(world.said()[0], "attempt 1.0#1 lost on pi-1: there is not enough room for it; queued again");
    assert_eq!(begun(&mut world, "pi-1"), [""; 0], "or it would be given all there are, one after the other");
    let why = why(&mut world, "1.0");
    assert_eq!(why.nodes[0].reason, "it had no room for the files of a task; it is tried again within a minute");
    world.submit(JobSpec::of(["true"]));
    assert_eq!(begun(&mut world, "pi-1"), ["2.0#1"]);
    world.add("pi-2", 1);
    assert!(begun(&mut world, "pi-2").contains(&"1.0#2".to_owned()), "another has room");
    world.succeeds("pi-1", "2.0#1");
    assert_eq!(begun(&mut world, "pi-1"), [""; 0]);
    world.pass(60_000);
    assert_ne!(begun(&mut world, "pi-1"), [""; 0]);
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
