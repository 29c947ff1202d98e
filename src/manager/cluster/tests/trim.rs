//! Old jobs are forgotten, oldest end first.

use protocol::id::JobId;
use protocol::job::JobSpec;

use super::checks;
use super::world::*;
use crate::manager::cluster::{Place, Told, Touched};

fn keeping(tasks: u32) -> World {
    let mut world = World::of(&[("pi-1", 8)]);
    world.config.keep_tasks = tasks;
    world.restart();
    world.link("pi-1", 8, vec![]);
    world
}

fn known(world: &World) -> Vec<u32> {
    checks::indexes_agree(&world.cluster);
    (1..10).filter(|id| world.cluster.job_view(JobId(*id)).is_some()).collect()
}

#[test]
fn the_job_that_ended_longest_ago_is_forgotten_first() {
    let mut world = keeping(2);
    for _ in 0..4 {
        world.submit(JobSpec::of(["true"]));
    }
    world.said();
    for id in ["2.0#1", "3.0#1", "1.0#1"] {
        world.pass(1);
        world.succeeds("pi-1", id);
    }
    assert_eq!(known(&world), [1, 3, 4], "2 ended first");
    assert!(world.said().contains(&"job 2 forgotten: old and ended".to_owned()));
    assert!(world.touched.contains(&Touched::Job(JobId(2))));
    assert!(!world.kept.jobs.contains_key(&JobId(2)) && !world.kept.tasks.contains_key(&task("2.0")));
    assert_eq!(world.stop("2").unwrap_err().message, "job 2 is not remembered any more: it ended long ago");
    world.restart();
    world.pass(0);
    assert_eq!(known(&world), [1, 3, 4]);
    world.link("pi-1", 8, vec![held("4.0#1", false)]);
    world.succeeds("pi-1", "4.0#1");
    assert_eq!(known(&world), [1, 4], "the order of their ends survives a restart");
}

#[test]
fn the_last_job_to_end_is_kept_however_large() {
    let mut world = keeping(2);
    world.submit(JobSpec::of(["true"]));
    world.submit(array(0, 7));
    world.succeeds("pi-1", "1.0#1");
    for index in 0..8 {
        world.succeeds("pi-1", &format!("2.{index}#1"));
    }
    assert_eq!(known(&world), [2]);
}

#[test]
fn a_job_with_unfinished_tasks_is_never_forgotten() {
    let mut world = keeping(0);
    world.submit(array(0, 1));
    world.submit(JobSpec::of(["true"]));
    world.submit(JobSpec::of(["true"]));
    for id in ["1.0#1", "2.0#1", "3.0#1"] {
        world.succeeds("pi-1", id);
    }
    assert_eq!(known(&world), [1, 3]);
    world.retry("3.0").unwrap();
    world.succeeds("pi-1", "1.1#1");
    assert_eq!(known(&world), [1, 3]);
}

#[test]
fn a_result_for_a_forgotten_job_is_discarded_without_a_word() {
    let mut world = keeping(0);
    for _ in 0..2 {
        world.submit(JobSpec::of(["true"]));
    }
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "2.0#1");
    world.orders("pi-1");
    world.said();
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(World::discarded(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), [""; 0]);
}

#[test]
fn whoever_follows_a_forgotten_job_is_told() {
    let mut world = keeping(0);
    for _ in 0..2 {
        world.submit(JobSpec::of(["true"]));
    }
    world.succeeds("pi-1", "1.0#1");
    let call = world.find("1.0", Some(Place::Kept { attempt: attempt("1.0#1"), last: true }));
    world.succeeds("pi-1", "2.0#1");
    assert!(matches!(world.answers.remove(&call), Some(Told::Refused(_))));
}

#[test]
fn a_great_many_are_forgotten_a_few_at_a_time() {
    let mut world = World::new();
    for _ in 0..1000 {
        world.submit(JobSpec::of(["true"]));
    }
    world.stop_all(1000);
    world.config.keep_tasks = 10;
    world.restart();
    let mut turns = 0;
    while world.kept.jobs.len() > 10 {
        world.pass(0);
        world.pass(1);
        turns += 1;
        assert!(turns < 100);
    }
    assert_eq!(world.cluster.next_wakeup(), None);
}
