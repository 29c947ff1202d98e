//! The task that reduces: when it runs, with what, and what becomes of it where a part is missing.

use protocol::agent::Hello;
use protocol::api::{RefusalKind, Reply, Request};
use protocol::file::{ContentHash, FileKind};
use protocol::id::JobId;
use protocol::job::{Counts, JobFile, JobSpec, Outcome, TaskState};
use protocol::result::Reduce;

use super::why::why;
use super::world::*;
use crate::manager::cluster::{ClusterConfig, Input, Told};

/// So many tasks, and one that reduces what they leave.
fn reduced(tasks: u32) -> JobSpec {
    let reduce = Reduce { command: vec!["cat".into(), "{inputs}".into()], part: "n".parse().unwrap() };
    JobSpec { reduce: Some(reduce), ..array(0, tasks - 1) }
}

fn part(content: u8) -> ContentHash {
    ContentHash([content; 32])
}

impl World {
    fn leaves_part(&mut self, node: &str, id: &str, content: u8) {
        self.leaves(node, id, 100 + u64::from(content), content).unwrap();
    }

    /// Leaves its part, and succeeds.
    fn gives(&mut self, node: &str, id: &str, content: u8) {
        self.leaves_part(node, id, content);
        self.succeeds(node, id);
    }

    fn given(&mut self, node: &str, id: &str, content: u8) -> Result<u64, RefusalKind> {
        let call = self.new_call();
        self.put(Input::FindGiven { call, node: name(node), attempt: attempt(id), hash: part(content) });
        match self.answers.remove(&call) {
            Some(Told::Given(size)) => Ok(size),
            Some(Told::Refused(refusal)) => Err(refusal.kind),
            other => panic!("no answer: {other:?}"),
        }
    }

    fn summary(&mut self, id: &str) -> String {
        why(self, id).summary
    }

    fn reason(&mut self, id: &str) -> String {
        let told = self.task(id);
        assert_eq!(told.state, TaskState::Stopped);
        told.reason
    }

    fn counts(&self, job: u32) -> Counts {
        self.cluster.job_view(JobId(job)).unwrap().counts
    }

    /// With its orders read.
    fn ready(&mut self, node: &str) -> Vec<String> {
        let orders = self.orders(node);
        let starts = orders.into_iter().filter_map(|order| match order {
            protocol::agent::ToAgent::Start(order) => Some(order.attempt.to_string()),
            _ => None,
        });
        starts.collect()
    }
}

/// Two tasks of job 1 run on pi-1, a third waits for them.
fn begun() -> World {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(reduced(2));
    assert_eq!(world.starts("pi-1"), ["1.0#1", "1.1#1"]);
    world.said();
    world
}

#[test]
fn it_runs_when_all_others_have_succeeded_with_what_they_left() {
    let mut world = begun();
    assert_eq!(world.counts(1), Counts { starting: 2, queued: 1, ..Counts::default() });
    world.gives("pi-1", "1.1#1", b'b');
    assert_eq!(world.summary("1.2"), "waits for the other tasks of its job: 1 of 2 have succeeded");
    assert!(world.gets_only_acks("pi-1"));
    world.gives("pi-1", "1.0#1", b'a');
    let orders = world.orders("pi-1");
    let [protocol::agent::ToAgent::Ack { .. }, protocol::agent::ToAgent::Start(order)] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!(order.attempt, attempt("1.2#1"));
    assert_eq!(*order.command, ["cat", "part-0/n", "part-1/n"].map(str::to_owned));
    let got: Vec<_> = order.files.iter().map(|f| (f.name.as_str(), f.kind, f.size, f.hash, f.writable)).collect();
    let folder = FileKind::Folder;
    assert_eq!(got, [("part-0", folder, 197, part(b'a'), false), ("part-1", folder, 198, part(b'b'), false)]);
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.counts(1), Counts { succeeded: 3, ..Counts::default() });
    assert_eq!(world.task("1.2").command, ["cat", "part-0/n", "part-1/n"]);
}

#[test]
fn its_node_is_told_of_the_parts_and_no_other_is() {
    let mut world = begun();
    world.gives("pi-1", "1.0#1", b'a');
    assert_eq!(world.given("pi-1", "1.1#1", b'a'), Err(RefusalKind::NotFound), "it is no part of its own");
    assert_eq!(world.given("pi-1", "1.2#1", b'a'), Err(RefusalKind::NotFound), "it waits yet");
    world.gives("pi-1", "1.1#1", b'b');
    assert_eq!((world.given("pi-1", "1.2#1", b'a'), world.given("pi-1", "1.2#1", b'b')), (Ok(197), Ok(198)));
    assert_eq!(world.given("pi-1", "1.2#1", b'c'), Err(RefusalKind::NotFound));
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.given("pi-1", "1.2#1", b'a'), Err(RefusalKind::Refused), "asked for just before its end");
}

#[test]
fn it_is_given_what_all_tasks_are_given_besides() {
    let mut world = World::of(&[("pi-1", 4)]);
    let ana = operator("ana");
    world.keep(&ana, "data", 10, b'd').unwrap();
    world.keep(&ana, "first", 10, b'f').unwrap();
    let own = JobFile { only: Some(0), ..JobFile::of("first".parse().unwrap()) };
    world.submit(JobSpec { files: vec![own, JobFile::of("data".parse().unwrap())], ..reduced(1) });
    let [order] = &world.start_orders("pi-1")[..] else { panic!("one order") };
    let names = |order: &protocol::agent::Order| order.files.iter().map(|f| f.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(order), ["first", "data"]);
    world.gives("pi-1", "1.0#1", b'a');
    let orders = world.orders("pi-1");
    let Some(protocol::agent::ToAgent::Start(order)) = orders.last() else { panic!("{orders:?}") };
    assert_eq!(names(order), ["data", "part-0"]);
    assert_eq!(world.given("pi-1", "1.1#1", b'd'), Ok(10));
    assert_eq!(world.given("pi-1", "1.1#1", b'f'), Err(RefusalKind::NotFound));
}

#[test]
fn a_restart_changes_nothing_about_it() {
    let mut world = begun();
    world.gives("pi-1", "1.0#1", b'a');
    world.restart();
    assert_eq!(world.summary("1.2"), "waits for the other tasks of its job: 1 of 2 have succeeded");
    world.link("pi-1", 4, vec![held("1.1#1", false)]);
    assert!(world.starts_after_welcome("pi-1").is_empty());
    world.gives("pi-1", "1.1#1", b'b');
    assert_eq!(world.ready("pi-1"), ["1.2#1"]);
    // The order is sent again as it was.
    world.restart();
    world.link("pi-1", 4, vec![]);
    let orders = world.orders("pi-1");
    let Some(protocol::agent::ToAgent::Start(order)) = orders.last() else { panic!("{orders:?}") };
    assert_eq!((order.attempt, order.files.len()), (attempt("1.2#1"), 2));
    // While it waits for a place it is in the queue again.
    world.finished("pi-1", "1.2#1", Outcome::Exited(1));
    world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.retry("1.2").unwrap();
    world.restart();
    world.link("pi-1", 4, vec![]);
    assert!(world.starts_after_welcome("pi-1").is_empty());
    world.ask(Request::Drain { node: name("pi-1"), on: false }).unwrap();
    assert_eq!(world.starts("pi-1"), ["1.2#2"]);
}

#[test]
fn it_ends_with_the_first_of_the_others_that_does_not_succeed() {
    for (outcome, told) in [
        (Outcome::Exited(3), "1.1 failed"),
        (stopped("by ana"), "1.1 was stopped"),
        (Outcome::Lost { reason: "exit unknown".into(), again: false }, "1.1 was lost"),
    ] {
        let mut world = begun();
        world.leaves_part("pi-1", "1.1#1", b'b');
        world.finished("pi-1", "1.1#1", outcome);
        let reason = format!("{told}, so its part is missing; bramble retry 1 runs it again and then this");
        assert_eq!(world.reason("1.2"), reason);
        let asked = world.said().into_iter().filter(|said| said.starts_with("stop of 1.2")).collect::<Vec<_>>();
        assert_eq!(asked, [format!("stop of 1.2 asked: {reason}")]);
        assert_eq!(world.summary("1.2"), format!("was stopped: {reason}"));
        world.finished("pi-1", "1.0#1", Outcome::Exited(1));
        assert_eq!(world.reason("1.2"), reason, "said once");
        assert!(!world.said().iter().any(|said| said.contains("1.2")));
        assert!(!world.cluster.jobs.active.contains(&JobId(1)));
    }
}

#[test]
fn it_ends_where_one_left_nothing() {
    let mut world = begun();
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.reason("1.2"), "1.0 left nothing in out/ that could be kept, so there is nothing of it to reduce");
    world.gives("pi-1", "1.1#1", b'b');
    // Again with all that it lacks.
    assert_eq!(world.retry("1"), Ok(2));
    assert_eq!(world.ready("pi-1"), ["1.0#2"]);
    world.gives("pi-1", "1.0#2", b'a');
    assert_eq!(world.ready("pi-1"), ["1.2#1"]);
}

#[test]
fn what_an_earlier_attempt_left_does_not_count() {
    let mut world = begun();
    world.gives("pi-1", "1.1#1", b'b');
    world.leaves_part("pi-1", "1.0#1", b'a');
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.retry("1").unwrap();
    world.gives("pi-1", "1.0#2", b'c');
    let orders = world.orders("pi-1");
    let Some(protocol::agent::ToAgent::Start(order)) = orders.last() else { panic!("{orders:?}") };
    assert_eq!(order.files.iter().map(|given| given.hash).collect::<Vec<_>>(), [part(b'c'), part(b'b')]);
}

#[test]
fn a_retry_of_the_job_runs_what_did_not_succeed_and_then_this() {
    let mut world = begun();
    world.gives("pi-1", "1.0#1", b'a');
    world.finished("pi-1", "1.1#1", Outcome::Exited(1));
    world.ready("pi-1");
    assert_eq!(world.retry("1"), Ok(2));
    assert_eq!(world.ready("pi-1"), ["1.1#2"]);
    assert_eq!(world.summary("1.2"), "waits for the other tasks of its job: 1 of 2 have succeeded");
    world.gives("pi-1", "1.1#2", b'b');
    assert_eq!(world.ready("pi-1"), ["1.2#1"]);
}

#[test]
fn it_follows_the_task_for_whose_part_it_was_stopped() {
    let mut world = begun();
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.finished("pi-1", "1.1#1", Outcome::Exited(1));
    world.restart();
    world.link("pi-1", 4, vec![]);
    assert_eq!(world.retry("1.0"), Ok(1), "without 1.1 it could not run");
    assert_eq!(world.state("1.2"), TaskState::Stopped);
    assert_eq!(world.retry("1.1"), Ok(2));
    assert_eq!(world.state("1.2"), TaskState::Queued);
    world.gives("pi-1", "1.0#2", b'a');
    world.gives("pi-1", "1.1#2", b'b');
    assert_eq!(world.state("1.2"), TaskState::Starting);
}

#[test]
fn one_that_somebody_stopped_does_not_follow() {
    let mut world = begun();
    assert_eq!(world.stop("1.2"), Ok(1));
    world.gives("pi-1", "1.0#1", b'a');
    world.finished("pi-1", "1.1#1", Outcome::Exited(1));
    assert_eq!(world.reason("1.2"), "by root");
    assert_eq!(world.retry("1.1"), Ok(1));
    world.gives("pi-1", "1.1#2", b'b');
    assert_eq!(world.state("1.2"), TaskState::Stopped);
    assert_eq!(world.retry("1"), Ok(1));
    assert_eq!(world.state("1.2"), TaskState::Starting);
}

#[test]
fn it_is_not_run_again_without_a_part() {
    let mut world = begun();
    world.gives("pi-1", "1.0#1", b'a');
    world.finished("pi-1", "1.1#1", Outcome::Exited(1));
    let refused = Request::Retry { targets: vec![target("1.2")] };
    assert_eq!(
        world.refused(refused.clone()),
        "1.2 cannot run again: 1.1 failed, so its part is missing; bramble retry 1 runs it again and then this"
    );
    // One that is under way may still give it.
    world.stop("1").unwrap_err();
    world.retry("1.1").unwrap();
    world.stop("1.2").unwrap();
    assert_eq!(world.ask(refused), Ok(Reply::Done { tasks: 1 }));
    assert_eq!(world.state("1.2"), TaskState::Queued);
    world.gives("pi-1", "1.1#2", b'b');
    assert_eq!(world.state("1.2"), TaskState::Starting);
}

#[test]
fn none_of_the_others_is_run_again_while_it_works_on_what_they_left() {
    let mut world = begun();
    world.gives("pi-1", "1.0#1", b'a');
    assert_eq!(world.retry("1.0"), Ok(1), "it waits for the rest anyway");
    world.gives("pi-1", "1.0#2", b'c');
    world.gives("pi-1", "1.1#1", b'b');
    world.started("pi-1", "1.2#1");
    assert_eq!(
        world.refused(Request::Retry { targets: vec![target("1.0")] }),
        "1.2 works on what 1.0 left, and has not ended: it is running; stop it first, then retry"
    );
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.retry("1.0"), Ok(1));
    assert_eq!(world.state("1.2"), TaskState::Succeeded, "it is left as it is");
    world.finished("pi-1", "1.0#3", Outcome::Exited(1));
    assert_eq!(world.state("1.2"), TaskState::Succeeded);
}

#[test]
fn one_that_was_lost_runs_again_with_the_same_parts() {
    let mut world = begun();
    world.gives("pi-1", "1.0#1", b'a');
    world.gives("pi-1", "1.1#1", b'b');
    world.started("pi-1", "1.2#1");
    world.unlink("pi-1");
    world.pass(60_000);
    assert_eq!(world.state("1.2"), TaskState::Queued);
    assert!(world.retry("1.0").unwrap_err().message.starts_with("1.2 works on what 1.0 left"));
    world.add("pi-2", 1);
    let [order] = &world.start_orders("pi-2")[..] else { panic!("one order") };
    assert_eq!((order.attempt, order.files.len()), (attempt("1.2#2"), 2));
}

#[test]
fn a_stop_of_the_job_stops_it_too() {
    let mut world = begun();
    assert_eq!(world.stop("1"), Ok(3));
    assert_eq!(world.reason("1.2"), "by root");
    world.finished("pi-1", "1.0#1", stopped("by root"));
    world.finished("pi-1", "1.1#1", stopped("by root"));
    assert_eq!(world.counts(1), Counts { stopped: 3, ..Counts::default() });
    // Of a range without it, it ends for want of a part.
    world.submit(reduced(2));
    world.stop("2.0-1").unwrap();
    world.finished("pi-1", "2.0#1", stopped("by root"));
    assert!(world.reason("2.2").starts_with("2.0 was stopped, so its part is missing"));
}

#[test]
fn the_others_go_only_where_results_are_given_and_it_where_files_are_taken() {
    let mut world = World::new();
    let older = |world: &mut World, node: &str, takes_files| {
        world.join(node);
        let hello = Hello { takes_files, gives_results: false, ..world.hello(node, 4, vec![]) };
        world.link_with(node, key(node), hello);
        world.orders(node);
    };
    older(&mut world, "pi-1", true);
    older(&mut world, "pi-2", false);
    world.submit(reduced(1));
    assert!(world.starts("pi-1").is_empty() && world.starts("pi-2").is_empty());
    let told = why(&mut world, "1.0");
    assert_eq!(
        told.summary,
        "waits for a worker that gives results: the agents of all that are up are older; upgrade one"
    );
    let reason = "its agent is older and gives no results, which another task of the job needs; upgrade it";
    assert_eq!(told.nodes[0].reason, reason);
    world.add("pi-3", 1);
    assert_eq!(world.starts("pi-3"), ["1.0#1"]);
    world.ask(Request::Drain { node: name("pi-3"), on: true }).unwrap();
    world.gives("pi-3", "1.0#1", b'a');
    assert_eq!((world.ready("pi-1"), world.ready("pi-2").len()), (vec!["1.1#1".to_owned()], 0));
}

#[test]
fn its_parts_stay_until_it_has_ended_however_old_they_are() {
    let mut world = World::with(ClusterConfig { results_keep_hours: 2, ..ClusterConfig::default() });
    world.add("pi-1", 4);
    world.submit(reduced(1));
    world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.gives("pi-1", "1.0#1", b'a');
    world.pass(10 * 3_600_000);
    assert!(world.kept.refers_to(&part(b'a')));
    world.ask(Request::Drain { node: name("pi-1"), on: false }).unwrap();
    world.succeeds("pi-1", "1.1#1");
    world.pass(10 * 3_600_000);
    assert!(!world.kept.refers_to(&part(b'a')));
}

#[test]
fn what_it_needs_is_removed_by_nobody() {
    let mut world = begun();
    world.leaves_part("pi-1", "1.0#1", b'x');
    world.finished("pi-1", "1.0#1", Outcome::Exited(1));
    world.retry("1").unwrap();
    world.gives("pi-1", "1.0#2", b'a');
    let remove = |what: &str| Request::ResultRemove { targets: vec![target(what)] };
    let told = world.refused(remove("1"));
    assert!(told.starts_with("1.2 needs what 1.0#2 left, and has not ended"), "{told}");
    world.ask(remove("1.0#1")).unwrap();
    world.finished("pi-1", "1.1#1", Outcome::Exited(1));
    world.ask(remove("1")).unwrap();
    // It takes all that is gone to run again.
    let told = world.refused(Request::Retry { targets: vec![target("1.2")] });
    assert!(told.starts_with("1.2 cannot run again: what 1.0 left is not kept any more"), "{told}");
    assert_eq!(world.retry("1.1"), Ok(1));
    world.gives("pi-1", "1.1#2", b'b');
    assert_eq!(world.retry("1"), Ok(2));
    world.gives("pi-1", "1.0#3", b'c');
    assert_eq!(world.state("1.2"), TaskState::Starting);
}

#[test]
fn a_thousand_parts_fit_into_one_order() {
    let mut world = World::of(&[("pi-1", 4)]);
    let mut spec = reduced(1000);
    spec.reduce.as_mut().unwrap().part = "x".repeat(255).parse().unwrap();
    world.submit(spec);
    let mut order = None;
    while order.is_none() {
        for sent in world.orders("pi-1") {
            match sent {
                protocol::agent::ToAgent::Start(start) if start.attempt == attempt("1.1000#1") => order = Some(start),
                protocol::agent::ToAgent::Start(start) => {
                    world.gives("pi-1", &start.attempt.to_string(), start.attempt.task.index as u8);
                }
                _ => {}
            }
        }
    }
    let order = order.unwrap();
    assert_eq!((order.files.len(), order.command.len()), (1000, 1001));
    assert!(serde_json::to_vec(&order).unwrap().len() < protocol::frame::LONGEST / 2);
}
