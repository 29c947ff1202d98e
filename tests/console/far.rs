//! Slow lines, and terminals that take nothing for a while.

use std::time::Duration;

use crate::common::relay::Relay;
use crate::common::screen::Terminal;
use crate::common::{Demo, folder, until};
use crate::desk::{Calm, console, fits, job};

const FAR: Duration = Duration::from_millis(300);

#[test]
fn on_a_line_with_lag_keys_typed_ahead_do_what_they_would_have_done() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    for name in ["apple", "pear", "plum"] {
        job(&demo, "succeeded", &["--name", name, "--", "echo", name]);
    }
    // The terminal is far from the console, and the manager from both.
    let way = Relay::to(&demo.socket(), FAR);
    let terminal = Terminal::far(console(home.path(), &way.socket(), &[]), 110, 32, FAR);
    terminal.until_shows("● 1 up");
    for keys in ["2", "/", "p", "l", "u", "m", "<enter>", "z"] {
        terminal.keys(keys);
    }
    terminal.until_shows("work 1 /plum");
    terminal.until_gone("╭ events");
    terminal.keys("/<backspace><backspace>");
    terminal.keys("<enter>j<enter>");
    // The one below plum, of those with pl in them.
    terminal.until_shows("1.0");
    terminal.until("what it printed", |screen| screen.contents().matches("apple").count() > 1);
    terminal.keys("qz:run echo far<enter>");
    terminal.until_shows("job 4 submitted");
    terminal.keys("Q");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn a_terminal_that_takes_nothing_for_a_while_shows_what_is_right_when_it_goes_on() {
    let calm = Calm::start();
    let mut terminal = Terminal::sized(calm.console(&[]), 200, 60);
    terminal.until_shows("╭ events");
    terminal.keys("2");
    let stopped = terminal.stops_reading();
    // More than waits on any line: each is another whole screen.
    for n in 0..40 {
        terminal.keys(":theme light<enter>:theme dark<enter>");
        terminal.resize(200 + n % 2, 60);
        terminal.keys("z");
    }
    // The work alone: there is none, while the meters of a node go on living.
    terminal.keys(":theme default<enter>z");
    terminal.keys("/typed meanwhile");
    terminal.resize(120, 40);
    drop(stopped);
    terminal.until_shows("work 0 /typed meanwhile");
    terminal.keys("<enter>");
    terminal.until("its footer at the bottom", fits);
    terminal.until_gone("theme: ");
    terminal.until_still(Duration::from_millis(300));
    let below_the_clock = |screen: &vt100::Screen| screen.rows(0, 120).skip(1).collect::<Vec<_>>();
    let shown = terminal.with(below_the_clock);
    assert!(!terminal.screen().contains("╭ nodes"), "{}", terminal.screen());
    let mark = terminal.written();
    terminal.keys("<c-l>");
    until("the same once more", || (terminal.written() > mark + 1000).then_some(()));
    terminal.until_still(Duration::from_millis(300));
    assert_eq!(terminal.with(below_the_clock), shown);

    // Nobody has to wait for such a terminal to get rid of the console.
    let stopped = terminal.stops_reading();
    for _ in 0..20 {
        terminal.keys(":theme light<enter>:theme dark<enter>");
    }
    terminal.keys("Q");
    assert!(terminal.ends_within(Duration::from_secs(3)).success());
    drop(stopped);
}
