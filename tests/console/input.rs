//! Keys: whatever else happens on the line, each is heard, in its order, and listening costs nothing.

use std::time::Duration;

use crate::common::screen::Terminal;
use crate::desk::{Calm, fits, spent_in};

#[test]
fn a_key_after_a_new_size_is_heard_and_listening_costs_nothing() {
    let calm = Calm::start();
    let mut terminal = Terminal::of(calm.console(&[]), 80);
    terminal.until_shows("1 nodes");
    terminal.keys("2");
    terminal.until_shows("no jobs");
    for (columns, key, shows) in [(90, "3", "╭ events"), (70, "2", "no jobs"), (84, "3", "╭ events")] {
        terminal.resize(columns, 26);
        terminal.until("its footer at the bottom", fits);
        terminal.keys(key);
        terminal.until_shows(shows);
    }
    terminal.until_still(Duration::from_secs(1));
    let (written, ticks) = spent_in(&terminal, Duration::from_secs(2));
    assert_eq!(written, 0, "an idle console writes nothing");
    assert!(ticks <= 4, "an idle console used {ticks} hundredths of a second in two seconds");
    terminal.keys("q");
    assert!(terminal.ends_within(crate::common::PATIENCE).success());
}

#[test]
fn more_than_fits_into_a_buffer_arrives_whole_and_in_order() {
    let calm = Calm::start();
    let terminal = Terminal::of(calm.console(&[]), 80);
    terminal.until_shows("1 nodes");
    terminal.keys("/");
    terminal.until("a line to type into", |screen| !screen.hide_cursor());
    let typed: String = (0..600).map(|n| format!("{n:04}.")).collect();
    assert_eq!(typed.len(), 3000);
    terminal.sends(typed.as_bytes());
    terminal.until_shows("0598.0599.");
    terminal.keys("!");
    terminal.until_shows("0599.!");
    terminal.keys("<home>");
    terminal.until_shows("0000.0001.0002");
    terminal.keys("<esc>");
    terminal.until_gone("0000.");
    // The same at once, as a terminal pastes it.
    terminal.keys("/");
    terminal.until("a line to type into", |screen| !screen.hide_cursor());
    terminal.sends(format!("\x1b[200~{typed}\x1b[201~").as_bytes());
    terminal.until_shows("0598.0599.");
    terminal.keys("?");
    terminal.until_shows("0599.?");
}

#[test]
fn a_window_that_is_closed_ends_the_console_within_a_second() {
    let calm = Calm::start();
    let mut terminal = Terminal::of(calm.console(&[]), 80);
    terminal.until_shows("1 nodes");
    terminal.keys("2");
    terminal.until_shows("no jobs");
    terminal.hang_up();
    assert!(terminal.ends_within(Duration::from_secs(1)).success());
}
