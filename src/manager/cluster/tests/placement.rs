//! Which task goes where, and when.

use protocol::agent::ToAgent;
use protocol::api::Request;
use protocol::job::{JobSpec, TaskState};

use super::super::ClusterConfig;
use super::checks;
use super::world::*;

#[test]
fn tasks_are_spread_over_the_nodes_with_the_most_free_cpus() {
    let mut world = World::of(&[("pi-2", 2), ("pi-1", 2), ("pi-3", 4)]);
    world.submit(array(0, 5));
    assert_eq!(world.starts("pi-3"), ["1.0#1", "1.1#1", "1.4#1"]);
    assert_eq!(world.starts("pi-1"), ["1.2#1", "1.5#1"]);
    assert_eq!(world.starts("pi-2"), ["1.3#1"]);
}

#[test]
fn a_backlog_is_given_only_when_no_node_has_room() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(array(0, 3));
    assert_eq!(world.starts("pi-1"), ["1.0#1", "1.2#1"]);
    assert_eq!(world.starts("pi-2"), ["1.1#1", "1.3#1"]);
    world.submit(array(0, 99));
    assert_eq!(world.starts("pi-1").len() + world.starts("pi-2").len(), 2 * 4 - 2, "four more than run, on each");
    // Each end makes room for exactly one more.
    world.succeeds("pi-1", "1.0#1");
    let orders = world.orders("pi-1");
    let [ToAgent::Ack { .. }, ToAgent::Start(next)] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!(next.attempt, attempt("2.6#1"));
}

#[test]
fn the_oldest_goes_first() {
    let mut world = World::new();
    world.submit(array(0, 1));
    world.submit(JobSpec::of(["true"]));
    world.submit(JobSpec::of(["true"]));
    world.add("pi-1", 8);
    assert_eq!(world.starts("pi-1"), ["1.0#1", "1.1#1", "2.0#1", "3.0#1"]);
}

#[test]
fn a_pinned_task_waits_for_its_node_alone() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.ask(Request::Drain { node: name("pi-2"), on: true }).unwrap();
    world.submit(pinned("pi-2"));
    world.submit(JobSpec::of(["true"]));
    assert_eq!((world.state("1.0"), world.state("2.0")), (TaskState::Queued, TaskState::Starting));
    world.ask(Request::Drain { node: name("pi-2"), on: false }).unwrap();
    assert_eq!(world.starts("pi-2"), ["1.0#1"]);
}

#[test]
fn a_task_has_as_many_cpus_as_it_asked_for() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(wide(3));
    world.submit(wide(2));
    world.submit(JobSpec::of(["true"]));
    let orders = world.start_orders("pi-1");
    let told: Vec<_> = orders.iter().map(|order| (order.attempt.to_string(), order.cpus)).collect();
    assert_eq!(told, [("1.0#1".into(), 3), ("3.0#1".into(), 1)], "two CPUs do not fit beside three of four");
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.state("2.0"), TaskState::Starting);
}

#[test]
fn wide_tasks_wait_in_a_backlog_only_where_they_leave_no_cpu_idle() {
    let mut world = World::with(ClusterConfig::default());
    world.add("pi-1", 4);
    for _ in 0..6 {
        world.submit(wide(2));
    }
    assert_eq!(world.starts("pi-1").len(), 6, "two that run, and eight CPUs' worth");
    let mut world = World::of(&[("pi-1", 3)]);
    for _ in 0..6 {
        world.submit(wide(2));
    }
    assert_eq!(world.starts("pi-1"), ["1.0#1"], "the third CPU is for a smaller one");
    world.submit(JobSpec::of(["true"]));
    assert_eq!(world.starts("pi-1"), ["7.0#1"]);
}

#[test]
fn more_slots_than_cpus_run_more_tasks_and_fewer_run_fewer() {
    let mut world = World::new();
    world.config.backlog = Some(0);
    world.restart();
    for (node, slots, cpus) in [("pi-1", 6, 2), ("pi-2", 1, 4)] {
        world.join(node);
        let hello = protocol::agent::Hello { cpus, ..world.hello(node, slots, vec![]) };
        world.link_with(node, key(node), hello);
    }
    world.submit(wide(4));
    world.submit(array(0, 9));
    let starts = |world: &mut World, node: &str| {
        world.orders(node).iter().filter(|order| matches!(order, ToAgent::Start(_))).count()
    };
    assert_eq!(starts(&mut world, "pi-1"), 3, "four CPUs' worth and two more");
    assert_eq!(starts(&mut world, "pi-2"), 1);
}

#[test]
fn a_node_without_work_calls_back_what_waits_elsewhere() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(array(0, 3));
    for node in ["pi-1", "pi-2"] {
        world.orders(node);
    }
    world.started("pi-1", "1.0#1");
    world.started("pi-2", "1.1#1");
    world.succeeds("pi-2", "1.1#1");
    world.started("pi-2", "1.3#1");
    world.succeeds("pi-2", "1.3#1");
    assert_eq!(World::recalls(&world.orders("pi-1")), ["1.2#1"]);
    checks::no_cpu_idles(&world.cluster);
    world.recalled("pi-1", "1.2#1");
    let orders = world.orders("pi-2");
    assert!(matches!(orders.last(), Some(ToAgent::Start(order)) if order.attempt == attempt("1.2#1")), "{orders:?}");
    assert_eq!(world.task("1.2").attempt, 1, "it was never tried, so its number is free again");
    world.succeeds("pi-2", "1.2#1");
    assert_eq!(world.state("1.2"), TaskState::Succeeded);
}

#[test]
fn what_a_node_that_came_back_smaller_cannot_begin_is_called_back_for_an_idle_one() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    world.add("pi-2", 1);
    world.unlink("pi-1");
    world.link("pi-1", 1, vec![]);
    assert_eq!(World::recalls(&world.orders("pi-1")), ["1.1#1"]);
}

#[test]
fn an_order_that_had_started_when_it_was_called_back_is_kept() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(array(0, 2));
    world.succeeds("pi-2", "1.1#1");
    assert_eq!(World::recalls(&world.orders("pi-1")), ["1.2#1"]);
    world.succeeds("pi-1", "1.0#1");
    world.started("pi-1", "1.2#1");
    checks::indexes_agree(&world.cluster);
    // A report that it was given back, which cannot be true any more, changes nothing.
    world.recalled("pi-1", "1.2#1");
    assert_eq!(world.task("1.2").node, Some(name("pi-1")));
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.state("1.2"), TaskState::Succeeded);
}

#[test]
fn what_was_not_called_back_is_not_given_back() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 1));
    world.recalled("pi-1", "1.1#1");
    assert_eq!(world.state("1.1"), TaskState::Starting);
    assert_eq!(world.cluster.ignored(), 1);
}

#[test]
fn draining_lets_tasks_end_and_gives_back_what_has_not_begun() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(array(0, 3));
    world.started("pi-1", "1.0#1");
    world.orders("pi-1");
    world.said();
    world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
    assert_eq!(world.said(), ["pi-1 draining"]);
    assert_eq!(World::recalls(&world.orders("pi-1")), ["1.2#1"]);
    world.recalled("pi-1", "1.2#1");
    assert_eq!(world.task("1.2").node, Some(name("pi-2")));
    world.succeeds("pi-1", "1.0#1");
    assert!(world.gets_only_acks("pi-1"));
    world.restart();
    assert!(world.cluster.node_view(&name("pi-1")).unwrap().draining);
}

#[test]
fn what_a_draining_node_had_not_taken_when_its_link_broke_goes_elsewhere() {
    let mut world = World::of(&[("pi-1", 1), ("pi-2", 1)]);
    world.submit(array(0, 1));
    world.unlink("pi-1");
    world.ask(Request::Drain { node: name("pi-1"), on: true }).unwrap();
    world.link("pi-1", 1, vec![]);
    assert!(matches!(world.orders("pi-1")[..], [ToAgent::Welcome(_)]));
    assert_eq!(world.task("1.0").node, Some(name("pi-2")));
    assert_eq!(world.task("1.0").attempt, 1);
}

#[test]
fn a_wide_task_is_overtaken_for_a_minute_and_then_a_node_is_kept_free_for_it() {
    let mut world = World::with(ClusterConfig::default());
    world.add("pi-1", 4);
    world.submit(array(0, 3));
    world.submit(wide(4));
    world.submit(array(0, 9));
    assert_eq!(world.state("3.0"), TaskState::Starting, "small ones go on");
    for index in 0..4 {
        world.started("pi-1", &format!("1.{index}#1"));
    }
    world.orders("pi-1");
    world.pass(59_999);
    assert_eq!(World::recalls(&world.orders("pi-1")), [""; 0]);
    world.pass(1);
    let recalls = World::recalls(&world.orders("pi-1"));
    assert_eq!(recalls.len(), 8, "the backlog is given back: {recalls:?}");
    for id in &recalls {
        world.recalled("pi-1", id);
    }
    for index in 0..4 {
        assert_eq!(world.state("2.0"), TaskState::Queued);
        world.succeeds("pi-1", &format!("1.{index}#1"));
    }
    let orders = world.orders("pi-1");
    assert!(matches!(&orders[4], ToAgent::Start(order) if order.attempt == attempt("2.0#1")), "{orders:?}");
    assert_eq!(orders.len(), 5 + 8, "then all is as before");
}

#[test]
fn a_node_kept_free_for_a_task_that_is_stopped_is_open_again_at_once() {
    let mut world = World::of(&[("pi-1", 2), ("pi-2", 2)]);
    world.config.backlog = Some(0);
    world.restart();
    world.link("pi-1", 2, vec![]);
    world.link("pi-2", 2, vec![]);
    world.submit(array(0, 3));
    world.submit(wide(2));
    world.submit(array(0, 9));
    world.succeeds("pi-1", "1.0#1");
    world.pass(60_000);
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.state("2.0"), TaskState::Queued, "one CPU of two is free");
    let reserved = world.cluster.nodes.iter().filter(|(_, node)| node.reserved_for.is_some()).count();
    assert_eq!(reserved, 1);
    world.stop("2.0").unwrap();
    checks::no_cpu_idles(&world.cluster);
    checks::indexes_agree(&world.cluster);
    let reserved = world.cluster.nodes.iter().filter(|(_, node)| node.reserved_for.is_some()).count();
    assert_eq!(reserved, 0);
}

#[test]
fn a_node_kept_free_still_takes_what_has_waited_longer() {
    let mut world = World::with(ClusterConfig { backlog: Some(1), ..ClusterConfig::default() });
    world.add("pi-1", 2);
    world.submit(array(0, 1));
    world.succeeds("pi-1", "1.0#1");
    world.submit(array(0, 0));
    world.submit(wide(2));
    world.submit(array(0, 9));
    world.succeeds("pi-1", "1.1#1");
    for id in ["2.0#1", "4.0#1"] {
        world.started("pi-1", id);
    }
    world.orders("pi-1");
    world.pass(60_000);
    for id in World::recalls(&world.orders("pi-1")) {
        world.recalled("pi-1", &id);
    }
    world.succeeds("pi-1", "2.0#1");
    assert_eq!(world.state("4.1"), TaskState::Queued, "a slot is kept free");
    world.retry("1.0").unwrap();
    assert_eq!(world.state("1.0"), TaskState::Starting);
    world.succeeds("pi-1", "1.0#2");
    assert_eq!((world.state("4.1"), world.state("3.0")), (TaskState::Queued, TaskState::Queued));
    world.succeeds("pi-1", "4.0#1");
    assert_eq!(world.state("3.0"), TaskState::Starting);
    checks::indexes_agree(&world.cluster);
}

#[test]
fn a_node_kept_free_calls_back_what_has_waited_longer_elsewhere() {
    let mut world = World::with(ClusterConfig { backlog: Some(2), ..ClusterConfig::default() });
    world.add("pi-1", 1);
    world.add("pi-2", 2);
    world.submit(array(0, 0));
    world.succeeds("pi-2", "1.0#1");
    world.submit(array(0, 2));
    let (on_1, on_2): (Vec<&str>, Vec<&str>) =
        ["2.0", "2.1", "2.2"].into_iter().partition(|id| world.task(id).node == Some(name("pi-1")));
    on_2.iter().for_each(|id| world.started("pi-2", &format!("{id}#1")));
    world.submit(wide(2));
    world.submit(array(0, 1));
    world.succeeds("pi-1", &format!("{}#1", on_1[0]));
    world.pass(60_000);
    for id in World::recalls(&world.orders("pi-2")) {
        world.recalled("pi-2", &id);
    }
    world.retry("1.0").unwrap();
    assert_eq!(["4.0", "4.1", "1.0"].map(|id| world.task(id).node), [(); 3].map(|()| Some(name("pi-1"))));
    world.orders("pi-1");
    world.succeeds("pi-2", &format!("{}#1", on_2[0]));
    assert_eq!(World::recalls(&world.orders("pi-1")), ["1.0#2"], "and nothing younger");
}

#[test]
fn when_the_node_kept_free_goes_away_another_is_kept_free() {
    let mut world = World::of(&[("pi-1", 2), ("pi-2", 2)]);
    world.submit(array(0, 3));
    world.submit(wide(2));
    world.submit(array(0, 19));
    world.pass(60_000);
    let reserved = |world: &World| -> Vec<String> {
        let nodes = world.cluster.nodes.iter().filter(|(_, node)| node.reserved_for.is_some());
        nodes.map(|(ix, _)| world.cluster.nodes.name(ix).to_string()).collect()
    };
    let first = reserved(&world);
    assert_eq!(first.len(), 1);
    world.unlink(&first[0]);
    world.pass(0);
    let second = reserved(&world);
    assert!(second.len() == 1 && second != first, "{first:?} {second:?}");
}

#[test]
fn a_node_that_comes_back_too_small_for_what_it_was_kept_free_for_is_open_again() {
    let mut world = World::with(ClusterConfig::default());
    world.add("pi-1", 4);
    world.submit(array(0, 3));
    world.submit(wide(4));
    world.submit(array(0, 9));
    world.pass(60_000);
    assert!(world.cluster.nodes.iter().any(|(_, node)| node.reserved_for.is_some()));
    // The manager has not noticed that its link broke.
    world.link("pi-1", 3, vec![held("1.0#1", true)]);
    assert!(world.cluster.nodes.iter().all(|(_, node)| node.reserved_for.is_none()));
    world.succeeds("pi-1", "1.0#1");
    world.pass(600_000);
    checks::no_cpu_idles(&world.cluster);
    assert_eq!((world.state("2.0"), world.state("3.0")), (TaskState::Queued, TaskState::Starting));
}

#[test]
fn a_wide_task_that_nobody_overtakes_reserves_nothing() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(JobSpec::of(["true"]));
    world.submit(wide(2));
    world.pass(600_000);
    world.submit(JobSpec::of(["true"]));
    assert_eq!(world.state("3.0"), TaskState::Starting);
}

#[test]
fn a_task_no_worker_is_large_enough_for_waits_and_holds_nobody_up() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(wide(64));
    world.submit(array(0, 9));
    world.pass(600_000);
    world.succeeds("pi-1", "2.0#1");
    assert_eq!(world.state("2.2"), TaskState::Starting);
    assert_eq!(world.state("1.0"), TaskState::Queued);
    world.add("big", 64);
    assert_eq!(world.state("1.0"), TaskState::Starting);
}

#[test]
fn a_node_kept_free_takes_what_is_older_when_an_even_older_one_has_begun_elsewhere() {
    let mut world = World::with(ClusterConfig { backlog: Some(0), ..ClusterConfig::default() });
    for (node, slots) in [("pi-0", 4), ("pi-1", 3), ("pi-2", 2)] {
        world.add(node, slots);
    }
    world.submit(pinned("pi-0"));
    world.submit(JobSpec { cpus: 2, ..pinned("pi-0") });
    for (cpus, node) in [(3, "pi-1"), (2, "pi-2")] {
        let job = world.submit(wide(cpus));
        world.started(node, &format!("{job}.0#1"));
    }
    // One more waits for three CPUs, and is overtaken for a minute: a node is kept free for it.
    world.submit(wide(3));
    world.submit(wide(1));
    world.pass(60_000);
    world.succeeds("pi-0", "2.0#1");
    // Two that are older come back into the queue, and the node waits for the first of them.
    world.unlink("pi-1");
    world.unlink("pi-2");
    world.pass(60_000);
    assert_eq!((world.state("3.0"), world.state("4.0")), (TaskState::Queued, TaskState::Queued));
    world.link("pi-1", 3, vec![]);
    let begun = (world.task("3.0").node, world.task("4.0").node, world.state("5.0"));
    assert_eq!(begun, (Some(name("pi-1")), Some(name("pi-0")), TaskState::Queued));
}
