//! Any size, any number of colours, any locale.

use std::time::Duration;

use crate::common::screen::Terminal;
use crate::common::{Demo, folder, until};
use crate::desk::{Calm, console, fits, job};

#[test]
fn every_size_is_filled_and_nothing_of_another_size_stays() {
    let calm = Calm::start();
    let mut terminal = Terminal::sized(calm.console(&[]), 20, 5);
    terminal.until_shows("Bramble needs 30×8");
    terminal.resize(300, 100);
    terminal.until("all of it", fits);
    for pane in ["nodes 1", "work 0", "events"] {
        terminal.until_shows(pane);
    }
    let mut n: u16 = 7;
    for _ in 0..40 {
        n = n.wrapping_mul(31).wrapping_add(17);
        terminal.resize(1 + n % 290, 1 + (n >> 8) % 97);
        terminal.keys(["2", "z", "3", "v", "1"][usize::from(n) % 5]);
    }
    terminal.resize(112, 33);
    terminal.until("its footer at the bottom", fits);
    terminal.keys("3");
    terminal.until_still(Duration::from_millis(300));
    // A blank that was written and one that never was look the same.
    let seen = || terminal.screen().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let shown = seen();
    let mark = terminal.written();
    terminal.keys("<c-l>");
    until("the same once more", || (terminal.written() > mark).then_some(()));
    terminal.until_still(Duration::from_millis(300));
    assert_eq!(seen(), shown);
    terminal.resize(29, 8);
    terminal.until_shows("Bramble needs 30×8");
    terminal.resize(30, 8);
    terminal.until_gone("Bramble needs");
    terminal.keys("Q");
    assert!(terminal.ends_within(crate::common::PATIENCE).success());
}

#[test]
fn only_colours_that_were_promised_are_sent() {
    let calm = Calm::start();
    let none: [(&str, &str, &[&str]); 3] =
        [("NO_COLOR", "1", &[]), ("TERM", "dumb", &[]), ("LANG", "C.UTF-8", &["--color", "never"])];
    for (name, value, more) in none {
        let mut command = calm.console(more);
        command.env(name, value);
        let sent = colors_of(command, true);
        assert!(sent.is_empty(), "{name}={value} {more:?}: {sent:?}");
    }
    let mut command = calm.console(&["--theme", "dark"]);
    command.env("TERM", "xterm");
    let sent = colors_of(command, false);
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|code| matches!(code, 30..=37 | 40..=47 | 90..=97 | 100..=107)), "{sent:?}");
}

/// What is asked for in colours on a walk through the console. Where there are none, the cursor is seen nevertheless.
fn colors_of(command: std::process::Command, reversed: bool) -> Vec<u16> {
    let terminal = Terminal::sized(command, 110, 32);
    terminal.until_shows("╭ events");
    terminal.keys("2");
    terminal.until_shows("no jobs");
    terminal.keys("?");
    terminal.until_shows("type words or a key");
    terminal.keys("<esc>");
    terminal.until_gone("type words or a key");
    terminal.keys("1");
    terminal.until("something in reverse", |screen| {
        let (rows, columns) = screen.size();
        let mut cells = (0..rows.get()).flat_map(|y| (0..columns.get()).map(move |x| (y, x)));
        !reversed || cells.any(|(y, x)| screen.cell(y, x).is_some_and(vt100::Cell::inverse))
    });
    terminal.keys("Q");
    let (raw, _) = terminal.ends();
    let styles = raw.split("\x1b[").skip(1).filter_map(|part| part.split_once('m')).map(|(codes, _)| codes);
    let styles = styles.filter(|codes| codes.bytes().all(|byte| byte.is_ascii_digit() || byte == b';' || byte == b':'));
    let codes = styles.flat_map(|codes| codes.split([';', ':'])).filter_map(|code| code.parse::<u16>().ok());
    codes.filter(|code| *code >= 30 && !matches!(code, 39 | 49 | 59)).collect()
}

#[test]
fn where_nobody_promised_utf8_every_byte_is_ascii() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    job(&demo, "running", &["--name", "größer…", "--", "sh", "-c", "echo 'schön ✓'; sleep 1000"]);
    let mut command = console(home.path(), &demo.socket(), &[]);
    command.env("LANG", "C");
    let terminal = Terminal::sized(command, 120, 34);
    terminal.until_shows("* 2 up");
    for (keys, shows) in [
        (":drain pi-1<enter>", "takes no new tasks"),
        ("v", "+ nodes 3"),
        ("v", "+ nodes 3"),
        ("v", "+ nodes 3"),
        ("2", "r run again"),
        ("?", "type words or a key"),
        (":", "+ commands"),
        ("g", "g ~"),
        ("gx", "Stop 1?"),
    ] {
        terminal.keys(keys);
        terminal.until_shows(shows);
        if ["?", ":", "gx"].contains(&keys) {
            terminal.keys("<esc>");
            terminal.until_gone(shows);
        }
    }
    for (keys, shows) in [("<enter>", "1.0"), ("y", "copied"), ("=", "(copied)")] {
        terminal.keys(keys);
        terminal.until_shows(shows);
    }
    terminal.resize(20, 5);
    terminal.until_shows("Bramble needs 30");
    terminal.keys("Q");
    let (raw, code) = terminal.ends();
    assert_eq!(code, Some(0));
    let other: Vec<&str> = raw.split_inclusive(|c: char| !c.is_ascii()).filter(|part| !part.is_ascii()).collect();
    assert!(other.is_empty(), "{other:?}");
}
