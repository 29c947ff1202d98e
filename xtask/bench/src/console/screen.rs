//! The program on a pseudo-terminal, and when what it writes there has come out at the other end.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::fake::Fake;
use crate::process::Pid;

const COLUMNS: u16 = 120;
const ROWS: u16 = 40;
/// Where a frame ends: the terminal may show it now.
const END: &[u8] = b"\x1b[?2026l";
/// Within this it is all there, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// It ends with its value.
pub struct Screen {
    child: Child,
    master: File,
    painted: Receiver<Painted>,
}

/// What came out at once.
pub struct Painted {
    pub at: Instant,
    bytes: Vec<u8>,
    /// How many frames ended with it.
    frames: usize,
}

impl Screen {
    /// Starts the console; returns when this text is on the screen, with how long that took.
    pub fn open(bramble: &Path, home: &Path, fake: &Fake, text: &str) -> anyhow::Result<(Self, Duration)> {
        let (master, terminal) = pair().context("there is no pseudo-terminal")?;
        let mut command = Command::new(bramble);
        command.arg("console").env_clear().current_dir(home);
        command.env("HOME", home).env("TERM", "xterm-256color").env("LANG", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        command.env("BRAMBLE_MANAGER", fake.address());
        command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
        let (to, painted) = channel();
        let reader = master.try_clone()?;
        thread::spawn(move || read(reader, &to));
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("{} cannot be started", bramble.display()))?;
        // Our copies of its end are closed with the command, so that its exit is the end of the screen.
        drop(command);
        let mut screen = Self { child, master, painted };
        let took = screen.shows(text)?.duration_since(began);
        Ok((screen, took))
    }

    pub fn pid(&self) -> Pid {
        self.child.id()
    }

    pub fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        self.master.write_all(keys.as_bytes()).context("the terminal takes no keys")
    }

    /// The next frame that ends.
    pub fn frame(&mut self, within: Duration) -> Option<Painted> {
        let until = Instant::now() + within;
        loop {
            let painted = self.painted.recv_timeout(until.saturating_duration_since(Instant::now())).ok()?;
            if painted.frames > 0 {
                return Some(painted);
            }
        }
    }

    /// Lets so much time pass; returns how many bytes came meanwhile.
    pub fn rests(&mut self, lasting: Duration) -> usize {
        let until = Instant::now() + lasting;
        let mut bytes = 0;
        loop {
            match self.painted.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(painted) => bytes += painted.bytes.len(),
                Err(RecvTimeoutError::Timeout) => return bytes,
                // What has ended writes nothing; who looks next will find out.
                Err(RecvTimeoutError::Disconnected) => {
                    thread::sleep(until.saturating_duration_since(Instant::now()));
                    return bytes;
                }
            }
        }
    }

    fn shows(&mut self, text: &str) -> anyhow::Result<Instant> {
        let mut seen = vec![];
        let until = Instant::now() + PATIENCE;
        while let Ok(painted) = self.painted.recv_timeout(until.saturating_duration_since(Instant::now())) {
            seen.extend_from_slice(&painted.bytes);
            let there = seen.windows(text.len()).any(|part| part == text.as_bytes());
            if there && seen.ends_with(END) {
                return Ok(painted.at);
            }
        }
        bail!("the console never showed {text:?}, only {:?}", String::from_utf8_lossy(&seen))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It may have ended by itself: then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pair() -> anyhow::Result<(File, OwnedFd)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let terminal = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    tcsetwinsize(&terminal, Winsize { ws_col: COLUMNS, ws_row: ROWS, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((File::from(master), terminal))
}

/// Until the program has ended and all it wrote was read.
fn read(mut from: File, to: &Sender<Painted>) {
    let mut piece = [0; 64 * 1024];
    // What may be the beginning of an end that is still to come.
    let mut tail: Vec<u8> = vec![];
    while let Ok(n @ 1..) = from.read(&mut piece) {
        let at = Instant::now();
        tail.extend_from_slice(&piece[..n]);
        let frames = tail.windows(END.len()).filter(|part| *part == END).count();
        let keep = tail.len().saturating_sub(END.len() - 1);
        tail.drain(..keep);
        if to.send(Painted { at, bytes: piece[..n].to_vec(), frames }).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Seek;

    use super::*;

    #[test]
    fn the_end_of_a_frame_is_found_wherever_the_pieces_are_cut() {
        let (to, painted) = channel();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[b"\x1b[?2026hone", END, b"\x1b[?2026htwo", END].concat()).unwrap();
        file.rewind().unwrap();
        read(file, &to);
        assert_eq!(painted.try_iter().map(|painted| painted.frames).sum::<usize>(), 2);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let thread = thread::spawn(move || read(File::from(OwnedFd::from(reader)), &to));
        for byte in END {
            writer.write_all(&[*byte]).unwrap();
        }
        drop(writer);
        thread.join().unwrap();
        assert_eq!(painted.try_iter().map(|painted| painted.frames).sum::<usize>(), 1);
    }
}
