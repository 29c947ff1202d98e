//! A manager, a folder to work in, and files to put.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::common::{BRAMBLE, folder, said, until};
use crate::kit::{Manager, Worker};

pub struct Place {
    pub here: tempfile::TempDir,
    manager: Option<Manager>,
    more: String,
    /// Where nodes look for its manager.
    ssh: String,
}

impl Place {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more in its manager's configuration.
    pub fn with(more: &str) -> Self {
        let here = folder();
        std::fs::create_dir(here.path().join("work")).unwrap();
        let mut place = Self { here, manager: None, more: more.into(), ssh: "127.0.0.1:0".into() };
        place.start();
        place
    }

    pub fn start(&mut self) {
        let (here, more) = (self.here.path(), &self.more);
        self.manager = Some(Manager::on(here, &here.join("state"), &self.ssh, |_| {
            let config = here.join("manager.toml");
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, text + more).unwrap();
        }));
    }

    pub fn manager(&self) -> &Manager {
        self.manager.as_ref().expect("a manager that runs")
    }

    /// As a power cut would, but for the disk.
    pub fn kill(&mut self) {
        let mut manager = self.manager.take().expect("a manager that runs");
        manager.signal(Signal::KILL);
        manager.child.wait().unwrap();
    }

    /// So that its nodes find the next one.
    pub fn kill_and_keep_the_port(&mut self) {
        self.ssh = self.manager().ssh.clone();
        self.kill();
    }

    /// One that is up.
    pub fn worker(&self, name: &str) -> Worker {
        let worker = self.manager().worker(name, &self.here.path().join(name));
        until("it is up", || self.manager().is_up(name).then_some(()));
        worker
    }

    pub fn pid(&self) -> u32 {
        self.manager().child.id()
    }

    pub fn socket(&self) -> PathBuf {
        self.here.path().join("run/manager.sock")
    }

    pub fn work(&self) -> PathBuf {
        self.here.path().join("work")
    }

    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.work().join(Path::new(name.as_ref()))
    }

    /// Bytes that are not the same twice.
    pub fn write(&self, name: &str, bytes: usize) -> Vec<u8> {
        let content = noise(name, bytes);
        std::fs::write(self.path(name), &content).unwrap();
        content
    }

    pub fn command(&self, words: &[&str]) -> Command {
        self.command_at(&self.socket(), words)
    }

    pub fn command_at(&self, socket: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(BRAMBLE);
        command.arg("--manager").arg(format!("unix://{}", socket.display()));
        command.arg("file").args(words).current_dir(self.work());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// With this on its stdin.
    pub fn feed(&self, words: &[&str], content: &[u8]) -> Output {
        let mut child = self.command(words).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Who is refused does not read it all.
        let _ = std::io::Write::write_all(&mut stdin, content);
        drop(stdin);
        child.wait_with_output().unwrap()
    }

    /// stdout of one that succeeds.
    pub fn does(&self, words: &[&str]) -> Vec<u8> {
        let done = self.run(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        done.stdout
    }

    /// One that is refused: its code, and what it says.
    pub fn refuses(&self, words: &[&str]) -> (i32, String) {
        told(&self.run(words))
    }

    pub fn list(&self) -> Value {
        serde_json::from_slice(&self.does(&["ls", "--json"])).unwrap()
    }

    /// Of all files there are.
    pub fn names(&self) -> Vec<String> {
        let list = self.list();
        list["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect()
    }

    fn below(&self, folder: &str) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(self.here.path().join("state").join(folder)).unwrap();
        let inside = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
        inside.map(|file| file.unwrap().path()).collect()
    }

    /// What lies on the manager's disk of files that are kept.
    pub fn contents(&self) -> Vec<PathBuf> {
        self.below("content")
    }

    pub fn halves(&self) -> Vec<PathBuf> {
        self.below("uploads")
    }

    pub fn no_half_is_left(&self) {
        until("no half upload is left", || self.halves().is_empty().then_some(()));
    }
}

pub fn told(output: &Output) -> (i32, String) {
    assert!(!output.status.success(), "{}", said(output));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Of some seed.
pub fn noise(seed: &str, bytes: usize) -> Vec<u8> {
    let mut content = vec![0; bytes];
    blake3::Hasher::new().update(seed.as_bytes()).finalize_xof().fill(&mut content);
    content
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
