//! What attempts left: who may bring it, whose it is, how long it stays, and what goes.

use protocol::agent::{Finished, FromAgent};
use protocol::api::{RefusalKind, Reply, Request};
use protocol::event::What;
use protocol::file::ContentHash;
use protocol::id::JobId;
use protocol::job::{JobSpec, Outcome, TaskState};
use protocol::result::{Left, ResultList, ResultQuery};

use super::checks;
use super::world::*;
use crate::manager::cluster::{Caller, ClusterConfig, Input, Told};

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

impl World {
    /// So many bytes, told by a letter.
    pub fn leaves(&mut self, node: &str, id: &str, size: u64, content: u8) -> Result<(), (RefusalKind, String)> {
        let call = self.new_call();
        let (left, hash) = (Left { size, entries: 1, left_out: 0 }, ContentHash([content; 32]));
        self.put(Input::KeepResult { call, node: name(node), attempt: attempt(id), left, hash });
        match self.answers.remove(&call) {
            Some(Told::Kept) => Ok(()),
            Some(Told::Refused(refusal)) => Err((refusal.kind, refusal.message)),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn plan(&mut self, node: &str, id: &str) -> Told {
        let call = self.new_call();
        self.put(Input::PlanResult { call, node: name(node), attempt: attempt(id) });
        self.answers.remove(&call).expect("an answer")
    }

    fn wants(&mut self, node: &str, id: &str) -> bool {
        let call = self.new_call();
        self.put(Input::Unwanted { call, halves: vec![(name(node), attempt(id))] });
        let Some(Told::Unwanted(gone)) = self.answers.remove(&call) else { panic!("no answer") };
        gone.is_empty()
    }

    fn results_as(&mut self, caller: &Caller, query: ResultQuery) -> Result<ResultList, String> {
        match self.ask_as(caller, Request::Results(query)) {
            Ok(Reply::Results(list)) => Ok(list),
            Err(refusal) => Err(refusal.message),
            other => panic!("no list: {other:?}"),
        }
    }

    fn results(&mut self, targets: &[&str]) -> Vec<String> {
        let targets = targets.iter().map(|text| target(text)).collect();
        let list = self.results_as(&admin(), ResultQuery { targets, ..ResultQuery::default() }).unwrap();
        list.results.iter().map(|result| result.attempt.to_string()).collect()
    }

    fn hours_left(&mut self, id: &str) -> Option<u64> {
        let query = ResultQuery { targets: vec![target(id)], ..ResultQuery::default() };
        self.results_as(&admin(), query).unwrap().results[0].hours_left
    }

    fn collects(&mut self, caller: &Caller, id: &str) -> Result<(), String> {
        let collected = self.ask_as(caller, Request::ResultCollected { attempt: attempt(id) });
        collected.map(|reply| assert_eq!(reply, Reply::End)).map_err(|refusal| refusal.message)
    }

    fn removes(&mut self, caller: &Caller, targets: &[&str]) -> Result<(u32, u64), String> {
        let targets = targets.iter().map(|text| target(text)).collect();
        removed(self.ask_as(caller, Request::ResultRemove { targets }))
    }

    fn removes_jobs(&mut self, caller: &Caller, jobs: &[u32]) -> Result<(u32, u64), String> {
        removed(self.ask_as(caller, Request::JobRemove { jobs: jobs.iter().copied().map(JobId).collect() }))
    }

    /// A job of one task that left so many bytes; they are told by its number.
    fn has_left(&mut self, person: &str, size: u64) -> JobId {
        let job = self.submit_as(person, JobSpec::of(["true"]));
        let id = format!("{job}.0#1");
        self.leaves("pi-1", &id, size, job.0 as u8).unwrap();
        self.succeeds("pi-1", &id);
        job
    }

    fn told_of_results(&mut self) -> Vec<String> {
        let about = |what: &What| matches!(what, What::ResultsToGo { .. } | What::ResultsGone { .. });
        self.happened().iter().filter(|what| about(what)).map(What::sentence).collect()
    }
}

fn removed(answer: Result<Reply, protocol::api::Refusal>) -> Result<(u32, u64), String> {
    match answer {
        Ok(Reply::Removed { count, size }) => Ok((count, size)),
        Err(refusal) => Err(refusal.message),
        other => panic!("nothing removed, and no refusal: {other:?}"),
    }
}

fn with(config: ClusterConfig) -> World {
    let mut world = World::with(config);
    world.add("pi-1", 8);
    world
}

/// With room for so many bytes of results.
fn limited(results_limit: u64) -> World {
    with(ClusterConfig { results_limit: Some(results_limit), ..ClusterConfig::default() })
}

// Who may bring it.

#[test]
fn half_of_a_result_is_wanted_for_as_long_as_its_node_may_bring_the_rest() {
    let mut world = World::of(&[("pi-1", 3)]);
    world.submit(array(0, 2));
    for never in ["1.0#2", "9.0#1"] {
        assert!(!world.wants("pi-1", never) && !world.wants("pi-9", "1.0#1"));
    }
    assert!(world.wants("pi-1", "1.0#1"));
    world.leaves("pi-1", "1.0#1", 10, 1).unwrap();
    assert!(!world.wants("pi-1", "1.0#1"), "it is here");
    world.started("pi-1", "1.1#1");
    world.started("pi-1", "1.2#1");
    world.succeeds("pi-1", "1.1#1");
    assert!(!world.wants("pi-1", "1.1#1"), "it ended without it");
    // The node goes away, and its attempt is lost.
    world.unlink("pi-1");
    world.restart();
    world.pass(10 * HOUR);
    assert!(world.state("1.2").ended() || world.state("1.2") == TaskState::Queued);
    assert!(world.wants("pi-1", "1.2#1"), "it may come back with it");
    let come_back = |world: &mut World, held| {
        world.link("pi-1", 3, held);
        let wants = world.wants("pi-1", "1.2#1");
        world.unlink("pi-1");
        wants
    };
    assert!(come_back(&mut world, vec![held("1.2#1", true)]));
    assert!(!come_back(&mut world, vec![]));
}

#[test]
fn what_an_attempt_left_is_there_before_and_after_its_end() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    assert_eq!(world.plan("pi-1", "1.0#1"), Told::Owner("ana".parse().unwrap()));
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    // The manager ends between the result and the end it belongs to.
    world.restart();
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    assert_eq!(world.plan("pi-1", "1.0#1"), Told::Kept);
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.results(&[]), ["1.0#1"]);
    match world.ask(Request::Task { id: task("1.0") }) {
        Ok(Reply::Task { results, .. }) => {
            assert_eq!((results.len(), results[0].left.size, results[0].hash), (1, 10, ContentHash([b'a'; 32])));
        }
        other => panic!("{other:?}"),
    }
    checks::disk_and_memory_agree(&world.cluster, &again(&world));
}

fn again(world: &World) -> crate::manager::cluster::Cluster {
    crate::manager::cluster::Cluster::new(world.config.clone(), world.kept.image(), world.now)
}

#[test]
fn what_brings_its_result_has_its_slots_free_and_can_be_stopped() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 99));
    let given = world.starts("pi-1").len();
    assert!(given < 99, "as many wait there as may");
    // Not even its start was heard of.
    assert!(matches!(world.plan("pi-1", "1.0#1"), Told::Owner(_)));
    assert_eq!(world.starts("pi-1"), [format!("1.{given}#1")]);
    assert!(matches!(world.plan("pi-1", "1.0#1"), Told::Owner(_)));
    assert_eq!(world.starts("pi-1"), [] as [&str; 0], "once more, it changes nothing");
    checks::indexes_agree(&world.cluster);
    assert_eq!(world.stop("1.0").unwrap(), 1);
    assert_eq!(World::stops(&world.orders("pi-1")).len(), 1);
    // The link breaks, and the stop with it.
    world.unlink("pi-1");
    world.link("pi-1", 1, vec![held("1.0#1", true), held("1.1#1", false)]);
    assert_eq!(World::stops(&world.orders("pi-1")), [("1.0#1".to_owned(), "by root".to_owned())]);
    world.said();
    let lost = Some("its task was stopped before the manager could keep it (no room)".into());
    let end = Finished { result_lost: lost, ..world.end("1.0#1", Outcome::Exited(0)) };
    world.report("pi-1", FromAgent::Finished(end));
    assert_eq!(world.task("1.0").state, TaskState::Succeeded);
    let told = "what task 1.0 left was not kept: its task was stopped before the manager could keep it (no room)";
    assert_eq!(world.said(), [told, "task 1.0 succeeded on pi-1"]);
    checks::indexes_agree(&world.cluster);
}

#[test]
fn a_node_that_delivers_no_result_takes_on_no_end_of_tasks() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 99));
    let first = world.starts("pi-1").len();
    let mut given = first;
    for index in 0..99 {
        if index < given {
            world.plan("pi-1", &format!("1.{index}#1"));
            given += world.starts("pi-1").len();
        }
    }
    assert_eq!(given, first + 16);
    world.succeeds("pi-1", "1.0#1");
    assert!(world.gets_only_acks("pi-1"), "its slot was free before");
    world.plan("pi-1", "1.16#1");
    assert_eq!(world.starts("pi-1").len(), 1, "one end makes room for the next");
    checks::indexes_agree(&world.cluster);
}

#[test]
fn what_was_about_to_be_brought_and_is_not_there_any_more_is_lost_and_not_run_again_in_silence() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.plan("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.said();
    world.link("pi-1", 1, vec![]);
    assert_eq!(world.said()[1], "attempt 1.0#1 lost on pi-1: its node no longer has it; queued again");
}

#[test]
fn given_up_by_its_node_it_may_have_arrived_all_the_same() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    world.said();
    let end = Finished { result_lost: Some("given up".into()), ..world.end("1.0#1", Outcome::Exited(0)) };
    world.report("pi-1", FromAgent::Finished(end));
    assert_eq!(world.said(), ["task 1.0 started on pi-1", "task 1.0 succeeded on pi-1"]);
    assert_eq!(world.results(&[]), ["1.0#1"]);
}

#[test]
fn brought_again_it_changes_nothing() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    world.leaves("pi-1", "1.0#1", 20, b'b').unwrap();
    world.succeeds("pi-1", "1.0#1");
    world.leaves("pi-1", "1.0#1", 30, b'c').unwrap();
    assert_eq!(world.kept.results[&attempt("1.0#1")].left.size, 10);
    assert_eq!(world.used(&operator("ana")), 10);
}

#[test]
fn only_the_node_that_an_attempt_was_given_to_brings_what_it_left() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(pinned("pi-1"));
    for id in ["1.0#1", "1.0#2", "1.1#1"] {
        let (kind, why) = world.leaves("pi-2", id, 10, b'x').unwrap_err();
        assert_eq!(kind, RefusalKind::NotFound, "{why}");
    }
    let (kind, why) = world.leaves("pi-1", "9.0#1", 10, b'x').unwrap_err();
    assert_eq!((kind, why.as_str()), (RefusalKind::Refused, "9.0#1 is not remembered here any more"));
    assert_eq!(world.leaves("pi-9", "1.0#1", 10, b'x').unwrap_err().0, RefusalKind::Unavailable);
    world.succeeds("pi-1", "1.0#1");
    let (kind, why) = world.leaves("pi-1", "1.0#1", 10, b'x').unwrap_err();
    assert_eq!((kind, why.as_str()), (RefusalKind::Refused, "the end of 1.0#1 was told before"));
    assert!(world.kept.results.is_empty());
}

#[test]
fn a_lost_attempt_that_comes_late_brings_what_it_left_under_its_own_number() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(61_000);
    world.succeeds("pi-2", "1.0#2");
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    world.link("pi-1", 1, vec![held("1.0#1", true)]);
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.results(&["1.0"]), ["1.0#1"]);
    assert_eq!(world.results(&["1.0#2"]), [""; 0]);
    assert_eq!(world.leaves("pi-2", "1.0#1", 10, b'x').unwrap_err().0, RefusalKind::NotFound);
}

#[test]
fn what_could_not_be_had_is_told_with_the_end_and_once() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    let report =
        protocol::agent::Finished { result_lost: Some("x".repeat(10_000)), ..world.end("1.0#1", Outcome::Exited(0)) };
    world.said();
    for _ in 0..2 {
        world.report("pi-1", protocol::agent::FromAgent::Finished(report.clone()));
    }
    let lost: Vec<What> = world.happened().into_iter().filter(|what| matches!(what, What::ResultLost { .. })).collect();
    assert!(matches!(&lost[..], [What::ResultLost { reason, .. }] if reason.len() == 2048), "{}", lost.len());
}

// Whose it is.

#[test]
fn it_counts_for_the_owner_of_the_job_and_is_never_too_much() {
    let mut world = with(ClusterConfig { files_quota: 100, ..ClusterConfig::default() });
    let ana = operator("ana");
    world.keep(&ana, "data", 80, b'd').unwrap();
    world.submit(array(0, 2));
    world.leaves("pi-1", "1.0#1", 60, b'a').unwrap();
    world.leaves("pi-1", "1.1#1", 60, b'a').unwrap();
    assert_eq!(world.used(&ana), 140, "the same content counts once");
    world.leaves("pi-1", "1.2#1", 60, b'd').unwrap();
    assert_eq!(world.used(&ana), 140, "and one that has a name not twice");
    assert_eq!(world.keep(&ana, "more", 1, b'm').unwrap_err().kind, RefusalKind::Refused);
    for index in 0..3 {
        world.succeeds("pi-1", &format!("1.{index}#1"));
    }
    world.restart();
    assert_eq!(world.used(&ana), 140);
    world.removes(&ana, &["1.0"]).unwrap();
    assert_eq!(world.used(&ana), 140);
    world.removes(&ana, &["1"]).unwrap();
    assert_eq!(world.used(&ana), 80);
}

#[test]
fn everybody_sees_their_own_and_an_admin_all() {
    let mut world = with(ClusterConfig::default());
    world.has_left("ana", 10);
    world.has_left("bo", 20);
    world.has_left("ana", 30);
    let of = |world: &mut World, caller: &Caller, query: ResultQuery| {
        let list = world.results_as(caller, query)?;
        let ids: Vec<u32> = list.results.iter().map(|result| result.attempt.task.job.0).collect();
        assert_eq!(list.total as usize, ids.len());
        Ok::<_, String>((ids, list.size))
    };
    let (ana, bo) = (operator("ana"), operator("bo"));
    assert_eq!(of(&mut world, &ana, ResultQuery::default()), Ok((vec![3, 1], 40)));
    assert_eq!(of(&mut world, &admin(), ResultQuery::default()), Ok((vec![3, 2, 1], 60)));
    let anas = || ResultQuery { owner: Some("ana".parse().unwrap()), ..ResultQuery::default() };
    assert_eq!(of(&mut world, &admin(), anas()), Ok((vec![3, 1], 40)));
    assert_eq!(of(&mut world, &bo, anas()), Err("bo may see the results of own jobs only, and not ana's".into()));
    let first = || ResultQuery { targets: vec![target("1")], ..ResultQuery::default() };
    assert_eq!(of(&mut world, &bo, first()), Err("job 1 is ana's: bo may see the results of own jobs only".into()));
    assert_eq!(of(&mut world, &ana, first()), Ok((vec![1], 10)));
    world.collects(&ana, "1.0#1").unwrap();
    let waiting = ResultQuery { waiting: true, ..ResultQuery::default() };
    assert_eq!(of(&mut world, &ana, waiting), Ok((vec![3], 30)));
}

#[test]
fn a_list_is_a_window_and_the_newest_job_comes_first() {
    let mut world = with(ClusterConfig::default());
    world.submit(array(0, 3));
    for index in [3, 0, 2, 1] {
        world.leaves("pi-1", &format!("1.{index}#1"), 10, index as u8).unwrap();
    }
    world.has_left("ana", 10);
    assert_eq!(world.results(&[]), ["2.0#1", "1.0#1", "1.1#1", "1.2#1", "1.3#1"]);
    assert_eq!(world.results(&["1.1-2", "2", "1.1"]), ["2.0#1", "1.1#1", "1.2#1"]);
    let query = ResultQuery { skip: 1, limit: 2, ..ResultQuery::default() };
    let list = world.results_as(&admin(), query).unwrap();
    let ids: Vec<String> = list.results.iter().map(|result| result.attempt.to_string()).collect();
    assert_eq!((ids, list.total, list.size), (vec!["1.0#1".into(), "1.1#1".into()], 5, 50));
    let unknown = ResultQuery { targets: vec![target("1.0#2")], ..ResultQuery::default() };
    assert_eq!(world.results_as(&admin(), unknown).unwrap_err(), "there is no 1.0#2: the latest attempt of 1.0 is #1");
}

#[test]
fn only_its_owner_has_collected_a_result() {
    let mut world = with(ClusterConfig::default());
    world.has_left("ana", 10);
    let waits = |world: &World| world.kept.results[&attempt("1.0#1")].collected.is_none();
    world.collects(&admin(), "1.0#1").unwrap();
    assert!(waits(&world));
    assert!(world.collects(&operator("bo"), "1.0#1").unwrap_err().contains("job 1 is ana's"));
    world.collects(&operator("ana"), "1.0#1").unwrap();
    assert!(!waits(&world));
    world.submit(JobSpec::of(["true"]));
    let told = world.collects(&operator("ana"), "2.0#1").unwrap_err();
    assert_eq!(told, "nothing is kept of what 2.0#1 left; see what there is with: bramble result");
}

// What goes on request.

#[test]
fn results_are_removed_by_their_owner_and_nothing_else_of_their_tasks() {
    let mut world = with(ClusterConfig::default());
    world.submit(array(0, 2));
    for index in 0..3 {
        world.leaves("pi-1", &format!("1.{index}#1"), 10, index).unwrap();
    }
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.1#1");
    let (ana, bo) = (operator("ana"), operator("bo"));
    assert!(world.removes(&bo, &["1.0"]).unwrap_err().contains("job 1 is ana's: bo may remove the results of own"));
    assert_eq!(
        world.removes(&ana, &["1"]).unwrap_err(),
        "1.2#1 has not ended, and its result comes with its end; wait for it, or stop it, with: bramble stop 1.2"
    );
    world.said();
    assert_eq!(world.removes(&ana, &["1.0", "1.0-1"]), Ok((2, 20)));
    assert_eq!(world.told_of_results(), ["2 results of job 1 (20 B) removed: by ana"]);
    assert_eq!(world.results(&[]), ["1.2#1"]);
    assert_eq!(
        world.removes(&ana, &["1.0"]).unwrap_err(),
        "nothing is kept of what 1.0 left; see what there is with: bramble result"
    );
    assert!(world.state("1.0").ended());
    checks::disk_and_memory_agree(&world.cluster, &again(&world));
}

#[test]
fn ended_jobs_are_removed_with_all_that_came_of_them_or_none_of_them() {
    let mut world = with(ClusterConfig::default());
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.has_left("ana", 10);
    world.has_left("ana", 20);
    world.has_left("bo", 30);
    world.submit(JobSpec::of(["true"]));
    assert_eq!(
        world.removes_jobs(&ana, &[1, 4]).unwrap_err(),
        "job 4 has not ended; stop it first, with: bramble stop 4"
    );
    assert_eq!(world.removes_jobs(&ana, &[1, 9]).unwrap_err(), "there is no job 9");
    assert_eq!(world.removes_jobs(&ana, &[1, 3]).unwrap_err(), "job 3 is bo's: ana may remove own jobs only");
    assert_eq!(world.removes_jobs(&ana, &[]).unwrap_err(), "name at least one job, as in 17");
    assert_eq!(world.kept.results.len(), 3);
    world.events.clear();
    assert_eq!(world.removes_jobs(&ana, &[2, 1, 1]), Ok((2, 30)));
    let by: Vec<_> = world.events.iter().map(|event| event.person.as_ref().unwrap().to_string()).collect();
    assert_eq!(by, ["ana", "ana"]);
    assert_eq!(world.said(), ["job 1 removed", "job 2 removed"]);
    assert_eq!((world.kept.results.len(), world.kept.ages.len(), world.used(&ana)), (1, 1, 0));
    assert!(!world.kept.outputs.contains_key(&attempt("1.0#1")));
    assert_eq!(world.removes_jobs(&admin(), &[3]), Ok((1, 30)));
    assert_eq!(world.used(&bo), 0);
    // What a node still has of it is nobody's lie.
    assert_eq!(world.leaves("pi-1", "1.0#1", 10, b'x').unwrap_err().0, RefusalKind::Refused);
    checks::indexes_agree(&world.cluster);
}

// What goes with age.

#[test]
fn what_nobody_collects_goes_after_a_warning_and_a_day() {
    let mut world = with(ClusterConfig::default());
    world.submit(JobSpec::of(["sleep"]));
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    world.pass(40 * DAY);
    assert_eq!(world.hours_left("1"), None, "its job has not ended");
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.hours_left("1"), Some(720));
    world.said();
    world.pass(29 * DAY - 1);
    assert_eq!((world.told_of_results(), world.hours_left("1")), (vec![], Some(25)));
    world.pass(1);
    assert_eq!(
        world.told_of_results(),
        ["the result of job 1 (10 B) will be removed in 24 h; collect it with: bramble result get 1"]
    );
    world.pass(DAY - 1);
    assert_eq!((world.told_of_results(), world.hours_left("1")), (vec![], Some(1)));
    world.pass(1);
    assert_eq!(world.told_of_results(), ["the result of job 1 (10 B) removed: kept for 30 days"]);
    assert_eq!((world.used(&operator("ana")), world.kept.ages.len()), (0, 0));
    assert!(world.state("1.0").ended(), "its task is remembered");
    world.pass(2 * HOUR);
    assert_eq!(world.cluster.next_wakeup(), None, "hours are counted only for something");
}

#[test]
fn hours_are_counted_in_parts_where_the_manager_is_never_up_for_one() {
    let mut world = with(ClusterConfig { results_keep_hours: 2, ..ClusterConfig::default() });
    world.has_left("ana", 10);
    world.said();
    for _ in 0..20 {
        world.pass(HOUR / 4);
        world.restart();
        checks::disk_and_memory_agree(&world.cluster, &again(&world));
    }
    assert_eq!(
        world.told_of_results(),
        [
            "the result of job 1 (10 B) will be removed in 1 h; collect it with: bramble result get 1",
            "the result of job 1 (10 B) removed: kept for 2 hours"
        ]
    );
}

#[test]
fn what_was_collected_goes_a_day_after() {
    let mut world = with(ClusterConfig::default());
    world.has_left("ana", 10);
    world.pass(3 * DAY);
    world.collects(&operator("ana"), "1.0#1").unwrap();
    world.pass(10 * HOUR);
    world.collects(&operator("ana"), "1.0#1").unwrap();
    assert_eq!(world.hours_left("1"), Some(24));
    world.said();
    world.pass(DAY - 1);
    assert_eq!(world.results(&["1"]), ["1.0#1"]);
    world.pass(1);
    assert_eq!(world.told_of_results(), ["the result of job 1 (10 B) removed: collected, and kept for a day since"]);
}

#[test]
fn a_job_that_begins_again_grows_no_older() {
    let mut world = with(ClusterConfig::default());
    world.has_left("ana", 10);
    world.pass(29 * DAY + HOUR);
    world.said();
    world.retry("1.0").unwrap();
    world.pass(10 * DAY);
    assert_eq!((world.told_of_results(), world.hours_left("1"), world.kept.ages.len()), (vec![], None, 0));
    world.leaves("pi-1", "1.0#2", 10, b'b').unwrap();
    world.succeeds("pi-1", "1.0#2");
    assert_eq!(world.hours_left("1.0#1"), Some(720));
    checks::disk_and_memory_agree(&world.cluster, &again(&world));
}

#[test]
fn a_late_result_is_not_gone_before_anybody_could_see_it() {
    let mut world = with(ClusterConfig::default());
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(61_000);
    world.add("pi-2", 1);
    world.succeeds("pi-2", "1.0#2");
    world.pass(100 * DAY);
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    assert_eq!(world.hours_left("1"), Some(720));
}

#[test]
fn hours_are_counted_on_after_a_restart_and_no_clock_on_the_wall_matters() {
    let mut world = with(ClusterConfig::default());
    world.has_left("ana", 10);
    world.pass(10 * DAY);
    world.now.wall.0 += 1000 * DAY;
    world.restart();
    assert_eq!(world.hours_left("1"), Some(20 * 24));
    world.now.wall.0 -= 2000 * DAY;
    world.pass(20 * DAY - 1);
    assert_eq!(world.results(&["1"]), ["1.0#1"]);
    world.pass(1);
    assert_eq!(world.results(&["1"]), [""; 0]);
}

#[test]
fn where_little_time_is_kept_half_of_it_is_warned_before() {
    let mut world = with(ClusterConfig { results_keep_hours: 4, ..ClusterConfig::default() });
    world.has_left("ana", 10);
    world.said();
    world.pass(2 * HOUR);
    assert!(world.told_of_results()[0].contains("in 2 h"));
    world.pass(2 * HOUR);
    assert_eq!(world.told_of_results(), ["the result of job 1 (10 B) removed: kept for 4 hours"]);
}

#[test]
fn nothing_goes_without_a_warning_where_less_is_kept_after_a_restart() {
    let mut world = with(ClusterConfig::default());
    world.has_left("ana", 10);
    world.pass(10 * DAY);
    world.config.results_keep_hours = 48;
    world.restart();
    world.said();
    assert_eq!(world.hours_left("1"), Some(24));
    world.pass(HOUR);
    assert_eq!(world.told_of_results().len(), 1);
    world.pass(DAY - 1);
    assert_eq!(world.results(&["1"]), ["1.0#1"]);
    world.pass(1);
    assert_eq!(world.told_of_results(), ["the result of job 1 (10 B) removed: kept for 2 days"]);
}

#[test]
fn a_job_is_warned_of_and_told_gone_as_one() {
    let mut world = with(ClusterConfig::default());
    world.submit(array(0, 7));
    for index in 0..8 {
        let id = format!("1.{index}#1");
        world.leaves("pi-1", &id, 10, index).unwrap();
        world.succeeds("pi-1", &id);
    }
    world.said();
    world.pass(30 * DAY);
    assert_eq!(
        world.told_of_results(),
        [
            "8 results of job 1 (80 B) will be removed in 24 h; collect it with: bramble result get 1",
            "8 results of job 1 (80 B) removed: kept for 30 days",
        ]
    );
}

#[test]
fn a_great_many_go_a_few_at_a_time() {
    let mut world = World::with(ClusterConfig { backlog: Some(4000), ..ClusterConfig::default() });
    world.add("pi-1", 2500);
    world.submit(array(0, 2499));
    for index in 0..2500 {
        let id = format!("1.{index}#1");
        world.leaves("pi-1", &id, 1, index as u8).unwrap();
        world.succeeds("pi-1", &id);
    }
    world.pass(30 * DAY - 1);
    world.advance_to(crate::manager::cluster::Mono(world.now.mono.0 + 1));
    let mut left = vec![];
    for _ in 0..3 {
        world.put(Input::Woken);
        left.push(world.kept.results.len());
    }
    assert_eq!(left, [1500, 500, 0]);
}

// What goes for want of room.

#[test]
fn what_was_collected_makes_room_at_once() {
    let mut world = limited(25);
    world.has_left("ana", 10);
    world.has_left("ana", 10);
    world.collects(&operator("ana"), "2.0#1").unwrap();
    world.said();
    world.has_left("ana", 10);
    assert_eq!(world.told_of_results(), ["the result of job 2 (10 B) removed: collected, and room was needed"]);
    assert_eq!(world.results(&[]), ["3.0#1", "1.0#1"]);
    world.has_left("ana", 10);
    assert_eq!(world.results(&[]).len(), 3, "what nobody has collected does not go so fast");
    world.collects(&operator("ana"), "4.0#1").unwrap();
    assert_eq!(world.results(&[]), ["3.0#1", "1.0#1"], "nor longer than needed");
}

#[test]
fn what_nobody_collected_makes_room_after_a_warning_the_oldest_first() {
    let mut world = limited(25);
    for _ in 0..2 {
        world.has_left("ana", 10);
        world.pass(HOUR);
    }
    world.said();
    world.has_left("ana", 10);
    world.has_left("ana", 10);
    world.pass(HOUR);
    assert_eq!(
        world.told_of_results(),
        [1, 2].map(|job| {
            format!("the result of job {job} (10 B) will be removed in 24 h; collect it with: bramble result get {job}")
        })
    );
    assert_eq!(world.hours_left("1"), Some(24));
    // There is more room than before: one of them may stay.
    world.removes(&operator("ana"), &["4"]).unwrap();
    world.said();
    world.pass(DAY - 1);
    assert_eq!(world.results(&[]).len(), 3);
    assert_eq!(world.hours_left("2").unwrap(), 720 - 25, "it does not go any more");
    world.pass(1);
    assert_eq!(world.told_of_results(), ["the result of job 1 (10 B) removed: the oldest, and room was needed"]);
    assert_eq!(world.results(&[]), ["3.0#1", "2.0#1"]);
    checks::disk_and_memory_agree(&world.cluster, &again(&world));
}

#[test]
fn what_a_running_job_left_never_goes() {
    let mut world = limited(5);
    world.submit(array(0, 1));
    world.leaves("pi-1", "1.0#1", 10, b'a').unwrap();
    world.succeeds("pi-1", "1.0#1");
    world.collects(&operator("ana"), "1.0#1").unwrap();
    world.pass(100 * DAY);
    assert_eq!(world.results(&[]), ["1.0#1"]);
    world.succeeds("pi-1", "1.1#1");
    assert_eq!(world.results(&[]), [""; 0], "it was collected, and room is needed");
}

// The history.

#[test]
fn a_job_is_not_forgotten_while_somebody_has_something_of_it_to_collect() {
    let mut world = with(ClusterConfig { keep_tasks: 1, ..ClusterConfig::default() });
    let known = |world: &World| -> Vec<u32> {
        checks::indexes_agree(&world.cluster);
        world.kept.jobs.keys().map(|job| job.0).collect()
    };
    world.has_left("ana", 10);
    for _ in 0..2 {
        let job = world.submit(JobSpec::of(["true"]));
        world.succeeds("pi-1", &format!("{job}.0#1"));
    }
    assert_eq!(known(&world), [1, 3]);
    world.restart();
    world.pass(0);
    assert_eq!(known(&world), [1, 3]);
    world.said();
    world.collects(&operator("ana"), "1.0#1").unwrap();
    world.pass(23 * HOUR);
    assert_eq!(known(&world), [1, 3], "it can be brought home once more");
    world.pass(2 * HOUR);
    assert_eq!(known(&world), [3]);
    assert!(world.kept.results.is_empty());
    let gone = "the result of job 1 (10 B) removed: collected, and kept for a day since";
    assert_eq!(world.said(), [gone, "job 1 forgotten: old and ended"]);
}
