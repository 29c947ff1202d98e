//! Why a task waits.

use protocol::api::{Reply, Request, Why};
use protocol::job::{JobSpec, Outcome, TaskState};

use super::world::*;

pub fn why(world: &mut World, id: &str) -> Why {
    match world.ask(Request::Why { id: task(id) }) {
        Ok(Reply::Why(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn reasons(why: &Why) -> Vec<String> {
    why.nodes.iter().map(|one| format!("{}: {}", one.node, one.reason)).collect()
}

#[test]
fn each_node_has_its_own_reason() {
    let mut world = World::of(&[("busy", 2), ("down", 4), ("drains", 4), ("gone", 1), ("small", 1)]);
    world.ask(Request::Drain { node: name("drains"), on: true }).unwrap();
    world.ask(Request::RevokeNode { node: name("gone") }).unwrap();
    world.unlink("down");
    world.submit(JobSpec { node: Some(name("busy")), ..JobSpec::of(["true"]) });
    world.submit(wide(2));
    world.pass(300_000);
    let told = why(&mut world, "2.0");
    assert_eq!((told.state, told.ahead, &*told.summary), (TaskState::Queued, 0, "waits for 2 free CPUs: it is next"));
    assert_eq!(
        reasons(&told),
        [
            "busy: full: 1 of 2 CPUs busy, the task needs 2",
            "down: down for 5 min",
            "drains: draining: it takes no new work",
            "gone: its key is revoked",
            "small: the task needs 2 CPUs, it has 1 CPU"
        ]
    );
}

#[test]
fn tasks_ahead_are_counted() {
    let mut world = World::of(&[("pi-1", 1), ("away", 1)]);
    world.unlink("away");
    world.submit(JobSpec { node: Some(name("away")), ..array(0, 99) });
    world.submit(array(0, 16));
    world.submit(JobSpec::of(["true"]));
    let told = why(&mut world, "3.0");
    assert_eq!((told.ahead, &*told.summary), (12, "waits for a free CPU: 12 tasks are ahead"));
    assert_eq!(reasons(&told)[1], "pi-1: full: 1 of 1 CPU busy, 4 tasks wait there");
    assert_eq!(why(&mut world, "2.6").summary, "waits for a free CPU: 1 task is ahead");
    assert_eq!(why(&mut world, "2.4").summary, "was given to pi-1 and waits there for a CPU");
}

#[test]
fn what_can_never_run_says_so() {
    let mut world = World::new();
    world.submit(wide(64));
    assert!(why(&mut world, "1.0").summary.starts_with("waits for a worker, and none has joined yet"));
    world.add("pi-1", 2);
    world.add("pi-2", 4);
    let summary = why(&mut world, "1.0").summary;
    assert_eq!(summary, "needs 64 CPUs, and the largest worker, pi-2, has 4 CPUs: it waits for a larger one to join");
    world.submit(JobSpec { cpus: 3, ..pinned("pi-1") });
    assert_eq!(why(&mut world, "2.0").summary, "needs 3 CPUs, and pi-1 has 2 CPUs: it can never run there");
    assert_eq!(reasons(&why(&mut world, "2.0"))[1], "pi-2: the task is pinned to pi-1");
}

#[test]
fn a_pinned_task_says_how_its_node_is() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.submit(pinned("pi-1"));
    assert_eq!(why(&mut world, "1.0").summary, "waits for pi-1: draining: it takes no new work");
    world.ask(Request::RemoveNode { node: name("pi-1") }).unwrap();
    let summary = why(&mut world, "1.0").summary;
    assert_eq!(summary, "waits for pi-1, which is not known any more: stop it, or let pi-1 join again");
}

#[test]
fn running_and_ended_tasks_say_what_is_the_case() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    assert_eq!(why(&mut world, "1.0").summary, "is starting on pi-1");
    world.started("pi-1", "1.0#1");
    world.pass(5_000);
    assert_eq!(why(&mut world, "1.0").summary, "runs on pi-1 for 5 s");
    world.stop("1.0").unwrap();
    world.unlink("pi-1");
    world.pass(20_000);
    assert_eq!(
        why(&mut world, "1.0").summary,
        "runs on pi-1 for 25 s; pi-1 is down, and if it is not back in 40 s the task is queued again; a stop was asked: by root"
    );
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    assert!(why(&mut world, "1.0").summary.starts_with("has ended on pi-1, its result is on the way"));
    world.finished("pi-1", "1.0#1", Outcome::Exited(4));
    assert_eq!(why(&mut world, "1.0").summary, "has failed: exit code 4");
}

#[test]
fn a_task_that_was_lost_says_why_it_waits_again() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(60_000);
    let summary = why(&mut world, "1.0").summary;
    assert_eq!(summary, "waits for a worker: none takes it now; attempt #1 was lost: its node did not come back");
}

#[test]
fn a_node_kept_free_says_for_whom() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    world.submit(wide(2));
    world.submit(array(0, 19));
    world.pass(60_000);
    assert_eq!(reasons(&why(&mut world, "2.0")), ["pi-1: is kept free for it, until 2 CPUs are free"]);
    assert_eq!(
        reasons(&why(&mut world, "3.19")),
        ["pi-1: is kept free for 2.0, which needs 2 CPUs and has waited longer"]
    );
}
