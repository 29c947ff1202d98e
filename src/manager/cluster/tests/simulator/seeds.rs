//! Which seeds are run: 990 small worlds and ten of 500 machines with every run of the tests, in shares, so that all
//! cores have some; any others by `cargo xtask simulate`, which says so in the environment. A seed of which the plan is
//! printed can be replayed with all that happened.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::rest::Outcome;
use super::world::Sim;

const SMALL: u64 = 990;
const LARGE: u64 = 10;
const LARGE_NODES: usize = 500;
/// Then it is time to look at them.
const MOST_FAILURES: usize = 5;
/// Lines of the end of a failed world that are shown unasked.
const LAST_WORDS: usize = 40;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn nodes_asked() -> Option<usize> {
    number("BRAMBLE_SIMULATE_NODES").and_then(|nodes| usize::try_from(nodes).ok())
}

/// Whether a test is to leave it to [`what_was_asked_for`].
fn something_was_asked() -> bool {
    ["SEEDS", "SEED"].iter().any(|name| std::env::var_os(format!("BRAMBLE_SIMULATE_{name}")).is_some())
}

fn replay(seed: u64, nodes: Option<usize>) -> String {
    let nodes = nodes.map(|nodes| format!(" --nodes {nodes}")).unwrap_or_default();
    format!("cargo xtask simulate{nodes} --seed {seed}")
}

/// All that happened in a world, with what was wrong in the end.
fn story(seed: u64, nodes: Option<usize>) -> (Vec<String>, Result<Outcome, String>) {
    let mut sim = Sim::new(seed, nodes, true);
    let outcome = catch_unwind(AssertUnwindSafe(|| sim.live()));
    (sim.trace.lines, outcome.map_err(reason))
}

fn reason(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

/// Lives through all of them; fails with the first few that broke a promise, and how to see them again.
fn all_hold(seeds: impl Iterator<Item = u64>, nodes: Option<usize>) -> (u64, Outcome) {
    let (mut held, mut all, mut broken) = (0, Outcome::default(), vec![]);
    for seed in seeds {
        match catch_unwind(|| Sim::new(seed, nodes, false).live()) {
            Ok(outcome) => {
                held += 1;
                all.turns += outcome.turns;
                all.tasks += outcome.tasks;
                all.sum ^= outcome.sum;
            }
            Err(panic) => broken.push((seed, reason(panic))),
        }
        if broken.len() == MOST_FAILURES {
            break;
        }
    }
    if let Some((first, _)) = broken.first() {
        let (lines, _) = story(*first, nodes);
        println!("\nthe end of seed {first}:");
        lines.iter().skip(lines.len().saturating_sub(LAST_WORDS)).for_each(|line| println!("{line}"));
    }
    for (seed, reason) in &broken {
        println!("\nseed {seed}: {reason}\n  all of it: {}", replay(*seed, nodes));
    }
    let seeds: Vec<u64> = broken.iter().map(|(seed, _)| *seed).collect();
    assert!(seeds.is_empty(), "promises were broken in the worlds of seeds {seeds:?}");
    (held, all)
}

fn share(of: u64, shares: u64, which: u64, nodes: Option<usize>) {
    if !something_was_asked() {
        all_hold((0..of).filter(|seed| seed % shares == which), nodes);
    }
}

macro_rules! shares {
    ($($name:ident: $of:expr, $which:expr, $shares:expr, $nodes:expr;)*) => {
        $(#[test]
        fn $name() {
            share($of, $shares, $which, $nodes);
        })*
    };
}

shares! {
    small_worlds_1: SMALL, 0, 6, None;
    small_worlds_2: SMALL, 1, 6, None;
    small_worlds_3: SMALL, 2, 6, None;
    small_worlds_4: SMALL, 3, 6, None;
    small_worlds_5: SMALL, 4, 6, None;
    small_worlds_6: SMALL, 5, 6, None;
    large_worlds_1: LARGE, 0, 5, Some(LARGE_NODES);
    large_worlds_2: LARGE, 1, 5, Some(LARGE_NODES);
    large_worlds_3: LARGE, 2, 5, Some(LARGE_NODES);
    large_worlds_4: LARGE, 3, 5, Some(LARGE_NODES);
    large_worlds_5: LARGE, 4, 5, Some(LARGE_NODES);
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 7_000..7_006 {
        let (one, again) = (story(seed, None), story(seed, None));
        assert_eq!(one, again);
        let (lines, outcome) = one;
        assert!(lines.len() > 50);
        let quietly = Sim::new(seed, None, false).live();
        assert_eq!(Ok(quietly), outcome, "whether somebody listens changes nothing");
        assert_ne!(quietly.sum, Sim::new(seed + 1, None, false).live().sum);
    }
}

/// By `cargo xtask simulate`: so many seeds on all cores, or one of which everything is told.
#[test]
fn what_was_asked_for() {
    let nodes = nodes_asked();
    if let Some(seeds) = number("BRAMBLE_SIMULATE_SEEDS") {
        many(number("BRAMBLE_SIMULATE_SEED").unwrap_or(0), seeds, nodes);
    } else if let Some(seed) = number("BRAMBLE_SIMULATE_SEED") {
        let (lines, outcome) = story(seed, nodes);
        lines.iter().for_each(|line| println!("{line}"));
        match outcome {
            Ok(Outcome { sum, turns, tasks }) => {
                println!("\nseed {seed}: every promise held; {turns} turns, {tasks} tasks, trace {sum:016x}");
            }
            Err(reason) => panic!("seed {seed}: {reason}"),
        }
    }
}

fn many(first: u64, seeds: u64, nodes: Option<usize>) {
    let (begun, next) = (Instant::now(), AtomicU64::new(first));
    let all = Mutex::new((0, Outcome::default()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let held = std::thread::scope(|scope| {
        let taking = || {
            let taken = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < first + seeds);
            let (held, outcome) = all_hold(std::iter::from_fn(taken), nodes);
            let mut all = all.lock().unwrap();
            all.0 += held;
            all.1.turns += outcome.turns;
            all.1.tasks += outcome.tasks;
            all.1.sum ^= outcome.sum;
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(taking)).collect();
        let ended: Vec<bool> = threads.into_iter().map(|thread| thread.join().is_ok()).collect();
        ended.into_iter().all(|held| held)
    });
    let (count, Outcome { sum, turns, tasks }) = *all.lock().unwrap();
    println!("\n{count} of {seeds} worlds from seed {first} on kept every promise, in {:.1?}", begun.elapsed());
    println!("{turns} turns of the core, {tasks} tasks, traces {sum:016x}");
    assert!(held, "promises were broken");
}
