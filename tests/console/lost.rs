//! The manager goes away and comes back.

use std::time::Duration;

use crate::common::relay::Relay;
use crate::common::screen::Terminal;
use crate::common::{Demo, PATIENCE, daemons, folder, signal_pid};
use crate::desk::{console, job, lit};
use rustix::process::Signal;

#[test]
fn a_lost_manager_is_told_its_picture_kept_and_all_is_as_before_when_it_is_back() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    for name in ["one", "two", "three"] {
        job(&demo, "running", &["--name", name, "--", "sleep", "1000"]);
    }
    // A way to the manager that can be closed, for as long as is needed.
    let way = Relay::to(&demo.socket(), Duration::ZERO);
    let closed = way.socket().with_extension("closed");
    let terminal = Terminal::sized(console(home.path(), &way.socket(), &[]), 120, 34);
    terminal.until_shows("● 2 up");
    terminal.keys("2jj");
    terminal.until("the oldest job under the cursor", |screen| lit(screen, "one"));

    for page in [false, true] {
        if page {
            terminal.keys("<enter>");
            terminal.until_gone("╭ events");
            terminal.until_shows("1.0");
        }
        std::fs::rename(way.socket(), &closed).unwrap();
        for manager in daemons(here.path(), "manager") {
            signal_pid(manager, Signal::KILL);
        }
        terminal.until_shows("the manager is away; this is ");
        terminal.until_shows("trying again");
        terminal.until("the old picture dimmed", |screen| screen.cell(10, 0).is_some_and(vt100::Cell::dim));
        let age = |screen: &vt100::Screen| {
            let said = screen.contents();
            said.split_once("this is ").and_then(|(_, rest)| Some(rest.split_once(" old")?.0.to_owned()))
        };
        let first = terminal.with(age).unwrap();
        terminal.until("an older picture", |screen| age(screen).is_some_and(|age| age != first));
        // What is asked for now is refused, and not kept for later.
        terminal.keys("x");
        terminal.until_shows("Stop 1");
        terminal.keys("<tab><enter>");
        terminal.until_shows("the manager is away: nothing was sent");
        terminal.keys("<esc>");
        terminal.until_gone("nothing was sent");
        terminal.until_shows("the manager is away; this is ");
        std::fs::rename(&closed, way.socket()).unwrap();
        terminal.until_shows("the manager is back");
        terminal.until_gone("the manager is away");
        terminal.until("a fresh picture", |screen| screen.cell(10, 0).is_some_and(|cell| !cell.dim()));
        terminal.until_shows("● 2 up");
        if page {
            terminal.until_shows("1.0");
        } else {
            terminal.until("the same job under the cursor", |screen| lit(screen, "one"));
        }
    }
    terminal.keys("q");
    terminal.until_shows("╭ events");
    terminal.until("the same job under the cursor", |screen| lit(screen, "one"));
    let counts = demo.json(&["job", "1", "--json"])["counts"].clone();
    assert_eq!(counts["running"], 1, "nothing was stopped: {counts}");
}

#[test]
fn without_a_manager_it_says_so_and_q_leaves() {
    let home = folder();
    let mut terminal = Terminal::of(console(home.path(), &home.path().join("none.sock"), &[]), 80);
    terminal.until_shows("none.sock");
    terminal.until_shows("q leaves");
    terminal.keys("<esc>");
    terminal.until_still(Duration::from_millis(300));
    terminal.keys("?");
    terminal.until_shows("type words or a key");
    terminal.keys("<esc>");
    terminal.until_gone("type words or a key");
    terminal.keys("q");
    assert!(terminal.ends_within(PATIENCE).success());
}
