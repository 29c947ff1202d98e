//! What jobs are given: which contents, for how long, at whose cost, and on which nodes.

use std::sync::Arc;

use protocol::agent::Hello;
use protocol::api::{JobQuery, JobView, RefusalKind, Reply, Request};
use protocol::file::{ContentHash, FileQuery};
use protocol::job::{JobFile, JobSpec};

use super::why::why;
use super::world::*;
use crate::manager::cluster::{CallId, Caller, Change, ClusterConfig, Effect, Input, Told};

fn given(files: &[&str]) -> JobSpec {
    let files = files.iter().map(|file| JobFile::of(file.parse().unwrap())).collect();
    JobSpec { files, ..JobSpec::of(["true"]) }
}

fn hash(content: u8) -> ContentHash {
    ContentHash([content; 32])
}

impl World {
    fn job(&mut self, id: u32) -> JobView {
        let query = JobQuery { ids: vec![protocol::id::JobId(id)], ..JobQuery::default() };
        match self.ask(Request::Jobs(query)) {
            Ok(Reply::Jobs { mut jobs, .. }) => jobs.remove(0),
            other => panic!("no job {id}: {other:?}"),
        }
    }

    fn remove(&mut self, caller: &Caller, file: &str) {
        self.ask_as(caller, Request::FileRemove { file: file.parse().unwrap() }).unwrap();
    }

    fn share(&mut self, caller: &Caller, file: &str, with: &str, on: bool) {
        let with = vec![with.parse().unwrap()];
        self.ask_as(caller, Request::FileShare { file: file.parse().unwrap(), with, on }).unwrap();
    }

    pub fn used(&mut self, caller: &Caller) -> u64 {
        self.list(caller, FileQuery::default()).used
    }

    fn not_submitted(&mut self, caller: &Caller, spec: JobSpec) -> (RefusalKind, String) {
        let refusal = self.ask_as(caller, Request::Submit(spec)).unwrap_err();
        (refusal.kind, refusal.message)
    }

    /// With an agent from before there were files.
    fn add_older(&mut self, node: &str, slots: u32) {
        self.join(node);
        self.link_older(node, slots);
    }

    fn link_older(&mut self, node: &str, slots: u32) {
        let hello = Hello { takes_files: false, ..self.hello(node, slots, vec![]) };
        let link = self.link_with(node, key(node), hello);
        let first = self.sent.get_mut(&link).map(|sent| sent.remove(0));
        assert!(matches!(first, Some(protocol::agent::ToAgent::Welcome(_))), "{first:?}");
    }

    fn fetch(&mut self, node: &str, id: &str, content: u8) -> Result<u64, RefusalKind> {
        let call: CallId = self.new_call();
        self.put(Input::FindGiven { call, node: name(node), attempt: attempt(id), hash: hash(content) });
        match self.answers.remove(&call) {
            Some(Told::Given(size)) => Ok(size),
            Some(Told::Refused(refusal)) => Err(refusal.kind),
            other => panic!("no answer: {other:?}"),
        }
    }
}

/// With a history of one job, beside those with unfinished tasks.
fn forgetful() -> World {
    let mut world = World::with(ClusterConfig { keep_tasks: 1, backlog: Some(4), ..ClusterConfig::default() });
    world.add("pi-1", 1);
    world
}

#[test]
fn a_job_is_given_what_its_files_were_when_it_was_submitted() {
    let mut world = World::new();
    let ana = operator("ana");
    world.keep(&ana, "data", 10, b'a').unwrap();
    let called =
        JobFile { called: Some("input".parse().unwrap()), writable: true, ..JobFile::of("data".parse().unwrap()) };
    let mut spec = given(&["data"]);
    spec.files.push(called);
    world.submit(spec);
    world.keep(&ana, "data", 20, b'b').unwrap();
    world.restart();
    world.add("pi-1", 1);
    let [order] = &world.start_orders("pi-1")[..] else { panic!("one order") };
    let got: Vec<_> = order.files.iter().map(|f| (f.name.as_str(), f.size, f.hash, f.writable)).collect();
    assert_eq!(got, [("data", 10, hash(b'a'), false), ("input", 10, hash(b'a'), true)]);
    assert_eq!(world.job(1).files, order.files.to_vec());
}

#[test]
fn what_was_given_goes_with_the_last_job_that_has_it_and_not_with_its_name() {
    let mut world = forgetful();
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.keep(&ana, "data", 10, b'a').unwrap();
    world.share(&ana, "data", "bo", true);
    world.submit_as("ana", given(&["data"]));
    world.submit_as("bo", given(&["ana/data"]));
    world.share(&ana, "data", "bo", false);
    world.remove(&ana, "data");
    assert!(world.kept.files.is_empty() && world.kept.refers_to(&hash(b'a')));
    world.restart();
    world.link("pi-1", 1, vec![]);
    assert_eq!((world.used(&ana), world.used(&bo)), (10, 10), "each of them holds it");
    let mut gone = vec![];
    for id in ["1.0#1", "2.0#1", "3.0#1"] {
        if id.starts_with('3') {
            world.submit_as("ana", JobSpec::of(["true"]));
        }
        let link = *world.links.get("pi-1").unwrap();
        let report = protocol::agent::FromAgent::Finished(world.end(id, protocol::job::Outcome::Exited(0)));
        let effects = world.handle(Input::Report { link, report });
        let lets_go = effects.iter().any(|e| matches!(e, Effect::Persist(Change::ContentGone(c)) if *c == hash(b'a')));
        gone.push(lets_go);
        let rest = world.commit(effects);
        world.release(rest);
    }
    assert_eq!(gone, [false, false, true]);
    assert_eq!((world.used(&ana), world.used(&bo)), (0, 0));
    assert!(!world.kept.refers_to(&hash(b'a')));
}

#[test]
fn a_content_that_jobs_hold_counts_for_their_owner_once_it_has_no_name() {
    let mut world = World::with(ClusterConfig { files_quota: 100, ..ClusterConfig::default() });
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.keep(&ana, "data", 60, b'a').unwrap();
    world.share(&ana, "data", "bo", true);
    world.submit_as("ana", given(&["data"]));
    world.submit_as("ana", given(&["data"]));
    world.submit_as("bo", given(&["ana/data"]));
    assert_eq!((world.used(&ana), world.used(&bo)), (60, 0), "what has a name counts for who keeps it");
    // In its place it would be held as well, beside the new one.
    assert_eq!(world.keep(&ana, "data", 41, b'b').unwrap_err().kind, RefusalKind::Refused);
    world.keep(&ana, "data", 60, b'a').unwrap();
    world.keep(&ana, "data", 40, b'b').unwrap();
    assert_eq!((world.used(&ana), world.used(&bo)), (100, 60), "twice held, and counted once");
    let told = world.room(&ana, "more", Some(1)).unwrap_err().message;
    assert!(told.contains("your jobs still hold 60 B that no name has any more"), "{told}");
    // Somebody keeps it under a name again.
    world.keep(&bo, "mine", 60, b'a').unwrap();
    assert_eq!((world.used(&ana), world.used(&bo)), (40, 60));
    world.remove(&bo, "mine");
    assert_eq!((world.used(&ana), world.used(&bo)), (100, 60));
    world.restart();
    assert_eq!((world.used(&ana), world.used(&bo)), (100, 60));
}

#[test]
fn who_holds_more_than_the_quota_is_given_no_more_files() {
    let mut world = World::with(ClusterConfig { files_quota: 100, ..ClusterConfig::default() });
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.keep(&bo, "own", 50, b'o').unwrap();
    world.keep(&ana, "data", 100, b'a').unwrap();
    world.share(&ana, "data", "bo", true);
    world.submit_as("bo", given(&["ana/data"]));
    world.remove(&ana, "data");
    let (kind, told) = world.not_submitted(&bo, given(&["own"]));
    assert_eq!(kind, RefusalKind::Refused);
    assert!(told.contains("yours take 150 B of the 100 B you may keep, 100 B of it held by jobs"), "{told}");
    world.submit_as("bo", JobSpec::of(["true"]));
    world.remove(&bo, "own");
    world.keep(&ana, "small", 1, b's').unwrap();
    world.share(&ana, "small", "bo", true);
    world.submit_as("bo", given(&["ana/small"]));
}

#[test]
fn what_is_not_there_or_not_to_be_seen_is_refused_with_what_to_do() {
    let mut world = World::new();
    let (ana, bo) = (operator("ana"), operator("bo"));
    world.keep(&ana, "data.csv", 10, b'a').unwrap();
    let not_found = |told: &str| (RefusalKind::NotFound, told.to_owned());
    assert_eq!(
        world.not_submitted(&bo, given(&["data.csv"])),
        not_found("you keep no file \"data.csv\"; bring it with: bramble file put data.csv")
    );
    assert_eq!(
        world.not_submitted(&bo, given(&["two words"])),
        not_found("you keep no file \"two words\"; bring it with: bramble file put \"two words\"")
    );
    let told = world.not_submitted(&bo, given(&["ana/data.csv"]));
    assert_eq!(told, not_found("there is no file \"ana/data.csv\"; see what there is with: bramble file"));
    assert!(world.kept.jobs.is_empty());
    world.submit_as("ana", given(&["data.csv"]));
}

#[test]
fn who_means_a_content_is_not_given_what_another_put_made_of_its_name() {
    let mut world = World::new();
    let ana = operator("ana");
    world.keep(&ana, "data", 10, b'a').unwrap();
    world.keep(&ana, "data", 10, b'b').unwrap();
    let meant = |content| {
        let mut spec = given(&["data"]);
        spec.files[0].hash = Some(hash(content));
        spec
    };
    let (kind, why) = world.not_submitted(&ana, meant(b'a'));
    assert_eq!(kind, RefusalKind::Refused);
    assert!(why.starts_with("\"data\" is not what it was a moment ago") && why.ends_with("submit again"), "{why}");
    world.submit_as("ana", meant(b'b'));
    assert_eq!(world.job(1).files[0].hash, hash(b'b'));
}

#[test]
fn all_tasks_of_a_job_share_one_list_of_files() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.keep(&operator("ana"), "data", 10, b'a').unwrap();
    world.submit(JobSpec { files: given(&["data"]).files, ..array(0, 1) });
    world.submit(JobSpec::of(["true"]));
    let orders = world.start_orders("pi-1");
    assert!(Arc::ptr_eq(&orders[0].files, &orders[1].files));
    assert!(orders[2].files.is_empty());
}

#[test]
fn a_job_with_files_goes_only_to_nodes_that_take_them_and_holds_up_nobody() {
    let mut world = World::new();
    world.keep(&operator("ana"), "data", 10, b'a').unwrap();
    world.add_older("pi-1", 4);
    world.submit(given(&["data"]));
    world.submit(JobSpec::of(["true"]));
    assert_eq!(world.starts("pi-1"), ["2.0#1"]);
    let told = why(&mut world, "1.0");
    assert_eq!(
        told.summary,
        "waits for a worker that takes files: the agents of all that are up are older; upgrade one"
    );
    assert_eq!(told.nodes[0].reason, "its agent is older and takes no files; upgrade it");
    world.add("pi-2", 1);
    assert_eq!(world.starts("pi-2"), ["1.0#1"]);
    // It does not wait in a backlog there either, nor is it called back from where it waits.
    world.submit(given(&["data"]));
    assert_eq!((world.starts("pi-2"), world.starts("pi-1").len()), (vec!["3.0#1".to_owned()], 0));
}

#[test]
fn why_says_of_the_node_a_task_is_pinned_to_that_it_takes_no_files() {
    let mut world = World::of(&[("pi-2", 1)]);
    world.keep(&operator("ana"), "data", 10, b'a').unwrap();
    world.add_older("pi-1", 4);
    world.submit(JobSpec { files: given(&["data"]).files, ..pinned("pi-1") });
    assert_eq!(why(&mut world, "1.0").summary, "waits for pi-1: its agent is older and takes no files; upgrade it");
    // It is upgraded.
    world.unlink("pi-1");
    world.link("pi-1", 4, vec![]);
    assert_eq!(world.starts_after_welcome("pi-1"), ["1.0#1"]);
}

#[test]
fn an_order_with_files_is_not_sent_again_to_an_agent_that_became_an_older_one() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.keep(&operator("ana"), "data", 10, b'a').unwrap();
    world.submit(given(&["data"]));
    assert_eq!(world.starts("pi-1"), ["1.0#1"]);
    world.unlink("pi-1");
    world.link_older("pi-1", 1);
    assert!(world.starts("pi-1").is_empty());
    world.add("pi-2", 1);
    assert_eq!(world.starts("pi-2"), ["1.0#1"], "it had not begun there, so this is its first attempt still");
}

#[test]
fn a_node_is_told_of_what_its_attempts_are_given_and_of_nothing_else() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.keep(&operator("ana"), "data", 10, b'a').unwrap();
    world.keep(&operator("ana"), "diary", 20, b'b').unwrap();
    world.submit(given(&["data"]));
    assert_eq!(world.starts("pi-1"), ["1.0#1"]);
    assert_eq!(world.fetch("pi-1", "1.0#1", b'a'), Ok(10));
    let lie = Err(RefusalKind::NotFound);
    assert_eq!(world.fetch("pi-1", "1.0#1", b'b'), lie, "its job was not given this");
    assert_eq!(world.fetch("pi-2", "1.0#1", b'a'), lie, "it is another's");
    assert_eq!(world.fetch("pi-1", "1.0#2", b'a'), lie, "it has not been given");
    assert_eq!(world.fetch("pi-1", "9.0#1", b'a'), lie);
    assert_eq!(world.fetch("pi-9", "1.0#1", b'a'), lie);
    world.started("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.fetch("pi-1", "1.0#1", b'a'), Err(RefusalKind::Refused), "asked for just before its end");
}

#[test]
fn a_task_is_given_what_is_for_all_and_what_is_its_own() {
    let mut world = World::new();
    let ana = operator("ana");
    for (name, content) in [("one", b'1'), ("two", b'2'), ("all", b'a'), ("more", b'm')] {
        world.keep(&ana, name, 10, content).unwrap();
    }
    let of = |file: &str, only| JobFile { only, ..JobFile::of(file.parse().unwrap()) };
    let mut files = vec![of("one", Some(5)), of("all", None), of("two", Some(6)), of("more", None)];
    files.push(JobFile { called: Some("input".parse().unwrap()), ..of("two", Some(5)) });
    world.submit(JobSpec { files, ..array(5, 8) });
    world.restart();
    world.add("pi-1", 4);
    let orders = world.start_orders("pi-1");
    let names = |at: usize| orders[at].files.iter().map(|given| given.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(0), ["one", "all", "more", "input"]);
    assert_eq!(names(1), ["all", "two", "more"]);
    assert_eq!(names(2), ["all", "more"]);
    assert!(Arc::ptr_eq(&orders[2].files, &orders[3].files), "what is alike is shared");
    assert_eq!(world.job(1).files.len(), 5, "all of it is the job's");
    assert_eq!(world.fetch("pi-1", "1.5#1", b'1'), Ok(10));
    assert_eq!(world.fetch("pi-1", "1.5#1", b'a'), Ok(10));
    assert_eq!(world.fetch("pi-1", "1.6#1", b'1'), Err(RefusalKind::NotFound), "it is another task's");
    assert_eq!(world.fetch("pi-1", "1.7#1", b'2'), Err(RefusalKind::NotFound));
    for name in ["one", "two", "all", "more"] {
        world.remove(&ana, name);
    }
    assert_eq!(world.used(&ana), 40, "the job holds all of it");
}
