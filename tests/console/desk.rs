//! Where a test sits: a manager, a home of one's own, a console on a terminal.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::screen::Terminal;
use crate::common::{BRAMBLE, Demo, folder, signal_pid, until, verb};

/// A manager without workers: nothing happens there by itself.
pub struct Calm {
    manager: Child,
    socket: PathBuf,
    folder: TempDir,
}

impl Calm {
    pub fn start() -> Calm {
        let folder = folder();
        let config = folder.path().join("manager.toml");
        let (state, run) = (folder.path().join("state"), folder.path().join("run"));
        std::fs::write(&config, format!("ssh = \"127.0.0.1:0\"\nstate = {state:?}\nrun = {run:?}\n")).unwrap();
        let manager = Command::new(BRAMBLE).args(["manager", "--config"]).arg(&config).spawn().unwrap();
        let socket = run.join("manager.sock");
        until("a manager", || verb(&socket, &["node"]).output().unwrap().status.success().then_some(()));
        Calm { manager, socket, folder }
    }

    pub fn console(&self, more: &[&str]) -> Command {
        console(self.folder.path(), &self.socket, more)
    }

    pub fn home(&self) -> &Path {
        self.folder.path()
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Calm {
    fn drop(&mut self) {
        signal_pid(self.manager.id() as i32, Signal::TERM);
        let _ = self.manager.wait();
    }
}

/// The console of a person who lives in this folder and has chosen nothing yet.
pub fn console(home: &Path, socket: &Path, more: &[&str]) -> Command {
    let mut command = verb(socket, &["console"]);
    command.args(more);
    at_home(&mut command, home);
    command
}

/// Of what the machine and the person who runs the tests have set, nothing counts.
pub fn at_home(command: &mut Command, home: &Path) {
    for name in ["NO_COLOR", "COLORTERM", "LC_ALL", "LC_CTYPE", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
        command.env_remove(name);
    }
    command.env("HOME", home).env("LANG", "C.UTF-8");
}

/// The number of a job that is submitted and has come so far.
pub fn job(demo: &Demo, state: &str, words: &[&str]) -> String {
    let done = demo.verb(&[&["run"], words].concat());
    let id = String::from_utf8(done.stdout).unwrap().trim().to_owned();
    until(&format!("job {id} is {state}"), || (demo.json(&["job", &id, "--json"])["state"] == state).then_some(()));
    id
}

/// Processor time a program has used, in hundredths of a second.
pub fn ticks(terminal: &Terminal) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", terminal.pid().as_raw_nonzero())).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Bytes written and hundredths of a second used in a while in which the clock in the corner stands still.
pub fn spent_in(terminal: &Terminal, while_: Duration) -> (usize, u64) {
    let minute = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60;
    loop {
        let (began, before) = (minute(), ticks(terminal));
        let written = terminal.written_in(while_);
        if minute() == began {
            return (written, ticks(terminal) - before);
        }
    }
}

/// The last line of the screen is that of the footer.
pub fn fits(screen: &vt100::Screen) -> bool {
    let (rows, columns) = screen.size();
    let last = screen.rows(0, columns.get()).nth(usize::from(rows.get()) - 1);
    last.is_some_and(|row| row.contains("? help"))
}

/// Whether this text stands on the screen in a line that is lit as the cursor's.
pub fn lit(screen: &vt100::Screen, text: &str) -> bool {
    let columns = screen.size().1.get();
    let places =
        screen.rows(0, columns).enumerate().filter_map(|(y, row)| Some((y, row[..row.find(text)?].chars().count())));
    places.into_iter().any(|(y, x)| screen.cell(y as u16, x as u16).is_some_and(vt100::Cell::inverse))
}

/// What a terminal is sent for its clipboard.
pub fn copied(text: &str) -> Vec<u8> {
    format!("\x1b]52;c;{}\x1b\\", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)).into_bytes()
}
