//! What admins ask of nodes.

use protocol::agent::{FromAgent, ToAgent};
use protocol::api::{RefusalKind, Reply, Request};
use protocol::job::{JobSpec, TaskState};
use protocol::node::{NodeState, Role};

use super::world::*;
use crate::manager::cluster::{Input, Touched};

#[test]
fn a_drain_asked_twice_happens_once() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.said();
    for _ in 0..2 {
        let told = world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
        assert!(matches!(told, Reply::Node(view) if view.draining));
    }
    assert_eq!(world.said(), ["pi-1 draining"]);
    world.ask(Request::Drain { node: name("pi-1"), on: false }).unwrap();
    assert_eq!(world.said(), ["pi-1 takes work again"]);
}

#[test]
fn a_reboot_is_told_to_a_node_that_is_up_and_may_be_refused_there() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.said();
    world.ask(Request::Reboot { node: name("pi-1") }).unwrap();
    assert!(matches!(world.orders("pi-1")[..], [ToAgent::Reboot]));
    let reason = "this node was started with --refuse-reboot".to_owned();
    world.report("pi-1", FromAgent::Refused { what: "reboot".into(), reason });
    assert_eq!(
        world.said(),
        ["reboot of pi-1 asked", "pi-1 refused reboot: this node was started with --refuse-reboot"]
    );
    world.unlink("pi-1");
    assert_eq!(world.refused(Request::Reboot { node: name("pi-1") }), "pi-1 is down, so it cannot be told to reboot");
}

#[test]
fn a_node_with_tasks_is_not_removed_and_the_sentence_says_what_to_do() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    let why = world.refused(Request::RemoveNode { node: name("pi-1") });
    assert!(why.contains("still has 2 tasks; drain it and wait for them (bramble node drain pi-1)"), "{why}");
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.1#1");
    world.orders("pi-1");
    world.touched.clear();
    world.ask(Request::RemoveNode { node: name("pi-1") }).unwrap();
    assert!(matches!(world.orders("pi-1")[..], [ToAgent::Bye { stay_away: true, .. }]));
    assert!(world.kept.nodes.is_empty());
    assert_eq!(world.cluster.node_view(&name("pi-1")), None);
    assert!(world.touched.contains(&Touched::Node(name("pi-1"))));
    assert_eq!(world.task("1.0").node, Some(name("pi-1")), "what ran there still says so");
    world.unlink("pi-1");
}

#[test]
fn a_revoked_nodes_tasks_run_elsewhere_at_once() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.orders("pi-1");
    world.said();
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    assert!(matches!(world.orders("pi-1")[..], [ToAgent::Bye { stay_away: true, .. }]));
    assert!(world.cut.contains(&world.links["pi-1"]));
    assert_eq!(
        world.said(),
        [
            "pi-1's key revoked",
            "pi-1 down: its key was revoked",
            "attempt 1.0#1 lost on pi-1: the key of its node was revoked; queued again"
        ]
    );
    assert_eq!(world.task("1.0").node, Some(name("pi-2")));
    let view = world.cluster.node_view(&name("pi-1")).unwrap();
    assert!(view.revoked && view.state == NodeState::Down);
    // What the shell says of the cut link afterwards, and asking again, changes nothing.
    world.unlink("pi-1");
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    assert_eq!(world.said(), [""; 0]);
    world.restart();
    assert!(world.cluster.node_view(&name("pi-1")).unwrap().revoked);
}

#[test]
fn unknown_nodes_the_manager_itself_and_coolers_are_told_apart() {
    let mut world = World::new();
    world.put(Input::Own { name: name("rack"), facts: None, metrics: Default::default() });
    world.make_token("t", Role::Cooler);
    world.join_with("t", key("frost"), "frost", Role::Cooler).unwrap();
    let drain = |node: &str| Request::Drain { node: name(node), on: true };
    assert_eq!(world.ask(drain("pi-9")).unwrap_err().kind, RefusalKind::NotFound);
    assert_eq!(world.refused(drain("rack")), "rack is the manager itself; this is for nodes that joined it");
    assert_eq!(world.refused(drain("frost")), "frost is a cooler and runs no tasks");
    assert_eq!(world.refused(Request::Submit(pinned("frost"))), "frost is a cooler and runs no tasks");
}

#[test]
fn a_cooler_links_and_is_given_nothing() {
    let mut world = World::new();
    world.make_token("t", Role::Cooler);
    world.join_with("t", key("frost"), "frost", Role::Cooler).unwrap();
    world.link("frost", 4, vec![]);
    world.submit(JobSpec::of(["true"]));
    assert_eq!(world.state("1.0"), TaskState::Queued);
}

#[test]
fn the_managers_own_machine_shows_as_a_card() {
    let mut world = World::of(&[("pi-1", 1)]);
    let metrics = serde_json::from_str(r#"{"cpu": 12.5}"#).unwrap();
    let facts = protocol::node::Facts { cpus: Some(4), ..Default::default() };
    world.put(Input::Own { name: name("rack"), facts: Some(Box::new(facts)), metrics });
    let Reply::Nodes(nodes) = world.ask(Request::Nodes).unwrap() else { panic!() };
    let cards: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.role, node.cpus)).collect();
    assert_eq!(cards, [("rack", Role::Manager, 4), ("pi-1", Role::Worker, 1)]);
    assert!(world.kept.nodes.len() == 1 && world.touched.contains(&Touched::Node(name("rack"))));
    assert!(matches!(world.ask(Request::Node { name: name("rack") }), Ok(Reply::Node(_))));
    assert_eq!(world.cluster.picture(10).nodes.len(), 2);
}

#[test]
fn nothing_may_be_submitted_to_a_node_whose_key_is_revoked() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    let refusal = world.ask(Request::Submit(pinned("pi-1"))).unwrap_err();
    assert_eq!(refusal.kind, RefusalKind::Refused);
    assert!(refusal.message.contains("choose another node") && refusal.message.contains("bramble node rm pi-1"));
    world.submit(pinned("pi-2"));
}
