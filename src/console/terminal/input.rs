//! What comes from the terminal: keys, the mouse, pasted text, another size, or its end.

use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossterm::event::{Event, KeyEvent, KeyEventKind, MouseEvent};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::process::Signal;
use rustix::stdio::stdin;

use super::modes::{mark_gone, size};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize(u16, u16),
    /// The terminal hung up. Nothing comes after it.
    Gone,
}

/// How long crossterm is asked for more. Asked for no time at all it gives nothing (under its feature `use-dev-tty`,
/// without which a key beside a new size gets stuck, and so does what is beyond its buffer), and for too short a time
/// it may be late even for what it has. Keys are given on as they come; nobody waits for this to pass.
const LOOK: Duration = Duration::from_millis(20);

/// Dropping it ends the listening.
pub struct Listener {
    stop: Arc<OwnedFd>,
}

/// `known`: the size that the caller goes by; any other is told. `give` says whether it wants more. It is called from threads
/// of this room.
pub fn listen(known: (u16, u16), give: impl Fn(Input) -> bool + Send + Sync + 'static) -> io::Result<Listener> {
    let give = Arc::new(give);
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
    let (resized, waker) = UnixStream::pair()?;
    resized.set_nonblocking(true)?;
    signal_hook::low_level::pipe::register(Signal::WINCH.as_raw(), waker)?;

    let (to, until) = (give.clone(), stop.clone());
    thread::Builder::new().name("keys".to_owned()).spawn(move || read(&*to, &until, resized, known))?;
    // crossterm's reader spins for ever on a terminal that hangs up while it reads (crossterm#793), so another
    // thread watches for that.
    let until = stop.clone();
    thread::Builder::new().name("hang-up".to_owned()).spawn(move || {
        if hangs_up(stdin(), &until) {
            mark_gone();
            give(Input::Gone);
        }
    })?;
    Ok(Listener { stop })
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Never read again, so it wakes both threads. They are not waited for: one may be caught in crossterm.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}

/// Waits until the terminal is gone, or until it is no longer of interest: then `false`.
pub(super) fn hangs_up(terminal: impl AsFd, until: impl AsFd) -> bool {
    loop {
        // A hang-up is told without being asked for.
        let mut fds = [PollFd::new(&terminal, PollFlags::empty()), PollFd::new(&until, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) if is_gone(fds[0].revents()) => return true,
            Ok(_) if !fds[1].revents().is_empty() => return false,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

fn is_gone(flags: PollFlags) -> bool {
    flags.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}

fn read(give: &dyn Fn(Input) -> bool, until: &OwnedFd, mut resized: UnixStream, mut known: (u16, u16)) {
    // It may have changed before anybody listened.
    if !give_size(give, &mut known) {
        return;
    }
    loop {
        let keys = stdin();
        let mut fds = [
            PollFd::new(&keys, PollFlags::IN),
            PollFd::new(until, PollFlags::IN),
            PollFd::new(&resized, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        let [keys, stop, size_changed] = fds.map(|fd| fd.revents());
        if is_gone(keys) || !stop.is_empty() {
            return;
        }
        if !size_changed.is_empty() {
            // However many signals there were, there is one size now.
            while resized.read(&mut [0; 64]).is_ok_and(|signals| signals > 0) {}
            if !give_size(give, &mut known) {
                return;
            }
        }
        if !keys.is_empty() && !give_all(give) {
            return;
        }
    }
}

/// Where it is another now. `false`: no more is wanted.
fn give_size(give: &dyn Fn(Input) -> bool, known: &mut (u16, u16)) -> bool {
    match size().ok().filter(|now| now != known) {
        Some(now) => {
            *known = now;
            give(Input::Resize(now.0, now.1))
        }
        None => true,
    }
}

/// All that has arrived. `false`: no more is wanted, or no more can come.
fn give_all(give: &dyn Fn(Input) -> bool) -> bool {
    loop {
        match crossterm::event::poll(LOOK) {
            Ok(true) => {}
            Ok(false) => return true,
            Err(_) => return false,
        }
        let Ok(event) = crossterm::event::read() else { return false };
        if let Some(input) = wanted(event)
            && !give(input)
        {
            return false;
        }
    }
}

fn wanted(event: Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => Some(Input::Key(key)),
        Event::Mouse(mouse) => Some(Input::Mouse(mouse)),
        Event::Paste(text) => Some(Input::Paste(text)),
        // The size is watched above, where many changes become one.
        Event::Key(_) | Event::Resize(..) | Event::FocusGained | Event::FocusLost => None,
    }
}
