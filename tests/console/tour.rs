//! A person looks around: panes, filter, zoom, a log as it grows, help, commands, colours.

use std::process::Command;

use crate::common::screen::Terminal;
use crate::common::{BRAMBLE, Demo, PATIENCE, folder, processes_of};
use crate::desk::{at_home, console, copied, job, lit};

#[test]
fn jobs_are_filtered_opened_and_read_while_they_print() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "2"]);
    let go_on = here.path().join("go-on");
    let script = format!(
        "printf '\\033[31mred\\033[0m and plain\\n'; while [ ! -e {} ]; do sleep 0.1; done; seq 200; echo the end; sleep 1000",
        go_on.display()
    );
    job(&demo, "running", &["--name", "printer", "--", "sh", "-c", &script]);
    job(&demo, "succeeded", &["--name", "silent", "--", "true"]);
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &[]), 130, 36);
    terminal.until_shows("● 2 up");
    terminal.until_shows("╭ events");
    terminal.until_shows("silent");

    terminal.keys("2/prin");
    terminal.until_shows("work 1 /prin");
    terminal.until_gone("silent ");
    terminal.keys("<esc>");
    terminal.until_shows("work 2");
    terminal.keys("/prin<enter>");
    terminal.until_shows("work 1 /prin");
    terminal.keys("z");
    terminal.until_gone("╭ events");
    terminal.until_gone("nodes 3");
    terminal.keys("z");
    terminal.until_shows("╭ events");

    terminal.keys("<enter>");
    terminal.until_shows("1.0");
    terminal.until_shows("red and plain");
    let red = |screen: &vt100::Screen| {
        let columns = screen.size().1.get();
        let y = screen.rows(0, columns).position(|row| row.contains("red and plain"))?;
        let x = screen.rows(0, columns).nth(y)?.split("red and").next()?.chars().count();
        let color = |x| screen.cell(y as u16, x as u16).map(vt100::Cell::fgcolor);
        Some(color(x)? == vt100::Color::Idx(1) && color(x + 4)? != vt100::Color::Idx(1))
    };
    terminal.until("red in red", |screen| red(screen) == Some(true));
    std::fs::write(&go_on, "").unwrap();
    terminal.until_shows("the end");
    terminal.keys("gg");
    terminal.until_shows("red and plain");
    terminal.until_gone("the end");
    terminal.keys("/157<enter>n");
    terminal.until_shows("157");
    terminal.keys("<esc>");
    terminal.until_gone("/157");
    terminal.keys("G");
    terminal.until_shows("the end");
    terminal.keys("q");
    terminal.until_shows("╭ events");
    terminal.until("the job it was opened from under the cursor", |screen| lit(screen, "printer"));
    terminal.keys("q");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn help_finds_and_runs_commands_are_typed_and_colours_are_kept() {
    let (here, home) = (folder(), folder());
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    let terminal = Terminal::sized(console(home.path(), &demo.socket(), &[]), 110, 32);
    terminal.until_shows("╭ events");
    terminal.keys("?");
    terminal.until_shows("type words or a key");
    terminal.keys("whole screen, or");
    terminal.until_shows("Give this pane the whole screen");
    terminal.until_gone("Forget these nodes");
    terminal.keys("<enter>");
    terminal.until_gone("╭ events");
    terminal.keys("?T");
    terminal.until_shows("Change the colours");
    terminal.keys("<esc>");
    terminal.until_gone("Change the colours");
    terminal.keys(":zo");
    terminal.until("the command it thinks of", |screen| lit(screen, "zoom"));
    terminal.keys("<enter>");
    terminal.until_shows("╭ events");

    let paper = vt100::Color::Rgb(0xfb, 0xfa, 0xf7);
    let background = |screen: &vt100::Screen| screen.cell(5, 5).unwrap().bgcolor();
    assert_eq!(terminal.with(background), vt100::Color::Default);
    terminal.keys("T");
    terminal.until_still(std::time::Duration::from_millis(300));
    terminal.keys(":theme light<enter>");
    terminal.until("paper", |screen| background(screen) != vt100::Color::Default);
    assert_ne!(terminal.with(background), paper, "a terminal of 256 colours is given the nearest");
    terminal.keys("q");
    assert_eq!(terminal.ends().1, Some(0));

    let mut again = console(home.path(), &demo.socket(), &[]);
    again.env("COLORTERM", "truecolor");
    let terminal = Terminal::sized(again, 110, 32);
    terminal.until_shows("╭ events");
    assert_eq!(terminal.with(background), paper, "what was chosen is there the next time");
    terminal.keys("q");
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn the_demo_itself_opens_the_console_and_ends_with_it() {
    let (here, home) = (folder(), folder());
    let mut command = Command::new(BRAMBLE);
    command.args(["demo", "--nodes", "2", "--state"]).arg(here.path());
    at_home(&mut command, home.path());
    let mut terminal = Terminal::sized(command, 130, 36);
    terminal.until_shows("● 2 up");
    terminal.until_shows("water the plants");
    terminal.keys("2/hello<enter><enter>");
    terminal.until_shows("hello from job 1");
    terminal.keys("y");
    terminal.until_sent(&copied("hello from job 1"));
    terminal.keys("qq");
    assert!(terminal.ends_within(PATIENCE).success());
    assert_eq!(processes_of(here.path()), Vec::<String>::new(), "left behind");
}
