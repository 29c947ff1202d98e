//! `check`: what this machine lacks for its work, each with a remedy.

mod cgroup;
mod clock;
mod place;
mod power;

use anyhow::Context;
use serde::Serialize;

use super::interpreters::installed;
use crate::layout::Layout;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// One word for scripts.
    pub what: &'static str,
    /// Tasks cannot run, or not as they should; the rest is merely good to know.
    pub serious: bool,
    pub problem: String,
    pub remedy: String,
}

impl Finding {
    fn serious(what: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what, serious: true, problem: problem.into(), remedy: remedy.into() }
    }

    fn minor(what: &'static str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { serious: false, ..Self::serious(what, problem, remedy) }
    }
}

pub fn print(layout: &Layout, json: bool) -> anyhow::Result<()> {
    let found = all(layout);
    if json {
        println!("{}", serde_json::to_string(&found).context("the findings cannot be written as JSON")?);
    } else if found.is_empty() {
        println!("Nothing is lacking here.");
    } else {
        for finding in &found {
            let mark = if finding.serious { "serious" } else { "minor" };
            println!("{mark:<8} {}\n{:<8} {}", finding.problem, "", finding.remedy);
        }
    }
    match found.iter().filter(|finding| finding.serious).count() {
        0 => Ok(()),
        1 => anyhow::bail!("one serious thing is wrong here; its remedy is named above"),
        n => anyhow::bail!("{n} serious things are wrong here; their remedies are named above"),
    }
}

/// The serious ones first.
pub fn all(layout: &Layout) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(place::check(layout));
    found.extend(clock::check());
    found.extend(cgroup::check(layout));
    found.extend(power::check());
    found.extend(programs());
    found.sort_by_key(|finding| !finding.serious);
    found
}

fn programs() -> Vec<Finding> {
    let mut found = Vec::new();
    if !rustix::process::geteuid().is_root() {
        found.push(Finding::minor(
            "not-root",
            "This user is not root: all tasks share one uid, so the node takes the work of one person only.",
            "Run the worker as root, as `bramble install worker` sets it up; its tasks never run as root.",
        ));
    }
    if !installed("podman") && !installed("docker") {
        found.push(Finding::minor(
            "no-containers",
            "Neither podman nor docker is installed: tasks in containers cannot run here.",
            "Install it: sudo apt install podman.",
        ));
    }
    if !installed("python3") {
        found.push(Finding::minor(
            "no-python3",
            "Tasks find no python3 here.",
            "Install it where every user finds it: sudo apt install python3.",
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_names_a_problem_and_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
        for finding in all(&layout) {
            assert!(finding.problem.ends_with('.') && finding.remedy.ends_with('.'), "{finding:?}");
            assert!(!finding.what.contains(' '), "{finding:?}");
        }
    }
}
