//! Secrets: values that a person gives to tasks and that nobody is shown again.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bytes::Blob;
use crate::name::{FileName, PersonName, SecretName};
use crate::time::UnixMillis;

/// The most bytes one has.
pub const MOST_SECRET_BYTES: usize = 64 * 1024;
/// The most secrets one job is given.
pub const MOST_JOB_SECRETS: usize = 100;

/// Bytes that are written to nobody: not by `{:?}`, not into logs, events or lists. Only messages that bring them where
/// they are needed have them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(Blob);

impl Hidden {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(Blob(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// A secret of the submitter's that each task of a job is given, with the value it has when the task is sent to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSecret {
    pub secret: SecretName,
    pub given: SecretAs,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretAs {
    /// A variable of its environment.
    Env(String),
    /// A file of this name in the folder that [`SECRETS`] names, which is never on a disk.
    File(FileName),
}

/// The variable that names the folder of a task's secret files.
pub const SECRETS: &str = "BRAMBLE_SECRETS";

/// What a node is told for one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretGiven {
    pub given: SecretAs,
    pub value: Hidden,
}

/// All that is ever shown of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretView {
    pub owner: PersonName,
    pub name: SecretName,
    pub set_at: UnixMillis,
    /// Jobs with unfinished tasks that are given it.
    pub jobs: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_shown_a_value() {
        let value = Hidden::of(b"swordfish".to_vec());
        let given = SecretGiven { given: SecretAs::Env("TOKEN".into()), value: value.clone() };
        assert!(!format!("{value:?} {given:?}").contains("swordfish"));
        assert_eq!(serde_json::from_str::<SecretGiven>(&serde_json::to_string(&given).unwrap()).unwrap(), given);
    }
}
