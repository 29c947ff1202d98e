//! The console beside a shell: put to sleep, taken up again, the terminal as it was in between.

use std::process::Command;

use crate::common::screen::Terminal;
use crate::common::{BRAMBLE, PATIENCE};
use crate::desk::{Calm, at_home};
use rustix::process::Signal;

fn given_back(screen: &vt100::Screen) -> bool {
    !screen.alternate_screen()
        && !screen.hide_cursor()
        && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
}

fn prompts(screen: &vt100::Screen) -> bool {
    screen.contents().trim_end().ends_with("shell>")
}

fn ours(screen: &vt100::Screen) -> bool {
    screen.alternate_screen() && screen.contents().contains("1 nodes") && screen.contents().contains("? help")
}

#[test]
fn the_shell_puts_it_to_sleep_and_takes_it_up_again() {
    let calm = Calm::start();
    let mut shell = Command::new("dash");
    shell.arg("-i");
    at_home(&mut shell, calm.home());
    shell.env("PS1", "shell> ").env_remove("ENV");
    let terminal = Terminal::of(shell, 100);
    terminal.until_shows("shell> ");
    terminal.keys(&format!("{BRAMBLE} --manager unix://{} console<enter>", calm.socket().display()));
    terminal.until("the console", ours);
    terminal.keys("2");
    terminal.until_shows("no jobs");
    for _ in 0..2 {
        terminal.keys("<c-z>");
        terminal.until("the terminal given back", given_back);
        terminal.until_shows("Stopped");
        terminal.until("the shell's turn", prompts);
        terminal.keys("echo so$((40+2))<enter>");
        terminal.until_shows("so42");
        terminal.until("the shell's turn", prompts);
        terminal.keys("fg<enter>");
        terminal.until("the console", ours);
        terminal.until_shows("no jobs");
        terminal.keys("3");
        terminal.until_shows("╭ events");
        terminal.keys("2");
        terminal.until_shows("no jobs");
    }
    terminal.keys("q");
    terminal.until("the terminal given back", given_back);
    terminal.until("the shell's turn", prompts);
    terminal.keys("echo so$((50+2))<enter>");
    terminal.until_shows("so52");
    terminal.keys("exit<enter>");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn where_no_shell_watches_it_stays_and_it_survives_being_stopped_by_others() {
    let calm = Calm::start();
    let mut terminal = Terminal::of(calm.console(&[]), 80);
    terminal.until("the console", ours);
    terminal.keys("<c-z>");
    terminal.until("the terminal given back", given_back);
    terminal.until("the console", ours);
    terminal.keys("2");
    terminal.until_shows("no jobs");
    terminal.signal(Signal::STOP);
    terminal.keys("3");
    terminal.signal(Signal::CONT);
    terminal.until_shows("╭ events");
    terminal.keys("q");
    assert!(terminal.ends_within(PATIENCE).success());
}
