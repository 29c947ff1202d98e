//! Results: what a task leaves in [`OUT`], brought to the manager when it has ended, and kept there until somebody
//! collects it or it is too old.
//!
//! Each attempt has one result or none. It is kept before its end is told, so what has ended has all of it.

use serde::{Deserialize, Serialize};

use crate::file::ContentHash;
use crate::id::{AttemptId, Target};
use crate::name::{FileName, JobName, PersonName};
use crate::time::UnixMillis;

/// The folder inside a task's own whose content is its result. It is there when the task starts.
pub const OUT: &str = "out";

/// What an attempt left, as its node packed it: a folder, as of [`crate::file::FileKind::Folder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Packed.
    pub size: u64,
    /// Files, folders and links.
    pub entries: u64,
    /// What could not come: sockets, devices, links that lead out, what the task itself could not have read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultView {
    pub attempt: AttemptId,
    /// Of its job.
    pub name: Option<JobName>,
    pub owner: PersonName,
    #[serde(flatten)]
    pub left: Left,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
    /// When somebody brought it home the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collected_at: Option<UnixMillis>,
    /// How long it is kept yet, in hours during which the manager is up. `None` while its job has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_left: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResultQuery {
    /// Of these; of every job where empty, newest job first.
    pub targets: Vec<Target>,
    /// Only of this person's jobs; of the caller's where nobody is named, or of all for an admin.
    pub owner: Option<PersonName>,
    /// Only what nobody has collected yet.
    pub waiting: bool,
    pub skip: u32,
    /// At most this many (0: 1000).
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultList {
    pub total: u32,
    pub results: Vec<ResultView>,
    /// What all that was asked for takes, packed.
    pub size: u64,
}

/// The beginning of a download, on a connection of its own, like [`crate::file::FileGet`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultGet {
    pub attempt: AttemptId,
    /// Begin here, where its content has the hash.
    #[serde(default)]
    pub from: u64,
    #[serde(default)]
    pub hash: Option<ContentHash>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultComing {
    pub result: ResultView,
    /// Where the bytes begin that follow.
    pub offset: u64,
}

/// What a job's last task makes of the results of all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reduce {
    /// A word that is [`INPUTS`] becomes the paths of what they left, in order.
    pub command: Vec<String>,
    /// What is theirs is called so in [`OUT`].
    pub part: FileName,
}

pub const INPUTS: &str = "{inputs}";

impl Reduce {
    /// The folder, in that of the last task, of what the task with this index left.
    pub fn folder(index: u32) -> String {
        format!("part-{index}")
    }
}
