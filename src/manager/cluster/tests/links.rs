//! Links: hello, welcome, leases, and bringing both sides together again.

use protocol::agent::ToAgent;
use protocol::job::{JobSpec, Outcome, TaskState};
use protocol::node::NodeState;

use super::world::*;
use crate::manager::cluster::{Input, LinkId};

#[test]
fn a_hello_is_answered_by_a_welcome_before_anything_else() {
    let mut world = World::new();
    world.join("pi-1");
    world.submit(JobSpec::of(["true"]));
    world.link("pi-1", 1, vec![]);
    let orders = world.orders("pi-1");
    let [ToAgent::Welcome(welcome), ToAgent::Start(_)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((welcome.lease_ms, welcome.node.as_str()), (60_000, "pi-1"));
    assert!(world.said().contains(&"pi-1 up".to_owned()));
}

#[test]
fn a_node_that_comes_back_in_time_keeps_its_tasks() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    world.started("pi-1", "1.0#1");
    world.started("pi-1", "1.1#1");
    world.unlink("pi-1");
    world.pass(59_000);
    world.link("pi-1", 2, vec![held("1.0#1", false), held("1.1#1", true)]);
    assert!(matches!(world.orders("pi-1")[..], [ToAgent::Welcome(_)]));
    world.pass(600_000);
    assert_eq!(world.state("1.0"), TaskState::Running);
    world.succeeds("pi-1", "1.1#1");
    assert_eq!(world.state("1.1"), TaskState::Succeeded);
}

#[test]
fn a_hello_that_was_overtaken_by_a_newer_one_changes_nothing() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 1));
    let (slow, before) = (LinkId(world.number()), Box::new(world.hello("pi-1", 1, vec![])));
    let link = world.link("pi-1", 1, vec![held("1.0#1", false)]);
    world.said();
    let late = Input::Linked { link: slow, node: name("pi-1"), key: key("pi-1"), address: None, hello: before };
    world.put(late.clone());
    assert!(matches!(world.sent[&slow][..], [ToAgent::Bye { stay_away: false, .. }]) && world.cut.contains(&slow));
    assert_eq!((world.state("1.0"), world.said()), (TaskState::Running, vec![]));
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.links["pi-1"], link);
    world.unlink("pi-1");
    world.put(late);
    assert_eq!(world.cluster.node_view(&name("pi-1")).unwrap().state, NodeState::Down);
}

#[test]
fn an_order_that_was_lost_on_its_way_is_sent_again_under_its_number() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.unlink("pi-1");
    world.link("pi-1", 1, vec![]);
    let orders = world.orders("pi-1");
    assert!(matches!(&orders[1], ToAgent::Start(order) if order.attempt == attempt("1.0#1")), "{orders:?}");
    assert_eq!(world.task("1.0").attempt, 1);
}

#[test]
fn a_start_that_was_not_heard_of_is_learnt_from_the_hello() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.unlink("pi-1");
    world.said();
    world.link("pi-1", 1, vec![held("1.0#1", false)]);
    assert_eq!(world.state("1.0"), TaskState::Running);
    assert_eq!(world.said(), ["pi-1 up", "task 1.0 started on pi-1"]);
}

#[test]
fn a_running_attempt_the_node_does_not_have_any_more_is_lost_and_says_so() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.said();
    world.link("pi-1", 1, vec![]);
    assert_eq!(world.said(), ["pi-1 up", "attempt 1.0#1 lost on pi-1: its node no longer has it; queued again"]);
    let orders = world.orders("pi-1");
    assert!(matches!(&orders[1], ToAgent::Start(order) if order.attempt == attempt("1.0#2")), "{orders:?}");
}

#[test]
fn after_a_reboot_nothing_is_run_a_second_time_in_silence() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.unlink("pi-1");
    world.said();
    // It may have begun before the power went; nobody was told.
    world.boots.insert("pi-1".into(), "boot-2".into());
    world.link("pi-1", 1, vec![]);
    assert_eq!(world.said(), ["pi-1 up", "attempt 1.0#1 lost on pi-1: its node was started anew; queued again"]);
    assert_eq!(world.task("1.0").attempt, 2);
}

#[test]
fn held_attempts_that_were_never_given_there_are_discarded() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(pinned("pi-2"));
    world.unlink("pi-1");
    world.link("pi-1", 1, vec![held("1.0#1", false), held("1.0#7", true), held("99.0#1", false)]);
    let discarded = World::discarded(&world.orders("pi-1"));
    assert_eq!(discarded, ["1.0#1", "1.0#7", "99.0#1"]);
    assert_eq!(world.task("1.0").node, Some(name("pi-2")));
}

#[test]
fn a_second_link_of_a_node_replaces_the_first() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let old = world.links["pi-1"];
    world.said();
    world.link("pi-1", 1, vec![held("1.0#1", false)]);
    assert!(world.cut.contains(&old));
    assert!(matches!(&world.sent[&old][..], [.., ToAgent::Bye { stay_away: false, .. }]));
    assert_eq!(world.said(), ["task 1.0 started on pi-1"], "it was up all the time");
    // What still comes over the first counts no more, its end included.
    let new = world.links.insert("pi-1".into(), old).unwrap();
    world.succeeds("pi-1", "1.0#1");
    world.unlink("pi-1");
    assert_eq!(world.state("1.0"), TaskState::Running);
    assert_eq!(world.cluster.node_view(&name("pi-1")).unwrap().state, NodeState::Up);
    world.links.insert("pi-1".into(), new);
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.state("1.0"), TaskState::Succeeded);
}

#[test]
fn strange_revoked_and_removed_keys_are_told_to_stay_away() {
    let mut world = World::of(&[("pi-1", 1)]);
    let bye = |world: &mut World, node: &str, print: &str| {
        let hello = world.hello(node, 1, vec![]);
        let link = world.link_with(node, key(print), hello);
        assert!(world.cut.contains(&link));
        match &world.sent[&link][..] {
            [ToAgent::Bye { reason, stay_away: true }] => reason.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(bye(&mut world, "pi-1", "pi-2"), "this is not the key pi-1 joined with");
    assert!(bye(&mut world, "pi-9", "pi-9").contains("not known here any more"));
    world.ask(protocol::api::Request::RevokeNode { node: name("pi-1") }).unwrap();
    assert_eq!(bye(&mut world, "pi-1", "pi-1"), "the key of pi-1 was revoked");
}

#[test]
fn an_agent_of_another_protocol_is_told_both_numbers_and_may_come_back() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.unlink("pi-1");
    let hello = protocol::agent::Hello { protocol: 99, ..world.hello("pi-1", 1, vec![]) };
    let link = world.link_with("pi-1", key("pi-1"), hello);
    match &world.sent[&link][..] {
        [ToAgent::Bye { reason, stay_away: false }] => {
            assert!(reason.contains("protocol 99") && reason.contains("speaks protocol 1:"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert!(world.cut.contains(&link));
    assert_eq!(world.cluster.node_view(&name("pi-1")).unwrap().state, NodeState::Down);
}

#[test]
fn absurd_slots_and_cpus_are_brought_into_bounds() {
    let mut world = World::of(&[("pi-1", 1)]);
    let hello = protocol::agent::Hello { cpus: 0, slots: u32::MAX, ..world.hello("pi-1", 1, vec![]) };
    world.link_with("pi-1", key("pi-1"), hello);
    let view = world.cluster.node_view(&name("pi-1")).unwrap();
    assert_eq!((view.cpus, view.slots), (1, 4096));
    let hello = protocol::agent::Hello { cpus: u32::MAX, slots: 0, ..world.hello("pi-1", 1, vec![]) };
    world.link_with("pi-1", key("pi-1"), hello);
    world.submit(JobSpec::of(["true"]));
    assert_eq!(world.state("1.0"), TaskState::Queued, "no slots, no tasks");
}

#[test]
fn the_time_of_each_row_is_the_managers_even_if_the_nodes_clock_is_years_off() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.pass(100);
    let mut end = world.end("1.0#1", Outcome::Exited(0));
    end.started_at = Some(protocol::time::UnixMillis(3));
    end.ended_at = protocol::time::UnixMillis(u64::MAX);
    end.ran_ms = Some(u64::MAX);
    world.report("pi-1", protocol::agent::FromAgent::Finished(end));
    let task = world.task("1.0");
    assert_eq!(task.started_at.unwrap().0, DAWN);
    assert_eq!(task.ended_at.unwrap().0, DAWN + 100);
    assert!(task.ran_ms.unwrap() < i64::MAX as u64);
}
