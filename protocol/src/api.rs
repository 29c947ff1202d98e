//! The door's words: what people's programs ask of the manager, and what it answers.
//!
//! Both ways, frames ([`crate::frame`]). A [`Call`] carries a number; every [`Answer`] carries it back. Most
//! requests get one `reply` or one `error`; `logs`, `watch` and `events` with `follow` give any number of `more`
//! before it. Several calls may be under way at once on one connection.

mod history;
mod watch;

pub use history::{History, Span, Trend};
pub use watch::{Changes, NodeMetrics, Picture};

use serde::{Deserialize, Serialize};

use crate::agent::Given;
use crate::bytes::Blob;
use crate::event::Event;
use crate::file::{
    ContentHash, FileComing, FileGet, FileKept, FileList, FilePut, FileQuery, FileReady, FileRef, FileView,
};
use crate::id::{AttemptId, JobId, Target, TaskId};
use crate::job::{Counts, JobSpec, Outcome, Stream, TaskState};
use crate::name::{FileName, JobName, NodeName, PersonName, SecretName};
use crate::node::{Facts, Metrics, NodeState, Role};
use crate::result::{ResultComing, ResultGet, ResultList, ResultQuery, ResultView};
use crate::run::{AnswerView, OutputChunk, RunFollow, RunQuery, RunSpec, RunView};
use crate::script::{ScriptKeep, ScriptRef, ScriptView};
use crate::secret::{Hidden, JobSecret, SecretView};
use crate::time::UnixMillis;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub id: u64,
    pub request: Request,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AsRead")]
pub struct Answer {
    pub id: u64,
    #[serde(flatten)]
    pub body: Body,
}

/// Flattened, an answer is first read as a tree of values, which costs more than all the rest where it is a picture
/// of a thousand nodes. So it is read as it lies there.
#[derive(Deserialize)]
struct AsRead {
    id: u64,
    reply: Option<Reply>,
    more: Option<More>,
    error: Option<Refusal>,
}

impl TryFrom<AsRead> for Answer {
    type Error = &'static str;

    fn try_from(read: AsRead) -> Result<Self, Self::Error> {
        let body = match (read.reply, read.more, read.error) {
            (Some(reply), None, None) => Body::Reply(reply),
            (None, Some(more), None) => Body::More(more),
            (None, None, Some(refusal)) => Body::Error(refusal),
            _ => return Err("an answer has one of reply, more and error"),
        };
        Ok(Answer { id: read.id, body })
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    Reply(Reply),
    More(More),
    Error(Refusal),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Who am I, and who are you?
    Hello {
        protocol: u32,
    },
    Submit(JobSpec),
    Jobs(JobQuery),
    Tasks(TaskQuery),
    /// One task with all its attempts.
    Task {
        id: TaskId,
    },
    Nodes,
    Node {
        name: NodeName,
    },
    /// How a node has been doing, for charts.
    History {
        node: NodeName,
        span: Span,
    },
    /// The last five minutes of every node, for small charts.
    Trends,
    /// What these are waiting for or how they are kept from running, for the queue as it is now.
    Why {
        id: TaskId,
    },
    /// Answered when every task meant has ended.
    Wait {
        targets: Vec<Target>,
    },
    /// What a task printed; `more: log` until its end.
    Logs(LogQuery),
    Stop {
        targets: Vec<Target>,
        #[serde(default)]
        reason: Option<String>,
    },
    Retry {
        targets: Vec<Target>,
    },
    Events(EventQuery),
    /// A picture of nodes and jobs, then what changes in it.
    Watch,
    Drain {
        node: NodeName,
        on: bool,
    },
    Reboot {
        node: NodeName,
    },
    /// The node is forgotten and its key with it.
    RemoveNode {
        node: NodeName,
    },
    /// The node stays, its key is not welcome any more.
    RevokeNode {
        node: NodeName,
    },
    JoinToken {
        role: Role,
        #[serde(default)]
        ttl_seconds: Option<u64>,
    },
    /// One's own files, and those that others share; an admin sees all.
    Files(FileQuery),
    File {
        file: FileRef,
    },
    /// Begins an upload, on a connection of its own ([`crate::file`]).
    FilePut(FilePut),
    /// Chunks follow, the first with the byte at `from`: 0, or where the answer to `file_put` said.
    FileSend {
        from: u64,
    },
    /// All chunks were sent, and this is the hash of the whole.
    FileKeep {
        hash: ContentHash,
    },
    /// What was sent is to be thrown away.
    FileDrop,
    /// Begins a download, on a connection of its own.
    FileGet(FileGet),
    FileRemove {
        file: FileRef,
    },
    FileRename {
        file: FileRef,
        to: FileName,
    },
    FileShare {
        file: FileRef,
        with: Vec<PersonName>,
        /// Or not any more.
        on: bool,
    },
    /// Of one's own jobs; an admin sees all.
    Results(ResultQuery),
    /// Begins a download, on a connection of its own ([`crate::file`]).
    ResultGet(ResultGet),
    /// It came, whole: it is at home now.
    ResultCollected {
        attempt: AttemptId,
    },
    /// These results, and nothing else of their tasks, are removed.
    ResultRemove {
        targets: Vec<Target>,
    },
    /// Ended jobs are forgotten, with what they printed and left.
    JobRemove {
        jobs: Vec<JobId>,
    },
    /// One's own, kept or changed.
    SecretSet {
        name: SecretName,
        value: Hidden,
    },
    /// One's own, or for an admin somebody else's.
    Secrets {
        #[serde(default)]
        owner: Option<PersonName>,
    },
    SecretRemove {
        name: SecretName,
        #[serde(default)]
        owner: Option<PersonName>,
    },
    /// Which of one's own jobs have ended since one's console was last open?
    Away,
    /// Run this on these nodes, now. Answered when it is kept; [`Request::RunFollow`] tells what comes of it, and
    /// [`Request::Stop`] stops it or one of its answers.
    Run(RunSpec),
    /// The same again where it went wrong, was stopped or lost. Of the newest of one's own runs where none is named.
    RunAgain {
        #[serde(default)]
        run: Option<JobId>,
    },
    /// Of one's own; an admin sees all.
    Runs(RunQuery),
    RunShow {
        run: JobId,
    },
    RunFollow(RunFollow),
    /// The script that was run, byte for byte.
    RunText {
        run: JobId,
    },
    /// One's own and what comes with the program; an admin sees all.
    Scripts,
    Script {
        script: ScriptRef,
    },
    ScriptKeep(ScriptKeep),
    /// All its versions; what runs refer to stays for them.
    ScriptRemove {
        script: ScriptRef,
    },
    /// These operators may run this version of it as root.
    ScriptGrant {
        script: ScriptRef,
        /// What the admin has seen and means.
        hash: ContentHash,
        to: Vec<PersonName>,
        /// Or not any more.
        on: bool,
    },
    /// Looks at a machine before it is [added](Request::NodeAdd): whether it answers, with which host key, and whether it
    /// lets the manager in.
    NodeProbe(NodeReach),
    /// A node without an agent, or another way to one that has one. Its host key is to be this one, from now on.
    NodeAdd {
        name: NodeName,
        reach: NodeReach,
        host_key: String,
    },
}

/// How the manager reaches a node by the node's own SSH.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReach {
    /// A name or an address.
    pub host: String,
    #[serde(default = "ssh_port")]
    pub port: u16,
    pub user: String,
    /// Used once, to leave the manager's own key there. Never kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
}

fn ssh_port() -> u16 {
    22
}

/// What a machine answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// The fingerprint of its host key, as `ssh-keygen -l` prints it.
    pub host_key: String,
    /// The manager's own key, as a line of `authorized_keys`.
    pub own_key: String,
    /// Whether the manager is let in with it.
    pub lets_in: bool,
    /// Whether there is anything to be had with a password.
    pub takes_password: bool,
}

/// The way to a node that is used where it has no agent linked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshWay {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub host_key: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Hello(Hello),
    Submitted {
        job: JobId,
        tasks: u32,
    },
    Jobs {
        total: u32,
        jobs: Vec<JobView>,
    },
    Tasks {
        total: u32,
        tasks: Vec<TaskView>,
    },
    Task {
        task: TaskView,
        attempts: Vec<AttemptView>,
        /// What is kept of each that left something.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        results: Vec<ResultView>,
    },
    Nodes(Vec<NodeView>),
    Node(Box<NodeView>),
    History(Box<History>),
    Trends {
        step_ms: u32,
        /// When the last samples end.
        end: UnixMillis,
        nodes: Vec<Trend>,
    },
    Why(Why),
    Waited(Waited),
    /// How many tasks a stop or a retry reached.
    Done {
        tasks: u32,
    },
    JoinToken {
        token: String,
        line: String,
        expires_at: UnixMillis,
    },
    Files(FileList),
    File(FileView),
    FileReady(FileReady),
    FileKept(FileKept),
    FileComing(FileComing),
    Results(ResultList),
    ResultComing(ResultComing),
    /// So many results or jobs are gone, and so many bytes with them.
    Removed {
        count: u32,
        size: u64,
    },
    Secrets(Vec<SecretView>),
    Away(Away),
    Run(Box<RunView>),
    Runs {
        total: u32,
        runs: Vec<RunView>,
    },
    Scripts(Vec<ScriptView>),
    Script {
        script: Box<ScriptView>,
        text: String,
    },
    ScriptKept(Box<ScriptView>),
    Text {
        text: String,
    },
    NodeProbed(Probed),
    /// The end of a stream of `more`.
    End,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum More {
    Log(LogChunk),
    /// The manager says something about the log that the task did not print.
    LogNote {
        text: String,
    },
    Events(Vec<Event>),
    Picture(Picture),
    Changes(Changes),
    Output(OutputChunk),
    /// These have changed.
    Answers(Vec<AnswerView>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub kind: RefusalKind,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request makes no sense as it is (exit code 2).
    Usage,
    /// Understood, and not allowed or not possible now (3).
    Refused,
    /// There is no such thing (5).
    NotFound,
    /// The manager itself is in trouble: disk full, starting, stopping (4).
    Unavailable,
}

impl Refusal {
    pub fn usage(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Usage, message: message.into() }
    }
    pub fn refused(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Refused, message: message.into() }
    }
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::NotFound, message: message.into() }
    }
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { kind: RefusalKind::Unavailable, message: message.into() }
    }
}

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    Viewer,
    Operator,
    Admin,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub version: String,
    pub person: PersonName,
    pub role: Right,
    /// Where nodes reach the manager's SSH, as configured or found.
    pub ssh: String,
    /// The fingerprint of the manager's host key.
    pub host_key: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JobQuery {
    /// Only these.
    pub ids: Vec<JobId>,
    /// Only jobs with unfinished tasks.
    pub active: bool,
    pub owner: Option<PersonName>,
    /// Newest first, after skipping this many.
    pub skip: u32,
    /// At most this many (0: 1000).
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskQuery {
    /// Of these; of every job where empty, newest job first.
    pub targets: Vec<Target>,
    pub states: Vec<TaskState>,
    pub node: Option<NodeName>,
    pub skip: u32,
    /// At most this many (0: 1000).
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogQuery {
    /// A task (its latest attempt) or one attempt.
    pub target: Target,
    #[serde(default)]
    pub follow: bool,
    /// Only this one; both otherwise.
    #[serde(default)]
    pub stream: Option<Stream>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventQuery {
    /// Events after this number.
    pub after: Option<u64>,
    /// Events from this time on.
    pub since: Option<UnixMillis>,
    /// At most this many, the newest (0: 1000).
    pub limit: u32,
    pub follow: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogChunk {
    pub stream: Stream,
    pub offset: u64,
    pub bytes: Blob,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobView {
    pub id: JobId,
    pub name: Option<JobName>,
    pub owner: PersonName,
    pub command: Vec<String>,
    pub cpus: u32,
    pub node: Option<NodeName>,
    /// The index of its first task: 0, but for an array that begins elsewhere.
    #[serde(default)]
    pub first: u32,
    pub submitted_at: UnixMillis,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub state: TaskState,
    pub counts: Counts,
    /// What each task is given; told only where this one job was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<Given>,
    /// The same of secrets, by their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<JobSecret>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    pub id: TaskId,
    pub name: Option<JobName>,
    pub owner: PersonName,
    pub command: Vec<String>,
    pub state: TaskState,
    /// A stop was asked and has not come true yet.
    #[serde(default)]
    pub stopping: bool,
    /// The latest attempt; 0 while there was none.
    pub attempt: u32,
    pub node: Option<NodeName>,
    pub submitted_at: UnixMillis,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    pub code: Option<i32>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    pub id: AttemptId,
    pub state: TaskState,
    pub node: Option<NodeName>,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    pub code: Option<i32>,
    pub reason: String,
    /// What came of a replaced attempt after all.
    pub late: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    pub name: NodeName,
    pub role: Role,
    pub state: NodeState,
    #[serde(default)]
    pub draining: bool,
    #[serde(default)]
    pub revoked: bool,
    #[serde(default)]
    pub shared_uid: bool,
    pub version: Option<String>,
    pub address: Option<String>,
    pub cpus: u32,
    pub slots: u32,
    /// CPUs taken by tasks that run.
    pub running_cpus: u32,
    pub running: u32,
    pub finished: u64,
    pub joined_at: UnixMillis,
    pub seen_at: Option<UnixMillis>,
    pub facts: Facts,
    /// How it is asked where no agent of it is linked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<SshWay>,
    /// Why its agent, which is there, was not let in the last time: what both sides read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// `None` while the node is not up: old numbers are not news.
    pub metrics: Option<Metrics>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    pub id: TaskId,
    pub state: TaskState,
    /// One sentence for the whole.
    pub summary: String,
    /// Tasks that come before it.
    pub ahead: u32,
    /// One sentence a node.
    pub nodes: Vec<WhyNode>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WhyNode {
    pub node: NodeName,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    pub counts: Counts,
    /// The exit code where exactly one task was waited for.
    pub code: Option<i32>,
    pub reason: String,
}

/// What a person has missed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Away {
    /// When the last console of theirs was open; `None` where there was none yet, or one is now.
    pub since: Option<UnixMillis>,
    /// How many jobs have ended so.
    pub ended: Counts,
    /// The newest of them, newest first.
    pub jobs: Vec<JobView>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let bodies = [
            Body::Reply(Reply::End),
            Body::Reply(Reply::Done { tasks: 3 }),
            Body::More(More::Picture(Picture::default())),
            Body::Error(Refusal::refused("not today")),
        ];
        for (id, body) in (1..).zip(bodies) {
            let answer = Answer { id, body };
            let json = serde_json::to_string(&answer).unwrap();
            assert_eq!(serde_json::from_str::<Answer>(&json).unwrap(), answer, "{json}");
        }
    }

    #[test]
    fn an_answer_without_a_body_or_with_two_is_none() {
        let refusal = r#"{"kind":"refused","message":"no"}"#;
        for json in [r#"{"id":1}"#.into(), format!(r#"{{"id":1,"reply":"end","error":{refusal}}}"#)] {
            assert!(serde_json::from_str::<Answer>(&json).is_err(), "{json}");
        }
        let newer: Answer = serde_json::from_str(r#"{"id":1,"reply":"end","hint":7}"#).unwrap();
        assert_eq!(newer.body, Body::Reply(Reply::End));
    }
}
