//! Jobs and tasks: what was asked for, what state it is in, how it ended.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::file::{ContentHash, FileRef};
use crate::name::{FileName, JobName, NodeName};
use crate::node::INTERPRETERS;
use crate::notify::{MOST_NOTIFY, Notify};
use crate::result::{INPUTS, OUT, Reduce};
use crate::secret::{JobSecret, MOST_JOB_SECRETS, MOST_SECRET_BYTES, SecretAs};

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
    /// Of [`INTERPRETERS`]: only on nodes that have these.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub interpreters: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<JobSecret>,
    /// Who is told when its last task has ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<Notify>,
}

/// What is tried of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    pub name: String,
    pub values: Vec<String>,
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

    /// With the values that the task with this index tries. What is filled in is not looked at again.
    fn filled(&self, text: &str, index: u32) -> String {
        if self.sweep.is_empty() || !text.contains('{') || !self.maps().contains(&index) {
            return text.to_owned();
        }
        let mut filled = String::new();
        fill(text, |name| self.tried(name, index), |part| filled.push_str(part));
        filled
    }

    /// The most bytes that it has with any of the values that are tried.
    fn longest(&self, text: &str) -> usize {
        let longest: BTreeMap<&str, &str> = self
            .sweep
            .iter()
            .filter_map(|axis| Some((&*axis.name, &**axis.values.iter().max_by_key(|value| value.len())?)))
            .collect();
        let mut bytes = 0_usize;
        fill(text, |name| longest.get(name).copied(), |part| bytes = bytes.saturating_add(part.len()));
        bytes
    }

    /// What the task with this index tries of the axis of that name.
    pub fn tried(&self, name: &str, index: u32) -> Option<&str> {
        let at = self.sweep.iter().position(|axis| axis.name == name)?;
        let (axis, after) = (self.sweep.get(at)?, combinations(self.sweep.get(at + 1..)?));
        let value = (index / after.max(1)) as usize % axis.values.len().max(1);
        axis.values.get(value).map(String::as_str)
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
        if let Some(unknown) = self.interpreters.iter().find(|name| !INTERPRETERS.contains(&&***name)) {
            let known = INTERPRETERS.join(", ");
            return bad(format!("no node says whether it has {unknown:?}; what they tell of is {known}"));
        }
        self.check_sweep()?;
        self.check_reduce()?;
        self.check_secrets()?;
        self.check_length()?;
        self.check_notify()?;
        if self.files.len() > MOST_JOB_FILES {
            return bad(format!("{} files are too many for a job; pack them as a folder", self.files.len()));
        }
        if let Some(file) = self.files.iter().find(|file| file.name().as_str() == OUT) {
            let file = file.file.to_string();
            return bad(format!(
                "{file:?} would be called {OUT:?} in the task's folder, as what it leaves is; call it otherwise, as in: --file {file:?}=other"
            ));
        }
        let known = |only: u32| self.maps().contains(&only);
        if let Some(file) = self.files.iter().find(|file| file.only.is_some_and(|only| !known(only))) {
            return bad(format!("{:?} is for a task that there is not", file.file.to_string()));
        }
        let mut names = BTreeSet::new();
        let clashes = |file: &&JobFile, names: &BTreeSet<_>| {
            let (name, only) = (file.name(), file.only);
            // What all have, no task can have of its own; the rest is seen when that comes second.
            names.contains(&(name, only)) || only.is_some() && names.contains(&(name, None))
        };
        // Those that all have come first.
        let (some, all): (Vec<&JobFile>, Vec<&JobFile>) = self.files.iter().partition(|file| file.only.is_some());
        let twice = { all }.into_iter().chain(some).find(|file| {
            let clashes = clashes(file, &names);
            names.insert((file.name(), file.only));
            clashes
        });
        if let Some(twice) = twice {
            let (file, name) = (twice.file.to_string(), twice.name());
            return bad(format!(
                "two files would be called {name:?} in the task's folder; call one otherwise, as in: --file {file:?}=other"
            ));
        }
        let parts: BTreeSet<String> = self.reduce.iter().flat_map(|_| self.maps().map(Reduce::folder)).collect();
        let for_all = self.files.iter().filter(|file| file.only.is_none());
        if let Some(file) = { for_all }.find(|file| parts.contains(file.name().as_str())) {
            let (file, name) = (file.file.to_string(), file.name());
            return bad(format!(
                "{name:?} is what the task that reduces finds another's part under; call it otherwise, as in: --file {file:?}=other"
            ));
        }
        Ok(())
    }

    /// With whatever is filled in.
    fn check_length(&self) -> Result<(), BadSpec> {
        let sum = |lengths: &mut dyn Iterator<Item = usize>| lengths.fold(0_usize, usize::saturating_add);
        let env = sum(&mut self.env.iter().map(|(key, value)| key.len() + self.longest(value) + 2));
        let command = sum(&mut self.command.iter().map(|word| self.longest(word) + 1));
        let reduce = self.reduce.as_ref().map_or(0, |reduce| {
            let path = |index| Reduce::folder(index).len() + reduce.part.as_str().len() + 2;
            let inputs: usize = self.maps().map(path).sum();
            sum(&mut reduce.command.iter().map(|word| if word == INPUTS { inputs } else { word.len() + 1 }))
        });
        let bytes = command.max(reduce).saturating_add(env);
        if bytes > MOST_COMMAND_BYTES {
            return Err(BadSpec(format!(
                "command and environment have {bytes} bytes; at most {MOST_COMMAND_BYTES} fit"
            )));
        }
        // They may become as long as any.
        let name = |secret: &JobSecret| match &secret.given {
            SecretAs::Env(name) => name.len() + 2 + MOST_SECRET_BYTES,
            SecretAs::File(_) => 0,
        };
        let bytes = bytes.saturating_add(sum(&mut self.secrets.iter().map(name)));
        if bytes > MOST_COMMAND_BYTES / 2 * 3 {
            return Err(BadSpec(format!(
                "command and environment may have {bytes} bytes with the longest secrets there can be, and at most {} fit; give some of them as files",
                MOST_COMMAND_BYTES / 2 * 3
            )));
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        if self.secrets.len() > MOST_JOB_SECRETS {
            return bad(format!(
                "a job is given at most {MOST_JOB_SECRETS} secrets, not {}; set several as one, and give it as a file",
                self.secrets.len()
            ));
        }
        let (mut variables, mut files) = (BTreeSet::new(), BTreeSet::new());
        for JobSecret { secret, given } in &self.secrets {
            match given {
                SecretAs::Env(name) if name.is_empty() || name.contains(['=', '\0']) => {
                    return bad(format!(
                        "{name:?} cannot be the environment variable that the secret {secret} is given as; write a name without = and zero bytes"
                    ));
                }
                SecretAs::Env(name) if name.starts_with("BRAMBLE_") => {
                    return bad(format!(
                        "the secret {secret} cannot be given as {name}, which is for Bramble itself to set; choose a name that does not start with BRAMBLE_"
                    ));
                }
                SecretAs::Env(name) if self.env.contains_key(name) || !variables.insert(name) => {
                    return bad(format!(
                        "{name} would be two things in the environment, the secret {secret} and another; give one another name, as in: --secret {secret}=OTHER"
                    ));
                }
                SecretAs::File(name) if !files.insert(name) => {
                    return bad(format!(
                        "two secrets would be files called {name:?}; call one otherwise, as in: --secret-file {secret}=other"
                    ));
                }
                SecretAs::Env(_) | SecretAs::File(_) => {}
            }
        }
        Ok(())
    }

    fn check_notify(&self) -> Result<(), BadSpec> {
        if self.notify.len() > MOST_NOTIFY {
            let many = self.notify.len();
            return Err(BadSpec(format!("the end of a job is told to at most {MOST_NOTIFY} places, not {many}")));
        }
        let mut places = BTreeSet::new();
        match self.notify.iter().find(|place| !places.insert(*place)) {
            Some(twice) => Err(BadSpec(format!("{twice} would be told twice; leave one of both out"))),
            None => Ok(()),
        }
    }

    fn check_sweep(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        if !self.sweep.is_empty() && self.array.is_some() {
            return bad("a sweep makes an array of its own; leave one of both out".into());
        }
        if self.sweep.len() > MOST_AXES {
            return bad(format!("a job is swept over at most {MOST_AXES} things, not {}", self.sweep.len()));
        }
        let mut names = BTreeSet::new();
        let mut tasks = 1_u64;
        for Axis { name, values } in &self.sweep {
            if name.is_empty() || !name.chars().all(of_a_name) {
                return bad(format!("{name:?} cannot be swept over; its name has letters, digits and _ only"));
            }
            if !names.insert(name) {
                return bad(format!("{name} is swept over twice; give all its values at once"));
            }
            if values.is_empty() {
                return bad(format!("{name} is swept over no values; give it some, or leave it out"));
            }
            if let Some(value) = values.iter().find(|value| value.contains('\0')) {
                return bad(format!("{value:?}, a value of {name}, has a zero byte, which no program can be given"));
            }
            tasks = tasks.saturating_mul(values.len() as u64);
        }
        if tasks > u64::from(MOST_TASKS) {
            return bad(format!("this sweep has {tasks} combinations; at most {MOST_TASKS} tasks fit into a job"));
        }
        Ok(())
    }

    fn check_reduce(&self) -> Result<(), BadSpec> {
        let bad = |text: String| Err(BadSpec(text));
        let Some(Reduce { command, .. }) = &self.reduce else { return Ok(()) };
        if command.first().is_none_or(String::is_empty) || command.iter().any(|word| word.contains('\0')) {
            return bad("the command that reduces is empty, or has a zero byte, which no program can be given".into());
        }
        if !command.iter().any(|word| word == INPUTS) {
            return bad(format!("the command that reduces has no word {INPUTS}, which becomes the paths of all parts"));
        }
        let (first, last) = self.maps().into_inner();
        if last - first >= MOST_JOB_FILES as u32 || last == u32::MAX {
            return bad(format!("at most {MOST_JOB_FILES} tasks can be reduced"));
        }
        Ok(())
    }
}

fn of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Adds up the text, with values in the places of their names in braces. What is filled in is not looked at again.
fn fill<'a>(text: &'a str, value: impl Fn(&str) -> Option<&'a str>, mut add: impl FnMut(&'a str)) {
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('{') {
        add(before);
        let (name, after) = from.split_at(from.find(|c| !of_a_name(c)).unwrap_or(from.len()));
        rest = match value(name).zip(after.strip_prefix('}')) {
            Some((value, after)) => {
                add(value);
                after
            }
            None => {
                add("{");
                from
            }
        };
    }
    add(rest);
}

/// How many tasks these make; a job without any has one.
fn combinations(sweep: &[Axis]) -> u32 {
    sweep.iter().fold(1, |tasks: u32, axis| tasks.saturating_mul(u32::try_from(axis.values.len()).unwrap_or(u32::MAX)))
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
    /// It had so long and no longer. Only of what has a time limit, so an older manager never hears it.
    TimedOut { limit_ms: u64 },
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
    /// Its node could not be asked. Only of runs.
    NotReached,
}

impl Outcome {
    pub fn state(&self) -> TaskState {
        match self {
            Outcome::Exited(0) => TaskState::Succeeded,
            Outcome::Exited(_)
            | Outcome::Signaled(_)
            | Outcome::OutOfMemory
            | Outcome::NotStarted { .. }
            | Outcome::TimedOut { .. } => TaskState::Failed,
            Outcome::Stopped { .. } => TaskState::Stopped,
            Outcome::Lost { .. } => TaskState::Lost,
        }
    }

    /// The code a shell would report: the program's own, 128 + n for a signal, 127, 126, 125; 124 as `timeout` gives it.
    pub fn code(&self) -> Option<i32> {
        match self {
            Outcome::Exited(code) => Some(*code),
            Outcome::Signaled(signal) => Some(128 + signal),
            Outcome::OutOfMemory => Some(137),
            Outcome::NotStarted { kind: NotStarted::NotFound, .. } => Some(127),
            Outcome::NotStarted { kind: NotStarted::NotExecutable, .. } => Some(126),
            Outcome::NotStarted { .. } => Some(125),
            Outcome::TimedOut { .. } => Some(124),
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
            Outcome::TimedOut { limit_ms } if limit_ms % 1000 == 0 => format!("not done within {} s", limit_ms / 1000),
            Outcome::TimedOut { limit_ms } => format!("not done within {limit_ms} ms"),
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
        let out = JobFile::of("out".parse().unwrap());
        assert!(refused(&move |s: &mut JobSpec| s.files = vec![out.clone()]).contains("what it leaves"));
        let two = ["data", "ana/data"].map(|name| JobFile::of(name.parse().unwrap()));
        assert!(refused(&move |s: &mut JobSpec| s.files = two.to_vec()).contains("two files would be called \"data\""));
    }

    fn axis(name: &str, values: &[&str]) -> Axis {
        Axis { name: name.into(), values: values.iter().map(|&v| v.into()).collect() }
    }

    #[test]
    fn a_sweep_makes_a_task_of_each_combination() {
        let mut spec = JobSpec::of(["train", "--rate={rate}", "{depth}{rate}", "{other} {rate", "}{"]);
        spec.sweep = vec![axis("rate", &["0.1", "{depth}"]), axis("depth", &["3", "5", "7"])];
        spec.env.insert("RATE".into(), "{rate}".into());
        assert_eq!(spec.check(), Ok(()));
        assert_eq!(spec.indices(), 0..=5);
        assert_eq!(spec.command_of(1), ["train", "--rate=0.1", "50.1", "{other} {rate", "}{"]);
        assert_eq!(spec.command_of(5)[1..3], ["--rate={depth}", "7{depth}"], "what is filled in stays as it is");
        assert_eq!((spec.env_of(0)["RATE"].as_str(), spec.tried("depth", 2)), ("0.1", Some("7")));
        assert_eq!(spec.tried("width", 0), None);
        for (sweep, word) in [
            (vec![axis("a b", &["1"])], "letters"),
            (vec![axis("a", &[])], "no values"),
            (vec![axis("a", &["1"]), axis("a", &["2"])], "twice"),
            (vec![axis("a", &["\0"])], "zero byte"),
            ((0..7).map(|n| axis(&format!("a{n}"), &["1"; 10])).collect(), "10000000 combinations"),
        ] {
            let told = JobSpec { sweep, ..JobSpec::of(["true"]) }.check().unwrap_err().to_string();
            assert!(told.contains(word), "{told}");
        }
    }

    #[test]
    fn what_is_filled_in_counts_and_braces_without_end_are_read_once() {
        let told = |spec: JobSpec| spec.check().unwrap_err().to_string();
        let mut spec = JobSpec { sweep: vec![axis("a", &["x", &"y".repeat(1 << 19)])], ..JobSpec::of(["{a}{a}{a}"]) };
        assert!(told(spec.clone()).contains("command and environment have 1572865 bytes"));
        spec.command = vec!["{a}".into()];
        assert_eq!(spec.check(), Ok(()));
        spec.env.insert("A".into(), "{a}".into());
        assert!(told(spec).contains("bytes"));
        let braces = "{".repeat(MOST_COMMAND_BYTES - 1);
        let spec = JobSpec { sweep: vec![axis("a", &["x"])], ..JobSpec::of([braces.clone()]) };
        assert_eq!((spec.check(), spec.command_of(0)), (Ok(()), vec![braces]));
        let sweep = (0..=MOST_AXES).map(|n| axis(&format!("a{n}"), &["1"])).collect();
        assert!(told(JobSpec { sweep, ..JobSpec::of(["true"]) }).contains("at most 100 things"));
        let command = [&["cat".to_owned()], &vec![INPUTS.to_owned(); 4][..]].concat();
        let reduce = Reduce { command, part: "x".repeat(255).parse().unwrap() };
        let array = Some(Array { first: 0, last: 999 });
        assert!(told(JobSpec { array, reduce: Some(reduce), ..JobSpec::of(["true"]) }).contains("bytes"));
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

    #[test]
    fn what_one_task_is_given_may_be_called_as_what_another_is() {
        let part = |name: &str, only| JobFile {
            called: Some("input".parse().unwrap()),
            only,
            ..JobFile::of(name.parse().unwrap())
        };
        let with = |files| JobSpec { array: Some(Array { first: 0, last: 1 }), files, ..JobSpec::of(["true"]) }.check();
        assert_eq!(with(vec![part("a", Some(0)), part("b", Some(1))]), Ok(()));
        for files in [
            vec![part("a", Some(0)), part("b", Some(0))],
            vec![part("a", Some(0)), part("b", None)],
            vec![part("a", None), part("b", Some(1))],
        ] {
            assert!(with(files).unwrap_err().to_string().contains("two files would be called"));
        }
        assert!(with(vec![part("a", Some(2))]).unwrap_err().to_string().contains("there is not"));
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
