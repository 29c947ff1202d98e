//! Jobs and tasks: what was asked for, what state it is in, how it ended.

mod check;
mod outcome;
mod state;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::file::{ContentHash, FileRef};
use crate::name::{FileName, JobName, NodeName};
use crate::notify::Notify;
use crate::result::{INPUTS, Reduce};
use crate::secret::JobSecret;

pub use outcome::{NotStarted, Outcome};
pub use state::{Counts, TaskState};
pub use sweep::Axis;
use sweep::combinations;

/// The most tasks one array may have.
pub const MOST_TASKS: u32 = 1_000_000;
/// The most CPUs a task may ask for.
pub const MOST_CPUS: u32 = 4096;
/// Arguments and environment together: half of what Linux allows, room for what is added.
pub const MOST_COMMAND_BYTES: usize = 1 << 20;
/// The most things one job is swept over.
pub const MOST_AXES: usize = 100;
/// The most files one job is given.
pub const MOST_JOB_FILES: usize = 1000;

/// What a person submits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<JobName>,
    /// The program and its arguments; run as they are, no shell in between.
    pub command: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub cpus: u32,
    /// A chosen node; any fitting one otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<Array>,
    /// Instead of an array: a task for each combination of these, whose names in braces stand for their values in command
    /// and environment. The last of them changes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sweep: Vec<Axis>,
    /// What each task finds in its folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<JobFile>,
    /// One more task, when all others have succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduce: Option<Reduce>,
    /// Of [`INTERPRETERS`](crate::node::INTERPRETERS): only on nodes that have these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub interpreters: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<JobSecret>,
    /// Who is told when its last task has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
}

/// A file kept on the manager that a job is given, as it is when the job is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFile {
    pub file: FileRef,
    /// What it is called in the folder of a task; else as it is kept.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub called: Option<FileName>,
    /// Each task has a copy of its own, which it may change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// Only while it has this content: who has put it a moment ago means that, and not what another put made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<ContentHash>,
    /// Only the task with this index has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<u32>,
}

impl JobFile {
    pub fn of(file: FileRef) -> Self {
        Self { file, called: None, writable: false, hash: None, only: None }
    }

    /// Its name in the folder of a task.
    pub fn name(&self) -> &FileName {
        self.called.as_ref().unwrap_or(&self.file.name)
    }
}

/// `--array 5-9` makes tasks .5 to .9, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    pub first: u32,
    pub last: u32,
}

fn one() -> u32 {
    1
}

fn is_one(n: &u32) -> bool {
    *n == 1
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSpec(String);

impl JobSpec {
    pub fn of(command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: None,
            command: command.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            cpus: 1,
            node: None,
            array: None,
            sweep: vec![],
            files: vec![],
            reduce: None,
            interpreters: BTreeSet::new(),
            secrets: vec![],
            notify: vec![],
        }
    }

    /// The indices its tasks have: a single task is .0.
    pub fn indices(&self) -> RangeInclusive<u32> {
        let (first, last) = self.maps().into_inner();
        first..=last.saturating_add(self.reduce.is_some().into())
    }

    /// The same without the one that waits for all others.
    pub fn maps(&self) -> RangeInclusive<u32> {
        match self.array {
            Some(Array { first, last }) => first..=last,
            None => 0..=combinations(&self.sweep).saturating_sub(1),
        }
    }

    /// What the task with this index runs.
    pub fn command_of(&self, index: u32) -> Vec<String> {
        match &self.reduce {
            Some(reduce) if !self.maps().contains(&index) => {
                let path = |index| format!("{}/{}", Reduce::folder(index), reduce.part);
                let word = |word: &String| match word.as_str() {
                    INPUTS => self.maps().map(path).collect(),
                    _ => vec![word.clone()],
                };
                reduce.command.iter().flat_map(word).collect()
            }
            _ => self.command.iter().map(|word| self.filled(word, index)).collect(),
        }
    }

    /// Its environment, as far as the job says it.
    pub fn env_of(&self, index: u32) -> BTreeMap<String, String> {
        self.env.iter().map(|(key, value)| (key.clone(), self.filled(value, index))).collect()
    }
}

/// Which of a task's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_written_by_hand_needs_only_its_command() {
        let spec: JobSpec = serde_json::from_str(r#"{"command":["true"],"a_field_of_tomorrow":1}"#).unwrap();
        assert_eq!(spec, JobSpec::of(["true"]));
        assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"command":["true"]}"#);
        assert_eq!(spec.check(), Ok(()));
    }

    #[test]
    fn the_task_that_reduces_is_one_more_and_is_given_the_parts_in_order() {
        let reduce = |words: &[&str]| Reduce {
            command: words.iter().map(|&word| word.into()).collect(),
            part: "out.txt".parse().unwrap(),
        };
        let mut spec = JobSpec { array: Some(Array { first: 9, last: 11 }), ..JobSpec::of(["map"]) };
        spec.reduce = Some(reduce(&["cat", "--", "{inputs}", "x{inputs}"]));
        assert_eq!(spec.check(), Ok(()));
        assert_eq!((spec.indices(), spec.maps()), (9..=12, 9..=11));
        assert_eq!(spec.command_of(11), ["map"]);
        let paths = ["part-9/out.txt", "part-10/out.txt", "part-11/out.txt"];
        assert_eq!(spec.command_of(12), [&["cat", "--"], &paths[..], &["x{inputs}"]].concat());
        for (words, told) in [(&[][..], "is empty"), (&["cat"], "{inputs}")] {
            spec.reduce = Some(reduce(words));
            assert!(spec.check().unwrap_err().to_string().contains(told));
        }
        spec.reduce = Some(reduce(&["cat", "{inputs}"]));
        spec.files = vec![JobFile::of("part-10".parse().unwrap())];
        assert!(spec.check().unwrap_err().to_string().contains("finds another's part under"));
        spec.files = vec![JobFile::of("part-12".parse().unwrap())];
        assert_eq!(spec.check(), Ok(()));
        spec.array = Some(Array { first: 0, last: 5000 });
        spec.reduce = Some(reduce(&["cat", "{inputs}"]));
        assert!(spec.check().unwrap_err().to_string().contains("at most 1000"));
    }
}
