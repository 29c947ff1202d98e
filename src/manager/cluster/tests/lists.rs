//! Windows into long lists.

use protocol::api::{JobQuery, RefusalKind, Reply, Request, TaskQuery};
use protocol::job::{JobSpec, TaskState};

use super::world::*;

fn jobs(world: &mut World, query: JobQuery) -> (u32, Vec<u32>) {
    match world.ask(Request::Jobs(query)) {
        Ok(Reply::Jobs { total, jobs }) => (total, jobs.iter().map(|job| job.id.0).collect()),
        other => panic!("{other:?}"),
    }
}

fn tasks(world: &mut World, query: TaskQuery) -> (u32, Vec<String>) {
    match world.ask(Request::Tasks(query)) {
        Ok(Reply::Tasks { total, tasks }) => (total, tasks.iter().map(|task| task.id.to_string()).collect()),
        other => panic!("{other:?}"),
    }
}

fn some_jobs() -> World {
    let mut world = World::of(&[("pi-1", 1)]);
    for person in ["ana", "bob", "ana", "bob", "ana"] {
        world.submit_as(person, JobSpec::of(["true"]));
    }
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "2.0#1");
    world
}

#[test]
fn jobs_come_newest_first_in_windows() {
    let mut world = some_jobs();
    let all = JobQuery::default();
    assert_eq!(jobs(&mut world, all.clone()), (5, vec![5, 4, 3, 2, 1]));
    assert_eq!(jobs(&mut world, JobQuery { skip: 1, limit: 2, ..all.clone() }), (5, vec![4, 3]));
    assert_eq!(jobs(&mut world, JobQuery { skip: 9, ..all.clone() }), (5, vec![]));
    assert_eq!(jobs(&mut world, JobQuery { active: true, ..all.clone() }), (3, vec![5, 4, 3]));
    let anas = JobQuery { owner: Some("ana".parse().unwrap()), ..all.clone() };
    assert_eq!(jobs(&mut world, anas), (3, vec![5, 3, 1]));
    let nobodys = JobQuery { owner: Some("nobody".parse().unwrap()), ..all.clone() };
    assert_eq!(jobs(&mut world, nobodys), (0, vec![]));
    let ids = [2, 4, 4, 77].map(protocol::id::JobId).to_vec();
    assert_eq!(jobs(&mut world, JobQuery { ids, ..all }), (2, vec![4, 2]));
}

#[test]
fn tasks_are_found_by_target_state_and_node() {
    let mut world = some_jobs();
    world.submit(array(3, 99_999));
    let all = TaskQuery::default();
    let (total, ids) = tasks(&mut world, all.clone());
    assert_eq!((total, ids.len(), &*ids[0]), (100_002, 1000, "6.3"));
    let (total, ids) = tasks(&mut world, TaskQuery { skip: 99_995, limit: 4, ..all.clone() });
    assert_eq!((total, ids), (100_002, ["6.99998", "6.99999", "5.0", "4.0"].map(String::from).to_vec()));
    let targets = vec![target("6.0-4"), target("2")];
    let (total, ids) = tasks(&mut world, TaskQuery { targets, ..all.clone() });
    assert_eq!((total, ids), (3, ["6.3", "6.4", "2.0"].map(String::from).to_vec()));
    let states = vec![TaskState::Succeeded, TaskState::Succeeded];
    assert_eq!(tasks(&mut world, TaskQuery { states, ..all.clone() }).0, 2);
    let states = vec![TaskState::Queued];
    let (total, ids) = tasks(&mut world, TaskQuery { states, skip: 99_990, ..all.clone() });
    assert_eq!((total, &*ids[0]), (99_995, "6.99995"));
    let here = TaskQuery { node: Some(name("pi-1")), ..all.clone() };
    assert_eq!(tasks(&mut world, here).0, 7);
    let nowhere = TaskQuery { node: Some(name("pi-9")), ..all.clone() };
    assert_eq!(world.ask(Request::Tasks(nowhere)).unwrap_err().kind, RefusalKind::NotFound);
    let missing = TaskQuery { targets: vec![target("9")], ..all };
    assert_eq!(world.ask(Request::Tasks(missing)).unwrap_err().kind, RefusalKind::NotFound);
}

#[test]
fn an_answer_fits_into_a_frame_however_long_its_commands() {
    let mut world = World::new();
    for _ in 0..10 {
        world.submit(JobSpec::of(["echo".to_owned(), "x".repeat(900_000)]));
    }
    let (total, ids) = jobs(&mut world, JobQuery::default());
    assert_eq!((total, ids), (10, vec![10, 9]));
    let (total, ids) = jobs(&mut world, JobQuery { skip: 2, ..JobQuery::default() });
    assert_eq!((total, ids), (10, vec![8, 7]), "and the next window goes on where it ended");
    assert!(world.cluster.picture(100).jobs.len() < 5);
}

#[test]
fn the_picture_has_what_is_under_way_and_what_ended_last() {
    let mut world = some_jobs();
    let ids = |world: &World, limit| world.cluster.picture(limit).jobs.iter().map(|job| job.id.0).collect::<Vec<_>>();
    assert_eq!(ids(&world, 100), [5, 4, 3, 2, 1]);
    assert_eq!(ids(&world, 4), [5, 4, 3, 2]);
    world.succeeds("pi-1", "5.0#1");
    assert_eq!(ids(&world, 3), [5, 4, 3]);
    assert_eq!(ids(&world, 2), [4, 3]);
    assert_eq!(world.cluster.picture(1).last_event, world.kept.last_event);
}
