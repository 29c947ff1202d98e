//! What is done to jobs and nodes: asked about where it cannot be brought back, shown, undone.

use crate::common::screen::Terminal;
use crate::common::{Demo, folder, until};
use crate::desk::{console, copied, job, lit};

#[test]
fn work_is_stopped_and_run_again_nodes_are_drained_and_taken_back() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    let long = job(&demo, "running", &["--node", "pi-1", "--", "sleep", "1000"]);
    let short = job(&demo, "succeeded", &["--", "echo", "over at once"]);
    assert_eq!((&*long, &*short), ("1", "2"));
    let state_of = |id: &str| demo.json(&["job", id, "--json"])["state"].as_str().unwrap().to_owned();
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &[]), 130, 36);
    terminal.until_shows("● 2 up");

    // The harmless answer is first, and every other way out is harmless too.
    terminal.keys("2");
    terminal.until("the newest job under the cursor", |screen| lit(screen, "over at once"));
    terminal.keys("j");
    terminal.until("the older job under the cursor", |screen| lit(screen, "sleep 1000"));
    for no in ["<enter>", "<esc>", "q"] {
        terminal.keys("x");
        terminal.until_shows("Stop 1?");
        terminal.until_shows("[ Cancel ]");
        terminal.keys(no);
        terminal.until_gone("Stop 1?");
    }
    assert_eq!(state_of(&long), "running");
    terminal.keys("x");
    terminal.until_shows("[ Cancel ]");
    terminal.keys("<tab>");
    terminal.until_shows("[ Stop ]");
    terminal.keys("<enter>");
    terminal.until_shows("stop of 1 asked");
    until("the end", || (state_of(&long) == "stopped").then_some(()));
    terminal.until_shows("■ 1 ");
    terminal.keys("=");
    let named = format!("bramble --manager unix://{}", demo.socket().display());
    terminal.until_shows("stop 1   (copied)");
    terminal.until_sent(&copied(&format!("{named} stop 1")));

    terminal.keys("<esc>");
    terminal.until_gone("(copied)");
    terminal.keys("r");
    terminal.until_shows("1 queued again");
    terminal.until_gone("■ 1 ");
    until("a new beginning", || (state_of(&long) == "running").then_some(()));

    // Several at once.
    terminal.keys("<c-a>");
    terminal.until_shows("2 marked");
    terminal.keys("x");
    terminal.until_shows("Stop 1 and 2?");
    terminal.keys("<esc>");
    terminal.until_gone("Stop 1 and 2?");
    terminal.keys("A");
    terminal.until_gone("2 marked");
    terminal.keys("gg<space>");
    terminal.until_shows("1 marked");
    terminal.keys("A");
    terminal.until_gone("1 marked");
    terminal.keys("gg");
    terminal.until("the first row under the cursor", |screen| lit(screen, "over at once"));
    terminal.keys("y");
    terminal.until_sent(&copied("2"));

    // Nodes.
    let draining = |node: &str| demo.json(&["node", node, "--json"])["draining"] == true;
    terminal.keys("1/pi-1<enter>");
    terminal.until_shows("nodes 1 /pi-1");
    terminal.keys("d");
    terminal.until_shows("pi-1 takes no new tasks · u undoes it");
    assert!(draining("pi-1"));
    terminal.until_shows("◒ draining");
    terminal.keys("u");
    terminal.until_shows("pi-1 takes tasks again");
    assert!(!draining("pi-1"));
    terminal.until_gone("◒ draining");
    terminal.keys("=");
    terminal.until_shows("node undrain pi-1");
    terminal.keys("<esc>");
    terminal.until_gone("node undrain pi-1");
    terminal.keys("<esc>");
    terminal.until_gone("/pi-1");
    terminal.keys(":drain pi-2<enter>");
    terminal.until_shows("pi-2 takes no new tasks");
    assert!(draining("pi-2"));
    terminal.keys("!");
    terminal.until_shows(": run");
    terminal.keys("echo from the palette<enter>");
    terminal.until_shows("job 3 submitted");
    until("its end", || (state_of("3") == "succeeded").then_some(()));
    assert_eq!(demo.verb(&["logs", "3.0"]).stdout, b"from the palette\n");
    terminal.keys("Q");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn a_console_that_only_looks_changes_nothing() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    job(&demo, "running", &["--", "sleep", "1000"]);
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &["--read-only"]), 110, 32);
    terminal.until_shows("● 1 up");
    for (keys, action) in [("2x", "stop"), ("r", "retry"), ("1d", "drain"), ("R", "reboot"), ("a", "add-node")] {
        terminal.keys(keys);
        terminal.until_shows(&format!("(--read-only): {action} is not done"));
        terminal.keys("<esc>");
        terminal.until_gone("(--read-only)");
    }
    terminal.keys(":stop 1<enter>");
    terminal.until_shows("there is no action stop");
    terminal.keys("?stop these");
    terminal.until_shows("no action has these words");
    terminal.keys("<esc>");
    terminal.until_gone("no action has these words");
    terminal.keys("2<enter>");
    terminal.until_shows("1.0");
    assert_eq!(demo.json(&["job", "1", "--json"])["state"], "running");
    assert_eq!(demo.json(&["node", "pi-1", "--json"])["draining"], false);
}
