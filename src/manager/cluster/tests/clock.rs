//! A wall clock that jumps, as on a board without one of its own when the network comes up: it decides nothing.

use protocol::agent::FromAgent;
use protocol::job::{Outcome, TaskState};
use protocol::node::Role;

use super::world::*;

const YEAR: u64 = 366 * 24 * 3_600_000;

impl World {
    /// The wall clock alone, a year forward or back.
    fn jumps(&mut self, forward: bool) {
        let wall = &mut self.now.wall.0;
        *wall = if forward { *wall + YEAR } else { *wall - YEAR };
    }
}

#[test]
fn a_lease_lasts_as_long_as_it_lasts_whatever_the_wall_says() {
    for forward in [true, false] {
        let mut world = World::of(&[("pi-1", 4)]);
        world.submit(array(0, 3));
        (0..4).for_each(|index| world.started("pi-1", &format!("1.{index}#1")));
        world.unlink("pi-1");
        world.pass(30_000);
        world.jumps(forward);
        world.pass(29_999);
        assert_eq!(world.state("1.0"), TaskState::Running, "forward: {forward}");
        world.jumps(!forward);
        world.jumps(!forward);
        world.pass(1);
        assert_eq!(world.state("1.0"), TaskState::Queued, "forward: {forward}");
    }
}

#[test]
fn a_token_expires_when_its_time_is_over_and_not_when_the_wall_says_so() {
    for forward in [true, false] {
        let mut world = World::new();
        for token in ["early", "late"] {
            world.make_token(token, Role::Worker);
        }
        world.pass(3_599_000);
        world.jumps(forward);
        world.join_with("early", key("pi-1"), "pi-1", Role::Worker).unwrap();
        world.jumps(!forward);
        world.jumps(!forward);
        world.pass(1_000);
        let why = world.join_with("late", key("pi-2"), "pi-2", Role::Worker).unwrap_err();
        assert!(why.starts_with("this token has expired"), "forward: {forward}: {why}");
    }
    // A restart knows the wall clock alone: then a token may end early, but it never lasts longer than any may.
    let mut world = World::new();
    world.make_token("t", Role::Worker);
    world.jumps(false);
    world.restart();
    world.pass(30 * 24 * 3_600_000);
    assert!(world.join_with("t", key("pi-1"), "pi-1", Role::Worker).is_err());
}

#[test]
fn under_load_nothing_is_lost_run_twice_or_told_to_have_ended_before_it_began() {
    let mut world = World::of(&[("pi-1", 2), ("pi-2", 2)]);
    world.submit(array(0, 99));
    let mut forward = true;
    let mut done = 0;
    while done < 100 {
        for node in ["pi-1", "pi-2"] {
            for order in world.orders(node) {
                let protocol::agent::ToAgent::Start(order) = order else { continue };
                let id = order.attempt.to_string();
                world.started(node, &id);
                // Between the beginning and the end of every task, and now and then the node's own clock.
                world.jumps(forward);
                forward = !forward;
                let mut end = world.end(&id, Outcome::Exited(0));
                if done % 3 == 0 {
                    end.ended_at.0 = end.ended_at.0.saturating_sub(3 * YEAR);
                }
                world.pass(50);
                world.report(node, FromAgent::Finished(end));
                done += 1;
            }
        }
    }
    for index in 0..100 {
        let task = world.task(&format!("1.{index}"));
        assert_eq!((task.state, task.attempt), (TaskState::Succeeded, 1), "{task:?}");
        assert!(task.started_at.unwrap() <= task.ended_at.unwrap(), "{task:?}");
        assert_eq!(task.ran_ms, Some(7), "how long it ran is what its node measured: {task:?}");
    }
    let numbers: Vec<u64> = world.events.iter().map(|event| event.no).collect();
    assert!(numbers.is_sorted_by(|one, other| one < other), "events are numbered in the order they happened");
}
