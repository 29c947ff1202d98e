//! What holds in every list.

use bramble::console::actions::Layer::{self, List};

use super::Walk;
use crate::common::screen::Terminal;
use crate::common::{Demo, folder};
use crate::desk::{console, job};

pub const LAYERS: &[Layer] = &[List];

#[test]
fn every_key_of_lists() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    job(&demo, "succeeded", &["--name", "zebra", "--array", "0-59", "--", "true"]);
    job(&demo, "succeeded", &["--name", "apple", "--", "true"]);
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &[]), 130, 36);
    terminal.until_shows("● 2 up");
    terminal.until_shows("60/60");
    // Without the events, where the same tasks are named.
    terminal.keys("2z");
    terminal.until_gone("╭ events");
    let mut walk = Walk::through(LAYERS, terminal);

    walk.lights(List, "down", "zebra");
    walk.lights(List, "up", "apple");
    walk.lights(List, "down", "zebra");
    walk.shows(List, "right", "1.0 ");
    walk.hides(List, "left", "1.0 ");
    walk.shows(List, "open", "1.0 ");
    walk.lights(List, "last", "1.59 ");
    walk.terminal.until_gone("apple");
    walk.lights(List, "first", "apple");
    walk.press(List, "page-down");
    walk.terminal.until_gone("apple");
    walk.lights(List, "page-up", "apple");
    walk.press(List, "half-down");
    walk.terminal.until("the cursor half a screen below", |screen| !crate::desk::lit(screen, "apple"));
    walk.lights(List, "half-up", "apple");
    walk.shows(List, "mark", "1 marked");
    walk.shows(List, "mark-all", "2 marked");
    walk.hides(List, "unmark-all", "2 marked");
    walk.shows(List, "sort", "name ↓");
    let above = |screen: &vt100::Screen, first: &str, second: &str| {
        let rows: Vec<String> = screen.rows(0, 130).collect();
        let at = |name: &str| rows.iter().position(|row| row.contains(name));
        at(first).zip(at(second)).is_some_and(|(first, second)| first < second)
    };
    walk.terminal.keys("gg-");
    walk.terminal.until_gone("1.0 ");
    let apple_first = walk.terminal.with(|screen| above(screen, "apple", "zebra"));
    walk.press(List, "sort-reverse");
    walk.terminal.until("the other order", |screen| above(screen, "apple", "zebra") != apple_first);
    walk.ends_with("Q");
}
