//! Runs: one command, or one script of the library, on one node or on many, now. A run waits for no slot and is tried
//! once: what it was asked on, it has an answer from each, or a sentence why there is none.
//!
//! Runs and jobs share one row of numbers. The answers of run `17` are `17.0`, `17.1`, … in the order of its nodes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::bytes::Blob;
use crate::file::ContentHash;
use crate::id::JobId;
use crate::job::{Counts, Outcome, Stream, TaskState};
use crate::name::{BadName, NodeName, PersonName};
use crate::script::{Language, ScriptRef};
use crate::time::UnixMillis;

/// The most bytes that are sent to the standard input of a run: they travel with its order.
pub const MOST_STDIN: usize = 1 << 20;
/// The most nodes one run is on.
pub const MOST_NODES: usize = 4096;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    pub what: RunWhat,
    /// In any order; a node that is meant twice is asked once.
    pub on: Vec<On>,
    #[serde(rename = "as")]
    pub run_as: RunAs,
    /// All that its standard input will hold; it is empty otherwise.
    #[serde(default, skip_serializing_if = "Blob::is_empty")]
    pub stdin: Blob,
    /// Each answer has so long, from its own start on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// At most so many at the same time; all of them otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunWhat {
    /// A program and its arguments, as they are: no shell in between.
    Command(Vec<String>),
    /// A script of the library, as it is when the run is asked for.
    Script {
        script: ScriptRef,
        #[serde(default)]
        params: BTreeMap<String, String>,
    },
}

/// Whom it is run as: `root`, or the person's own user for tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunAs {
    Root,
    Me,
}

impl RunAs {
    pub fn word(self) -> &'static str {
        match self {
            RunAs::Root => "root",
            RunAs::Me => "me",
        }
    }
}

/// A choice of nodes, as people write it: `all` workers, the `manager`, or one by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum On {
    All,
    Manager,
    Node(NodeName),
}

/// Where one answer comes from: `manager`, or a node by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whence {
    Manager,
    Node(NodeName),
}

impl FromStr for On {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Ok(match text {
            "all" => On::All,
            "manager" => On::Manager,
            name => On::Node(name.parse()?),
        })
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            On::All => "all",
            On::Manager => "manager",
            On::Node(name) => name.as_str(),
        })
    }
}

impl FromStr for Whence {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Ok(if text == "manager" { Whence::Manager } else { Whence::Node(text.parse()?) })
    }
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Whence::Manager => "manager",
            Whence::Node(name) => name.as_str(),
        })
    }
}

impl Whence {
    pub fn node(&self) -> Option<&NodeName> {
        match self {
            Whence::Manager => None,
            Whence::Node(name) => Some(name),
        }
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(On, Whence);

/// What was asked, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunKept {
    pub what: RunWhat,
    /// Of the script that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    pub on: Vec<On>,
    #[serde(rename = "as")]
    pub run_as: RunAs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<JobId>,
}

/// A run as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    pub id: JobId,
    pub owner: PersonName,
    pub what: RunWhat,
    /// Of a script, what exactly was run; to be had with [`crate::api::Request::RunText`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextView>,
    pub on: Vec<On>,
    #[serde(rename = "as")]
    pub run_as: RunAs,
    /// How many bytes were sent to its standard input.
    #[serde(default)]
    pub stdin: u64,
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    #[serde(default)]
    pub at_once: Option<u32>,
    /// The run whose failures this one repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<JobId>,
    pub asked_at: UnixMillis,
    pub ended_at: Option<UnixMillis>,
    pub state: TaskState,
    pub counts: Counts,
    /// One for each node, in the order of their names, `manager` first; only where this one run was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<AnswerView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextView {
    pub language: Language,
    pub hash: ContentHash,
    pub size: u64,
}

/// How it is with a run on one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerView {
    /// `17.3`'s 3.
    pub index: u32,
    pub node: Whence,
    pub state: TaskState,
    /// A stop was asked and has not come true yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopping: bool,
    /// The link to its node is broken; what it comes to is told when that is back, or its lease is over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub away: bool,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    /// How it ended; `None` until then.
    pub outcome: Option<Outcome>,
    pub code: Option<i32>,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunQuery {
    pub owner: Option<PersonName>,
    /// Only those that have not ended.
    pub active: bool,
    /// Newest first, after skipping this many.
    pub skip: u32,
    /// At most this many (0: 1000).
    pub limit: u32,
}

/// Follows a run: [`crate::api::More::Output`] and [`crate::api::More::Answers`], then `end` when all of it has been told.
///
/// All that a node prints is told before its ended answer is. Answers are told when they change, and all of them at first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFollow {
    pub run: JobId,
    /// What of its output is told.
    #[serde(default)]
    pub output: WhichOutput,
    /// What was told already, before a connection broke.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub had: Vec<Had>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhichOutput {
    /// As it is printed.
    #[default]
    Live,
    /// Of each node when its answer has ended.
    Ended,
    None,
}

/// So much of one answer's output was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Had {
    pub index: u32,
    pub stdout: u64,
    pub stderr: u64,
    /// Its ended answer too.
    #[serde(default)]
    pub ended: bool,
}

/// What the run printed on one node from `offset` on. A gap before it was dropped at the limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutputChunk {
    pub index: u32,
    pub stream: Stream,
    pub offset: u64,
    pub bytes: Blob,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_run_goes_is_written_as_people_say_it() {
        for text in ["all", "manager", "pi-3"] {
            assert_eq!(text.parse::<On>().unwrap().to_string(), text);
        }
        assert!("cooler".parse::<On>().is_err());
        assert_eq!("manager".parse::<Whence>().unwrap(), Whence::Manager);
        assert!("all".parse::<Whence>().is_err());
    }

    #[test]
    fn a_run_written_by_hand_needs_little() {
        let spec: RunSpec =
            serde_json::from_str(r#"{"what":{"command":["uptime"]},"on":["all"],"as":"me","tomorrow":1}"#).unwrap();
        assert_eq!(spec.on, [On::All]);
        assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"what":{"command":["uptime"]},"on":["all"],"as":"me"}"#);
    }
}
