//! Three hundred tasks while manager and agents are killed: every task ends once, with its own code and all of its
//! output.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use common::{Demo, PATIENCE, daemons, folder, signal_pid, until};
use rustix::process::Signal;
use serde_json::Value;

/// A small generator of our own: the same seed kills in the same order.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// Prints a number of lines over a time and ends with a code; all three depend on the index.
const TASK: &str = "i=0; n=$((BRAMBLE_INDEX % 17 + 1)); \
    while [ $i -lt $n ]; do echo \"$BRAMBLE_TASK line $i\"; i=$((i+1)); sleep 0.0$((BRAMBLE_INDEX % 7)); done; \
    echo \"$BRAMBLE_TASK ends\" >&2; exit $((BRAMBLE_INDEX % 5))";

#[test]
fn three_hundred_tasks_end_once_each_while_manager_and_agents_are_killed() {
    let here = folder();
    let demo = Demo::start(here.path(), &["--nodes", "3"]);
    let submitted = demo.json(&["run", "--json", "--array", "0-299", "--", "sh", "-c", TASK]);
    let job = submitted["job"].as_u64().unwrap();
    let mut dice = Dice(0x5eed);
    let mut kills = 0;
    let end = Instant::now() + 3 * PATIENCE;
    loop {
        assert!(Instant::now() < end, "not done in time");
        // While the manager is dead a verb says so; that is not what is tested here.
        let seen = demo.verb(&["job", &job.to_string(), "--json"]);
        if seen.status.success() {
            let seen: Value = serde_json::from_slice(&seen.stdout).unwrap();
            let counts = &seen["counts"];
            if counts["queued"] == 0 && counts["starting"] == 0 && counts["running"] == 0 {
                break;
            }
        }
        // The manager comes back after a second, as under systemd; killed more often it would never be there.
        let victims = match dice.roll(8) {
            0 => daemons(here.path(), "manager"),
            _ => daemons(here.path(), "agent"),
        };
        if !victims.is_empty() {
            signal_pid(victims[dice.roll(victims.len())], Signal::KILL);
            kills += 1;
        }
        std::thread::sleep(Duration::from_millis(200 + dice.roll(500) as u64)); // why: the time between two kills
    }
    assert!(kills >= 10, "only {kills} kills: the tasks are too short to prove anything");
    let listed = until("the manager answers", || {
        let listed = demo.verb(&["task", "ls", &job.to_string(), "--all", "--json"]);
        listed.status.success().then(|| serde_json::from_slice::<Value>(&listed.stdout).unwrap())
    });
    let tasks = listed.get("tasks").unwrap_or(&listed).as_array().unwrap().clone();
    assert_eq!(tasks.len(), 300);
    for task in &tasks {
        let id = task["id"].as_str().unwrap();
        let index: u32 = id.split_once('.').unwrap().1.parse().unwrap();
        assert_eq!(task["code"], index % 5, "{task}");
        assert_eq!(task["attempt"], 1, "no kill of an agent or a manager costs an attempt: {task}");
        let log = demo.verb(&["logs", id]);
        let wanted: String = (0..index % 17 + 1).map(|line| format!("{id} line {line}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&log.stdout), wanted, "{id}");
        assert_eq!(String::from_utf8_lossy(&log.stderr), format!("{id} ends\n"), "{id}");
    }
    // What was told agrees with what is: one end each.
    let events = demo.verb(&["event", "--json", "--since", "1h", "--limit", "10000"]);
    let mut ends: HashMap<String, u32> = HashMap::new();
    for line in String::from_utf8_lossy(&events.stdout).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if let Some(attempt) = event["what"]["task_ended"]["attempt"].as_str() {
            *ends.entry(attempt.into()).or_default() += 1;
        }
    }
    assert_eq!((ends.len(), ends.values().max()), (300, Some(&1)), "ends told: {ends:?}");
    demo.quit();
}
