//! A node that lies, or is confused: about others' tasks, about attempts that never were, about itself.

use protocol::agent::FromAgent;
use protocol::job::{JobSpec, Outcome, TaskState};
use protocol::node::{Facts, Metrics};
use protocol::unit::Percent;

use super::world::*;

#[test]
fn a_result_for_anothers_task_changes_nothing_but_is_seen() {
    let mut world = World::of(&[("pi-1", 1), ("liar", 1)]);
    world.submit(pinned("pi-1"));
    world.started("pi-1", "1.0#1");
    world.said();
    let kept = world.kept.clone();
    world.succeeds("liar", "1.0#1");
    world.started("liar", "1.0#1");
    world.recalled("liar", "1.0#1");
    assert_eq!(World::discarded(&world.orders("liar")), ["1.0#1", "1.0#1"]);
    assert_eq!(world.state("1.0"), TaskState::Running);
    assert_eq!((&world.kept.tasks, &world.kept.outputs), (&kept.tasks, &kept.outputs));
    assert_eq!(
        world.said(),
        [
            "the result of 1.0#1 told by liar was not taken: it was not given to liar",
            "the start of 1.0#1 told by liar was not taken: it was not given to liar"
        ]
    );
}

#[test]
fn absurd_attempts_are_discarded() {
    let mut world = World::of(&[("liar", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.orders("liar");
    let absurd = ["1.0#2", "1.0#4294967295", "1.7#1", "4294967295.4294967295#1"];
    for id in absurd {
        world.succeeds("liar", id);
    }
    assert_eq!(World::discarded(&world.orders("liar")), absurd);
    assert_eq!(world.state("1.0"), TaskState::Starting);
}

#[test]
fn a_flood_of_lies_is_not_a_flood_of_events() {
    let mut world = World::of(&[("liar", 1), ("pi-1", 1)]);
    world.submit(pinned("pi-1"));
    world.said();
    for n in 0..10_000 {
        world.succeeds("liar", "1.0#1");
        world.report("liar", FromAgent::Refused { what: format!("{n}"), reason: "no".into() });
    }
    assert!(world.said().len() < 20);
    assert!(world.cluster.ignored() >= 10_000);
}

#[test]
fn a_result_of_a_late_attempt_from_another_node_is_not_taken() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1), ("liar", 1)]);
    world.submit(JobSpec::of(["true"]));
    let node = world.task("1.0").node.unwrap();
    assert_eq!(node, name("liar"), "the first by name");
    world.unlink("liar");
    world.pass(60_000);
    assert_eq!(world.task("1.0").attempt, 2);
    let other = world.task("1.0").node.unwrap();
    let third = if other == name("pi-1") { "pi-2" } else { "pi-1" };
    world.orders(third);
    world.succeeds(third, "1.0#1");
    assert_eq!(World::discarded(&world.orders(third)), ["1.0#1"]);
    assert_eq!(world.attempts("1.0")[0].late, None);
}

#[test]
fn metrics_that_do_not_fit_are_ignored_and_counted() {
    let mut world = World::of(&[("liar", 1)]);
    world.report("liar", FromAgent::Metrics(serde_json::from_str(r#"{"cpu": 10.0}"#).unwrap()));
    world.report("liar", FromAgent::Metrics(serde_json::from_str(r#"{"cpu": "hot"}"#).unwrap()));
    let metrics = world.cluster.node_view(&name("liar")).unwrap().metrics;
    assert_eq!(metrics, Some(Metrics { cpu: Percent::new(10.0), ..Default::default() }));
    assert_eq!(world.cluster.ignored(), 1);
    world.unlink("liar");
    assert_eq!(world.cluster.node_view(&name("liar")).unwrap().metrics, None, "old numbers are not news");
}

#[test]
fn facts_are_kept_when_they_change_and_cut_where_they_are_absurd() {
    let mut world = World::of(&[("pi-1", 1)]);
    let facts = Facts { model: Some("x".repeat(1 << 20)), addresses: vec!["a".into(); 100_000], ..Default::default() };
    world.report("pi-1", FromAgent::Facts(Box::new(facts.clone())));
    let kept = &world.kept.nodes[&name("pi-1")].facts;
    assert_eq!((kept.model.as_ref().unwrap().len(), kept.addresses.len()), (256, 64));
    let mut effects = vec![];
    let report = FromAgent::Facts(Box::new(facts));
    let input = crate::manager::cluster::Input::Report { link: world.links["pi-1"], report };
    world.cluster.handle(input, world.now, &mut effects);
    assert!(effects.is_empty(), "the same again is not written again: {effects:?}");
}

#[test]
fn facts_cannot_hide_a_reboot() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let facts = Facts { boot_id: Some("boot-2".into()), ..Default::default() };
    world.report("pi-1", FromAgent::Facts(Box::new(facts)));
    world.unlink("pi-1");
    world.boots.insert("pi-1".into(), "boot-2".into());
    world.link("pi-1", 1, vec![]);
    assert_eq!(world.task("1.0").attempt, 2);
}

#[test]
fn a_huge_reason_is_cut() {
    let mut world = World::of(&[("liar", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.finished("liar", "1.0#1", stopped(&"x".repeat(3 << 20)));
    assert!(world.task("1.0").reason.len() < 4096);
    world.submit(JobSpec::of(["true"]));
    world.finished("liar", "2.0#1", Outcome::Signaled(i32::MAX));
    assert_eq!(world.task("2.0").code, Some(255));
}
