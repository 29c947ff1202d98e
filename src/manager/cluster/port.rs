//! What goes into the core and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::agent::{Finished, FromAgent, Hello, JoinReply, RunOrder, ToAgent};
use protocol::api::{Refusal, Reply, Request, Right, SshWay};
use protocol::event::Event;
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, Target};
use protocol::name::{FileName, NodeName, PersonName, ScriptName};
use protocol::node::{Facts, MetricsPatch, Role};
use protocol::result::Left;
use protocol::run::{AnswerView, Whence};
use protocol::script::Over;
use protocol::time::UnixMillis;

use super::change::{Change, KeyPrint, NoticeRow, SecretHash};
use super::files::Upload;
use super::scripts::Text;

/// Milliseconds of a clock that never jumps. Its zero means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Mono {
    pub fn plus(self, ms: u64) -> Mono {
        Mono(self.0.saturating_add(ms))
    }
}

/// The time of an input: `mono` decides, `wall` is only shown and recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    pub mono: Mono,
    pub wall: UnixMillis,
}

/// Where a reply goes. The shell gives each call its own number and never uses one twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// One control link of one agent. Never used twice, and given in the order in which links were opened, which may not be
/// that in which their hellos arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub person: PersonName,
    pub right: Right,
}

#[derive(Debug, Clone)]
pub enum Input {
    /// The manager begins to serve. Said once, not after a reload.
    Started,
    /// A person asks. The rule (`crate::manager::rule`) has been checked for the right; the core checks owners.
    /// `hello`, `logs`, `events`, `watch`, `history`, `trends`, `join_token` and the transfers of files are the shell's and
    /// never come here.
    Request {
        call: CallId,
        caller: Caller,
        request: Request,
    },
    /// The caller of this call went away: forget what it waits for.
    Gone {
        call: CallId,
    },
    /// What has changed of a run since this revision of it? Answered with [`Told::Answers`] once there is something.
    WatchRun {
        call: CallId,
        caller: Caller,
        run: JobId,
        after: u64,
    },
    /// Which node was this given to, whatever became of it since? Answered with [`Told::Node`].
    NodeOf {
        call: CallId,
        attempt: AttemptId,
    },
    /// Where is what this printed? Answered with a [`Place`] at once, unless it would be `unlike`: then as soon as
    /// it is another.
    FindOutput {
        call: CallId,
        caller: Caller,
        target: Target,
        unlike: Option<Place>,
    },
    /// An upload begins. How many bytes may it have? Answered with [`Told::Room`].
    PlanPut {
        call: CallId,
        caller: Caller,
        name: FileName,
        size: Option<u64>,
    },
    /// The content of an upload is on the disk, whole and for certain: it becomes the file of that name.
    KeepFile {
        call: CallId,
        caller: Caller,
        upload: Upload,
    },
    /// A node asks for a content that this attempt was given. Answered with [`Told::Given`].
    FindGiven {
        call: CallId,
        node: NodeName,
        attempt: AttemptId,
        hash: ContentHash,
    },
    /// A node is about to bring what this attempt left. Answered with [`Told::Owner`], or [`Told::Kept`] where it is here.
    PlanResult {
        call: CallId,
        node: NodeName,
        attempt: AttemptId,
    },
    /// Of these attempts half of what they left is here: which of them will nobody bring any more? Answered with
    /// [`Told::Unwanted`].
    Unwanted {
        call: CallId,
        halves: Vec<(NodeName, AttemptId)>,
    },
    /// What an attempt left is on the disk, whole and for certain. Answered with [`Told::Kept`].
    KeepResult {
        call: CallId,
        node: NodeName,
        attempt: AttemptId,
        left: Left,
        hash: ContentHash,
    },
    MakeToken {
        call: CallId,
        caller: Caller,
        hash: SecretHash,
        role: Role,
        ttl_ms: u64,
    },
    Join {
        call: CallId,
        key: KeyPrint,
        hash: SecretHash,
        name: NodeName,
        role: Role,
        address: Option<String>,
    },
    /// An agent's hello arrived on a new link; its key proved it to be `node`.
    Linked {
        link: LinkId,
        node: NodeName,
        key: KeyPrint,
        address: Option<String>,
        hello: Box<Hello>,
    },
    /// Anything an agent says after its hello.
    Report {
        link: LinkId,
        report: FromAgent,
    },
    Unlinked {
        link: LinkId,
        reason: String,
    },
    /// A node said something beside its link that was not taken: the output of a task that was not its own.
    Lied {
        node: NodeName,
        what: String,
        reason: String,
    },
    /// The first console of this person was opened, or the last one closed.
    Seen {
        person: PersonName,
    },
    /// The manager's own machine, shown as a card too.
    Own {
        name: NodeName,
        facts: Option<Box<Facts>>,
        metrics: MetricsPatch,
    },
    /// It was told there that a job has ended, or never will be, for this reason.
    Delivered {
        no: u64,
        outcome: Result<(), String>,
    },
    /// A person keeps a script; the shell has read what it says of itself.
    KeepScript {
        call: CallId,
        caller: Caller,
        name: ScriptName,
        over: Option<Over>,
        text: Arc<Text>,
    },
    /// A person adds a node without an agent, or another way to one. The shell has been there: it lets the manager in, and
    /// its host key is the one that the person has approved.
    AddNode {
        call: CallId,
        caller: Caller,
        name: NodeName,
        way: SshWay,
    },
    /// A node without a link was looked for: whether anything answers there.
    Answers {
        node: NodeName,
        answers: bool,
    },
    /// A [run of the manager's own](Effect::OwnRun) has begun.
    OwnRunStarted {
        attempt: AttemptId,
        at: UnixMillis,
    },
    /// It is over; output without bytes is kept already. Said once for each, whatever becomes of it.
    OwnRunEnded(Finished),
    /// Nothing happened but time.
    Woken,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Persist(Change),
    /// Kept in the event table, then shown to everyone who subscribed.
    Publish(Event),
    Tell(CallId, Told),
    Send(LinkId, ToAgent),
    /// End this link (the agent was told why by a `bye` before).
    Cut(LinkId),
    /// The picture of this changed: ask for its view again. Not an event, never kept.
    Touch(Touched),
    /// Tell that a job has ended, and then say [`Input::Delivered`]. After a start and a reload that is asked of
    /// everything in [`super::Cluster::owed`].
    Deliver(Arc<NoticeRow>),
    /// It is not to be told any more: it was, or there are too many.
    Delivered(u64),
    /// Run this yourself: on the manager, or by the node's own SSH. Then say [`Input::OwnRunStarted`] and
    /// [`Input::OwnRunEnded`]. None outlives the manager: what ran at its end is lost.
    OwnRun(Box<OwnRun>),
    /// End it; it is over when [`Input::OwnRunEnded`] says so.
    EndOwnRun {
        attempt: AttemptId,
        reason: String,
    },
    /// Look whether this node answers at this host and port, again and again, and say [`Input::Answers`]. `None`: not any more.
    LookFor {
        node: NodeName,
        at: Option<(String, u16)>,
    },
}

/// One answer of a run that no agent gives.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnRun {
    pub attempt: AttemptId,
    /// By SSH; on the manager itself otherwise.
    pub way: Option<(NodeName, SshWay)>,
    /// Of the person's tasks.
    pub uid: u32,
    pub command: Arc<[String]>,
    pub env: Arc<BTreeMap<String, String>>,
    pub run: Arc<RunOrder>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Reply(Reply),
    Refused(Refusal),
    Join(JoinReply),
    /// The token is kept; its secret is the shell's to show.
    Token {
        expires_at: UnixMillis,
    },
    Place(Place),
    Node(Whence),
    /// Those that have changed. `over`: nothing will change any more.
    Answers {
        revision: u64,
        answers: Vec<AnswerView>,
        over: bool,
    },
    /// In bytes.
    Room(u64),
    /// The size of a content.
    Given(u64),
    /// Whose job it is.
    Owner(PersonName),
    Unwanted(Vec<(NodeName, AttemptId)>),
    Kept,
}

/// Where the output of a task is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Not started: nothing was printed yet, but will be.
    Nowhere,
    /// On a node that is up. Also a replaced attempt whose late result that node still holds.
    Live { attempt: AttemptId, node: NodeName, link: LinkId },
    /// On a node that is down for now.
    Away { attempt: AttemptId, node: NodeName },
    /// With the manager itself, which runs it.
    Here { attempt: AttemptId },
    /// Here, whole; nothing where an attempt was lost or (number 0) none ever began. `last`: the task has ended
    /// with it, no later attempt will follow by itself.
    Kept { attempt: AttemptId, last: bool },
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Touched {
    Node(NodeName),
    /// Only what changes all the time about a node: its metrics, and how much runs there.
    Metrics(NodeName),
    Job(JobId),
}
