//! Jobs and tasks: what was asked for, what state it is in, how it ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::file::{ContentHash, FileRef};
use crate::name::{FileName, JobName, NodeName};

/// The most tasks one array may have.
pub const MOST_TASKS: u32 = 1_000_000;
/// The most CPUs a task may ask for.
pub const MOST_CPUS: u32 = 4096;
/// Arguments and environment together: half of what Linux allows, room for what is added.
pub const MOST_COMMAND_BYTES: usize = 1 << 20;
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
    /// What each task finds in its folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<JobFile>,
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
}

impl JobFile {
    pub fn of(file: FileRef) -> Self {
        Self { file, called: None, writable: false, hash: None }
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
            files: vec![],
        }
    }

    /// The indices its tasks have: a single task is .0.
    pub fn indices(&self) -> std::ops::RangeInclusive<u32> {
        match self.array {
            Some(Array { first, last }) => first..=last,
            None => 0..=0,
        }
    }

    /// What cannot be run is refused here, once, with the sentence a person reads.
    pub fn check(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        if self.command.first().is_none_or(String::is_empty) {
            return bad("the command is empty; write it after --, as in: bramble run -- echo hello".into());
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            return bad("the command has a zero byte, which no program can be given".into());
        }
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) || value.contains('\0') {
                return bad(format!("{key:?} cannot be an environment variable; write KEY=VALUE without zero bytes"));
            }
            if key.starts_with("BRAMBLE_") {
                return bad(format!("{key} is set by Bramble itself; choose a name that does not start with BRAMBLE_"));
            }
        }
        let bytes = self.command.iter().map(|w| w.len() + 1).sum::<usize>()
            + self.env.iter().map(|(k, v)| k.len() + v.len() + 2).sum::<usize>();
        if bytes > MOST_COMMAND_BYTES {
            return bad(format!("command and environment have {bytes} bytes; at most {MOST_COMMAND_BYTES} fit"));
        }
        if !(1..=MOST_CPUS).contains(&self.cpus) {
            return bad(format!("a task has 1 to {MOST_CPUS} CPUs, not {}", self.cpus));
        }
        if let Some(Array { first, last }) = self.array {
            if first > last {
                return bad(format!("the array {first}-{last} runs backwards; write it as {last}-{first}"));
            }
            if last - first >= MOST_TASKS {
                return bad(format!("the array {first}-{last} has more than {MOST_TASKS} tasks; split it"));
            }
        }
        if self.files.len() > MOST_JOB_FILES {
            return bad(format!("{} files are too many for a job; pack them as a folder", self.files.len()));
        }
        let mut names = BTreeSet::new();
        if let Some(twice) = self.files.iter().find(|file| !names.insert(file.name())) {
            let (file, name) = (twice.file.to_string(), twice.name());
            return bad(format!(
                "two files would be called {name:?} in the task's folder; call one otherwise, as in: --file {file:?}=other"
            ));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Queued,
    Starting,
    Running,
    Succeeded,
    Failed,
    Stopped,
    Lost,
}

impl TaskState {
    pub const ALL: [TaskState; 7] = [
        TaskState::Queued,
        TaskState::Starting,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Stopped,
        TaskState::Lost,
    ];

    pub fn ended(self) -> bool {
        matches!(self, TaskState::Succeeded | TaskState::Failed | TaskState::Stopped | TaskState::Lost)
    }

    pub fn word(self) -> &'static str {
        match self {
            TaskState::Queued => "queued",
            TaskState::Starting => "starting",
            TaskState::Running => "running",
            TaskState::Succeeded => "succeeded",
            TaskState::Failed => "failed",
            TaskState::Stopped => "stopped",
            TaskState::Lost => "lost",
        }
    }
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// How many tasks of a job are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub queued: u32,
    pub starting: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub stopped: u32,
    pub lost: u32,
}

impl Counts {
    pub fn of(&mut self, state: TaskState) -> &mut u32 {
        match state {
            TaskState::Queued => &mut self.queued,
            TaskState::Starting => &mut self.starting,
            TaskState::Running => &mut self.running,
            TaskState::Succeeded => &mut self.succeeded,
            TaskState::Failed => &mut self.failed,
            TaskState::Stopped => &mut self.stopped,
            TaskState::Lost => &mut self.lost,
        }
    }

    pub fn ended(&self) -> u32 {
        [self.succeeded, self.failed, self.stopped, self.lost].into_iter().fold(0, u32::saturating_add)
    }

    pub fn total(&self) -> u32 {
        [self.queued, self.starting, self.running, self.ended()].into_iter().fold(0, u32::saturating_add)
    }

    /// One word for the whole job: what it is doing, or else the worst that came of it.
    pub fn state(&self) -> TaskState {
        if self.running > 0 {
            TaskState::Running
        } else if self.starting > 0 {
            TaskState::Starting
        } else if self.queued > 0 {
            if self.ended() > 0 { TaskState::Running } else { TaskState::Queued }
        } else if self.lost > 0 {
            TaskState::Lost
        } else if self.failed > 0 {
            TaskState::Failed
        } else if self.stopped > 0 {
            TaskState::Stopped
        } else {
            TaskState::Succeeded
        }
    }
}

/// How an attempt ended, as the keeper that waited for it tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The program's own exit code.
    Exited(i32),
    /// The signal that ended it.
    Signaled(i32),
    /// The kernel killed it for want of memory. An agent says so beside the outcome, the manager makes this of it.
    OutOfMemory,
    /// It never ran: the program is missing, may not be executed, or something of Bramble's own failed.
    NotStarted { kind: NotStarted, message: String },
    /// It was stopped on request; the sentence says by whom.
    Stopped { reason: String },
    /// Nobody knows. `again`: the task may be queued again (a power cut), otherwise not (exit unknown).
    Lost { reason: String, again: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotStarted {
    NotFound,
    NotExecutable,
    Fault,
    /// The node has no room for its files. Only of tasks that are given some, so an older manager never hears it.
    NoRoom,
}

impl Outcome {
    pub fn state(&self) -> TaskState {
        match self {
            Outcome::Exited(0) => TaskState::Succeeded,
            Outcome::Exited(_) | Outcome::Signaled(_) | Outcome::OutOfMemory | Outcome::NotStarted { .. } => {
                TaskState::Failed
            }
            Outcome::Stopped { .. } => TaskState::Stopped,
            Outcome::Lost { .. } => TaskState::Lost,
        }
    }

    /// The code a shell would report: the program's own, 128 + n for a signal, 127, 126, 125.
    pub fn code(&self) -> Option<i32> {
        match self {
            Outcome::Exited(code) => Some(*code),
            Outcome::Signaled(signal) => Some(128 + signal),
            Outcome::OutOfMemory => Some(137),
            Outcome::NotStarted { kind: NotStarted::NotFound, .. } => Some(127),
            Outcome::NotStarted { kind: NotStarted::NotExecutable, .. } => Some(126),
            Outcome::NotStarted { kind: NotStarted::Fault | NotStarted::NoRoom, .. } => Some(125),
            Outcome::Stopped { .. } | Outcome::Lost { .. } => None,
        }
    }

    /// The words beside the state, empty where the state says it all.
    pub fn reason(&self) -> String {
        match self {
            Outcome::Exited(0) => String::new(),
            Outcome::Exited(code) => format!("exit code {code}"),
            Outcome::Signaled(signal) => format!("killed by signal {signal}"),
            Outcome::OutOfMemory => "killed: out of memory".to_owned(),
            Outcome::NotStarted { message, .. } => message.clone(),
            Outcome::Stopped { reason } | Outcome::Lost { reason, .. } => reason.clone(),
        }
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
    fn what_cannot_run_is_refused_with_what_to_do() {
        let refused = |change: &dyn Fn(&mut JobSpec)| {
            let mut spec = JobSpec::of(["true"]);
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(refused(&|s: &mut JobSpec| s.command.clear()).contains("after --"));
        assert!(refused(&|s: &mut JobSpec| s.command.push("a\0b".into())).contains("zero byte"));
        assert!(refused(&|s: &mut JobSpec| s.cpus = 0).contains("1 to"));
        assert!(refused(&|s: &mut JobSpec| s.array = Some(Array { first: 9, last: 5 })).contains("5-9"));
        assert!(refused(&|s: &mut JobSpec| s.array = Some(Array { first: 0, last: u32::MAX })).contains("split"));
        assert!(
            refused(&|s: &mut JobSpec| drop(s.env.insert("BRAMBLE_JOB".into(), "1".into()))).contains("Bramble itself")
        );
        assert!(refused(&|s: &mut JobSpec| drop(s.env.insert("A=B".into(), "1".into()))).contains("KEY=VALUE"));
        assert!(refused(&|s: &mut JobSpec| s.command.push("x".repeat(2 << 20))).contains("bytes"));
        let two = ["data", "ana/data"].map(|name| JobFile::of(name.parse().unwrap()));
        assert!(refused(&move |s: &mut JobSpec| s.files = two.to_vec()).contains("two files would be called \"data\""));
    }

    #[test]
    fn a_job_is_named_by_the_worst_of_its_ends() {
        assert_eq!(Counts { succeeded: 2, failed: 1, ..Default::default() }.state(), TaskState::Failed);
        assert_eq!(Counts { succeeded: 2, queued: 1, ..Default::default() }.state(), TaskState::Running);
        assert_eq!(Counts { queued: 1, ..Default::default() }.state(), TaskState::Queued);
        assert_eq!(Counts { succeeded: 1, stopped: 1, ..Default::default() }.state(), TaskState::Stopped);
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Outcome::Signaled(9).code(), Some(137));
        assert_eq!((Outcome::OutOfMemory.code(), Outcome::OutOfMemory.state()), (Some(137), TaskState::Failed));
        let missing = Outcome::NotStarted { kind: NotStarted::NotFound, message: "no such program".into() };
        assert_eq!((missing.code(), missing.state()), (Some(127), TaskState::Failed));
        assert_eq!(Outcome::Stopped { reason: "by ana".into() }.code(), None);
    }
}
