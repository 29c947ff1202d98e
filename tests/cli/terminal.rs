//! The program on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Far longer than anything here takes; only a broken program gets there.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Terminal {
    child: Child,
    master: File,
    screen: Arc<Screen>,
}

#[derive(Default)]
struct Screen {
    seen: Mutex<(String, bool)>,
    changed: Condvar,
}

impl Terminal {
    /// Starts the program with this terminal as its stdin, stdout and stderr.
    pub fn of(mut command: Command, columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal: OwnedFd = ioctl_tiocgptpeer(&master, flags).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_col: columns, ws_row: 24, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        command.stdin(terminal.try_clone().unwrap());
        command.stdout(terminal.try_clone().unwrap());
        command.stderr(terminal);
        let child = command.spawn().unwrap();
        // Our copies of its end are closed with the command, so that its exit is the end of the screen.
        drop(command);
        let master = File::from(master);
        let screen = Arc::<Screen>::default();
        let (mut reader, seen) = (master.try_clone().unwrap(), screen.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let n = reader.read(&mut chunk).unwrap_or(0);
                let mut screen = seen.seen.lock().unwrap();
                screen.0.push_str(&String::from_utf8_lossy(&chunk[..n]));
                screen.1 = n == 0;
                seen.changed.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Terminal { child, master, screen }
    }

    #[track_caller]
    pub fn shows(&self, text: &str) {
        let seen = self.screen.seen.lock().unwrap();
        let unseen = |seen: &mut (String, bool)| !seen.0.contains(text) && !seen.1;
        let (seen, _) = self.screen.changed.wait_timeout_while(seen, PATIENCE, unseen).unwrap();
        assert!(seen.0.contains(text), "never showed {text:?}, only {:?}", seen.0);
    }

    pub fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// What the terminal would send for Ctrl-C.
    pub fn interrupt(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    }

    /// Everything shown until the program ended, and its code.
    pub fn ends(mut self) -> (String, Option<i32>) {
        let code = self.child.wait().unwrap().code();
        let seen = self.screen.seen.lock().unwrap();
        let (seen, _) = self.screen.changed.wait_timeout_while(seen, PATIENCE, |seen| !seen.1).unwrap();
        (seen.0.replace("\r\n", "\n"), code)
    }
}
