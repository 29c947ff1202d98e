//! A real bramble for tests: the demo, headless, in a folder of its own, ended at the end whatever happens.
#![allow(dead_code)]

pub mod keys;
pub mod relay;
pub mod screen;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const BRAMBLE: &str = env!("CARGO_BIN_EXE_bramble");

/// Longer than anything here takes on a busy machine; reached only by what would never happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that task uids can pass through.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("bramble-").tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// Waits for a condition; says what it waited for when it never comes true.
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(10)); // why: the pause between two looks at a condition
    }
}

pub struct Demo {
    pub child: Child,
    pub line: Value,
    pub state: PathBuf,
}

impl Demo {
    pub fn start(state: &Path, more: &[&str]) -> Demo {
        Demo::try_start(state, more).unwrap_or_else(|why| panic!("{why}"))
    }

    pub fn try_start(state: &Path, more: &[&str]) -> Result<Demo, String> {
        Demo::from(demo_command(state, more), state)
    }

    /// `command`: of a demo in `state`.
    pub fn from(mut command: Command, state: &Path) -> Result<Demo, String> {
        let mut child = command.spawn().unwrap();
        let mut text = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut text).unwrap();
        match serde_json::from_str(&text) {
            Ok(line) => Ok(Demo { child, line, state: state.into() }),
            Err(why) => {
                let ended = child.wait();
                Err(format!("no JSON line from the demo: {text:?} {why}; it ended with {ended:?}"))
            }
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.line["socket"].as_str().unwrap().into()
    }

    pub fn verb(&self, words: &[&str]) -> Output {
        verb(&self.socket(), words).output().unwrap()
    }

    /// stdout of a verb that succeeds, as JSON.
    pub fn json(&self, words: &[&str]) -> Value {
        let done = self.verb(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", said(&done)))
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        signal_pid(self.child.id() as i32, signal);
    }

    /// As Ctrl-C does; nothing is left behind.
    pub fn quit(mut self) {
        self.signal(rustix::process::Signal::INT);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the demo ended with {status}");
        assert_eq!(processes_of(&self.state), Vec::<String>::new(), "left behind");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(rustix::process::Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

pub fn demo_command(state: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(BRAMBLE);
    command.args(["demo", "--headless", "--no-samples", "--state"]).arg(state).args(more);
    command.stdout(Stdio::piped()).stdin(Stdio::null());
    command
}

pub fn verb(socket: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(BRAMBLE);
    command.arg("--manager").arg(format!("unix://{}", socket.display())).args(words).stdin(Stdio::null());
    command
}

pub fn said(output: &Output) -> String {
    format!(
        "{}\nstdout: {}\nstderr: {}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

pub fn signal_pid(pid: i32, signal: rustix::process::Signal) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// Command lines of all processes that have to do with this state folder: daemons by their arguments, tasks by
/// their HOME.
pub fn processes_of(state: &Path) -> Vec<String> {
    let state = state.to_str().unwrap();
    pids().filter(|pid| concerns(*pid, state)).map(|pid| format!("{pid} {}", command_line(pid))).collect()
}

/// Pids of the daemons of this state folder whose command line has `word`.
pub fn daemons(state: &Path, word: &str) -> Vec<i32> {
    let state = state.to_str().unwrap();
    let ours = |pid: &i32| {
        let line = command_line(*pid);
        line.contains(state) && line.split(' ').any(|w| w == word) && !line.contains(" demo ")
    };
    pids().filter(ours).collect()
}

fn pids() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

pub fn command_line(pid: i32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn concerns(pid: i32, state: &str) -> bool {
    if pid == std::process::id() as i32 {
        return false;
    }
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')));
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let home = format!("HOME={state}/");
    let is_task = environment.split(|&b| b == 0).any(|var| var.starts_with(home.as_bytes()));
    !zombie && (is_task || command_line(pid).contains(state))
}
