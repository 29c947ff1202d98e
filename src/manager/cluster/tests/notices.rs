//! Who is told that a job has ended, and what.

use std::sync::Arc;

use protocol::agent::FromAgent;
use protocol::job::{Counts, JobSpec, Outcome, TaskState};
use protocol::notify::{JobEnd, MOST_NOTIFY, Notify};
use protocol::result::Left;

use super::world::*;
use crate::manager::cluster::{Change, ClusterConfig, Effect, Input, NoticeRow};

const ANA: &str = "mail:ana@example.org";
const HOOK: &str = "https://example.org/hooks/T0KEN";

fn telling(spec: JobSpec, places: &[&str]) -> JobSpec {
    JobSpec { notify: places.iter().map(|place| place.parse().unwrap()).collect(), ..spec }
}

impl World {
    /// What is to be told and not delivered yet.
    fn owed(&self) -> Vec<(u64, String, JobEnd)> {
        let row = |row: &Arc<NoticeRow>| (row.no, row.notice.to.to_string(), (*row.notice.end).clone());
        assert_eq!(self.kept.notices.len(), self.to_deliver.len(), "what is told is on the disk");
        self.to_deliver.values().map(row).collect()
    }

    fn delivered(&mut self, no: u64, outcome: Result<(), &str>) {
        self.put(Input::Delivered { no, outcome: outcome.map_err(str::to_owned) });
    }
}

#[test]
fn everybody_named_is_told_when_the_job_has_ended_and_nobody_before() {
    let mut world = World::of(&[("pi-1", 1)]);
    let spec = JobSpec { name: Some("night run".parse().unwrap()), ..JobSpec::of(["sh", "-c", "exit 3"]) };
    world.submit(telling(spec, &[ANA, HOOK]));
    world.started("pi-1", "1.0#1");
    assert!(world.owed().is_empty());
    world.said();
    world.finished("pi-1", "1.0#1", Outcome::Exited(3));
    let owed = world.owed();
    assert_eq!(owed.iter().map(|(no, to, _)| (*no, to.as_str())).collect::<Vec<_>>(), [(1, ANA), (2, HOOK)]);
    let end = &owed[0].2;
    assert_eq!((end.job.0, end.owner.as_str(), end.state), (1, "ana", TaskState::Failed));
    assert_eq!(end.name.as_ref().map(|name| name.as_str()), Some("night run"));
    assert_eq!((&end.command[..], end.ran_ms), (&["sh", "-c", "exit 3"].map(str::to_owned)[..], Some(7)));
    let [task] = &end.tasks[..] else { panic!("{:?}", end.tasks) };
    assert_eq!((task.attempt, task.code, &*task.reason), (1, Some(3), "exit code 3"));
    assert_eq!(end.quoted(), Some((attempt("1.0#1"), &name("pi-1"))));
    assert_eq!(*end, owed[1].2, "all are told the same");
    world.said();
    world.delivered(1, Ok(()));
    world.delivered(2, Err("the server says\n404 Not Found"));
    assert_eq!(
        world.said(),
        [
            "the end of job 1 was told to mail:ana@example.org",
            "the end of job 1 could not be told to https://example.org/…: the server says 404 Not Found",
        ]
    );
    assert!(world.owed().is_empty());
}

#[test]
fn what_is_said_twice_or_of_nothing_does_nothing() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(telling(JobSpec::of(["true"]), &[ANA]));
    world.succeeds("pi-1", "1.0#1");
    world.delivered(1, Ok(()));
    for no in [1, 0, 2, u64::MAX] {
        for outcome in [Ok(()), Err("late".to_owned())] {
            let effects = world.handle(Input::Delivered { no, outcome });
            assert!(effects.is_empty(), "{effects:?}");
        }
    }
}

#[test]
fn a_job_without_anybody_to_tell_tells_nobody() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.succeeds("pi-1", "1.0#1");
    assert!(world.owed().is_empty());
    assert_eq!((world.kept.last_notice, world.cluster.outbox.lists()), (0, 0));
}

#[test]
fn what_is_owed_outlasts_the_manager_the_job_and_a_failed_commit() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(telling(JobSpec::of(["true"]), &[ANA]));
    let (link, report) = (world.links["pi-1"], FromAgent::Finished(world.end("1.0#1", Outcome::Exited(0))));
    let ended = world.handle(Input::Report { link, report });
    let told = |effect: &Effect| matches!(effect, Effect::Deliver(_));
    let kept = |effect: &Effect| matches!(effect, Effect::Persist(Change::Notice(_)));
    assert!(ended.iter().position(kept) < ended.iter().position(told), "kept before it is told: {ended:?}");
    // None of it was kept: it has not ended, and nobody is told.
    world.restart();
    assert!(world.owed().is_empty());
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    world.succeeds("pi-1", "1.0#1");
    let before = world.owed();
    assert_eq!(before.len(), 1);
    world.restart();
    assert_eq!(world.owed(), before);
    world.ask(protocol::api::Request::JobRemove { jobs: vec![protocol::id::JobId(1)] }).unwrap();
    world.restart();
    assert_eq!(world.owed(), before, "it is told though the job is gone");
    world.delivered(before[0].0, Ok(()));
    world.restart();
    assert!(world.owed().is_empty());
    // Its number is never given again.
    world.link("pi-1", 1, vec![]);
    world.submit(telling(JobSpec::of(["true"]), &[ANA]));
    world.succeeds("pi-1", "2.0#1");
    assert!(world.owed()[0].0 > before[0].0);
}

#[test]
fn of_an_array_it_is_told_how_many_ended_how_and_which_failed_first() {
    let mut world = World::of(&[("pi-1", 16)]);
    world.submit(telling(array(0, 9), &[ANA]));
    for index in (0..10).rev() {
        let code = if index == 3 || index > 4 { 2 } else { 0 };
        assert!(world.owed().is_empty());
        let id = format!("1.{index}#1");
        world.started("pi-1", &id);
        world.pass(1000);
        world.finished("pi-1", &id, Outcome::Exited(code));
    }
    let owed = world.owed();
    let end = &owed[0].2;
    assert_eq!(end.counts, Counts { succeeded: 4, failed: 6, ..Counts::default() });
    let tasks: Vec<String> = end.tasks.iter().map(|ended| ended.task.to_string()).collect();
    assert_eq!(tasks, ["1.3", "1.5", "1.6", "1.7", "1.8"]);
    assert_eq!((end.ran_ms, end.quoted()), (Some(10_000), Some((attempt("1.3#1"), &name("pi-1")))));
}

#[test]
fn it_is_told_however_it_ended_and_again_when_it_was_run_again() {
    let mut world = World::with(ClusterConfig { backlog: Some(0), ..ClusterConfig::default() });
    world.add("pi-1", 1);
    world.submit(telling(array(0, 1), &[ANA]));
    world.started("pi-1", "1.0#1");
    world.stop("1").unwrap();
    assert!(world.owed().is_empty(), "one of them still runs");
    world.finished("pi-1", "1.0#1", stopped("by root"));
    let owed = world.owed();
    let end = &owed[0].2;
    assert_eq!((end.state, end.counts.stopped), (TaskState::Stopped, 2));
    assert_eq!(end.tasks[1].attempt, 0, "the second never began");
    world.retry("1.1").unwrap();
    world.succeeds("pi-1", "1.1#1");
    let owed = world.owed();
    assert_eq!(owed.len(), 2, "both ends are told");
    assert_eq!((owed[1].2.state, owed[1].2.counts.succeeded), (TaskState::Stopped, 1));
    world.orders("pi-1");
    // Lost for good: told too.
    world.submit(telling(JobSpec::of(["true"]), &[HOOK]));
    for number in 1..=4 {
        world.report("pi-1", FromAgent::Started { attempt: attempt(&format!("2.0#{number}")), at: world.now.wall });
        world.finished("pi-1", &format!("2.0#{number}"), Outcome::Lost { reason: "power".into(), again: true });
    }
    let owed = world.owed();
    assert_eq!((owed.len(), owed[2].2.state), (3, TaskState::Lost));
    assert!(owed[2].2.tasks[0].reason.contains("lost 4 times"), "{:?}", owed[2].2.tasks);
}

#[test]
fn what_waits_to_be_collected_is_told() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(telling(JobSpec::of(["true"]), &[ANA]));
    world.started("pi-1", "1.0#1");
    let (call, left) = (world.new_call(), Left { size: 77, entries: 1, left_out: 0 });
    let hash = protocol::file::ContentHash([1; 32]);
    world.put(Input::KeepResult { call, node: name("pi-1"), attempt: attempt("1.0#1"), left, hash });
    world.succeeds("pi-1", "1.0#1");
    let owed = world.owed();
    assert_eq!((owed[0].2.results, owed[0].2.results_size), (1, 77));
}

#[test]
fn of_too_many_the_oldest_is_given_up_and_that_is_said() {
    let mut world = World::new();
    let many: Vec<String> = (0..MOST_NOTIFY).map(|n| format!("mail:ana{n}@example.org")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for _ in 0..201 {
        world.submit(telling(JobSpec::of(["true"]), &many));
    }
    world.said();
    world.stop_all(201);
    assert_eq!(world.owed().len(), 2000);
    assert_eq!(world.owed()[0].0, 11);
    let given_up = world.said().into_iter().filter(|said| said.contains("could not be told")).collect::<Vec<_>>();
    assert_eq!(given_up.len(), 10);
    assert!(given_up[0].contains("the end of job 1 could not be told to mail:ana0@example.org: more than 2000 others"));
}

#[test]
fn the_same_people_are_remembered_once_and_forgotten_with_the_last_job() {
    let mut world = World::new();
    for _ in 0..3 {
        world.submit(telling(JobSpec::of(["true"]), &[ANA, HOOK]));
    }
    world.submit(telling(JobSpec::of(["true"]), &[ANA]));
    assert_eq!(world.cluster.outbox.lists(), 2);
    world.stop_all(4);
    for (job, lists) in [(1, 2), (2, 2), (3, 1), (4, 0)] {
        world.ask(protocol::api::Request::JobRemove { jobs: vec![protocol::id::JobId(job)] }).unwrap();
        assert_eq!(world.cluster.outbox.lists(), lists);
    }
}

#[test]
fn too_many_places_and_one_named_twice_are_refused_in_a_sentence() {
    let mut world = World::new();
    let many: Vec<String> = (0..=MOST_NOTIFY).map(|n| format!("mail:ana{n}@example.org")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (places, says) in [(&many[..], "at most 10 places, not 11"), (&[ANA, HOOK, ANA], "would be told twice")] {
        let why = world.refused(protocol::api::Request::Submit(telling(JobSpec::of(["true"]), places)));
        assert!(why.contains(says), "{why}");
    }
    assert_eq!("mail:a@b".parse(), Ok(Notify::Mail("a@b".into())));
}
