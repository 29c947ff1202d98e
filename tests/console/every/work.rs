//! What is done to work, from the list and from a task's own page.

use bramble::console::actions::Layer::{self, Task, Work};

use super::Walk;
use crate::common::screen::Terminal;
use crate::common::{Demo, folder, until};
use crate::desk::{console, job, lit};

pub const LAYERS: &[Layer] = &[Work, Task];

const TALKER: &str = "i=0; while [ $i -lt 90 ]; do i=$((i+1)); echo \"step $i of the log\"; done; \
    echo a wide line that goes on $(seq 60) and on to its very end; echo a fault >&2; exec sleep 1000";

#[test]
fn every_key_of_work_and_of_a_tasks_page() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    job(&demo, "succeeded", &["--name", "many", "--array", "0-3", "--", "true"]);
    job(&demo, "running", &["--name", "talker", "--", "sh", "-c", TALKER]);
    job(&demo, "running", &["--name", "sleeper", "--", "sleep", "1000"]);
    let state = |id: &str| demo.json(&["job", id, "--json"])["state"].as_str().unwrap().to_owned();
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &[]), 130, 36);
    terminal.until_shows("● 2 up");
    terminal.until_shows("sleeper");
    // Without the events, where the same tasks are named.
    terminal.keys("2z");
    terminal.until_gone("╭ events");
    terminal.until("the newest under the cursor", |screen| lit(screen, "sleeper"));
    let mut walk = Walk::through(LAYERS, terminal);

    walk.shows(Work, "unfold-all", "1.3 ");
    walk.hides(Work, "fold-all", "1.3 ");
    walk.hides(Work, "active", "many");
    walk.shows(Work, "active", "many");
    walk.shows(Work, "why", "3.0 runs on");
    walk.terminal.keys("<esc>");
    walk.terminal.until_gone("3.0 runs on");
    walk.shows(Work, "stop", "Stop 3?");
    walk.terminal.keys("<tab><enter>");
    until("the end", || (state("3") == "stopped").then_some(()));
    walk.terminal.until_shows("■ 3 ");
    walk.press(Work, "retry");
    walk.terminal.until_shows("3 queued again");
    until("a new beginning", || (state("3") == "running").then_some(()));
    walk.terminal.until_shows("● 3 ");

    walk.terminal.keys("j");
    walk.terminal.until("the talker under the cursor", |screen| lit(screen, "talker"));
    walk.shows(Work, "logs", "a wide line");
    walk.terminal.until_shows("a fault");
    walk.terminal.until_shows("following");
    walk.shows(Task, "wrap", "its very end");
    walk.hides(Task, "wrap", "its very end");
    walk.shows(Task, "wrap", "its very end");
    walk.hides(Task, "follow", "● following");
    walk.terminal.keys("gg");
    walk.terminal.until_shows("step 1 of the log");
    walk.shows(Task, "follow", "● following");
    walk.terminal.until_shows("its very end");
    walk.hides(Task, "stream", "a fault");
    walk.press(Task, "stream");
    walk.terminal.until_gone("its very end");
    walk.terminal.until_shows("a fault");
    walk.shows(Task, "stream", "its very end");
    walk.terminal.keys("gg/step 4<enter>");
    walk.terminal.until_shows("1 of 11 ");
    walk.shows(Task, "next-match", "2 of 11 ");
    walk.shows(Task, "previous-match", "1 of 11 ");
    // What was said last is put away first.
    walk.terminal.keys("<esc>");
    walk.terminal.until_gone("3 queued again");
    walk.terminal.keys("<esc>");
    walk.terminal.until_gone("/step 4");
    walk.shows(Task, "why", "runs on pi-");
    walk.terminal.keys("<esc>");
    walk.terminal.until_gone("runs on pi-");
    walk.shows(Task, "stop", "Stop 2.0?");
    walk.terminal.keys("<tab><enter>");
    walk.terminal.until_shows("■ stopped");
    walk.press(Task, "retry");
    walk.terminal.until_shows("2.0 queued again");
    walk.terminal.until_shows("● running · 2 attempts");
    walk.shows(Task, "attempt", "the log is of attempt #1");
    walk.ends_with("Q");
}
