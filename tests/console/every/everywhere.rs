//! What holds everywhere, where one types, in a dialog and in the help.

use bramble::console::actions::Layer::{self, Dialog, Global, Help, Prompt};

use super::Walk;
use crate::common::screen::Terminal;
use crate::common::{BRAMBLE, Demo, folder, until};
use crate::desk::{Calm, at_home, copied, job, lit};

pub const LAYERS: &[Layer] = &[Global, Prompt, Dialog, Help];

#[test]
fn every_key_of_everywhere_prompts_dialogs_and_help() {
    let (here, home, other) = (folder(), folder(), Calm::start());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    job(&demo, "succeeded", &["--name", "steps", "--", "echo", "one step"]);
    // In a shell, which is where one comes to when it is suspended.
    let mut shell = std::process::Command::new("sh");
    shell.env("PS1", "$ ").env("BRAMBLE", BRAMBLE).env("SOCKET", demo.socket());
    at_home(&mut shell, home.path());
    let terminal = Terminal::sized(shell, 130, 36);
    // What is typed earlier stands above the first prompt, which then looks like one that comes after a stop.
    terminal.until("the shell", prompts);
    terminal.keys("\"$BRAMBLE\" --manager \"unix://$SOCKET\" console<enter>");
    terminal.until_shows("● 2 up");
    terminal.until_shows("steps");
    let mut walk = Walk::through(LAYERS, terminal);

    // Panes and pages.
    walk.shows(Global, "work", "a active");
    walk.hides(Global, "events", "a active");
    walk.shows(Global, "nodes", "v view");
    walk.shows(Global, "next-pane", "a active");
    walk.shows(Global, "previous-pane", "v view");
    walk.hides(Global, "zoom", "╭ events");
    walk.press(Global, "close");
    walk.terminal.until_shows("╭ events");
    let wide = |screen: &vt100::Screen| screen.rows(0, 130).nth(1).unwrap().find("╮╭ work").unwrap();
    let before = walk.terminal.with(wide);
    walk.press(Global, "grow");
    walk.terminal.until("wider nodes", |screen| wide(screen) > before);
    walk.press(Global, "shrink");
    walk.terminal.until("nodes as wide as before", |screen| wide(screen) == before);
    walk.terminal.keys("2<enter>");
    walk.terminal.until_shows("task 1.0 steps");
    walk.hides(Global, "back", "task 1.0 steps");
    walk.shows(Global, "forward", "task 1.0 steps");
    walk.hides(Global, "cancel", "task 1.0 steps");

    // The palette, and what is typed into it.
    walk.press(Global, "palette");
    walk.terminal.keys("zo");
    walk.terminal.until("the command it thinks of", |screen| lit(screen, "zoom"));
    walk.terminal.keys("<backspace>");
    walk.terminal.keys("<backspace>drain");
    walk.terminal.until("drain", |screen| lit(screen, "Give these nodes"));
    walk.lights(Prompt, "next", "Let drained nodes");
    walk.lights(Prompt, "previous", "Give these nodes");
    walk.shows(Prompt, "complete", "drain pi-2");
    walk.hides(Prompt, "cancel", "drain pi-2");
    walk.terminal.keys("1");
    walk.press(Global, "filter");
    walk.terminal.keys("pi-2");
    walk.terminal.until_shows("nodes 1 /pi-2");
    walk.press(Prompt, "accept");
    walk.hides(Global, "cancel", "/pi-2");

    // What was done: once more, undone, shown, copied.
    walk.press(Global, "run");
    walk.terminal.keys("echo once more<enter>");
    walk.terminal.until_shows("job 2 submitted");
    walk.press(Global, "repeat");
    walk.terminal.until_shows("job 3 submitted");
    for job in ["2", "3"] {
        until("its end", || (demo.json(&["job", job, "--json"])["state"] == "succeeded").then_some(()));
    }
    walk.shows(Global, "show-command", "(copied)");
    let manager = format!("bramble --manager unix://{}", demo.socket().display());
    walk.terminal.until_sent(&copied(&format!("{manager} run -- echo once more")));
    walk.terminal.keys(":drain pi-1<enter>");
    // The news of it may be here before the answer.
    walk.terminal.until_shows("undoes it");
    walk.hides(Global, "undo", "◒ draining");
    assert_eq!(demo.json(&["node", "pi-1", "--json"])["draining"], false);
    walk.terminal.keys("2");
    walk.terminal.until_shows("a active");
    walk.press(Global, "copy");
    walk.terminal.until_sent(&copied("3"));

    // A dialog: its buttons in turn.
    walk.terminal.keys("1");
    for close in ["press", "cancel"] {
        walk.terminal.keys("a");
        walk.terminal.until_shows("[ Close ]");
        walk.hides(Dialog, close, "Add a node");
    }
    walk.terminal.keys("a");
    walk.terminal.until_shows("[ Close ]");
    walk.shows(Dialog, "next-button", "[ Copy ]");
    walk.shows(Dialog, "previous-button", "[ Close ]");
    walk.terminal.keys("<tab><enter>");
    walk.terminal.until_gone("Add a node");
    walk.terminal.until_sent(b"\x1b]52;c;YnJhbWJsZSB3b3JrZXItYWdlbnQgcnVu");

    // The help: moved through, searched, and it runs what it shows.
    walk.shows(Global, "help", "Show every key");
    let first = "Give these nodes no new tasks";
    walk.terminal.until("its first row", |screen| lit(screen, first));
    walk.press(Help, "next");
    walk.terminal.until("another row", |screen| !lit(screen, first));
    walk.lights(Help, "previous", first);
    walk.hides(Help, "page-down", first);
    walk.shows(Help, "page-up", first);
    walk.hides(Help, "cancel", first);
    walk.terminal.keys("?whole screen, or");
    walk.terminal.until("the row of it", |screen| lit(screen, "Give this pane the whole screen"));
    walk.press(Help, "accept");
    walk.terminal.until_gone("╭ events");
    walk.terminal.keys("z");
    walk.terminal.until_shows("╭ events");

    // Looks, and the terminal itself.
    let paper = |screen: &vt100::Screen| screen.cell(5, 5).unwrap().bgcolor();
    walk.terminal.keys(":theme light<enter>");
    walk.terminal.until("paper", |screen| paper(screen) != vt100::Color::Default);
    for _ in 0..6 {
        let before = walk.terminal.written();
        walk.press(Global, "theme");
        until("other colours", || (walk.terminal.written() > before).then_some(()));
        walk.terminal.until_still(std::time::Duration::from_millis(100));
    }
    walk.terminal.until("after all of them paper again", |screen| paper(screen) != vt100::Color::Default);
    walk.types(Global, "keymap", "k9s");
    walk.terminal.keys("<c-e>");
    walk.terminal.until_gone("╭ events");
    walk.terminal.keys("<c-e>:keymap default<enter>");
    walk.terminal.until_shows("╭ events");
    walk.shows(Global, "mouse", "the mouse is the terminal's");
    walk.terminal.until_sent(b"\x1b[?1000l");
    let before = walk.terminal.written();
    walk.press(Global, "redraw");
    until("all of it once more", || (walk.terminal.written() > before + 2000).then_some(()));
    walk.hides(Global, "suspend", "╭ events");
    walk.terminal.until_shows("Stopped");
    walk.terminal.until("the shell", prompts);
    walk.terminal.keys("fg<enter>");
    walk.terminal.until_shows("╭ events");
    walk.types(Global, "connect", &format!("unix://{}", other.socket().display()));
    walk.terminal.until_gone("steps");
    walk.terminal.until_shows("work 0");
    walk.press(Global, "quit");
    walk.terminal.until("the shell", prompts);
    walk.ends_with("exit<enter>");
}

/// Whether a shell waits for a command.
fn prompts(screen: &vt100::Screen) -> bool {
    let last = screen.rows(0, 130).filter(|row| !row.trim().is_empty()).last();
    last.is_some_and(|row| row.trim_end() == "$")
}
