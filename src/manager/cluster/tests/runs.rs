//! One command on many nodes, now: who is asked, what becomes of each answer, and what is not run twice.

use protocol::agent::{Hello, Order, ToAgent};
use protocol::api::{Refusal, Reply, Request};
use protocol::id::JobId;
use protocol::job::{NotStarted, Outcome, TaskState};
use protocol::run::{On, RunAs, RunSpec, RunView, RunWhat};

use super::world::*;
use crate::manager::cluster::Caller;

fn on(nodes: &[&str]) -> RunSpec {
    RunSpec {
        what: RunWhat::Command(vec!["uptime".into()]),
        on: nodes.iter().map(|node| node.parse::<On>().unwrap()).collect(),
        run_as: RunAs::Me,
        stdin: Default::default(),
        timeout_ms: None,
        at_once: None,
    }
}

/// With these workers up, whose agents take runs.
fn cluster(nodes: &[&str]) -> World {
    let mut world = World::of(&[]);
    for node in nodes {
        world.join(node);
        links(&mut world, node, &[]);
    }
    world.said();
    world
}

fn links(world: &mut World, node: &str, held: &[(&str, bool)]) -> Vec<ToAgent> {
    let held = held.iter().map(|(id, ended)| super::words::held(id, *ended)).collect();
    let hello = Hello { takes_runs: true, ..world.hello(node, 1, held) };
    world.link_with(node, key(node), hello);
    let orders = world.orders(node);
    assert!(matches!(orders.first(), Some(ToAgent::Welcome(_))));
    orders.into_iter().skip(1).collect()
}

fn ask(world: &mut World, caller: &Caller, spec: RunSpec) -> Result<RunView, Refusal> {
    world.ask_as(caller, Request::Run(spec)).map(view)
}

fn view(reply: Reply) -> RunView {
    match reply {
        Reply::Run(run) => *run,
        other => panic!("no run: {other:?}"),
    }
}

fn run(world: &mut World, spec: RunSpec) -> RunView {
    ask(world, &operator("ana"), spec).unwrap()
}

fn shown(world: &mut World, run: u32) -> RunView {
    world.ask(Request::RunShow { run: JobId(run) }).map(view).unwrap()
}

fn states(run: &RunView) -> Vec<(String, TaskState)> {
    run.answers.iter().map(|answer| (answer.node.to_string(), answer.state)).collect()
}

fn said(world: &mut World, run: u32, index: usize) -> (TaskState, String) {
    let run = shown(world, run);
    (run.answers[index].state, run.answers[index].reason.clone())
}

#[test]
fn a_run_begins_everywhere_at_once_and_ends_with_its_last_answer() {
    let mut world = cluster(&["pi-1", "pi-2"]);
    let asked = run(&mut world, on(&["pi-2", "all", "pi-1"]));
    assert_eq!(states(&asked), [("pi-1".into(), TaskState::Starting), ("pi-2".into(), TaskState::Starting)]);
    let orders: Vec<Order> = [world.start_orders("pi-1"), world.start_orders("pi-2")].concat();
    assert_eq!(orders.iter().map(|order| order.attempt.to_string()).collect::<Vec<_>>(), ["1.0#1", "1.1#1"]);
    assert!(orders.iter().all(|order| order.run.as_ref().is_some_and(|run| !run.root)));
    world.started("pi-1", "1.0#1");
    world.finished("pi-1", "1.0#1", Outcome::Exited(3));
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), ["run 1 asked on 2 nodes as me: uptime"]);
    world.succeeds("pi-2", "1.1#1");
    assert_eq!(world.said(), ["run 1 failed: 1 of 2 well"]);
    // Told once more, because its acknowledgement was lost.
    world.succeeds("pi-2", "1.1#1");
    assert!(world.said().is_empty());
    let kept = world.kept.outputs[&attempt("1.1#1")].0.bytes.clone().unwrap();
    assert_eq!(kept.0, b"said by 1.1#1\n");
}

#[test]
fn jobs_and_runs_share_one_row_of_numbers() {
    let mut world = cluster(&["pi-1"]);
    assert_eq!(run(&mut world, on(&["pi-1"])).id, JobId(1));
    assert_eq!(world.submit(pinned("pi-1")), JobId(2));
    world.restart();
    assert_eq!(ask(&mut world, &admin(), on(&["pi-1"])).unwrap().id, JobId(3));
}

#[test]
fn who_is_down_is_named_at_once_and_not_waited_for() {
    let mut world = cluster(&["pi-1", "pi-2"]);
    world.unlink("pi-1");
    let asked = run(&mut world, RunSpec { at_once: Some(1), ..on(&["all"]) });
    assert_eq!(states(&asked), [("pi-1".into(), TaskState::Failed), ("pi-2".into(), TaskState::Starting)]);
    let reached = Outcome::NotStarted { kind: NotStarted::NotReached, message: "pi-1 is down".into() };
    assert_eq!(asked.answers[0].outcome, Some(reached));
}

#[test]
fn no_more_are_under_way_than_were_asked_for_nor_more_bytes_than_fit() {
    let nodes: Vec<String> = (0..12).map(|n| format!("pi-{n:02}")).collect();
    let mut world = cluster(&nodes.iter().map(String::as_str).collect::<Vec<_>>());
    let under_way = |run: &RunView| run.answers.iter().filter(|one| one.state == TaskState::Starting).count();
    assert_eq!(under_way(&run(&mut world, RunSpec { at_once: Some(2), ..on(&["all"]) })), 2);
    world.succeeds("pi-00", "1.0#1");
    assert_eq!(shown(&mut world, 1).answers[2].state, TaskState::Starting);
    let large = RunSpec { stdin: vec![b'x'; 1 << 20].into(), ..on(&["all"]) };
    assert_eq!(under_way(&run(&mut world, large)), 8);
}

#[test]
fn what_waits_is_stopped_at_once_and_what_runs_by_its_node() {
    let mut world = cluster(&["pi-1", "pi-2"]);
    run(&mut world, RunSpec { at_once: Some(1), ..on(&["all"]) });
    world.starts("pi-1");
    assert_eq!(world.stop("1").unwrap(), 2);
    assert_eq!(said(&mut world, 1, 1), (TaskState::Stopped, "by root".into()));
    assert!(shown(&mut world, 1).answers[0].stopping);
    assert_eq!(World::stops(&world.orders("pi-1")), [("1.0#1".into(), "by root".into())]);
    // The link broke before it was read: it is said again.
    world.unlink("pi-1");
    let orders = links(&mut world, "pi-1", &[("1.0#1", false)]);
    assert_eq!(World::stops(&orders), [("1.0#1".into(), "by root".into())]);
    world.finished("pi-1", "1.0#1", stopped("by root"));
    assert_eq!(shown(&mut world, 1).state, TaskState::Stopped);
    assert!(world.orders("pi-2").is_empty());
}

#[test]
fn an_order_that_was_lost_on_its_way_is_sent_again_and_only_where_it_cannot_have_begun() {
    let mut world = cluster(&["pi-1", "pi-2", "pi-3"]);
    run(&mut world, on(&["all"]));
    world.started("pi-2", "1.1#1");
    ["pi-1", "pi-2", "pi-3"].iter().for_each(|node| world.unlink(node));
    assert!(shown(&mut world, 1).answers.iter().all(|answer| answer.away));
    let sent = |orders: Vec<ToAgent>| orders.iter().filter(|order| matches!(order, ToAgent::Start(_))).count();
    assert_eq!(sent(links(&mut world, "pi-1", &[])), 1);
    assert_eq!(sent(links(&mut world, "pi-2", &[])), 0, "it had begun");
    world.boots.insert("pi-3".into(), "boot-2".into());
    assert_eq!(sent(links(&mut world, "pi-3", &[])), 0, "it may have begun");
    assert_eq!(said(&mut world, 1, 1), (TaskState::Lost, "its node no longer has it".into()));
    assert_eq!(said(&mut world, 1, 2), (TaskState::Lost, "its node was started anew".into()));
}

#[test]
fn an_answer_whose_node_does_not_come_back_is_lost_with_its_lease_and_what_it_says_later_is_not_wanted() {
    let mut world = cluster(&["pi-1"]);
    run(&mut world, on(&["pi-1"]));
    world.started("pi-1", "1.0#1");
    world.unlink("pi-1");
    world.pass(59_000);
    assert_eq!(shown(&mut world, 1).answers[0].state, TaskState::Running);
    world.pass(2_000);
    assert_eq!(said(&mut world, 1, 0), (TaskState::Lost, "its node did not come back".into()));
    let orders = links(&mut world, "pi-1", &[("1.0#1", false)]);
    assert_eq!(World::discarded(&orders), ["1.0#1"]);
}

#[test]
fn another_node_cannot_answer_for_one() {
    let mut world = cluster(&["liar", "pi-1"]);
    run(&mut world, on(&["pi-1"]));
    world.said();
    world.succeeds("liar", "1.0#1");
    world.succeeds("pi-1", "1.0#2");
    world.succeeds("pi-1", "1.7#1");
    assert_eq!(shown(&mut world, 1).answers[0].state, TaskState::Starting);
    assert_eq!(World::discarded(&world.orders("liar")), ["1.0#1"]);
    assert_eq!(World::discarded(&world.orders("pi-1")), ["1.0#2", "1.7#1"]);
}

#[test]
fn what_waits_when_the_manager_is_started_anew_waits_for_its_node_too() {
    let mut world = cluster(&["pi-1", "pi-2", "pi-3"]);
    run(&mut world, RunSpec { at_once: Some(1), ..on(&["all"]) });
    world.started("pi-1", "1.0#1");
    world.restart();
    world.pass(1_000);
    links(&mut world, "pi-1", &[("1.0#1", false)]);
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(shown(&mut world, 1).answers[1].state, TaskState::Queued);
    let orders = links(&mut world, "pi-2", &[]);
    assert!(matches!(&orders[..], [ToAgent::Start(order)] if order.attempt == attempt("1.1#1")), "{orders:?}");
    world.succeeds("pi-2", "1.1#1");
    assert_eq!(shown(&mut world, 1).answers[2].state, TaskState::Queued);
    world.pass(60_000);
    assert_eq!(said(&mut world, 1, 2), (TaskState::Failed, "pi-3 is down".into()));
}

#[test]
fn only_admins_run_commands_as_root_or_on_the_manager() {
    let mut world = cluster(&["pi-1"]);
    let root = RunSpec { run_as: RunAs::Root, ..on(&["pi-1"]) };
    let refused = ask(&mut world, &operator("ana"), root.clone()).unwrap_err().message;
    assert_eq!(refused, "ana is no admin here, and only admins may run commands as root; run it with --as me");
    let refused = ask(&mut world, &operator("ana"), on(&["manager"])).unwrap_err().message;
    assert_eq!(refused, "ana is no admin here, and only admins may run anything on the manager");
    ask(&mut world, &admin(), root).unwrap();
    let order = world.start_orders("pi-1").remove(0);
    assert!(order.run.unwrap().root);
}

#[test]
fn one_sees_and_stops_own_runs_only() {
    let mut world = cluster(&["pi-1"]);
    run(&mut world, on(&["pi-1"]));
    for request in [
        Request::RunShow { run: JobId(1) },
        Request::Stop { targets: vec![target("1")], reason: None },
        Request::RunAgain { run: Some(JobId(1)) },
    ] {
        let refused = world.ask_as(&operator("bo"), request).unwrap_err().message;
        assert!(refused.contains("ana's"), "{refused}");
    }
}

#[test]
fn again_is_asked_only_where_it_went_wrong() {
    let mut world = cluster(&["pi-1", "pi-2"]);
    run(&mut world, on(&["all"]));
    let again = |world: &mut World| world.ask_as(&operator("ana"), Request::RunAgain { run: None }).map(view);
    assert!(again(&mut world).unwrap_err().message.contains("has not ended"));
    world.succeeds("pi-1", "1.0#1");
    world.finished("pi-2", "1.1#1", Outcome::Exited(1));
    let second = again(&mut world).unwrap();
    assert_eq!(second.again, Some(JobId(1)));
    assert_eq!(states(&second), [("pi-2".into(), TaskState::Starting)]);
    world.succeeds("pi-2", "2.0#1");
    let refused = again(&mut world).unwrap_err().message;
    assert_eq!(refused, "run 2 went well everywhere, so there is nothing to do again");
}

#[test]
fn a_node_that_still_runs_something_is_revoked_and_not_removed() {
    let mut world = cluster(&["pi-1"]);
    run(&mut world, on(&["pi-1"]));
    let refused = world.refused(Request::RemoveNode { node: name("pi-1") });
    assert!(refused.starts_with("pi-1 still runs 1.0; "), "{refused}");
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    assert_eq!(said(&mut world, 1, 0), (TaskState::Lost, "the key of its node was revoked".into()));
}
