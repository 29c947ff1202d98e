//! A guest's manager, asked from this machine: the verbs of the program itself, over a socket that ssh brings here.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use protocol::api::TaskView;
use protocol::event::Event;
use protocol::id::JobId;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Host {
    pub program: PathBuf,
    pub socket: PathBuf,
}

/// What a verb came to.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub text: String,
    pub errors: String,
}

impl Host {
    pub fn say(&self, words: &[&str]) -> Result<Said> {
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null());
        command.env("BRAMBLE_MANAGER", format!("unix://{}", self.socket.display()));
        // Whoever asks here asks again.
        command.env("BRAMBLE_PATIENCE", "1s");
        let said = command.output().context("bramble cannot be started")?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { code: said.status.code().unwrap_or(-1), text: text(said.stdout), errors: text(said.stderr) })
    }

    /// What it prints, where it succeeds.
    pub fn verb(&self, words: &[&str]) -> Result<String> {
        let said = self.say(words)?;
        ensure!(said.code == 0, "bramble {} ended with {}: {}", words.join(" "), said.code, said.errors.trim_end());
        Ok(said.text)
    }

    /// The number of the job, where it was acknowledged.
    pub fn submit(&self, options: &[&str], command: &[&str]) -> Result<JobId> {
        let words = [&["run"], options, &["--"], command].concat();
        let said = self.verb(&words)?;
        said.trim().parse().map_err(|_| anyhow::anyhow!("bramble run printed {said:?} instead of a number"))
    }

    pub fn tasks(&self, which: &[&str]) -> Result<Vec<TaskView>> {
        self.json(&[&["task", "ls", "--json"], which].concat())
    }

    pub fn nodes(&self) -> Result<Value> {
        self.json(&["node", "--json"])
    }

    /// All events since that number.
    pub fn events(&self, after: u64) -> Result<Vec<Event>> {
        let text = self.verb(&["event", "--json", "--after", &after.to_string()])?;
        text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("an event: {line}"))).collect()
    }

    fn json<T: DeserializeOwned>(&self, words: &[&str]) -> Result<T> {
        let text = self.verb(words)?;
        serde_json::from_str(&text).with_context(|| format!("bramble {} printed {text:.200}", words.join(" ")))
    }
}
