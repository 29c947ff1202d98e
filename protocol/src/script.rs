//! Scripts: the bash and python files of the library. Some come with the program, the others are people's own.
//!
//! What a script says of itself stands in comments at its top, between two lines (the shape Python's own packages use):
//!
//! ```text
//! # /// bramble
//! # about = "Give addresses on one interface, the same ones to the same nodes"
//! # on = "manager"
//! # dangerous = true
//! # [params.interface]
//! # about = "the network card"
//! # ///
//! ```
//!
//! A script finds each parameter as a variable of its environment, by its name. What a script says is never a permission.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::file::ContentHash;
use crate::name::{BadName, PersonName, ScriptName};
use crate::time::UnixMillis;

/// The most bytes one has: they travel with the order of a run.
pub const MOST_SCRIPT_BYTES: usize = 256 * 1024;

/// Which script is meant: by its name one's own, else the one that comes with the program; somebody else's as `ana/tidy`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScriptRef {
    pub owner: Option<PersonName>,
    pub name: ScriptName,
}

impl FromStr for ScriptRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split_once('/') {
            Some((owner, name)) => Ok(Self { owner: Some(owner.parse()?), name: name.parse()? }),
            None => Ok(Self { owner: None, name: text.parse()? }),
        }
    }
}

impl fmt::Display for ScriptRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{owner}/{}", self.name),
            None => f.pad(self.name.as_str()),
        }
    }
}

impl Serialize for ScriptRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ScriptRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    Bash,
    Python,
}

impl Language {
    pub fn word(self) -> &'static str {
        match self {
            Language::Bash => "bash",
            Language::Python => "python",
        }
    }

    /// The program that runs it, as a `PATH` has it.
    pub fn program(self) -> &'static str {
        match self {
            Language::Bash => "bash",
            Language::Python => "python3",
        }
    }
}

/// Where a script may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MayRunOn {
    #[default]
    Anywhere,
    Manager,
    Workers,
}

/// What a script says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// What it does, in a sentence.
    pub about: String,
    #[serde(default)]
    pub on: MayRunOn,
    /// Whoever runs it is asked first.
    #[serde(default)]
    pub dangerous: bool,
    /// In the order they are written in.
    #[serde(default)]
    pub params: Vec<Param>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Param {
    /// A lower-case letter, then such letters, digits and `_`; at most 32.
    pub name: String,
    #[serde(default)]
    pub about: String,
    #[serde(default)]
    pub kind: ParamKind,
    /// It has to be given where there is none.
    #[serde(default)]
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParamKind {
    #[default]
    Text,
    /// A whole number.
    Number,
    /// `yes` or `no`.
    Flag,
    /// One of these words.
    Choice(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptView {
    /// `None`: it comes with the program.
    pub owner: Option<PersonName>,
    pub name: ScriptName,
    pub language: Language,
    pub about: About,
    pub size: u64,
    pub hash: ContentHash,
    /// `None` of what comes with the program.
    pub kept_at: Option<UnixMillis>,
    /// How many versions are here, this one included: older ones stay while a run refers to them.
    pub versions: u32,
    /// Operators who may run this version as root.
    #[serde(default)]
    pub granted: Vec<PersonName>,
}

/// Kept as the next version of one's own script of that name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScriptKeep {
    pub name: ScriptName,
    pub text: String,
    /// Whoever edits does not undo what was kept meanwhile: only over this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    Nothing,
    Version(ContentHash),
}

impl Param {
    /// Why this is no value for it.
    pub fn check(&self, value: &str) -> Result<(), String> {
        if value.contains('\0') {
            return Err("a value cannot have a zero byte".into());
        }
        match &self.kind {
            ParamKind::Text => Ok(()),
            ParamKind::Number => match value.parse::<i64>() {
                Ok(_) => Ok(()),
                Err(_) => Err(format!("{value:?} is not a whole number")),
            },
            ParamKind::Flag if ["yes", "no"].contains(&value) => Ok(()),
            ParamKind::Flag => Err(format!("{value:?} is neither yes nor no")),
            ParamKind::Choice(choices) if choices.iter().any(|choice| choice == value) => Ok(()),
            ParamKind::Choice(choices) => Err(format!("{value:?} is none of {}", choices.join(", "))),
        }
    }
}
