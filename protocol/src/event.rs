//! Events: things that happened, numbered, kept, and shown to whoever subscribes.

use serde::{Deserialize, Serialize};

use crate::file::ContentHash;
use crate::id::{AttemptId, JobId, Target, TaskId};
use crate::job::{Counts, TaskState};
use crate::name::{FileName, JobName, NodeName, PersonName, ScriptName, SecretName};
use crate::node::Role;
use crate::notify::Notify;
use crate::run::RunAs;
use crate::script::ScriptRef;
use crate::time::UnixMillis;
use crate::unit::Bytes;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub no: u64,
    pub at: UnixMillis,
    /// Who acted, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonName>,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    JobSubmitted {
        job: JobId,
        tasks: u32,
        name: Option<JobName>,
    },
    JobForgotten {
        job: JobId,
    },
    /// On request, with all that came of it.
    JobRemoved {
        job: JobId,
    },
    TaskStarted {
        attempt: AttemptId,
        node: NodeName,
    },
    TaskEnded {
        attempt: AttemptId,
        node: Option<NodeName>,
        state: TaskState,
        code: Option<i32>,
        reason: String,
    },
    /// An attempt was lost and its task is queued again.
    TaskRequeued {
        attempt: AttemptId,
        node: NodeName,
        reason: String,
    },
    TaskRetried {
        task: TaskId,
    },
    StopAsked {
        target: Target,
        reason: String,
    },
    /// The result of an attempt that had been replaced came after all; kept under its own number.
    LateResult {
        attempt: AttemptId,
        node: NodeName,
        state: TaskState,
    },
    NodeJoined {
        node: NodeName,
        role: Role,
    },
    NodeUp {
        node: NodeName,
    },
    NodeDown {
        node: NodeName,
        reason: String,
    },
    NodeDraining {
        node: NodeName,
    },
    NodeUndrained {
        node: NodeName,
    },
    NodeRemoved {
        node: NodeName,
    },
    NodeRevoked {
        node: NodeName,
    },
    RebootAsked {
        node: NodeName,
    },
    OrderRefused {
        node: NodeName,
        what: String,
        reason: String,
    },
    /// A node said something of an attempt that was never its own; nothing came of it.
    ReportRefused {
        node: NodeName,
        what: String,
        reason: String,
    },
    TokenMade {
        role: Role,
    },
    JoinRefused {
        name: NodeName,
        reason: String,
    },
    ManagerStarted {
        version: String,
    },
    /// What an attempt left could not be kept, or not all of it.
    ResultLost {
        attempt: AttemptId,
        node: NodeName,
        reason: String,
    },
    /// Told before [`What::ResultsGone`], of what nobody has collected.
    ResultsToGo {
        job: JobId,
        owner: PersonName,
        results: u32,
        size: u64,
        hours: u64,
    },
    ResultsGone {
        job: JobId,
        owner: PersonName,
        results: u32,
        size: u64,
        reason: String,
    },
    /// It was told there that a job has ended.
    Notified {
        job: JobId,
        to: Notify,
    },
    /// It could not be told, and will not be tried again.
    NotNotified {
        job: JobId,
        to: Notify,
        reason: String,
    },
    SecretSet {
        owner: PersonName,
        name: SecretName,
    },
    SecretRemoved {
        owner: PersonName,
        name: SecretName,
    },
    FileKept {
        owner: PersonName,
        name: FileName,
        version: u64,
        size: u64,
        hash: ContentHash,
    },
    FileRemoved {
        owner: PersonName,
        name: FileName,
        version: u64,
    },
    FileRenamed {
        owner: PersonName,
        name: FileName,
        to: FileName,
        version: u64,
    },
    FileShared {
        owner: PersonName,
        name: FileName,
        with: Vec<PersonName>,
        on: bool,
    },
    /// `what` as a person would type it.
    RunAsked {
        run: JobId,
        what: String,
        nodes: u32,
        #[serde(rename = "as")]
        run_as: RunAs,
    },
    RunEnded {
        run: JobId,
        state: TaskState,
        counts: Counts,
    },
    ScriptKept {
        owner: PersonName,
        name: ScriptName,
        hash: ContentHash,
    },
    ScriptRemoved {
        owner: PersonName,
        name: ScriptName,
    },
    ScriptGranted {
        script: ScriptRef,
        hash: ContentHash,
        to: Vec<PersonName>,
        on: bool,
    },
    NodeAdded {
        node: NodeName,
        host: String,
    },
    /// It answers, and has no agent linked.
    NodeReachable {
        node: NodeName,
    },
    /// It does not answer any more.
    NodeSilent {
        node: NodeName,
    },
}

impl What {
    /// The event as a person reads it.
    pub fn sentence(&self) -> String {
        match self {
            What::JobSubmitted { job, tasks, name } => {
                let name = name.as_ref().map(|n| format!(" “{n}”")).unwrap_or_default();
                let tasks = if *tasks == 1 { String::new() } else { format!(", {tasks} tasks") };
                format!("job {job}{name} submitted{tasks}")
            }
            What::JobForgotten { job } => format!("job {job} forgotten: old and ended"),
            What::JobRemoved { job } => format!("job {job} removed"),
            What::TaskStarted { attempt, node } => {
                format!("task {} started on {node}", shown(*attempt))
            }
            What::TaskEnded { attempt, node, state, reason, .. } => {
                let on = node.as_ref().map(|n| format!(" on {n}")).unwrap_or_default();
                let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
                format!("task {} {state}{on}{why}", shown(*attempt))
            }
            What::TaskRequeued { attempt, node, reason } => {
                format!("attempt {attempt} lost on {node}: {reason}; queued again")
            }
            What::TaskRetried { task } => format!("task {task} queued again on request"),
            What::StopAsked { target, reason } => format!("stop of {target} asked: {reason}"),
            What::LateResult { attempt, node, state } => {
                format!("late result of replaced attempt {attempt} from {node}: {state}; kept apart")
            }
            What::NodeJoined { node, role } => format!("{role} {node} joined"),
            What::NodeUp { node } => format!("{node} up"),
            What::NodeDown { node, reason } => format!("{node} down: {reason}"),
            What::NodeDraining { node } => format!("{node} draining"),
            What::NodeUndrained { node } => format!("{node} takes work again"),
            What::NodeRemoved { node } => format!("{node} removed"),
            What::NodeRevoked { node } => format!("{node}'s key revoked"),
            What::RebootAsked { node } => format!("reboot of {node} asked"),
            What::OrderRefused { node, what, reason } => format!("{node} refused {what}: {reason}"),
            What::ReportRefused { node, what, reason } => format!("{what} told by {node} was not taken: {reason}"),
            What::TokenMade { role } => format!("join token for a {role} made"),
            What::JoinRefused { name, reason } => format!("join of {name} refused: {reason}"),
            What::ManagerStarted { version } => format!("manager {version} started"),
            What::ResultLost { attempt, reason, .. } => {
                format!("what task {} left was not kept: {reason}", shown(*attempt))
            }
            What::ResultsToGo { job, results, size, hours, .. } => {
                let (many, size) = (results_of(*job, *results), Bytes(*size));
                format!("{many} ({size}) will be removed in {hours} h; collect it with: bramble result get {job}")
            }
            What::ResultsGone { job, results, size, reason, .. } => {
                format!("{} ({}) removed: {reason}", results_of(*job, *results), Bytes(*size))
            }
            What::Notified { job, to } => format!("the end of job {job} was told to {to}"),
            What::NotNotified { job, to, reason } => {
                format!("the end of job {job} could not be told to {to}: {reason}")
            }
            What::SecretSet { owner, name } => format!("secret {owner}/{name} set"),
            What::SecretRemoved { owner, name } => format!("secret {owner}/{name} removed"),
            What::FileKept { owner, name, size, .. } => format!("file {} kept, {}", file(owner, name), Bytes(*size)),
            What::FileRemoved { owner, name, .. } => format!("file {} removed", file(owner, name)),
            What::FileRenamed { owner, name, to, .. } => {
                format!("file {} renamed to {:?}", file(owner, name), to.as_str())
            }
            What::FileShared { owner, name, with, on } => {
                let with: Vec<&str> = with.iter().map(PersonName::as_str).collect();
                let word = if *on { "shared with" } else { "no longer shared with" };
                format!("file {} {word} {}", file(owner, name), with.join(", "))
            }
            What::RunAsked { run, what, nodes, run_as } => {
                let on = if *nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") };
                format!("run {run} asked on {on} as {}: {what}", run_as.word())
            }
            What::RunEnded { run, state, counts } => {
                format!("run {run} {state}: {} of {} well", counts.succeeded, counts.total())
            }
            What::ScriptKept { owner, name, .. } => format!("script {owner}/{name} kept"),
            What::ScriptRemoved { owner, name } => format!("script {owner}/{name} removed"),
            What::ScriptGranted { script, to, on, .. } => {
                let to: Vec<&str> = to.iter().map(PersonName::as_str).collect();
                let word = if *on { "may be run as root by" } else { "may no longer be run as root by" };
                format!("script {script} {word} {}", to.join(", "))
            }
            What::NodeAdded { node, host } => format!("node {node} added, at {host}"),
            What::NodeReachable { node } => format!("{node} answers, without an agent"),
            What::NodeSilent { node } => format!("{node} does not answer"),
        }
    }

    pub fn node(&self) -> Option<&NodeName> {
        match self {
            What::TaskStarted { node, .. }
            | What::TaskRequeued { node, .. }
            | What::LateResult { node, .. }
            | What::ResultLost { node, .. }
            | What::NodeJoined { node, .. }
            | What::NodeUp { node }
            | What::NodeDown { node, .. }
            | What::NodeDraining { node }
            | What::NodeUndrained { node }
            | What::NodeRemoved { node }
            | What::NodeRevoked { node }
            | What::RebootAsked { node }
            | What::OrderRefused { node, .. }
            | What::ReportRefused { node, .. }
            | What::NodeAdded { node, .. }
            | What::NodeReachable { node }
            | What::NodeSilent { node } => Some(node),
            What::TaskEnded { node, .. } => node.as_ref(),
            _ => None,
        }
    }

    pub fn task(&self) -> Option<TaskId> {
        match self {
            What::TaskStarted { attempt, .. }
            | What::TaskEnded { attempt, .. }
            | What::TaskRequeued { attempt, .. }
            | What::LateResult { attempt, .. }
            | What::ResultLost { attempt, .. } => Some(attempt.task),
            What::TaskRetried { task } => Some(*task),
            _ => None,
        }
    }

    pub fn job(&self) -> Option<JobId> {
        match self {
            What::JobSubmitted { job, .. }
            | What::JobForgotten { job }
            | What::JobRemoved { job }
            | What::Notified { job, .. }
            | What::NotNotified { job, .. }
            | What::ResultsToGo { job, .. }
            | What::ResultsGone { job, .. } => Some(*job),
            What::RunAsked { run, .. } | What::RunEnded { run, .. } => Some(*run),
            What::TaskStarted { attempt, .. }
            | What::TaskEnded { attempt, .. }
            | What::TaskRequeued { attempt, .. }
            | What::LateResult { attempt, .. }
            | What::ResultLost { attempt, .. } => Some(attempt.task.job),
            What::TaskRetried { task } => Some(task.job),
            What::StopAsked { target, .. } => Some(target.job()),
            _ => None,
        }
    }
}

/// Quoted: a file's name may hold anything, line breaks too.
fn file(owner: &PersonName, name: &FileName) -> String {
    format!("{owner}/{:?}", name.as_str())
}

fn results_of(job: JobId, count: u32) -> String {
    if count == 1 { format!("the result of job {job}") } else { format!("{count} results of job {job}") }
}

/// The first attempt is just the task.
fn shown(attempt: AttemptId) -> String {
    if attempt.number == 1 { attempt.task.to_string() } else { attempt.to_string() }
}
