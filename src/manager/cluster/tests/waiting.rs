//! People who wait for tasks to end.

use protocol::api::{RefusalKind, Reply, Request, Waited};
use protocol::id::JobId;
use protocol::job::{Counts, JobSpec, Outcome};

use super::world::*;
use crate::manager::cluster::{CallId, Input};

fn wait(world: &mut World, targets: &[&str]) -> CallId {
    let targets = targets.iter().map(|text| target(text)).collect();
    world.ask_later(&operator("ana"), Request::Wait { targets })
}

fn waited(world: &mut World, call: CallId) -> Option<Waited> {
    world.told(call).map(|answer| match answer {
        Ok(Reply::Waited(waited)) => waited,
        other => panic!("{other:?}"),
    })
}

#[test]
fn waiting_for_one_task_ends_with_its_code() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["false"]));
    let call = wait(&mut world, &["1"]);
    world.started("pi-1", "1.0#1");
    assert!(waited(&mut world, call).is_none());
    world.finished("pi-1", "1.0#1", Outcome::Exited(7));
    let told = waited(&mut world, call).unwrap();
    assert_eq!((told.code, &*told.reason), (Some(7), "exit code 7"));
    let again = wait(&mut world, &["1.0"]);
    assert_eq!(waited(&mut world, again), Some(told), "what has ended is told at once");
}

#[test]
fn waiting_for_several_ends_with_the_last_of_them() {
    let mut world = World::of(&[("pi-1", 8)]);
    world.submit(array(0, 3));
    world.submit(array(0, 1));
    let call = wait(&mut world, &["1.0-2", "1.1", "2"]);
    for id in ["1.0#1", "1.1#1", "2.0#1", "2.1#1"] {
        world.succeeds("pi-1", id);
    }
    assert!(waited(&mut world, call).is_none());
    world.finished("pi-1", "1.2#1", Outcome::Exited(1));
    let told = waited(&mut world, call).unwrap();
    assert_eq!(told.counts, Counts { succeeded: 4, failed: 1, ..Counts::default() });
    assert_eq!((told.code, &*told.reason), (None, "of 5 tasks 1 failed"));
}

#[test]
fn a_lost_attempt_is_not_the_end_of_waiting_but_the_next_one_is() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let call = wait(&mut world, &["1.0#1"]);
    world.finished("pi-1", "1.0#1", Outcome::Lost { reason: "the power was cut".into(), again: true });
    assert!(waited(&mut world, call).is_none());
    world.succeeds("pi-1", "1.0#2");
    assert_eq!(waited(&mut world, call).unwrap().code, Some(0));
}

#[test]
fn what_is_retried_meanwhile_is_waited_for_again() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    let call = wait(&mut world, &["1"]);
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.retry("1.0").unwrap();
    world.succeeds("pi-1", "1.1#1");
    assert!(waited(&mut world, call).is_none());
    world.succeeds("pi-1", "1.0#2");
    assert_eq!(waited(&mut world, call).unwrap().counts.succeeded, 2);
}

#[test]
fn stopping_what_waits_answers_those_who_wait_for_it() {
    let mut world = World::new();
    world.submit(array(0, 9));
    let call = wait(&mut world, &["1"]);
    world.stop("1").unwrap();
    let told = waited(&mut world, call).unwrap();
    assert_eq!((told.counts.stopped, &*told.reason), (10, "of 10 tasks 10 stopped"));
}

#[test]
fn a_caller_that_went_away_is_not_told() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let call = wait(&mut world, &["1"]);
    world.put(Input::Gone { call });
    world.succeeds("pi-1", "1.0#1");
    assert!(world.answers.is_empty());
}

#[test]
fn waiting_for_nothing_or_for_what_does_not_exist_is_refused_at_once() {
    let mut world = World::new();
    let call = wait(&mut world, &[]);
    assert_eq!(world.told(call).unwrap().unwrap_err().kind, RefusalKind::Usage);
    let call = wait(&mut world, &["3"]);
    assert_eq!(world.told(call).unwrap().unwrap_err().kind, RefusalKind::NotFound);
}

#[test]
fn a_job_forgotten_while_others_are_waited_for_still_counts() {
    let mut world = World::of(&[("pi-1", 8)]);
    world.config.keep_tasks = 1;
    world.restart();
    world.link("pi-1", 8, vec![]);
    world.submit(JobSpec::of(["true"]));
    world.submit(JobSpec::of(["true"]));
    world.submit(JobSpec::of(["true"]));
    let call = wait(&mut world, &["1", "2"]);
    for id in ["1.0#1", "3.0#1"] {
        world.succeeds("pi-1", id);
    }
    assert!(world.cluster.job_view(JobId(1)).is_none());
    world.succeeds("pi-1", "2.0#1");
    assert_eq!(waited(&mut world, call).unwrap().counts.succeeded, 2);
}
