//! What starts, what waits, and what comes of it.

use protocol::agent::RunOrder;
use protocol::job::NotStarted;
use serde_json::json;

use super::*;

fn id(text: &str) -> AttemptId {
    text.parse().unwrap()
}

fn order(attempt: &str, cpus: u32) -> Order {
    let command = ["true".to_owned()].into();
    Order {
        run: None,
        attempt: id(attempt),
        uid: 1000,
        cpus,
        command,
        env: Default::default(),
        files: Default::default(),
        secrets: Default::default(),
    }
}

fn end(attempt: &str) -> Ended {
    let at = UnixMillis(5);
    Ended {
        attempt: id(attempt),
        outcome: Outcome::Exited(0),
        started_at: Some(at),
        ended_at: at,
        ran_ms: Some(0),
        out_of_memory: false,
    }
}

fn fault(why: &str) -> Outcome {
    Outcome::NotStarted { kind: NotStarted::Fault, message: why.into() }
}

fn begun(desk: &mut Desk) -> Vec<String> {
    std::iter::from_fn(|| desk.next()).map(|order| order.attempt.to_string()).collect()
}

#[test]
fn a_large_order_is_not_overtaken_by_small_ones_behind_it() {
    let mut desk = Desk::new(4);
    for (attempt, cpus) in [("1.0#1", 3), ("1.1#1", 4), ("1.2#1", 1), ("1.3#1", 1)] {
        desk.order(order(attempt, cpus), |_| true);
    }
    assert_eq!(begun(&mut desk), ["1.0#1"]);
    assert!(desk.ended(end("1.0#1")));
    assert_eq!(begun(&mut desk), ["1.1#1"]);
    assert!(desk.ended(end("1.1#1")));
    assert_eq!(begun(&mut desk), ["1.2#1", "1.3#1"]);
}

#[test]
fn an_order_larger_than_the_node_takes_all_of_it() {
    let mut desk = Desk::new(2);
    desk.order(order("1.0#1", 4096), |_| true);
    desk.order(order("1.1#1", 1), |_| true);
    assert_eq!(begun(&mut desk), ["1.0#1"]);
    desk.ended(end("1.0#1"));
    assert_eq!(begun(&mut desk), ["1.1#1"]);
}

#[test]
fn an_order_repeated_runs_once() {
    let mut desk = Desk::new(4);
    desk.order(order("1.0#1", 1), |_| true);
    desk.order(order("1.0#1", 1), |_| true);
    assert_eq!(begun(&mut desk), ["1.0#1"]);
    desk.order(order("1.0#1", 1), |_| true);
    desk.ended(end("1.0#1"));
    desk.order(order("1.0#1", 1), |_| true);
    assert_eq!(begun(&mut desk), [] as [&str; 0]);
    assert_eq!(desk.held(UnixMillis(1)).len(), 1);
}

#[test]
fn what_is_adopted_holds_as_many_slots_as_before() {
    let mut desk = Desk::new(4);
    let note = serde_json::json!({"cpus": 3});
    desk.adopt(Kept { attempt: id("1.0#1"), pid: Some(7), started_at: UnixMillis(1), ended: None, note });
    desk.order(order("1.1#1", 2), |_| true);
    assert_eq!(begun(&mut desk), [] as [&str; 0]);
    assert!(desk.ended(end("1.0#1")));
    assert_eq!(begun(&mut desk), ["1.1#1"]);
}

#[test]
fn only_what_has_not_started_is_given_back() {
    let mut desk = Desk::new(1);
    desk.order(order("1.0#1", 1), |_| true);
    desk.order(order("1.1#1", 1), |_| true);
    begun(&mut desk);
    assert!(!desk.recall(id("1.0#1")));
    assert!(desk.recall(id("1.1#1")) && !desk.holds(id("1.1#1")));
    assert!(desk.recall(id("9.9#9")), "it is not here, and never will be again");
}

#[test]
fn stopping_what_waits_ends_it_and_the_next_moves_up() {
    let mut desk = Desk::new(1);
    for attempt in ["1.0#1", "1.1#1", "1.2#1"] {
        desk.order(order(attempt, 1), |_| true);
    }
    begun(&mut desk);
    assert_eq!(desk.stop(id("1.1#1"), "by ana".into(), UnixMillis(9)), Act::Report);
    assert_eq!(desk.end_of(id("1.1#1")).unwrap().outcome, Outcome::Stopped { reason: "by ana".into() });
    assert_eq!(desk.stop(id("1.0#1"), "by ana".into(), UnixMillis(9)), Act::Stop);
    assert_eq!(desk.stop(id("7.0#1"), "by ana".into(), UnixMillis(9)), Act::Nothing);
    desk.ended(end("1.0#1"));
    assert_eq!(begun(&mut desk), ["1.2#1"]);
    assert_eq!(desk.stop(id("1.0#1"), "by ana".into(), UnixMillis(9)), Act::Settle { came_true: false });
    assert_eq!(desk.stop(id("1.1#1"), "by ana".into(), UnixMillis(9)), Act::Settle { came_true: true });
    assert_eq!(desk.ack(id("1.1#1")), Some(Forget { keeper: false }), "the keeper never had it");
    assert_eq!(desk.ack(id("1.0#1")), Some(Forget { keeper: true }));
    assert_eq!(desk.ack(id("1.2#1")), None, "an ack kills nothing");
}

#[test]
fn what_is_discarded_holds_its_slots_until_it_is_dead_and_is_reported_to_nobody() {
    let mut desk = Desk::new(1);
    desk.order(order("1.0#1", 1), |_| true);
    desk.order(order("1.1#1", 1), |_| true);
    begun(&mut desk);
    assert_eq!(desk.discard(id("1.0#1")), Discard::Kill);
    assert_eq!(desk.discard(id("1.0#1")), Discard::Nothing);
    assert_eq!(begun(&mut desk), [] as [&str; 0]);
    assert!(!desk.ended(end("1.0#1")));
    assert_eq!(begun(&mut desk), ["1.1#1"]);
    desk.ended(end("1.1#1"));
    assert_eq!(desk.discard(id("1.1#1")), Discard::Forget(Forget { keeper: true }));
    assert!(desk.held(UnixMillis(1)).is_empty());
}

#[test]
fn a_lost_link_drops_what_waits_and_keeps_the_rest() {
    let mut desk = Desk::new(1);
    for attempt in ["1.0#1", "1.1#1"] {
        desk.order(order(attempt, 1), |_| true);
    }
    begun(&mut desk);
    desk.unlinked();
    assert_eq!(desk.held(UnixMillis(1)).iter().map(|held| held.attempt).collect::<Vec<_>>(), [id("1.0#1")]);
    desk.order(order("1.1#1", 1), |_| true);
    desk.ended(end("1.0#1"));
    assert_eq!(begun(&mut desk), ["1.1#1"]);
}

#[test]
fn what_could_not_be_prepared_is_a_fault_of_ours() {
    let mut desk = Desk::new(1);
    desk.order(order("1.0#1", 1), |_| true);
    begun(&mut desk);
    desk.failed(id("1.0#1"), fault("no space"), UnixMillis(3));
    assert_eq!(desk.end_of(id("1.0#1")).unwrap().outcome.code(), Some(125));
    assert!(desk.is_idle());
}

fn content(number: u8) -> Content {
    Content::of(&given(number))
}

fn given(number: u8) -> Given {
    Given {
        name: format!("file {number}").parse().unwrap(),
        kind: protocol::file::FileKind::File,
        size: u64::from(number) * 10,
        hash: protocol::file::ContentHash([number; 32]),
        executable: false,
        writable: false,
    }
}

/// One that is given these, of which this node has none but those.
fn give(desk: &mut Desk, attempt: &str, files: &[u8], has: &[u8]) {
    let files = files.iter().map(|number| given(*number)).collect();
    desk.order(Order { files, ..order(attempt, 1) }, |wanted| has.iter().any(|number| content(*number) == wanted));
}

#[test]
fn who_lacks_a_file_is_passed_by_takes_no_slot_and_keeps_its_place() {
    let mut desk = Desk::new(1);
    give(&mut desk, "1.0#1", &[1, 2], &[]);
    for attempt in ["1.1#1", "1.2#1"] {
        desk.order(order(attempt, 1), |_| true);
    }
    assert_eq!((desk.ready(), desk.waiting()), (2, 3));
    assert_eq!(desk.missing().collect::<Vec<_>>(), [(content(1), 10, id("1.0#1")), (content(2), 20, id("1.0#1"))]);
    assert_eq!(begun(&mut desk), ["1.1#1"]);
    desk.arrived(content(1));
    desk.ended(end("1.1#1"));
    assert!(desk.is_missed(content(2)) && !desk.is_missed(content(1)));
    desk.arrived(content(2));
    assert_eq!(begun(&mut desk), ["1.0#1"], "it was here first");
    assert_eq!(desk.placed(id("1.0#1"), UnixMillis(1)), Placed::Start);
    desk.ended(end("1.0#1"));
    assert_eq!(begun(&mut desk), ["1.2#1"]);
}

#[test]
fn one_arrival_serves_all_who_wait_for_it() {
    let mut desk = Desk::new(4);
    give(&mut desk, "1.0#1", &[1], &[]);
    give(&mut desk, "1.1#1", &[1, 2], &[2]);
    give(&mut desk, "1.2#1", &[2], &[2]);
    assert_eq!(begun(&mut desk), ["1.2#1"]);
    assert_eq!(desk.missed_by(content(1)), [id("1.0#1"), id("1.1#1")]);
    desk.arrived(content(1));
    assert_eq!(begun(&mut desk), ["1.0#1", "1.1#1"]);
    assert_eq!(desk.missing().count(), 0);
}

#[test]
fn who_lacks_a_file_never_ran() {
    let mut desk = Desk::new(4);
    for attempt in ["1.0#1", "1.1#1", "1.2#1", "1.3#1"] {
        give(&mut desk, attempt, &[1], &[]);
    }
    assert_eq!(desk.stop(id("1.0#1"), "by ana".into(), UnixMillis(9)), Act::Report);
    assert_eq!(desk.end_of(id("1.0#1")).unwrap().started_at, None);
    assert!(desk.recall(id("1.1#1")));
    assert_eq!(desk.discard(id("1.2#1")), Discard::Nothing);
    assert!(desk.is_missed(content(1)), "by the last of them");
    assert_eq!(desk.held(UnixMillis(1)).len(), 1, "only what ended");
    desk.unlinked();
    assert!(!desk.is_missed(content(1)) && desk.missing().next().is_none());
    assert_eq!((desk.waiting(), desk.ready()), (0, 0));
    give(&mut desk, "1.3#1", &[1], &[1]);
    assert_eq!(begun(&mut desk), ["1.3#1"], "sent again");
}

#[test]
fn what_is_not_to_be_had_ends_who_wants_it_and_nobody_else() {
    let mut desk = Desk::new(4);
    give(&mut desk, "1.0#1", &[1], &[]);
    give(&mut desk, "1.1#1", &[1, 2], &[]);
    assert!(desk.cannot_have(id("1.0#1"), fault("it is gone"), UnixMillis(3)));
    assert!(!desk.cannot_have(id("1.0#1"), fault("it is gone"), UnixMillis(3)), "told already");
    assert_eq!(desk.end_of(id("1.0#1")).unwrap().outcome.code(), Some(125));
    assert_eq!(desk.missed_by(content(1)), [id("1.1#1")]);
    assert_eq!(desk.name_of(id("1.1#1"), content(2)).as_deref(), Some("file 2"));
    assert!(desk.is_idle());
}

#[test]
fn what_happens_while_files_are_placed_counts_when_they_are() {
    let mut desk = Desk::new(4);
    for attempt in ["1.0#1", "1.1#1", "1.2#1"] {
        give(&mut desk, attempt, &[1], &[1]);
    }
    assert_eq!(begun(&mut desk).len(), 3);
    assert!(!desk.recall(id("1.0#1")), "it is about to start");
    assert_eq!(desk.stop(id("1.0#1"), "by ana".into(), UnixMillis(9)), Act::Nothing);
    assert_eq!(desk.discard(id("1.1#1")), Discard::Nothing);
    assert!(desk.is_starting(id("1.0#1")) && !desk.is_starting(id("1.1#1")));
    assert_eq!(desk.placed(id("1.0#1"), UnixMillis(9)), Placed::Report);
    assert_eq!(desk.end_of(id("1.0#1")).unwrap().outcome, Outcome::Stopped { reason: "by ana".into() });
    assert_eq!(desk.placed(id("1.1#1"), UnixMillis(9)), Placed::Forget);
    assert!(!desk.holds(id("1.1#1")) && !desk.is_idle());
    assert_eq!(desk.placed(id("1.2#1"), UnixMillis(9)), Placed::Start);
    desk.ended(end("1.2#1"));
    assert!(desk.is_idle());
}

#[test]
fn what_is_placed_while_the_link_breaks_goes_on_only_where_it_is_ordered_again() {
    let mut desk = Desk::new(4);
    for attempt in ["1.0#1", "1.1#1", "1.2#1"] {
        give(&mut desk, attempt, &[1], &[1]);
    }
    assert_eq!(begun(&mut desk).len(), 3);
    desk.stop(id("1.2#1"), "by ana".into(), UnixMillis(9));
    desk.unlinked();
    assert!(desk.held(UnixMillis(1)).is_empty(), "nobody but us knows of them, and we may die");
    give(&mut desk, "1.1#1", &[1], &[1]);
    assert_eq!(begun(&mut desk), [""; 0], "it is under way");
    assert_eq!(desk.placed(id("1.0#1"), UnixMillis(9)), Placed::Forget);
    assert_eq!(desk.placed(id("1.1#1"), UnixMillis(9)), Placed::Start);
    assert_eq!(desk.placed(id("1.2#1"), UnixMillis(9)), Placed::Report);
    desk.ended(end("1.1#1"));
    assert!(desk.is_idle() && !desk.holds(id("1.0#1")));
}

#[test]
fn what_waits_or_runs_needs_its_files_and_what_has_ended_does_not() {
    let mut desk = Desk::new(1);
    give(&mut desk, "1.0#1", &[1], &[1]);
    give(&mut desk, "1.1#1", &[2], &[]);
    give(&mut desk, "1.2#1", &[3], &[3]);
    assert_eq!(begun(&mut desk), ["1.0#1"]);
    assert_eq!(desk.needed(), [1, 2, 3].map(content).into());
    desk.placed(id("1.0#1"), UnixMillis(1));
    assert_eq!(desk.needed(), [1, 2, 3].map(content).into());
    desk.ended(end("1.0#1"));
    desk.recall(id("1.2#1"));
    assert_eq!(desk.needed(), [content(2)].into());
}

fn run(attempt: &str) -> Order {
    let run = RunOrder { root: false, script: None, stdin: Default::default(), timeout_ms: None };
    Order { run: Some(Arc::new(run)), ..order(attempt, 1) }
}

fn kept(attempt: &str, note: serde_json::Value) -> Kept {
    Kept { attempt: id(attempt), pid: Some(7), started_at: UnixMillis(5), ended: None, note }
}

#[test]
fn a_run_starts_at_once_beside_full_slots_and_takes_none() {
    let mut desk = Desk::new(1);
    desk.order(order("1.0#1", 1), |_| true);
    desk.order(order("1.1#1", 1), |_| true);
    desk.order(run("2.0#1"), |_| true);
    desk.order(run("2.0#1"), |_| true);
    assert_eq!(begun(&mut desk), ["2.0#1", "1.0#1"]);
    assert!(desk.is_run(id("2.0#1")) && !desk.is_run(id("1.0#1")));
    assert!(desk.ended(end("1.0#1")));
    assert_eq!(begun(&mut desk), ["1.1#1"], "its slot is not the run's");
    assert!(desk.ended(end("1.1#1")) && !desk.is_idle());
    assert!(desk.ended(end("2.0#1")) && desk.is_idle());
    assert!(desk.is_run(id("2.0#1")), "known until it is acked: it leaves no result");
}

#[test]
fn more_runs_than_any_person_means_wait_and_can_be_stopped_recalled_and_given_up() {
    let mut desk = Desk::new(1);
    let name = |index: usize| format!("2.{index}#1");
    for index in 0..MOST_RUNS + 5 {
        desk.order(run(&name(index)), |_| true);
    }
    assert_eq!(begun(&mut desk).len(), MOST_RUNS);
    desk.order(order("1.0#1", 1), |_| true);
    assert_eq!(begun(&mut desk), ["1.0#1"], "tasks do not wait for runs");
    let stopped = id(&name(MOST_RUNS));
    assert!(matches!(desk.stop(stopped, "by ana".into(), UnixMillis(9)), Act::Report));
    assert!(desk.recall(id(&name(MOST_RUNS + 1))));
    assert!(matches!(desk.discard(id(&name(MOST_RUNS + 2))), Discard::Nothing));
    assert_eq!(begun(&mut desk), [""; 0]);
    assert!(desk.ended(end(&name(0))));
    assert_eq!(begun(&mut desk), [name(MOST_RUNS + 3)]);
    // What only waits is nobody's when the link is gone; what runs is held.
    desk.unlinked();
    let held: Vec<AttemptId> = desk.held(UnixMillis(9)).into_iter().map(|held| held.attempt).collect();
    assert!(!desk.holds(id(&name(MOST_RUNS + 4))) && held.contains(&id(&name(1))), "{held:?}");
    assert!(desk.ended(end(&name(1))));
    assert_eq!(begun(&mut desk), [""; 0]);
}

#[test]
fn a_run_from_before_this_agent_is_still_one() {
    let mut desk = Desk::new(1);
    desk.adopt(kept("2.0#1", json!({ "run": true })));
    desk.order(order("1.0#1", 1), |_| true);
    assert_eq!(begun(&mut desk), ["1.0#1"]);
    assert!(desk.is_run(id("2.0#1")));
    desk.discard(id("2.0#1"));
    assert!(!desk.ended(end("2.0#1")), "it was discarded");
    assert!(desk.ended(end("1.0#1")) && desk.is_idle());
}
