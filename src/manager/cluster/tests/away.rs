//! Who was away is told what has ended meanwhile.

use protocol::api::{Away, Reply, Request};
use protocol::job::{Counts, JobSpec};

use super::world::*;
use crate::manager::cluster::{Caller, Input};

impl World {
    fn seen(&mut self, person: &Caller) {
        self.put(Input::Seen { person: person.person.clone() });
    }

    fn away(&mut self, person: &Caller) -> Away {
        match self.ask_as(person, Request::Away) {
            Ok(Reply::Away(away)) => away,
            other => panic!("no answer: {other:?}"),
        }
    }

    fn missed(&mut self, person: &Caller) -> Vec<u32> {
        self.away(person).jobs.iter().map(|job| job.id.0).collect()
    }
}

#[test]
fn one_is_told_of_ones_own_jobs_that_have_ended_since() {
    let (ana, ben) = (operator("ana"), operator("ben"));
    let mut world = World::of(&[("pi-1", 8)]);
    for person in ["ana", "ana", "ben", "ana"] {
        world.submit_as(person, JobSpec::of(["true"]));
    }
    world.pass(1000);
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.away(&ana), Away { since: None, ended: Counts::default(), jobs: vec![] }, "never there yet");
    world.pass(1000);
    world.seen(&ana);
    let since = world.now.wall;
    assert_eq!(world.away(&ana).since, Some(since));
    assert_eq!(world.missed(&ana), [0; 0], "she saw the first");
    world.pass(1000);
    world.succeeds("pi-1", "3.0#1");
    world.finished("pi-1", "2.0#1", protocol::job::Outcome::Exited(1));
    world.pass(1000);
    world.succeeds("pi-1", "4.0#1");
    let away = world.away(&ana);
    assert_eq!((away.since, world.missed(&ana)), (Some(since), vec![4, 2]));
    assert_eq!(away.ended, Counts { succeeded: 1, failed: 1, ..Counts::default() });
    assert_eq!(world.away(&ben).since, None);
    // It is not asked that changes anything, but being there.
    world.restart();
    assert_eq!(world.missed(&ana), [4, 2]);
    world.pass(1000);
    world.seen(&ana);
    assert_eq!(world.missed(&ana), [0; 0]);
}

#[test]
fn of_many_only_the_newest_are_named_and_all_are_counted() {
    let ana = operator("ana");
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit_as("ana", JobSpec::of(["true"]));
    world.seen(&ana);
    for job in 1..=120 {
        world.pass(1000);
        world.succeeds("pi-1", &format!("{job}.0#1"));
        world.submit_as("ana", JobSpec::of(["true"]));
    }
    let away = world.away(&ana);
    assert_eq!((away.ended.succeeded, away.jobs.len()), (120, 100));
    assert_eq!((away.jobs[0].id.0, away.jobs[99].id.0), (120, 21));
}
