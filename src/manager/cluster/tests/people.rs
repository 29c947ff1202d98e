//! People: their uids, and nodes that take one person's work only.

use protocol::agent::Hello;
use protocol::api::{Reply, Request};
use protocol::job::{JobSpec, TaskState};

use super::world::*;

#[test]
fn each_person_gets_a_uid_of_their_own_for_ever() {
    let mut world = World::of(&[("pi-1", 8)]);
    for person in ["ana", "bob", "ana"] {
        world.submit_as(person, JobSpec::of(["true"]));
    }
    let uids = |world: &mut World| -> Vec<u32> { world.start_orders("pi-1").iter().map(|order| order.uid).collect() };
    assert_eq!(uids(&mut world), [1_900_000_001, 1_900_000_002, 1_900_000_001]);
    assert_eq!(world.kept.people.len(), 2);
    world.restart();
    world.link("pi-1", 8, vec![held("1.0#1", false), held("2.0#1", false), held("3.0#1", false)]);
    world.orders("pi-1");
    world.submit_as("cleo", JobSpec::of(["true"]));
    world.submit_as("bob", JobSpec::of(["true"]));
    assert_eq!(uids(&mut world), [1_900_000_003, 1_900_000_002]);
}

fn shared(world: &mut World, node: &str) {
    world.join(node);
    let hello = Hello { shared_uid: true, ..world.hello(node, 2, vec![]) };
    world.link_with(node, key(node), hello);
    world.orders(node);
}

#[test]
fn a_node_with_a_shared_uid_takes_one_persons_work() {
    let mut world = World::new();
    shared(&mut world, "pi-1");
    world.submit_as("ana", JobSpec::of(["true"]));
    world.submit_as("bob", JobSpec::of(["true"]));
    world.submit_as("ana", JobSpec::of(["true"]));
    assert_eq!(world.starts("pi-1"), ["1.0#1", "3.0#1"]);
    assert_eq!(world.state("2.0"), TaskState::Queued);
    let Ok(Reply::Why(why)) = world.ask(Request::Why { id: task("2.0") }) else { panic!() };
    assert!(why.nodes[0].reason.contains("takes only the work of ana"), "{why:?}");
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "3.0#1");
    world.restart();
    let hello = Hello { shared_uid: true, ..world.hello("pi-1", 2, vec![]) };
    world.link_with("pi-1", key("pi-1"), hello);
    assert_eq!(world.state("2.0"), TaskState::Queued, "it stays ana's");
}

#[test]
fn a_node_that_joins_again_with_what_it_runs_is_still_that_persons() {
    let mut world = World::new();
    shared(&mut world, "pi-1");
    world.submit_as("ana", array(0, 1));
    world.submit_as("bob", JobSpec::of(["true"]));
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    world.ask(Request::RemoveNode { node: name("pi-1") }).unwrap();
    world.stop("1.1").unwrap();
    world.join("pi-1");
    let hello = Hello { shared_uid: true, ..world.hello("pi-1", 2, vec![held("1.0#1", false)]) };
    world.link_with("pi-1", key("pi-1"), hello);
    assert_eq!((world.state("1.0"), world.state("2.0")), (TaskState::Running, TaskState::Queued));
}

#[test]
fn of_two_peoples_attempts_on_a_node_that_joins_again_one_runs_elsewhere() {
    let mut world = World::new();
    world.config.allow_shared_uid.insert(name("pi-1"));
    world.restart();
    shared(&mut world, "pi-1");
    world.submit_as("ana", JobSpec::of(["true"]));
    world.submit_as("bob", JobSpec::of(["true"]));
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    world.ask(Request::RemoveNode { node: name("pi-1") }).unwrap();
    world.config.allow_shared_uid.clear();
    world.restart();
    world.join("pi-1");
    let both = vec![held("1.0#1", false), held("2.0#1", false)];
    let hello = Hello { shared_uid: true, ..world.hello("pi-1", 2, both) };
    world.link_with("pi-1", key("pi-1"), hello);
    assert_eq!((world.state("1.0"), world.state("2.0")), (TaskState::Running, TaskState::Queued));
    assert_eq!(World::discarded(&world.orders("pi-1")), ["2.0#1"]);
}

#[test]
fn an_admin_can_allow_more() {
    let mut world = World::new();
    world.config.allow_shared_uid.insert(name("pi-1"));
    world.restart();
    shared(&mut world, "pi-1");
    world.submit_as("ana", JobSpec::of(["true"]));
    world.submit_as("bob", JobSpec::of(["true"]));
    assert_eq!(world.starts("pi-1"), ["1.0#1", "2.0#1"]);
}

#[test]
fn another_persons_waiting_task_is_not_called_back_for_such_a_node() {
    let mut world = World::of(&[("pi-2", 1)]);
    shared(&mut world, "pi-1");
    world.submit_as("ana", array(0, 2));
    world.submit_as("bob", array(0, 1));
    world.orders("pi-1");
    let own: Vec<_> = ["1.0", "1.1", "1.2", "2.0", "2.1"].map(|id| (id, world.task(id).node)).into();
    for (id, node) in &own {
        if node == &Some(name("pi-1")) {
            world.succeeds("pi-1", &format!("{id}#1"));
        }
    }
    assert_eq!(World::recalls(&world.orders("pi-2")), [""; 0]);
}
