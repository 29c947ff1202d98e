//! One machine of the rig.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::until;

#[derive(Debug, Clone)]
pub struct Guest {
    pub name: String,
    /// `machine.sh`
    script: PathBuf,
}

impl Guest {
    pub fn new(script: &Path, name: &str) -> Self {
        Self { name: name.into(), script: script.into() }
    }

    /// Boots it until ssh answers; says how long that took.
    pub fn up(&self, options: &[&str]) -> Result<Duration> {
        let began = Instant::now();
        self.machine("up", options)?;
        Ok(began.elapsed())
    }

    pub fn is_up(&self) -> bool {
        let listed = Command::new(&self.script).arg("list").stdin(Stdio::null()).output();
        listed.is_ok_and(|listed| is_up(&String::from_utf8_lossy(&listed.stdout), &self.name))
    }

    /// The power goes.
    pub fn cut(&self) -> Result<()> {
        self.machine("cut", &[]).map(drop)
    }

    pub fn down(&self) -> Result<()> {
        self.machine("down", &[]).map(drop)
    }

    pub fn remove(&self) -> Result<()> {
        self.machine("rm", &[]).map(drop)
    }

    pub fn copy(&self, file: &Path, to: &str) -> Result<()> {
        let file = file.to_str().context("a path that is not text")?;
        self.machine("cp", &[file, to]).map(drop)
    }

    /// A socket of the guest becomes one of this machine.
    pub fn forward(&self, here: &Path, there: &str) -> Result<()> {
        let here = here.to_str().context("a path that is not text")?;
        self.machine("forward", &[here, there]).map(drop)
    }

    /// What a script prints that runs there as root; that it fails is an error with all it said.
    pub fn run(&self, script: &str) -> Result<String> {
        let said = self.command(script).output().context("ssh cannot be started")?;
        let text = String::from_utf8_lossy(&said.stdout).trim_end().to_owned();
        if said.status.success() {
            return Ok(text);
        }
        let errors = String::from_utf8_lossy(&said.stderr);
        bail!("on {}: `{script}` failed ({}): {text} {}", self.name, said.status, errors.trim_end())
    }

    pub fn command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.script);
        command.args(["ssh", &self.name, &format!("set -eu; {script}")]);
        command.stdin(Stdio::null());
        command
    }

    /// Waits until the script succeeds there; says what it printed.
    pub fn until(&self, what: &str, patience: Duration, script: &str) -> Result<String> {
        until(&format!("{what} on {}", self.name), patience, || self.run(script))
    }

    /// That the script prints this.
    pub fn says(&self, script: &str, wanted: &str) -> Result<()> {
        let said = self.run(script)?;
        ensure!(said == wanted, "on {}: `{script}` says {said:?}, not {wanted:?}", self.name);
        Ok(())
    }

    fn machine(&self, verb: &str, options: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.script);
        let said = command.args([verb, &self.name]).args(options).stdin(Stdio::null()).output()?;
        let errors = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success(), "{verb} {}: {}", self.name, errors.trim_end());
        Ok(said)
    }
}

/// Whether a line of `machine.sh list` says so.
fn is_up(list: &str, name: &str) -> bool {
    list.lines().any(|line| line.split(' ').take(2).eq([name, "up"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_which_machines_are_up() {
        let list = "m up port=47515 pid=12 rss=402MB\nm2 down\n";
        assert!(is_up(list, "m"));
        assert!(!is_up(list, "m2") && !is_up(list, "m3") && !is_up("", "m"));
    }

    #[test]
    fn the_machine_script_is_sound_bash_and_names_what_it_does_not_know() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("machine.sh");
        let said = Command::new(&script).arg("no-such-verb").output().unwrap();
        assert!(!said.status.success());
        assert!(String::from_utf8_lossy(&said.stderr).contains("no-such-verb"));
        for file in [&script, &script.with_file_name("image.sh")] {
            assert!(Command::new("bash").arg("-n").arg(file).status().unwrap().success());
        }
    }

    #[test]
    fn a_machine_that_was_never_made_is_not_up_and_says_so() {
        let home = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("machine.sh");
        for (args, says) in [(["ssh", "nobody"], "no guest 'nobody'"), (["down", "../x"], "a guest's name")] {
            let said = Command::new(&script).args(args).env("RIG_HOME", home.path()).output().unwrap();
            let errors = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(!said.status.success() && errors.contains(says), "{errors}");
        }
    }
}
