//! Which bytes are meant, whatever a task calls them.

use std::fmt;
use std::str::FromStr;

use protocol::agent::Given;
use protocol::file::{ContentHash, FileKind};

/// One content as it is kept here: a file, or a folder unpacked. The same bytes may be both, to different tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content {
    pub hash: ContentHash,
    folder: bool,
}

impl Content {
    pub fn of(given: &Given) -> Self {
        Self { hash: given.hash, folder: given.kind == FileKind::Folder }
    }

    pub fn is_folder(self) -> bool {
        self.folder
    }
}

/// Its name in the cache.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.hash, if self.folder { "folder" } else { "file" })
    }
}

impl FromStr for Content {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let (hash, kind) = name.split_once('.').ok_or(())?;
        let folder = match kind {
            "folder" => true,
            "file" => false,
            _ => return Err(()),
        };
        Ok(Self { hash: hash.parse().map_err(|_| ())?, folder })
    }
}
