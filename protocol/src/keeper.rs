//! What the agent and its keeper say to each other, and what the keeper's journal holds.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::AttemptId;
use crate::job::Outcome;
use crate::time::UnixMillis;

/// Agent to keeper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToKeeper {
    /// Start it now. Repeating it for an attempt already kept is answered with what is known of it.
    Spawn(Spawn),
    Stop {
        attempt: AttemptId,
        reason: String,
        grace_ms: u64,
    },
    /// Drop it from the journal; what still runs of it is killed.
    Forget {
        attempts: Vec<AttemptId>,
    },
    /// How the agent is, for whoever asks the control socket.
    Status(Value),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spawn {
    pub attempt: AttemptId,
    /// `None`: under the keeper's own uid.
    pub uid: Option<u32>,
    pub command: Vec<String>,
    /// The whole environment, `KEY=VALUE`.
    pub env: Vec<String>,
    /// Where it begins; in its folder otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// The file that is its standard input; nothing otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// As the keeper's own uid, with all that it may do: only where that is root, and never of a task.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub root: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// The agent's own words about this attempt (what it must know again after a restart). The keeper keeps them and
    /// gives them back in [`Kept`], and never looks inside.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub note: Value,
}

/// It has so long from its start on, whatever becomes of the agent meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub ms: u64,
    /// Between SIGTERM and SIGKILL.
    pub grace_ms: u64,
}

/// Keeper to agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromKeeper {
    /// First after every start of the agent.
    Hello {
        version: String,
        boot_id: String,
        tasks: Vec<Kept>,
        /// It knows what only runs have. An agent may be newer than its keeper.
        #[serde(default)]
        takes_runs: bool,
    },
    Started {
        attempt: AttemptId,
        at: UnixMillis,
    },
    Ended(Ended),
    NotUnderstood {
        name: String,
    },
}

/// An attempt the keeper has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub attempt: AttemptId,
    pub pid: Option<i32>,
    pub started_at: UnixMillis,
    pub ended: Option<Ended>,
    /// As [`Spawn::note`] said.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub note: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub attempt: AttemptId,
    pub outcome: Outcome,
    pub started_at: Option<UnixMillis>,
    pub ended_at: UnixMillis,
    pub ran_ms: Option<u64>,
    /// The kernel killed it for want of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
}

/// One line of the journal: append-only, a torn last line is ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// Written before the process exists, so that no process is ever unknown.
    Starting {
        attempt: AttemptId,
        boot_id: String,
        at: UnixMillis,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<Limit>,
        /// As [`Spawn::note`] said.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        note: Value,
    },
    /// Who it is: a pid alone would be reused.
    Running {
        attempt: AttemptId,
        pid: i32,
        start_ticks: u64,
    },
    /// Asked to end; SIGKILL is due so many milliseconds after the boot.
    Stopping {
        attempt: AttemptId,
        reason: String,
        kill_at: u64,
        /// Because its time was over, and not on request.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        late: bool,
    },
    Ended(Ended),
    /// All that these printed is on disk: how they ended counts after a power cut, too.
    Safe {
        attempts: Vec<AttemptId>,
    },
    Forgotten {
        attempts: Vec<AttemptId>,
    },
}

/// The control socket of a keeper: one request, one reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    Status,
    Tasks,
    /// Become this binary, keeping the children.
    Upgrade {
        path: String,
    },
    /// Stop every task, then end agent and keeper; answered by `ending`, and done when the process is gone.
    End {
        reason: String,
        grace_ms: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlReply {
    Status(Box<WorkerStatus>),
    Tasks(Vec<Kept>),
    /// The new self is about to take over; ask `status` for its version.
    Upgrading,
    Ending,
    Refused {
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    pub keeper_version: String,
    pub keeper_pid: i32,
    pub agent_pid: Option<i32>,
    pub agent_restarts: u32,
    pub running: u32,
    pub unacked: u32,
    /// Why what is born into a cgroup dies at once there, so that tasks get none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub barren_cgroup: Option<String>,
    /// What the agent last said of itself: link, manager, back-off, last error.
    pub agent: Value,
}
