//! What the manager and an agent say to each other, over SSH.
//!
//! SSH users: [`JOIN_USER`] admits an unknown key to one channel and one frame; [`WORKER_USER`] admits a key the
//! manager knows. Subsystems: [`JOIN`], [`CONTROL`] (one connection per agent, frames both ways), [`BULK`] (a
//! connection of its own per stream, so that a stalled reader freezes nothing else).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bytes::Blob;
use crate::file::{ContentHash, FileKind};
use crate::id::AttemptId;
use crate::job::{Outcome, Stream};
use crate::name::{FileName, NodeName, ScriptName};
use crate::node::{Facts, MetricsPatch, Role};
use crate::result::Left;
use crate::script::Language;
use crate::secret::SecretGiven;
use crate::time::UnixMillis;

pub const JOIN_USER: &str = "join";
pub const WORKER_USER: &str = "worker";
pub const JOIN: &str = "bramble-join";
pub const CONTROL: &str = "bramble-control";
pub const BULK: &str = "bramble-bulk";

/// Output up to this many bytes (both streams together) travels inside [`FromAgent::Finished`].
pub const INLINE_OUTPUT: usize = 32 * 1024;

/// The one frame an unknown key may send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JoinRequest {
    pub protocol: u32,
    /// The secret part of the token, as printed.
    pub secret: String,
    pub name: NodeName,
    pub role: Role,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinReply {
    Joined { name: NodeName },
    Refused { reason: String },
}

/// Orders and answers, manager to agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToAgent {
    /// Answers the hello; nothing else comes before it.
    Welcome(Welcome),
    /// Run this as soon as a slot is free. Repeating it for an attempt already held changes nothing.
    Start(Order),
    /// End it: SIGTERM to everything of the task, SIGKILL after the grace.
    Stop {
        attempt: AttemptId,
        reason: String,
    },
    /// Give it back if it has not started; answered by `recalled`, or by silence where it has.
    Recall {
        attempt: AttemptId,
    },
    /// Its end is committed: forget it.
    Ack {
        attempts: Vec<AttemptId>,
    },
    /// Replaced or unknown here: kill it at once, forget it, report nothing.
    Discard {
        attempts: Vec<AttemptId>,
    },
    /// Dial a bulk connection and open it with `BulkHello::Follow { id }`.
    Follow(Follow),
    Reboot,
    /// The manager lets go of this agent; the sentence says why. `stay_away`: the key is not welcome any more.
    Bye {
        reason: String,
        stay_away: bool,
    },
    NotUnderstood {
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub protocol: u32,
    pub version: String,
    pub node: NodeName,
    /// Between SIGTERM and SIGKILL.
    pub stop_grace_ms: u64,
    /// The most output kept of each stream of a task; the oldest part goes first.
    pub output_limit: u64,
    /// How long a node may be away before its work is given up for lost.
    pub lease_ms: u64,
    /// It keeps [results](BulkHello::Result). What tasks leave for one that does not, is removed with their folders.
    #[serde(default)]
    pub takes_results: bool,
}

/// One attempt to be run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    pub attempt: AttemptId,
    /// The uid (and gid) of the person's tasks, used where the agent is root.
    pub uid: u32,
    pub cpus: u32,
    pub command: Arc<[String]>,
    #[serde(default, skip_serializing_if = "is_empty")]
    pub env: Arc<BTreeMap<String, String>>,
    /// What is to be in its folder when it starts. Only for agents that [take files](Hello::takes_files).
    #[serde(default = "none_given", skip_serializing_if = "is_none_given")]
    pub files: Arc<[Given]>,
    /// Only for agents that [take secrets](Hello::takes_secrets).
    #[serde(default = "no_secrets", skip_serializing_if = "is_no_secrets")]
    pub secrets: Arc<[SecretGiven]>,
    /// It is one node's part of a run. Only for agents that [take runs](Hello::takes_runs).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<RunOrder>>,
}

/// What makes a run of an order: it starts at once, beside the slots, leaves no result, and may be root's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOrder {
    /// As root, in root's home and with root's environment; else as the order's uid, in a folder of its own.
    pub root: bool,
    /// This is run, and the order's command are its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<RunScript>,
    #[serde(default, skip_serializing_if = "Blob::is_empty")]
    pub stdin: Blob,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunScript {
    /// What it calls itself in its own messages.
    pub name: ScriptName,
    pub language: Language,
    pub text: String,
}

/// One file or folder for a task. What the node does not have yet is fetched by [`BulkHello::Fetch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub name: FileName,
    pub kind: FileKind,
    /// Of its content; of a folder, packed.
    pub size: u64,
    pub hash: ContentHash,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// The task may change it, so it is a copy of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
}

fn no_secrets() -> Arc<[SecretGiven]> {
    Arc::new([])
}

fn is_no_secrets(secrets: &Arc<[SecretGiven]>) -> bool {
    secrets.is_empty()
}

fn none_given() -> Arc<[Given]> {
    Arc::new([])
}

fn is_none_given(files: &Arc<[Given]>) -> bool {
    files.is_empty()
}

fn is_empty(env: &Arc<BTreeMap<String, String>>) -> bool {
    env.is_empty()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Follow {
    pub id: u64,
    pub attempt: AttemptId,
    /// Where to begin, as offsets in what the task printed.
    pub stdout_from: u64,
    pub stderr_from: u64,
    /// Go on until the task has ended; otherwise end at what is there now.
    pub follow: bool,
}

/// Reports, agent to manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromAgent {
    /// The first frame of every control link.
    Hello(Box<Hello>),
    Facts(Box<Facts>),
    Metrics(MetricsPatch),
    Started {
        attempt: AttemptId,
        at: UnixMillis,
    },
    /// Repeated after every new link until it is acked.
    Finished(Finished),
    Recalled {
        attempt: AttemptId,
    },
    /// An order this agent does not carry out, with the reason a person reads.
    Refused {
        what: String,
        reason: String,
    },
    /// A follow that cannot be served.
    FollowFailed {
        id: u64,
        reason: String,
    },
    NotUnderstood {
        name: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    pub version: String,
    pub node: NodeName,
    pub boot_id: String,
    pub cpus: u32,
    pub slots: u32,
    /// The agent is not root: tasks share its uid.
    #[serde(default)]
    pub shared_uid: bool,
    /// Orders may have files.
    #[serde(default)]
    pub takes_files: bool,
    /// Orders may have secrets.
    #[serde(default)]
    pub takes_secrets: bool,
    /// Orders may be of a [run](Order::run).
    #[serde(default)]
    pub takes_runs: bool,
    /// What tasks leave in [`crate::result::OUT`] is brought to a manager that takes it.
    #[serde(default)]
    pub gives_results: bool,
    #[serde(default)]
    pub facts: Facts,
    /// Every attempt this node has: what runs, and what ended and is not yet acked.
    #[serde(default)]
    pub held: Vec<Held>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    pub attempt: AttemptId,
    pub started_at: UnixMillis,
    /// A `finished` for it follows.
    pub ended: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub attempt: AttemptId,
    pub outcome: Outcome,
    /// `None` where it never started.
    pub started_at: Option<UnixMillis>,
    pub ended_at: UnixMillis,
    /// Run time on the monotonic clock.
    pub ran_ms: Option<u64>,
    /// The kernel killed it for want of memory. Beside the outcome and not one of its own, so that an older manager
    /// understands it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    pub stdout: Output,
    pub stderr: Output,
    /// It left a result that could not be had, and why; what could, went ahead as [`BulkHello::Result`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_lost: Option<String>,
}

/// What one stream of a task came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Output {
    /// All the task printed, dropped part included.
    pub length: u64,
    /// The oldest part, no longer there because of the limit.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
    /// The rest, where it is small; `None` where it went ahead as [`BulkHello::Put`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Blob>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// The first frame of every bulk stream, agent to manager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkHello {
    /// Answers [`ToAgent::Follow`]; [`FollowFrame`]s follow.
    Follow { id: u64 },
    /// Large output of an ended attempt: `length - dropped` raw bytes follow; answered by one [`PutReply`].
    /// A `finished` may name it only after `kept`. Repeating it replaces what was kept.
    Put { attempt: AttemptId, stream: Stream, length: u64, dropped: u64 },
    /// The content of a file that this attempt was given, from this byte on; answered by one [`FetchReply`].
    Fetch { attempt: AttemptId, hash: ContentHash, from: u64 },
    /// What an ended attempt left; answered by one [`ResultReply`]. After `ready`, a [`ResultBegin`], the bytes from there
    /// to the end as they are, and a [`ResultEnd`]; answered by one [`PutReply`]. A `finished` may be said only after
    /// `kept`. Repeating it changes nothing.
    ///
    /// `tag` stands for what is sent as it was when it was looked at: what broke off goes on only where it is the same.
    Result { attempt: AttemptId, left: Left, tag: ContentHash },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FollowFrame {
    /// What the task printed from `offset` on. A gap before it was dropped at the limit.
    Chunk { stream: Stream, offset: u64, bytes: Blob },
    /// Nothing more comes: the task has ended (or, without `follow`, that was all there is now).
    End,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PutReply {
    Kept,
    Refused { reason: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchReply {
    /// So many raw bytes follow: all from where it was asked to the end.
    Coming { bytes: u64 },
    /// `gone`: it will not come by asking again, the attempt cannot start here.
    Refused { reason: String, gone: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultReply {
    /// The bytes may begin at `offset`, where the first so many have this hash; else at 0.
    Ready { offset: u64, hash: ContentHash },
    /// It is here already: nothing is to be sent.
    Kept,
    /// `for_good`: it will not be taken by asking again, the attempt ends without.
    Refused { reason: String, for_good: bool },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultBegin {
    pub from: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultEnd {
    /// Of the whole.
    pub hash: ContentHash,
}
