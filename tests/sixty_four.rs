//! Sixty-four real workers on one machine, each a keeper and an agent of its own, and one manager.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use common::screen::Terminal;
use common::{BRAMBLE, Demo, daemons, demo_command, folder, signal_pid, until};
use rustix::process::Signal;
use serde_json::Value;

const NODES: usize = 64;
/// From the death of the manager to all nodes being back; one second of it is the pause before it is started again.
/// Unoptimised, the arithmetic of 64 log-ins alone keeps two cores busy for about as long. What is shipped is measured by
/// `cargo xtask bench spine`.
const BACK: Duration = Duration::from_secs(if cfg!(debug_assertions) { 12 } else { 3 });
/// In ms; see `link::Guard`.
const WAIT_AT_THE_DOOR: u64 = 5_000;
/// With 64 nodes and 100,000 tasks that wait.
const MEMORY: u64 = 60_000_000;

fn names_up(demo: &Demo) -> BTreeSet<String> {
    let nodes = demo.json(&["node", "ls", "--json"]);
    let nodes = nodes.get("nodes").unwrap_or(&nodes).as_array().unwrap().clone();
    let workers = nodes.iter().filter(|node| node["role"] == "worker" && node["state"] == "up");
    workers.map(|node| node["name"].as_str().unwrap().to_owned()).collect()
}

/// What events say since the manager was started last: the number of that event, and after how many ms each node was up.
fn returns(demo: &Demo) -> Option<(u64, Vec<u64>)> {
    let told = demo.verb(&["event", "--json", "--since", "1h", "--limit", "2000"]);
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = events.iter().rposition(|event| event["what"].get("manager_started").is_some())?;
    let at = |event: &Value| event["at"].as_u64().unwrap();
    let up = |event: &&Value| event["what"].get("node_up").is_some();
    let mut after: Vec<u64> = events[last..].iter().filter(up).map(|event| at(event) - at(&events[last])).collect();
    after.sort_unstable();
    Some((events[last]["no"].as_u64().unwrap(), after))
}

fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    };
    // Of an unoptimised binary more pages are read than of the one that is shipped, and they are no memory of its own.
    if cfg!(debug_assertions) { line("RssAnon:") } else { line("VmRSS:") }
}

#[test]
fn sixty_four_workers_are_in_one_view_and_back_soon_when_their_manager_was_killed() {
    let here = folder();
    let mut command = demo_command(here.path(), &["--nodes", &NODES.to_string()]);
    // Whoever is turned away at the door is told so there, and written down only so.
    command.env("BRAMBLE_LOG", "info,link=debug");
    let demo = Demo::from(command, here.path()).unwrap();
    let wanted: BTreeSet<String> = (1..=NODES).map(|n| format!("pi-{n}")).collect();
    assert_eq!(names_up(&demo), wanted);

    // The console tells how many there are.
    let mut console = std::process::Command::new(BRAMBLE);
    console.arg("--manager").arg(format!("unix://{}", demo.socket().display()));
    let terminal = Terminal::sized(console, 120, 40);
    terminal.until_shows("64");
    terminal.keys("q");
    terminal.ends();

    // Nobody has so many CPUs: all of it waits.
    let queued = demo.json(&["run", "--json", "--array", "0-99999", "--cpus", "4096", "--", "true"]);
    assert_eq!(queued["tasks"], 100_000);
    let [manager] = daemons(here.path(), "manager")[..] else { panic!("not one manager") };
    let memory = resident(manager);
    assert!(memory <= MEMORY, "the manager takes {} MB of its own", memory / 1_000_000);

    // A link that has lasted is dialled again soon.
    std::thread::sleep(Duration::from_secs(11)); // why: its age is what the pace of dialling depends on
    let (first, _) = returns(&demo).unwrap();
    let killed = Instant::now();
    signal_pid(manager, Signal::KILL);
    // Whom the old one still answers hears of the old start.
    let (_, after) = until("all are back", || returns(&demo).filter(|(no, after)| *no > first && after.len() == NODES));
    let back = killed.elapsed();
    assert_eq!(names_up(&demo), wanted);
    let restart = back.saturating_sub(Duration::from_millis(after[NODES - 1]));
    eprintln!(
        "all {NODES} back after {back:?}, {restart:?} of it without a manager; after its start, in ms: {after:?}"
    );
    assert!(back <= BACK, "the last of {NODES} was back after {back:?}: {after:?}");
    // Not in one burst: in no tenth of a second as many as half of them.
    let most = after.iter().map(|from| after.iter().filter(|at| (*from..from + 100).contains(at)).count()).max();
    assert!(most < Some(NODES / 2), "{most:?} of {NODES} within 100 ms: {after:?}");
    let log = std::fs::read_to_string(here.path().join("logs/manager.log")).unwrap();
    assert!(log.contains("logged in"), "the log does not tell who comes");
    // Only who has waited for a place in vain is: on a machine that does not get so many log-ins done in that time.
    let in_vain = after.iter().filter(|at| **at > WAIT_AT_THE_DOOR).count();
    let turned_away = log.matches("turned away").count();
    assert!(turned_away <= in_vain, "the limits for strangers were in the way of {turned_away} nodes: {after:?}");
    let memory = resident(daemons(here.path(), "manager")[0]);
    assert!(memory <= MEMORY, "the manager takes {} MB of its own after its restart", memory / 1_000_000);
    let job = queued["job"].as_u64().unwrap().to_string();
    assert_eq!(demo.json(&["job", &job, "--json"])["counts"]["queued"], 100_000);
    // A demo that is quit does not wait for so many.
    let stopped = demo.verb(&["stop", &job]);
    assert!(stopped.status.success(), "{}", common::said(&stopped));
    demo.quit();
}
