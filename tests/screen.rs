//! Programs on a terminal, seen as a person sees them.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::screen::Terminal;
use common::{BRAMBLE, folder, processes_of};
use rustix::process::Signal;

fn demo(state: &Path) -> Command {
    let mut command = Command::new(BRAMBLE);
    command.args(["demo", "--no-samples", "--nodes", "1", "--state"]).arg(state);
    command
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_demo_shows_its_nodes_and_q_leaves_the_terminal_as_it_was() {
    let here = folder();
    let terminal = Terminal::of(demo(here.path()), 110);
    terminal.until_shows("● 1 up");
    terminal.until_shows("pi-1");
    assert!(terminal.with(vt100::Screen::alternate_screen), "{}", terminal.screen());
    terminal.keys("q");
    terminal.until("the screen from before", |screen| !screen.alternate_screen() && !screen.hide_cursor());
    let (_, code) = terminal.ends();
    assert_eq!(code, Some(0));
    assert_eq!(processes_of(here.path()), Vec::<String>::new(), "left behind");
}

#[test]
fn a_demo_fits_itself_to_a_terminal_that_becomes_smaller_and_larger() {
    let here = folder();
    let mut terminal = Terminal::sized(demo(here.path()), 110, 30);
    terminal.until_shows("╭ nodes 2");
    terminal.resize(60, 12);
    terminal.until_shows("1 nodes");
    terminal.until("its last line at the bottom", |screen| {
        screen.rows(0, 60).nth(11).is_some_and(|row| row.contains("? help"))
    });
    terminal.resize(120, 40);
    terminal.until_gone("1 nodes");
    terminal.signal(Signal::TERM);
    assert!(terminal.ends_within(common::PATIENCE).success());
}

#[test]
fn a_demo_whose_window_is_closed_ends_and_leaves_nothing_behind() {
    let here = folder();
    let mut terminal = Terminal::of(demo(here.path()), 80);
    terminal.until_shows("pi-1");
    terminal.hang_up();
    let status = terminal.ends_within(common::PATIENCE);
    assert!(status.success(), "{status}");
    assert_eq!(processes_of(here.path()), Vec::<String>::new(), "left behind");
}

#[test]
fn ctrl_c_is_a_key_for_who_asked_for_keys_and_a_signal_for_others() {
    let raw = Terminal::of(sh("stty raw -echo; echo ready; dd bs=1 count=1 2>&- | od -An -tx1"), 80);
    raw.until_shows("ready");
    raw.keys("<c-c>");
    raw.until_shows("03");
    let signalled = Terminal::of(sh("trap 'echo caught; exit 7' INT; echo ready; while :; do read line; done"), 80);
    signalled.until_shows("ready");
    signalled.keys("<c-c>");
    let (screen, code) = signalled.ends();
    assert!(screen.ends_with("caught\n"), "{screen}");
    assert_eq!(code, Some(7));
}

#[test]
fn a_signal_reaches_the_program_and_its_end_is_known() {
    let mut terminal = Terminal::of(sh("echo ready; exec sleep 1000"), 80);
    terminal.until_shows("ready");
    terminal.signal(Signal::TERM);
    let status = terminal.ends_within(common::PATIENCE);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[test]
fn what_is_written_is_counted_and_kept_even_where_no_screen_shows_it() {
    let terminal = Terminal::of(sh(r"printf 'ready\033]52;c;cGktMQ==\007'; read x; printf 12345; read y"), 80);
    terminal.until_shows("ready");
    terminal.until_sent(b"\x1b]52;c;cGktMQ==\x07");
    terminal.until_still(Duration::from_millis(200));
    let mark = terminal.written();
    assert_eq!(terminal.written_in(Duration::from_millis(200)), 0);
    terminal.keys("<enter>");
    terminal.until_shows("12345");
    // The terminal itself echoes the line that was typed.
    assert_eq!(terminal.written() - mark, "\r\n12345".len());
    assert!(!terminal.screen().contains("cGkt"), "{}", terminal.screen());
}

#[test]
fn a_job_of_a_shell_can_be_suspended_and_taken_up_again() {
    // One that edits no lines itself: keys typed ahead would be lost on the way between two ways to read them.
    let mut shell = Command::new("dash");
    shell.arg("-i").env("PS1", "shell> ").env_remove("ENV");
    let terminal = Terminal::of(shell, 80);
    terminal.until_shows("shell> ");
    terminal.keys("cat<enter>one<enter>");
    terminal.until("its echo and its copy", |screen| screen.contents().matches("one").count() == 2);
    terminal.keys("<c-z>");
    terminal.until_shows("Stopped");
    terminal.keys("fg<enter>two<enter>");
    terminal.until("its echo and its copy", |screen| screen.contents().matches("two").count() == 2);
    terminal.keys("<c-d>");
    terminal.keys("exit<enter>");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn special_keys_are_what_a_terminal_sends_for_them() {
    let keys = "a<lt><up><s-tab><f1><f5><c-right><a-x><page-down><esc>";
    let sent = common::keys::sent(keys);
    assert_eq!(sent, b"a<\x1b[A\x1b[Z\x1bOP\x1b[15~\x1b[1;5C\x1bx\x1b[6~\x1b");
}

#[test]
fn who_waits_in_vain_is_shown_the_screen() {
    let terminal = Terminal::sized(sh("echo something else"), 20, 3);
    let waits = std::panic::AssertUnwindSafe(|| terminal.until_shows("what was hoped for"));
    let said = std::panic::catch_unwind(waits).unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("\"what was hoped for\" on the screen\n┌────"), "{said}");
    assert!(said.contains("│something else"), "{said}");
    assert!(said.contains("the program has ended"), "{said}");
}
