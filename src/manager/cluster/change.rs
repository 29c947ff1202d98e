//! Rows: what the core asks the store to keep, and what it is loaded from.

use std::sync::Arc;

use protocol::agent::{Given, Output};
use protocol::api::SshWay;
use protocol::bytes::Blob;
use protocol::file::{ContentHash, FileKind};
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{JobSpec, Outcome, TaskState};
use protocol::name::{FileName, NodeName, PersonName, ScriptName, SecretName};
use protocol::node::{Facts, Role};
use protocol::notify::Notice;
use protocol::result::Left;
use protocol::run::{RunKept, Whence};
use protocol::secret::Hidden;
use protocol::time::UnixMillis;

use super::scripts::Text;

/// One row to be written. Changes of one batch are committed together, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Person(PersonRow),
    Node(Box<NodeRow>),
    NodeGone(NodeName),
    Token(TokenRow),
    TokenGone(SecretHash),
    Job(Arc<JobRow>),
    /// With its tasks, attempts, outputs and results.
    JobGone(JobId),
    /// The latest attempt of a task. A task without a row is queued and was never tried, so an array of a
    /// hundred thousand is one row until its tasks start. Queued again after a loss, it still says how that attempt
    /// went: its node may come back with it until another has begun.
    Task(TaskRow),
    /// An attempt that is over and is not what its task says: another has begun, or its result came too late.
    Attempt(AttemptRow),
    /// What an attempt printed. Without bytes: it lies in a file since the agent put it there.
    Output {
        attempt: AttemptId,
        stdout: Output,
        stderr: Output,
    },
    /// A version of a file, by its number; renamed or shared, it keeps that.
    File(FileRow),
    FileGone(u64),
    /// What an attempt left.
    Result(ResultRow),
    ResultGone(AttemptId),
    /// How old the results of a job are; `None` where it has not ended, or has none any more.
    Age(JobId, Option<Age>),
    /// So long results have been looked after.
    Hours {
        hours: u64,
        minutes: u64,
    },
    /// No version has this content any more, no job was given it, and no result is this. Its bytes go after the commit.
    ContentGone(ContentHash),
    /// Somebody is to be told that a job has ended.
    Notice(Arc<NoticeRow>),
    NoticeGone(u64),
    Secret(SecretRow),
    SecretGone(PersonName, SecretName),
    Run(Arc<RunRow>),
    /// With its answers and what they printed.
    RunGone(JobId),
    Answer(AnswerRow),
    /// A version of a script, by its number.
    Script(ScriptRow),
    ScriptGone(u64),
    /// What a script or a run refers to.
    Text(TextRow),
    /// Nothing refers to it any more.
    TextGone(ContentHash),
    /// Nobody where nobody is left.
    Granted(GrantRow),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    pub name: PersonName,
    /// Added to `task_uid_base`; given at first sight, never again to someone else.
    pub serial: u32,
    /// When the last console of theirs was opened or closed.
    pub seen_at: Option<UnixMillis>,
}

/// The fingerprint of a public key, as `ssh-keygen -l` prints it: `SHA256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrint(pub Arc<str>);

#[derive(Debug, Clone, PartialEq)]
pub struct NodeRow {
    pub name: NodeName,
    pub role: Role,
    /// `None`: no agent of it has ever joined.
    pub key: Option<KeyPrint>,
    pub revoked: bool,
    pub draining: bool,
    pub joined_at: UnixMillis,
    pub seen_at: Option<UnixMillis>,
    pub address: Option<String>,
    pub version: Option<String>,
    pub cpus: u32,
    pub slots: u32,
    pub shared_uid: bool,
    /// The one person whose work a node with a shared uid takes.
    pub taken_by: Option<PersonName>,
    pub facts: Facts,
    /// How it is asked where no agent of it is linked.
    pub ssh: Option<SshWay>,
}

/// A join token; the secret itself is never kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenRow {
    pub hash: SecretHash,
    pub role: Role,
    pub expires_at: UnixMillis,
    /// Who used it: the same key may ask again, should the first answer have been lost.
    pub used: Option<(KeyPrint, NodeName)>,
}

/// SHA-256 of a token's secret, in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretHash(pub Arc<str>);

#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    pub id: JobId,
    pub owner: PersonName,
    pub submitted_at: UnixMillis,
    pub spec: JobSpec,
    /// What the names in its `spec.files` stood for when it was submitted.
    pub given: Arc<[Given]>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TaskRow {
    pub id: TaskId,
    pub state: TaskState,
    /// The latest attempt, 0 before the first.
    pub attempt: u32,
    /// How often an attempt was lost and the task queued again by itself.
    pub losses: u32,
    pub node: Option<NodeName>,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    pub outcome: Option<Outcome>,
    /// A stop was asked, with this reason, and has not come true yet.
    pub stopping: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRow {
    pub id: AttemptId,
    pub node: Option<NodeName>,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    pub outcome: Outcome,
    /// The result that came after the attempt had been declared lost.
    pub late: Option<Outcome>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FileRow {
    pub version: u64,
    pub owner: PersonName,
    pub name: FileName,
    pub kind: FileKind,
    pub executable: bool,
    pub size: u64,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
    pub shared_with: Vec<PersonName>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    pub attempt: AttemptId,
    pub left: Left,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
    pub collected: Option<Collected>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SecretRow {
    pub owner: PersonName,
    pub name: SecretName,
    pub value: Hidden,
    pub set_at: UnixMillis,
}

/// Somebody brought a result home: by the clock on the wall, and by the hours that are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collected {
    pub at: UnixMillis,
    pub hour: u64,
}

/// In hours as they are counted ([`Change::Hours`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age {
    /// Its job ended, or the last late result of it came.
    pub since: u64,
    /// It was told that those will go that nobody has collected.
    pub warned: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct NoticeRow {
    pub no: u64,
    pub notice: Notice,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    pub id: JobId,
    pub owner: PersonName,
    pub asked_at: UnixMillis,
    pub spec: RunKept,
    /// The script that runs.
    pub text: Option<ContentHash>,
    pub stdin: Blob,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AnswerRow {
    /// Its place among the answers of its run.
    pub id: TaskId,
    pub node: Whence,
    /// The manager gives it itself, and no agent.
    pub own: bool,
    pub state: TaskState,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    pub outcome: Option<Outcome>,
    /// A stop was asked, with this reason, and has not come true yet.
    pub stopping: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ScriptRow {
    pub version: u64,
    pub owner: PersonName,
    pub name: ScriptName,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TextRow {
    pub text: Arc<Text>,
}

/// Operators who may run this version as root.
#[derive(Debug, Clone, PartialEq)]
pub struct GrantRow {
    /// `None`: it comes with the program.
    pub owner: Option<PersonName>,
    pub name: ScriptName,
    pub hash: ContentHash,
    pub people: Vec<PersonName>,
}

/// Everything the store holds of the core's state.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub people: Vec<PersonRow>,
    pub nodes: Vec<NodeRow>,
    pub tokens: Vec<TokenRow>,
    pub jobs: Vec<JobRow>,
    pub tasks: Vec<TaskRow>,
    pub attempts: Vec<AttemptRow>,
    pub files: Vec<FileRow>,
    pub results: Vec<ResultRow>,
    pub ages: Vec<(JobId, Age)>,
    pub notices: Vec<NoticeRow>,
    pub secrets: Vec<SecretRow>,
    pub runs: Vec<RunRow>,
    pub answers: Vec<AnswerRow>,
    pub scripts: Vec<ScriptRow>,
    pub texts: Vec<TextRow>,
    pub grants: Vec<GrantRow>,
    pub hours: u64,
    /// Beyond those.
    pub minutes: u64,
    /// The highest numbers ever given, so that none is given twice, even where its rows are gone.
    pub last_job: u32,
    pub last_event: u64,
    pub last_file: u64,
    pub last_notice: u64,
    pub last_script: u64,
}
