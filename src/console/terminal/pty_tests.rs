//! This test program runs itself once more on a pseudo-terminal, as a small program that uses this room.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::input::hangs_up;
use super::*;

enum News {
    Input(Input),
    Report(Report),
}

/// Says that this test is to be the program that the others run on a terminal of theirs.
const PROGRAM: &str = "BRAMBLE_TEST_ON_A_TERMINAL";

#[test]
fn who_has_no_terminal_is_told_so() {
    if std::env::var_os(PROGRAM).is_some() {
        return program();
    }
    let nowhere = File::open("/dev/null").unwrap();
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    alone.args(["--exact", &path_of("who_has_no_terminal_is_told_so"), "--nocapture"]).env(PROGRAM, "1");
    let output = alone.stdin(nowhere).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("NotATerminal"), "{said}");
}

/// As the test runner calls it.
fn path_of(test: &str) -> String {
    format!("{}::{test}", module_path!().split_once("::").unwrap().1)
}

fn program() {
    let terminal = Terminal::open(true).unwrap();
    let (to, news) = channel();
    let reports = to.clone();
    let painter =
        Painter::start(terminal, move |report| reports.send(News::Report(report)).unwrap_or_default()).unwrap();
    let _listener = listen(size().unwrap(), move |input| to.send(News::Input(input)).is_ok()).unwrap();
    painter.send(Command::Title("a test".to_owned())).unwrap();
    show(&painter, "ready");
    for one in news {
        match one {
            News::Input(Input::Key(KeyEvent { code: KeyCode::Char('q'), .. })) => return,
            News::Input(Input::Key(KeyEvent { code: KeyCode::Char('z'), .. })) => {
                painter.send(Command::Suspend).unwrap()
            }
            News::Input(Input::Key(KeyEvent { code: KeyCode::Char('p'), .. })) => panic!("as asked"),
            News::Input(Input::Key(key)) => show(&painter, &format!("key {}", key.code)),
            News::Input(Input::Paste(text)) => show(&painter, &format!("pasted {text}")),
            News::Input(Input::Mouse(mouse)) => show(&painter, &format!("mouse at {}, {}", mouse.column, mouse.row)),
            News::Input(Input::Resize(columns, rows)) => show(&painter, &format!("{columns} by {rows}")),
            News::Report(Report::Resumed) => show(&painter, "resumed"),
            News::Input(Input::Gone) | News::Report(Report::Gone(_)) => {
                drop(painter);
                std::process::exit(GONE);
            }
            News::Report(Report::Painted { .. }) => {}
        }
    }
}

const GONE: i32 = 7;

fn show(painter: &Painter, text: &str) {
    // That the terminal is gone is told by itself, a moment later.
    let Ok((columns, rows)) = size() else { return };
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
    buffer.set_string(0, 0, text, Style::new());
    match painter.send(Command::Frame(Frame { buffer, cursor: None, clear: false })) {
        Ok(()) | Err(CommandError::Gone) => {}
        Err(error) => panic!("{error}"),
    }
}

struct Desk {
    master: Option<File>,
    slave: OwnedFd,
    child: Child,
    screen: vt100::Parser,
    raw: String,
}

impl Desk {
    fn new() -> Self {
        Self::with(std::process::Command::new(std::env::current_exe().unwrap()))
    }

    /// Under a shell with job control, which brings it back once it is stopped and a line is typed.
    fn under_a_shell() -> Self {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "set -m; \"$@\"; echo it stopped; read line; fg", "sh"]);
        shell.arg(std::env::current_exe().unwrap());
        Self::with(shell)
    }

    fn deaf_to_hang_ups() -> Self {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "trap '' HUP; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
        Self::with(shell)
    }

    fn with(mut command: std::process::Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        tcsetwinsize(&slave, window(40, 10)).unwrap();
        command.args(["--exact", &path_of("who_has_no_terminal_is_told_so"), "--nocapture"]);
        command.env(PROGRAM, "1").env("NO_COLOR", "1").env("RUST_BACKTRACE", "0");
        let end = || slave.try_clone().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        // SAFETY: setsid and an ioctl are all that is done there, and both are safe between fork and exec.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            });
        }
        let child = command.spawn().unwrap();
        let size = |cells| NonZeroU16::new(cells).unwrap();
        let screen = vt100::Parser::new(size(10), size(40), 0);
        Self { master: Some(master.into()), slave, child, screen, raw: String::new() }
    }

    fn types(&mut self, bytes: &[u8]) {
        self.master.as_mut().unwrap().write_all(bytes).unwrap();
    }

    fn waits_for(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !so(self) {
            assert!(Instant::now() < deadline, "no {what}; the screen shows {:?}", self.screen.screen().contents());
            self.reads();
        }
    }

    fn waits_to_see(&mut self, text: &str) {
        self.waits_for(text, |desk| desk.screen.screen().contents().contains(text));
    }

    fn reads(&mut self) {
        let master = self.master.as_mut().unwrap();
        let limit = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        if poll(&mut [PollFd::new(&*master, PollFlags::IN)], Some(&limit)).unwrap() == 0 {
            return;
        }
        let mut bytes = [0; 4096];
        let read = master.read(&mut bytes).unwrap_or(0);
        self.screen.process(&bytes[..read]);
        self.raw.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }

    fn ends(&mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            if self.master.is_some() {
                self.reads();
            } else {
                std::thread::yield_now();
            }
        }
    }

    fn is_raw(&self) -> bool {
        !tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ICANON)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn window(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

#[test]
fn the_terminal_is_taken_and_given_back() {
    let mut desk = Desk::new();
    desk.waits_to_see("ready");
    let screen = desk.screen.screen();
    assert!(screen.alternate_screen() && screen.bracketed_paste() && screen.hide_cursor());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::ButtonMotion);
    assert!(desk.is_raw());
    desk.types(b"q");
    assert!(desk.ends().success());
    desk.waits_for("way back", |desk| !desk.screen.screen().alternate_screen());
    let screen = desk.screen.screen();
    assert!(!screen.bracketed_paste() && !screen.hide_cursor());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    assert!(!desk.is_raw());
    assert!(desk.raw.contains("\x1b[22;2t") && desk.raw.contains("\x1b[23;2t"), "the title is given back too");
}

#[test]
fn keys_the_mouse_pasted_text_and_sizes_arrive() {
    let mut desk = Desk::new();
    desk.waits_to_see("ready");
    desk.types(b"\x1b[A");
    desk.waits_to_see("key Up");
    desk.types(b"\x1b[200~two words\x1b[201~");
    desk.waits_to_see("pasted two words");
    desk.types(b"\x1b[<0;5;3M");
    desk.waits_to_see("mouse at 4, 2");
    for columns in 41..60 {
        tcsetwinsize(&desk.slave, window(columns, 12)).unwrap();
    }
    desk.waits_to_see("59 by 12");
}

#[test]
fn after_a_panic_the_terminal_is_as_it_was() {
    let mut desk = Desk::new();
    desk.waits_to_see("ready");
    desk.types(b"p");
    assert!(!desk.ends().success());
    desk.waits_for("way back", |desk| !desk.screen.screen().alternate_screen());
    desk.waits_for("what it panicked of", |desk| desk.raw.contains("as asked"));
    assert!(desk.raw.find("\x1b[?1049l") < desk.raw.find("as asked"), "said where it is not lost with the screen");
    assert!(!desk.is_raw());
}

#[test]
fn a_suspended_program_gives_the_terminal_back_until_it_goes_on() {
    let mut desk = Desk::under_a_shell();
    desk.waits_to_see("ready");
    desk.types(b"z");
    desk.waits_to_see("it stopped");
    assert!(!desk.screen.screen().alternate_screen() && !desk.is_raw());
    desk.types(b"back\n");
    desk.waits_to_see("resumed");
    assert!(desk.screen.screen().alternate_screen() && desk.is_raw());
    desk.types(b"k");
    desk.waits_to_see("key k");
    desk.types(b"q");
    assert!(desk.ends().success());
}

#[test]
fn a_program_that_nobody_could_continue_goes_on_at_once() {
    let mut desk = Desk::new();
    desk.waits_to_see("ready");
    desk.types(b"z");
    desk.waits_for("way back", |desk| !desk.screen.screen().alternate_screen());
    desk.waits_to_see("resumed");
    assert!(desk.screen.screen().alternate_screen() && desk.is_raw());
    desk.types(b"q");
    assert!(desk.ends().success());
}

#[test]
fn a_terminal_that_hangs_up_ends_the_program_even_without_its_signal() {
    let mut desk = Desk::deaf_to_hang_ups();
    desk.waits_to_see("ready");
    // Whatever is half read then may not keep it alive.
    desk.types(b"words\x1b[");
    desk.master = None;
    let since = Instant::now();
    assert_eq!(desk.ends().code(), Some(GONE));
    assert!(since.elapsed() < Duration::from_secs(1), "it took {:?}", since.elapsed());
}

#[test]
fn a_hang_up_is_seen_and_so_is_the_end_of_the_interest_in_it() {
    let stop = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| hangs_up(&ours, &stop));
        rustix::io::write(&stop, &1u64.to_ne_bytes()).unwrap();
        assert!(!watch.join().unwrap());
    });
    let never = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| hangs_up(&ours, &never));
        drop(theirs);
        assert!(watch.join().unwrap());
    });
}
