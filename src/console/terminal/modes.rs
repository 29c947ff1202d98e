//! Makes a terminal a full screen of ours, and gives it back as it was.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste};
use crossterm::style::{ResetColor, force_color_output};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, SetTitle, disable_raw_mode, enable_raw_mode};
use crossterm::{Command, queue};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Signal, kill_current_process_group};
use rustix::stdio::stdout;
use rustix::termios::tcgetwinsize;

use super::painter::Screen;

/// There is one terminal, and whoever panics or quits must know what has been done to it.
static STATE: AtomicU8 = AtomicU8::new(CLOSED);
const CLOSED: u8 = 0;
const OPEN: u8 = 1;
/// It hung up: nothing is written to it any more, not even to restore it.
const GONE: u8 = 2;

static TITLED: AtomicBool = AtomicBool::new(false);

#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("The console needs a terminal to show itself on; for scripts there are the verbs, see bramble --help.")]
    NotATerminal,
    #[error("The terminal cannot be made a full screen: {0}.")]
    Refused(#[from] io::Error),
}

pub struct Terminal {
    mouse: bool,
}

impl Terminal {
    pub fn open(mouse: bool) -> Result<Self, TerminalError> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(TerminalError::NotATerminal);
        }
        // With NO_COLOR crossterm writes an empty style, which wipes bold and reverse; the theme leaves colours out.
        force_color_output(true);
        restore_on_panic();
        let mut terminal = Self { mouse };
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        STATE.store(OPEN, Ordering::SeqCst);
        let mut bytes = vec![];
        queue!(bytes, EnterAlternateScreen, DisableFocusChange, EnableBracketedPaste, Hide)?;
        if self.mouse {
            queue!(bytes, Mouse(true))?;
        }
        self.write_all(&bytes)
    }
}

impl Screen for Terminal {
    fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        queue!(self, Mouse(on))
    }

    fn set_title(&mut self, title: &str) -> io::Result<()> {
        if !TITLED.swap(true, Ordering::SeqCst) {
            queue!(self, KeepTitle)?;
        }
        let title: String = title.chars().filter(|letter| !letter.is_control()).collect();
        queue!(self, SetTitle(title))
    }

    /// Stops the process as Ctrl-Z does elsewhere; returns when it goes on, with the screen ours again.
    fn suspend(&mut self) -> io::Result<()> {
        let (continued, waker) = UnixStream::pair()?;
        let registered = signal_hook::low_level::pipe::register(Signal::CONT.as_raw(), waker)?;
        restore();
        kill_current_process_group(Signal::TSTP)?;
        // The stop may come a moment after the call. Where no shell watches over us it never comes, hence the limit.
        let limit = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let _ = poll(&mut [PollFd::new(&continued, PollFlags::IN)], Some(&limit));
        signal_hook::low_level::unregister(registered);
        self.enter()
    }

    fn reopen(&mut self) -> io::Result<()> {
        if STATE.load(Ordering::SeqCst) == GONE {
            return Err(gone());
        }
        // Whoever stopped us changed the modes behind crossterm's back.
        disable_raw_mode()?;
        self.enter()
    }
}

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if STATE.load(Ordering::SeqCst) != OPEN {
            return Err(gone());
        }
        loop {
            match rustix::io::write(stdout(), bytes) {
                Ok(written) => return Ok(written),
                // Another program on this terminal left it so.
                Err(Errno::AGAIN) => {
                    poll(&mut [PollFd::new(&stdout(), PollFlags::OUT)], None)?;
                }
                Err(Errno::INTR) => {}
                Err(error) => {
                    mark_gone();
                    return Err(error.into());
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// The terminal hung up.
pub fn mark_gone() {
    STATE.store(GONE, Ordering::SeqCst);
}

/// Columns and rows.
pub fn size() -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(stdout())?;
    Ok(believed(size.ws_col, size.ws_row))
}

/// Serial lines do not know theirs. Over SSH anyone may name any size, and each of its cells would take our memory: no screen has more than these.
pub(super) fn believed(columns: u16, rows: u16) -> (u16, u16) {
    if columns == 0 || rows == 0 { (80, 24) } else { (columns.min(1000), rows.min(500)) }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone")
}

fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
}

fn restore() {
    if STATE.compare_exchange(OPEN, CLOSED, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        return;
    }
    let mut bytes = vec![];
    if TITLED.swap(false, Ordering::SeqCst) {
        let _ = queue!(bytes, GiveTitleBack);
    }
    let _ = queue!(bytes, ResetColor, Mouse(false), DisableBracketedPaste, Show, LeaveAlternateScreen);
    write_soon(stdout(), &bytes);
    let _ = disable_raw_mode();
}

/// Not at all, if the terminal takes nothing: quitting may not wait for somebody to press Ctrl-Q.
fn write_soon(to: impl AsFd, mut bytes: &[u8]) {
    let limit = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
    while !bytes.is_empty() {
        let takes = poll(&mut [PollFd::new(&to, PollFlags::OUT)], Some(&limit));
        match takes.and_then(|ready| if ready == 0 { Ok(0) } else { rustix::io::write(&to, bytes) }) {
            Ok(written) if written > 0 => bytes = &bytes[written..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            _ => return,
        }
    }
}

/// Clicks, drags and the wheel. crossterm's own asks for every movement too, which floods a slow link.
struct Mouse(bool);

impl Command for Mouse {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str(if self.0 { "\x1b[?1000h\x1b[?1002h\x1b[?1006h" } else { "\x1b[?1006l\x1b[?1002l\x1b[?1000l" })
    }
}

/// Onto the terminal's own pile of titles.
struct KeepTitle;

impl Command for KeepTitle {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str("\x1b[22;2t")
    }
}

struct GiveTitleBack;

impl Command for GiveTitleBack {
    fn write_ansi(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        f.write_str("\x1b[23;2t")
    }
}
