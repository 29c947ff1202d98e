//! Which seeds are run: a thousand small worlds and ten large ones with every run of the tests, any others by
//! `cargo xtask simulate`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::rest::Outcome;
use super::world::Sim;

fn run(seed: u64, nodes: Option<usize>) -> Outcome {
    Sim::new(seed, nodes, false).live()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn one_seed() {
    let Some(seed) = number("BRAMBLE_SIMULATE_SEED") else { return };
    let nodes = number("BRAMBLE_SIMULATE_NODES").map(|n| n as usize);
    let mut sim = Sim::new(seed, nodes, true);
    let outcome = catch_unwind(AssertUnwindSafe(|| sim.live()));
    for line in &sim.trace.lines {
        println!("{line}");
    }
    println!("{outcome:?}");
    assert!(outcome.is_ok());
}

#[test]
fn many() {
    let first = number("BRAMBLE_SIMULATE_FIRST").unwrap_or(0);
    let count = number("BRAMBLE_SIMULATE_SEEDS").unwrap_or(200);
    let nodes = number("BRAMBLE_SIMULATE_NODES").map(|n| n as usize);
    std::panic::set_hook(Box::new(|info| println!("PANIC {}", info.to_string().chars().take(500).collect::<String>().replace('\n', " | "))));
    let begun = std::time::Instant::now();
    let (mut turns, mut tasks, mut failed) = (0, 0, vec![]);
    for seed in first..first + count {
        match catch_unwind(|| run(seed, nodes)) {
            Ok(outcome) => {
                turns += outcome.turns;
                tasks += outcome.tasks;
            }
            Err(_) => { println!("SEED {seed}"); failed.push(seed) },
        }
    }
    println!("{count} seeds, {turns} turns, {tasks} tasks in {:?}", begun.elapsed());
    assert!(failed.is_empty(), "{failed:?}");
}
