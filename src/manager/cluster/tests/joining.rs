//! Tokens, joining, and what strangers can cause.

use protocol::api::Request;
use protocol::event::What;
use protocol::node::Role;

use super::world::*;
use crate::manager::cluster::{Input, Told};

fn refusals(world: &mut World) -> usize {
    world.happened().iter().filter(|what| matches!(what, What::JoinRefused { .. })).count()
}

#[test]
fn a_node_joins_once_and_is_known_by_its_key() {
    let mut world = World::new();
    world.make_token("t", Role::Worker);
    world.join_with("t", key("pi-1"), "pi-1", Role::Worker).unwrap();
    assert_eq!(world.said(), ["join token for a worker made", "worker pi-1 joined"]);
    world.restart();
    world.link("pi-1", 1, vec![]);
    assert_eq!(world.said(), ["pi-1 up"]);
}

#[test]
fn the_same_key_may_ask_again_should_the_answer_have_been_lost() {
    let mut world = World::new();
    world.make_token("t", Role::Worker);
    world.join_with("t", key("pi-1"), "pi-1", Role::Worker).unwrap();
    world.restart();
    world.pass(2 * 3_600_000);
    world.said();
    world.join_with("t", key("pi-1"), "pi-1", Role::Worker).unwrap();
    assert_eq!(world.said(), [""; 0]);
    let why = world.join_with("t", key("pi-1"), "pi-2", Role::Worker).unwrap_err();
    assert_eq!(why, "this machine has joined with this token as pi-1, not as pi-2");
}

#[test]
fn each_reason_not_to_let_a_node_in_is_one_clear_sentence_on_both_sides() {
    let mut world = World::new();
    world.make_token("used", Role::Worker);
    world.join_with("used", key("pi-1"), "pi-1", Role::Worker).unwrap();
    world.make_token("old", Role::Worker);
    world.pass(3_600_000);
    for token in ["a", "b", "c", "d"] {
        world.make_token(token, Role::Worker);
    }
    world.make_token("cool", Role::Cooler);
    world.said();
    let mut says = |token: &str, print: &str, node: &str| {
        let why = world.join_with(token, key(print), node, Role::Worker).unwrap_err();
        assert_eq!(world.said(), [format!("join of {node} refused: {why}")]);
        why
    };
    assert!(says("guess", "x", "pi-9").starts_with("this token is not known here, or no more; get a new one"));
    assert!(says("used", "x", "pi-9").starts_with("this token was used already, by pi-1; get a new one"));
    assert!(says("old", "x", "pi-9").starts_with("this token has expired; get a new one"));
    assert!(says("cool", "x", "pi-9").starts_with("this token is for a cooler, and pi-9 wants to be a worker"));
    assert!(says("a", "x", "pi-1").starts_with("the name pi-1 is taken by another machine; choose another"));
    assert!(says("a", "pi-1", "pi-2").starts_with("this machine has joined as pi-1 already"));
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    world.said();
    let revoked = world.join_with("b", key("pi-1"), "pi-7", Role::Worker).unwrap_err();
    assert!(revoked.starts_with("the key of this machine was revoked as pi-1"), "{revoked}");
    assert!(world.join_with("a", key("x"), "pi-9", Role::Worker).is_ok(), "none of this used the token up");
}

#[test]
fn a_removed_nodes_name_and_key_are_free_again() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    world.ask(Request::RemoveNode { node: name("pi-1") }).unwrap();
    assert!(world.kept.nodes.is_empty());
    world.make_token("t", Role::Worker);
    world.join_with("t", key("pi-1"), "pi-1", Role::Worker).unwrap();
    world.link("pi-1", 1, vec![]);
    world.submit(protocol::job::JobSpec::of(["true"]));
    assert_eq!(world.task("1.0").node, Some(name("pi-1")));
}

#[test]
fn the_managers_own_name_is_taken() {
    let mut world = World::new();
    world.put(Input::Own { name: name("rack"), facts: None, metrics: Default::default() });
    world.make_token("t", Role::Worker);
    let why = world.join_with("t", key("rack"), "rack", Role::Worker).unwrap_err();
    assert_eq!(
        why,
        "the name rack is taken by another machine; that is the manager itself: choose another with --name"
    );
}

#[test]
fn a_flood_of_strangers_is_refused_each_and_kept_in_few_events() {
    let mut world = World::new();
    for _ in 0..10_000 {
        world.join_with("guess", key("x"), "pi-9", Role::Worker).unwrap_err();
    }
    let few = refusals(&mut world);
    assert!((1..20).contains(&few), "{few}");
    world.pass(60_000);
    world.join_with("guess", key("x"), "pi-9", Role::Worker).unwrap_err();
    let said = world.said();
    assert!(said[0].contains("(and 9992 more before it)"), "{said:?}");
}

#[test]
fn tokens_are_forgotten_a_day_after_they_expired() {
    let mut world = World::new();
    world.make_token("t", Role::Worker);
    world.pass(1000);
    world.restart();
    world.pass(25 * 3_600_000 - 2000);
    assert_eq!(world.kept.tokens.len(), 1);
    world.pass(2000);
    assert!(world.kept.tokens.is_empty());
}

#[test]
fn a_token_expires_by_the_clock_that_does_not_jump() {
    let mut world = World::new();
    world.make_token("t", Role::Worker);
    world.now.wall.0 += 365 * 86_400_000;
    world.join_with("t", key("pi-1"), "pi-1", Role::Worker).unwrap();
}

#[test]
fn tokens_for_managers_or_for_ever_are_not_made() {
    let mut world = World::new();
    for (role, ttl_ms) in [(Role::Manager, 1000), (Role::Worker, u64::MAX)] {
        let call = world.new_call();
        world.put(Input::MakeToken { call, caller: admin(), hash: hash("t"), role, ttl_ms });
        assert!(matches!(world.answers.remove(&call), Some(Told::Refused(_))));
    }
    assert!(world.kept.tokens.is_empty());
}
