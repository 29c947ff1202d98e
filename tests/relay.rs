//! The slow line that other tests put between a program and its manager or its terminal.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use common::relay::{Relay, line};
use common::screen::Terminal;
use common::{BRAMBLE, Demo, folder, said, verb};

const LATE: Duration = Duration::from_millis(150);

#[test]
fn what_passes_a_slow_line_comes_late_complete_in_order_and_so_does_its_end() {
    let (mut here, left) = UnixStream::pair().unwrap();
    let (right, mut there) = UnixStream::pair().unwrap();
    line(left, right, LATE);
    let all: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    let began = Instant::now();
    let wanted = all.clone();
    let writes = std::thread::spawn(move || {
        here.write_all(&all).unwrap();
        here.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        here.read_to_string(&mut answer).unwrap();
        (answer, began.elapsed())
    });
    let mut first = [0];
    there.read_exact(&mut first).unwrap();
    assert!(began.elapsed() >= LATE, "{:?}", began.elapsed());
    let mut rest = vec![];
    there.read_to_end(&mut rest).unwrap();
    assert!([&first[..], &rest].concat() == wanted, "{} bytes came", rest.len() + 1);
    there.write_all(b"thanks").unwrap();
    drop(there);
    let (answer, took) = writes.join().unwrap();
    assert_eq!(answer, "thanks");
    assert!(took >= 2 * LATE, "{took:?}");
}

#[test]
fn a_verb_over_a_slow_line_gets_the_same_answer_later() {
    let here = folder();
    let demo = Demo::start(here.path(), &["--nodes", "1"]);
    let relay = Relay::to(&demo.socket(), LATE);
    let began = Instant::now();
    let done = verb(&relay.socket(), &["node", "--json"]).output().unwrap();
    assert!(done.status.success(), "{}", said(&done));
    assert!(began.elapsed() >= 2 * LATE, "{:?}", began.elapsed());
    assert!(String::from_utf8_lossy(&done.stdout).contains("pi-1"), "{}", said(&done));
    demo.quit();
}

#[test]
fn a_slow_line_to_nowhere_is_closed() {
    let here = folder();
    let relay = Relay::to(&here.path().join("nobody.sock"), LATE);
    let done = verb(&relay.socket(), &["node"]).output().unwrap();
    assert_eq!(done.status.code(), Some(4), "{}", said(&done));
}

#[test]
fn a_program_on_a_far_terminal_gets_keys_late_and_is_seen_late() {
    let mut command = Command::new("sh");
    command.args(["-c", "stty -echo; echo ready; read line; echo got $line"]);
    let began = Instant::now();
    let terminal = Terminal::far(command, 80, 24, LATE);
    terminal.until_shows("ready");
    assert!(began.elapsed() >= LATE, "{:?}", began.elapsed());
    let typed = Instant::now();
    terminal.keys("it<enter>");
    terminal.until_shows("got it");
    assert!(typed.elapsed() >= 2 * LATE, "{:?}", typed.elapsed());
    assert_eq!(terminal.ends().1, Some(0));
}

#[test]
fn a_demo_can_be_watched_and_left_over_a_slow_line() {
    let here = folder();
    let mut demo = Command::new(BRAMBLE);
    demo.args(["demo", "--no-samples", "--nodes", "1", "--state"]).arg(here.path());
    let terminal = Terminal::far(demo, 80, 24, 2 * LATE);
    terminal.until_shows("pi-1");
    terminal.keys("q");
    assert_eq!(terminal.ends().1, Some(0));
}
