//! A real manager and those who look at it: who watches is known to the others, and gone when their program is,
//! however it ended; how nodes have been doing outlives the manager.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{BRAMBLE, PATIENCE, folder, signal_pid, until, verb};
use rustix::process::Signal;
use serde_json::{Value, json};

/// A uid that no system gives to anyone.
const STRANGER: u32 = 1_234_567;
const SOCKET: &str = "BRAMBLE_TEST_WATCHES";

struct Manager {
    child: Child,
    socket: PathBuf,
}

impl Manager {
    fn start(state: &Path) -> Self {
        let (config, run) = (state.join("manager.toml"), state.join("run"));
        let text = format!(
            "ssh = \"127.0.0.1:0\"\nname = \"shelf\"\nstate = {:?}\nrun = {run:?}\n[people]\nuid-{STRANGER} = \"viewer\"\n",
            state.join("state")
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(state.join("log")).unwrap();
        let mut command = Command::new(BRAMBLE);
        command.args(["manager", "--config"]).arg(&config).stdin(Stdio::null()).stderr(log);
        let (child, socket) = (command.spawn().unwrap(), run.join("manager.sock"));
        until("the manager answers", || UnixStream::connect(&socket).ok());
        Self { child, socket }
    }

    /// How many samples of its own machine it knows, once it has looked at it.
    fn samples(&self) -> Option<usize> {
        let done = verb(&self.socket, &["node", "history", "shelf", "--json"]).output().unwrap();
        let history: Value = serde_json::from_slice(&done.stdout).ok()?;
        Some(history["memory"].as_array()?.iter().filter(|used| !used.is_null()).count())
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        signal_pid(self.child.id() as i32, Signal::TERM);
        let _ = self.child.wait();
    }
}

struct Watch(UnixStream);

impl Watch {
    fn open(socket: &Path) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let json = serde_json::to_vec(&json!({"id": 1, "request": "watch"})).unwrap();
        stream.write_all(&u32::try_from(json.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&json).unwrap();
        Self(stream)
    }

    fn next(&mut self) -> Value {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut json = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut json).unwrap();
        serde_json::from_slice(&json).unwrap()
    }

    /// How many watch, as the next piece says that tells of people.
    fn people(&mut self) -> usize {
        until("news of people", || {
            let more = &self.next()["more"];
            let piece = if more["picture"].is_object() { &more["picture"] } else { &more["changes"] };
            piece["people"].as_array().map(Vec::len)
        })
    }
}

/// Run by the test below in a process of its own, as somebody else, and ended from outside.
#[test]
fn a_stranger_watches_until_killed() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(STRANGER)).unwrap();
    let mut watch = Watch::open(Path::new(&socket));
    loop {
        watch.next();
    }
}

#[test]
fn who_is_killed_while_watching_is_gone_for_everyone_else() {
    if !rustix::process::getuid().is_root() {
        return eprintln!("only root can be somebody else: nothing was tested");
    }
    let here = folder();
    let manager = Manager::start(here.path());
    let mut watch = Watch::open(&manager.socket);
    assert_eq!(watch.people(), 1);
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "a_stranger_watches_until_killed"]).env(SOCKET, &manager.socket);
    let mut other = other.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert_eq!(watch.people(), 2);
    other.kill().unwrap();
    assert_eq!(watch.people(), 1);
    other.wait().unwrap();
}

#[test]
fn the_last_hour_outlives_a_manager_that_ends_well() {
    let here = folder();
    let manager = Manager::start(here.path());
    until("two samples", || manager.samples().filter(|samples| *samples >= 2));
    drop(manager);
    let manager = Manager::start(here.path());
    // In the first second it has none of its own yet.
    let samples = until("its own machine", || manager.samples());
    assert!(samples >= 2, "{samples} samples");
}
