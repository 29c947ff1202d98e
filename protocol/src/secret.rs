//! Secrets: values that a person gives to tasks and that nobody is shown again.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::bytes::Blob;
use crate::name::{FileName, PersonName, SecretName};
use crate::time::UnixMillis;

/// The most bytes one has.
pub const MOST_SECRET_BYTES: usize = 64 * 1024;
/// The most secrets one job is given: as many of the longest fit into an order, with room for a command, whatever is set
/// later.
pub const MOST_JOB_SECRETS: usize = 32;

/// Bytes that are written to nobody: not by `{:?}`, not into logs, events or lists. Only messages that bring them where
/// they are needed have them.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Hidden(Arc<Blob>);

impl Hidden {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Blob(bytes)))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0.0
    }

    /// As a variable of an environment takes it: UTF-8 without zero bytes.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.bytes()).ok().filter(|text| !text.contains('\0'))
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // What was there instead may be a value, written wrong: nothing of it is told.
        let blob = Blob::deserialize(from);
        let blob = blob.map_err(|_| serde::de::Error::custom("the value of a secret is not a string of base64"))?;
        Ok(Self(Arc::new(blob)))
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

impl JobSecret {
    /// As the variable it is where nobody says another: its name in capitals, and `_` for what no variable has.
    pub fn variable(secret: SecretName) -> Self {
        let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
        let given = SecretAs::Env(secret.as_str().chars().map(letter).collect());
        Self { secret, given }
    }
}

/// `token as TOKEN`, `key as the file "id.pem"`.
impl fmt::Display for JobSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.given {
            SecretAs::Env(name) => write!(f, "{} as {name}", self.secret),
            SecretAs::File(name) => write!(f, "{} as the file {:?}", self.secret, name.as_str()),
        }
    }
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
        for wrong in ["\"swordfish!\"", "[\"swordfish\"]", "{\"swordfish\": 1}", "7355608"] {
            let why = serde_json::from_str::<Hidden>(wrong).unwrap_err().to_string();
            assert!(why.contains("base64") && !why.contains("swordfish") && !why.contains("7355608"), "{why}");
        }
    }

    #[test]
    fn a_variable_takes_text_without_zero_bytes() {
        for text in ["x", "two\nlines", "ünïcode"] {
            assert_eq!(Hidden::of(text.into()).text(), Some(text));
        }
        for binary in [&b"a\0b"[..], b"\xff\xfe"] {
            assert_eq!(Hidden::of(binary.into()).text(), None);
        }
    }
}
