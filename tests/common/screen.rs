//! A program on a terminal of its own: a test types, looks at the screen, resizes it, hangs up.
//!
//! The program leads a session and has the terminal as its controlling one, as in an emulator: `<c-c>` interrupts it,
//! a new size is signalled, a hang-up too. To see it suspended, start a shell here and the program from that: only a
//! shell's job can be stopped.

use std::fs::File;
use std::io::{PipeWriter, Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, ioctl_tiocsctty, pidfd_open, setsid};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::relay::Late;
use super::{PATIENCE, keys};

pub struct Terminal {
    child: Child,
    /// Our end; gone after a hang-up.
    line: Option<Line>,
    shown: Arc<Shown>,
}

struct Line {
    master: File,
    keys: Late,
    /// Whoever holds a copy of our end.
    threads: Vec<JoinHandle<()>>,
    /// Closed to tell the reader that it is over.
    over: PipeWriter,
    faucet: Arc<Faucet>,
}

/// Whether the terminal takes what the program writes.
#[derive(Default)]
struct Faucet {
    closed: Mutex<bool>,
    changed: Condvar,
}

impl Faucet {
    fn set(&self, closed: bool) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(closed, |closed| *closed));
    }
}

/// While there is this, the terminal takes nothing from the program.
pub struct Stopped(Arc<Faucet>);

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

struct Shown {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Answers>,
    /// Every byte that was ever received.
    raw: Vec<u8>,
    /// No more will come.
    closed: bool,
}

/// What the terminal says by itself when it is asked: a program that gets no answer to these takes it for broken.
#[derive(Default)]
struct Answers {
    owed: Vec<u8>,
}

impl vt100::Callbacks for Answers {
    fn unhandled_csi(&mut self, screen: &mut vt100::Screen, i1: Option<u8>, _: Option<u8>, ask: &[&[u16]], c: char) {
        match (i1, ask, c) {
            (None, [[6]], 'n') => {
                let (row, column) = screen.cursor_position();
                self.owed.extend(format!("\x1b[{};{}R", row + 1, column + 1).into_bytes());
            }
            (None, [[5]], 'n') => self.owed.extend(b"\x1b[0n"),
            // A VT220 with colours.
            (None, [] | [[0]], 'c') => self.owed.extend(b"\x1b[?62;22c"),
            _ => {}
        }
    }
}

impl Terminal {
    /// Starts a program on a terminal of 24 rows.
    pub fn of(command: Command, columns: u16) -> Terminal {
        Terminal::sized(command, columns, 24)
    }

    /// Starts a program with the terminal as its stdin, stdout and stderr. `TERM` is xterm's unless the command says
    /// otherwise.
    pub fn sized(command: Command, columns: u16, rows: u16) -> Terminal {
        Terminal::far(command, columns, rows, Duration::ZERO)
    }

    /// Starts a program at the other end of a slow line: keys reach it so much later, and so does the screen us.
    pub fn far(mut command: Command, columns: u16, rows: u16, delay: Duration) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal: OwnedFd = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&terminal, winsize(columns, rows)).unwrap();
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        command.stdin(terminal.try_clone().unwrap());
        command.stdout(terminal.try_clone().unwrap());
        command.stderr(terminal);
        let lead = || {
            setsid()?;
            ioctl_tiocsctty(rustix::stdio::stdin())?;
            Ok(())
        };
        // SAFETY: between fork and exec, these are two system calls on descriptors that are there.
        unsafe { command.pre_exec(lead) };
        let child = command.spawn().unwrap();
        // Our copies of its end are closed with the command, so that its exit is the end of the screen.
        drop(command);
        let master = File::from(master);
        let parser = vt100::Parser::new_with_callbacks(size(rows), size(columns), 0, Answers::default());
        let state = Mutex::new(State { parser, raw: vec![], closed: false });
        let shown = Arc::new(Shown { state, changed: Condvar::new() });
        let mut to_program = master.try_clone().unwrap();
        // Who has gone reads no keys.
        let (keys, types) = Late::to(delay, move |keys| to_program.write_all(&keys).is_ok());
        let (to, answers) = (shown.clone(), keys.clone());
        let (screen, shows) = Late::to(delay, move |bytes| to.show(&bytes, &answers));
        let (told, over) = std::io::pipe().unwrap();
        let from_program = master.try_clone().unwrap();
        let faucet = Arc::new(Faucet::default());
        let passes = faucet.clone();
        let reads = std::thread::spawn(move || read(from_program, &told, &passes, &screen));
        Terminal { child, line: Some(Line { master, keys, threads: vec![reads, shows, types], over, faucet }), shown }
    }

    /// Presses keys, as in `"/pi-2<enter>"`. Where `<esc>` is followed by another key, wait for what it does: the two
    /// in one piece are Alt and that key.
    #[track_caller]
    pub fn keys(&self, keys: &str) {
        self.sends(&keys::sent(keys));
    }

    #[track_caller]
    pub fn sends(&self, bytes: &[u8]) {
        let line = self.line.as_ref().expect("the terminal has hung up");
        line.keys.send(bytes.to_vec());
    }

    #[track_caller]
    pub fn until_shows(&self, text: &str) {
        self.until(&format!("{text:?} on the screen"), |screen| lines(screen).contains(text));
    }

    #[track_caller]
    pub fn until_gone(&self, text: &str) {
        self.until(&format!("{text:?} off the screen"), |screen| !lines(screen).contains(text));
    }

    /// Waits for a condition of the screen; shows the screen where it never comes true.
    #[track_caller]
    pub fn until(&self, what: &str, condition: impl Fn(&vt100::Screen) -> bool) {
        self.wait(what, |state| condition(state.parser.screen()));
    }

    /// Waits for bytes that are not to be seen on the screen, such as a copy by OSC 52.
    #[track_caller]
    pub fn until_sent(&self, bytes: &[u8]) {
        let what = format!("{:?} from the program", String::from_utf8_lossy(bytes));
        self.wait(&what, |state| state.raw.windows(bytes.len()).any(|part| part == bytes));
    }

    /// Waits until nothing is written for this long.
    #[track_caller]
    pub fn until_still(&self, quiet: Duration) {
        let end = Instant::now() + PATIENCE;
        while self.written_in(quiet) != 0 {
            assert!(Instant::now() < end, "it never stopped writing\n{}", picture(&self.shown.lock()));
        }
    }

    /// How many bytes are written in the next moment.
    pub fn written_in(&self, moment: Duration) -> usize {
        let state = self.shown.lock();
        let mark = state.raw.len();
        let (state, _) = self.shown.changed.wait_timeout_while(state, moment, |state| !state.closed).unwrap();
        state.raw.len() - mark
    }

    /// How many bytes have been written so far: a mark to count from.
    pub fn written(&self) -> usize {
        self.shown.lock().raw.len()
    }

    /// Every byte the program has written.
    pub fn raw(&self) -> Vec<u8> {
        self.shown.lock().raw.clone()
    }

    /// The lines of the screen.
    pub fn screen(&self) -> String {
        self.with(lines)
    }

    /// What a look at the screen finds: colours, the cursor, modes.
    pub fn with<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.shown.lock().parser.screen())
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let line = self.line.as_ref().expect("the terminal has hung up");
        // First here: what the program writes from now on is meant for the new size.
        self.shown.lock().parser.screen_mut().set_size(size(rows), size(columns));
        tcsetwinsize(&line.master, winsize(columns, rows)).unwrap();
    }

    /// Takes nothing more from the program, as after Ctrl-S, or where the connection stands still.
    #[must_use]
    pub fn stops_reading(&self) -> Stopped {
        let line = self.line.as_ref().expect("the terminal has hung up");
        line.faucet.set(true);
        Stopped(line.faucet.clone())
    }

    /// The window is closed, the connection gone.
    pub fn hang_up(&mut self) {
        if let Some(Line { master, keys, threads, over, faucet }) = self.line.take() {
            faucet.set(false);
            drop((master, keys, over));
            // Their copies have to go too.
            for thread in threads {
                thread.join().unwrap();
            }
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Everything written until the program ended, and its code.
    #[track_caller]
    pub fn ends(mut self) -> (String, Option<i32>) {
        let status = self.ends_within(PATIENCE);
        self.wait("the end of what it writes", |state| state.closed);
        (String::from_utf8_lossy(&self.raw()).replace("\r\n", "\n"), status.code())
    }

    /// How the program ended, if it does in that time.
    #[track_caller]
    pub fn ends_within(&mut self, time: Duration) -> ExitStatus {
        let ended = exits(&self.child, time);
        assert!(ended, "it did not end in {time:?}\n{}", picture(&self.shown.lock()));
        self.child.wait().unwrap()
    }

    #[track_caller]
    fn wait(&self, what: &str, done: impl Fn(&State) -> bool) {
        let state = self.shown.lock();
        let waiting = |state: &mut State| !done(state) && !state.closed;
        let (state, _) = self.shown.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap();
        if !done(&state) {
            let picture = picture(&state);
            // A test that is told so leaves the next look possible.
            drop(state);
            panic!("waited in vain for {what}\n{picture}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.hang_up();
        if !exits(&self.child, Duration::from_secs(10)) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Shown {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed while it looked at the screen says so itself.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a terminal does with what it receives; whether there is more to come.
    fn show(&self, bytes: &[u8], answers: &Late) -> bool {
        let mut state = self.lock();
        state.parser.process(bytes);
        state.raw.extend_from_slice(bytes);
        state.closed = bytes.is_empty();
        let owed = std::mem::take(&mut state.parser.callbacks_mut().owed);
        drop(state);
        self.changed.notify_all();
        if !owed.is_empty() {
            answers.send(owed);
        }
        !bytes.is_empty()
    }
}

/// Ends with the program, and with the line; a piece without bytes says so.
fn read(mut from: File, over: &impl AsFd, faucet: &Faucet, to: &Late) {
    let mut chunk = [0; 16 * 1024];
    loop {
        let mut ready = [PollFd::new(&from, PollFlags::IN), PollFd::new(over, PollFlags::IN)];
        poll(&mut ready, None).unwrap();
        faucet.pass();
        let hung_up = !ready[1].revents().is_empty();
        // A terminal whose program has gone says so by an error.
        let n = if hung_up { 0 } else { from.read(&mut chunk).unwrap_or(0) };
        to.send(chunk[..n].to_vec());
        if n == 0 {
            return;
        }
    }
}

fn exits(child: &Child, time: Duration) -> bool {
    // It may have been waited for already; then there is nobody of this number.
    let Ok(process) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) else { return true };
    let time = Timespec::try_from(time).unwrap();
    poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&time)).unwrap() == 1
}

fn lines(screen: &vt100::Screen) -> String {
    let (_, columns) = screen.size();
    screen.rows(0, columns.get()).collect::<Vec<_>>().join("\n")
}

/// The whole screen in a frame, for a person who wonders.
fn picture(state: &State) -> String {
    let screen = state.parser.screen();
    let (rows, columns) = screen.size();
    let edge = "─".repeat(usize::from(columns.get()));
    let (y, x) = screen.cursor_position();
    let shown = screen.rows(0, columns.get()).map(|row| format!("│{row}\n")).collect::<String>();
    let end = if state.closed { ", and the program has ended or was cut off" } else { "" };
    format!("┌{edge}\n{shown}└{edge}\n{columns}×{rows}, cursor at column {x}, row {y}, {} bytes{end}", state.raw.len())
}

fn size(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).expect("a terminal has at least one row and column")
}

fn winsize(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}
