//! Files kept on the manager: how they are named, what is known of them, and how their bytes travel.
//!
//! A transfer has a connection of its own. It begins like any other; after the answer to `file_put` and `file_send`, or
//! to `file_get`, bytes follow in chunks: a u32 big-endian length, at most [`LONGEST_CHUNK`], and so many bytes. A
//! chunk of no bytes is the last.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::{BadName, FileName, PersonName};
use crate::time::UnixMillis;

pub const LONGEST_CHUNK: usize = 1 << 20;

/// Which file is meant: one's own by its name, somebody else's as `ana/data.csv`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileRef {
    /// The caller where nobody is named.
    pub owner: Option<PersonName>,
    pub name: FileName,
}

impl FromStr for FileRef {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        match text.split_once('/') {
            Some((owner, name)) => Ok(Self { owner: Some(owner.parse()?), name: name.parse()? }),
            None => Ok(Self { owner: None, name: text.parse()? }),
        }
    }
}

impl fmt::Display for FileRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.owner {
            Some(owner) => write!(f, "{owner}/{}", self.name),
            None => f.pad(self.name.as_str()),
        }
    }
}

impl Serialize for FileRef {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileRef {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The BLAKE3 of some bytes; 64 hex digits wherever it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentHash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let digits = text.as_bytes();
        let lower = |digit: &u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit);
        if digits.len() != 64 || !digits.iter().all(lower) {
            return Err(BadHash);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { digit - b'a' + 10 };
            *byte = value(pair[0]) << 4 | value(pair[1]);
        }
        Ok(Self(hash))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a BLAKE3 is written as 64 digits, 0 to 9 and a to f")]
pub struct BadHash;

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    File,
    /// Packed: its content is a tar archive.
    Folder,
}

impl FileKind {
    pub const ALL: [FileKind; 2] = [FileKind::File, FileKind::Folder];

    pub fn word(self) -> &'static str {
        match self {
            FileKind::File => "file",
            FileKind::Folder => "folder",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileView {
    pub owner: PersonName,
    pub name: FileName,
    pub kind: FileKind,
    /// A program: whoever gets it may run it. Folders keep this themselves, for each file in them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// Of its content; of a folder, packed.
    pub size: u64,
    pub hash: ContentHash,
    /// Each put makes another. No two have the same number, whatever their names.
    pub version: u64,
    pub kept_at: UnixMillis,
    #[serde(default)]
    pub shared_with: Vec<PersonName>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FileQuery {
    /// Only this person's.
    pub owner: Option<PersonName>,
    /// By owner and name, after skipping this many.
    pub skip: u32,
    /// At most this many (0: 1000).
    pub limit: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileList {
    pub total: u32,
    pub files: Vec<FileView>,
    /// What the caller's own files take.
    pub used: u64,
    /// What they may take.
    pub quota: u64,
}

/// The beginning of an upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilePut {
    pub name: FileName,
    pub kind: FileKind,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// Where it is known.
    #[serde(default)]
    pub size: Option<u64>,
    /// Stands for what is sent as it was when it was looked at: an upload that broke off goes on only where this is the
    /// same. Without one it cannot go on.
    #[serde(default)]
    pub tag: Option<String>,
}

/// How much of an upload is there already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileReady {
    /// The bytes to be sent may begin here, where the first so many have this hash; else at 0.
    pub offset: u64,
    pub hash: ContentHash,
}

/// An upload that was kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileKept {
    pub file: FileView,
    /// These bytes were kept already, under whatever name; they are kept once.
    pub known: bool,
}

/// The beginning of a download.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileGet {
    pub file: FileRef,
    /// Begin here, where its content still has the hash.
    #[serde(default)]
    pub from: u64,
    #[serde(default)]
    pub hash: Option<ContentHash>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileComing {
    pub file: FileView,
    /// Where the bytes begin that follow.
    pub offset: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_somebody_else_is_named_with_its_owner() {
        let own: FileRef = "data.csv".parse().unwrap();
        assert_eq!((own.owner.as_ref(), own.to_string().as_str()), (None, "data.csv"));
        let other: FileRef = "ana/data.csv".parse().unwrap();
        assert_eq!((other.owner.unwrap().as_str(), other.name.as_str()), ("ana", "data.csv"));
        for bad in ["", "/", "/data.csv", "ana/", "ana/..", "a na/x", "ana/b/c", "../../etc/passwd"] {
            assert!(bad.parse::<FileRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_was_written_and_in_no_other_way() {
        let hash = ContentHash(std::array::from_fn(|n| (n * 9) as u8));
        let text = hash.to_string();
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(serde_json::from_str::<ContentHash>(&serde_json::to_string(&hash).unwrap()).unwrap(), hash);
        for bad in [&text[1..], &text.to_uppercase(), &"g".repeat(64), &"é".repeat(32), ""] {
            assert_eq!(bad.parse::<ContentHash>(), Err(BadHash), "{bad}");
        }
    }
}
