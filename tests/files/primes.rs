//! The example that the README shows, as people run it: a job whose parts run side by side and are put together again, on
//! a demo, and on nodes of which one dies in the middle.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;

use crate::common::{BRAMBLE, Demo, folder, processes_of, said, signal_pid, until};
use crate::place::Place;

/// What one process finds.
fn primes(low: usize, high: usize) -> String {
    let mut is_prime = vec![true; high];
    is_prime[..2].fill(false);
    let mut divisor = 2;
    while divisor * divisor < high {
        if is_prime[divisor] {
            (divisor * divisor..high).step_by(divisor).for_each(|multiple| is_prime[multiple] = false);
        }
        divisor += 1;
    }
    (low..high).filter(|n| is_prime[*n]).map(|n| format!("{n}\n")).collect()
}

fn submission() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/primes/primes.toml")
}

fn submit(socket: &Path, here: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(BRAMBLE);
    command.arg("--manager").arg(format!("unix://{}", socket.display())).arg("submit").arg(submission());
    command.args(words).current_dir(here).stdin(Stdio::null());
    command.output().unwrap()
}

/// What was put together, wherever its folder is: the last task of the job has it.
fn put_together(collected: &Path) -> String {
    let folders = std::fs::read_dir(collected).unwrap().map(|found| found.unwrap().path());
    let mut found: Vec<String> =
        folders.filter_map(|task| std::fs::read_to_string(task.join("out/result")).ok()).collect();
    assert_eq!(found.len(), 1, "in {}", collected.display());
    found.remove(0)
}

#[test]
fn a_demo_finds_the_primes_that_a_single_process_finds() {
    let here = folder();
    let demo = Demo::start(&here.path().join("demo"), &["--nodes", "3"]);
    let done = submit(&demo.socket(), here.path(), &["--wait", "--collect", "came"]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(put_together(&here.path().join("came")) == primes(1_000_000, 2_000_000), "they are not the same");
    demo.quit();
}

#[test]
fn they_are_the_same_where_a_node_dies_half_way_and_the_manager_too() {
    let mut place = Place::with("lease = \"5s\"\nkeepalive = \"1s\"\n");
    let mut workers: Vec<_> = ["pi-1", "pi-2", "pi-3"].map(|name| place.worker(name)).into();
    let done = submit(&place.socket(), &place.work(), &["--json"]);
    assert!(done.status.success(), "{}", said(&done));
    // It may be quicker than we look: then what it has done counts, and nothing runs twice.
    until("something has come to the first", || {
        let listed = place.manager().json(&["task", "ls", "1", "--json"]);
        listed.as_array()?.iter().any(|task| task["node"] == "pi-1").then_some(())
    });
    let dead = workers.remove(0);
    for line in processes_of(&dead.state) {
        signal_pid(line.split(' ').next().unwrap().parse().unwrap(), Signal::KILL);
    }
    place.kill_and_keep_the_port();
    place.start();
    let done = place.manager().verb(&["wait", "1"]);
    assert!(done.status.success(), "{}", said(&done));
    let done = place.manager().verb(&["result", "get", "1", "-o", &place.path("came").display().to_string()]);
    assert!(done.status.success(), "{}", said(&done));
    assert!(put_together(&place.path("came")) == primes(1_000_000, 2_000_000), "they are not the same");
}
