//! What was done to a disk, in order: the whole of what a power cut can leave is decided by this.

use std::ffi::OsString;
use std::sync::Arc;

/// A file or folder, whatever it is called.
pub type Inode = u64;

/// The folder everything is in.
pub const TOP: Inode = 1;

#[derive(Debug, Clone)]
pub enum Op {
    /// A file or folder was made under a name. It comes with its mode.
    Make {
        inode: Inode,
        folder: bool,
        mode: u16,
        parent: Inode,
        name: OsString,
    },
    Write {
        inode: Inode,
        at: u64,
        bytes: Arc<[u8]>,
    },
    /// Cut off, or made longer with zeros.
    Resize {
        inode: Inode,
        size: u64,
    },
    Mode {
        inode: Inode,
        mode: u16,
    },
    Link {
        inode: Inode,
        parent: Inode,
        name: OsString,
    },
    /// What had the new name loses it in the same moment.
    Rename {
        inode: Inode,
        parent: Inode,
        name: OsString,
        to: OsString,
    },
    Unlink {
        parent: Inode,
        name: OsString,
    },
    /// What was done before `upto` to this file's bytes, or to this folder's names, is on the disk for certain.
    /// Written down when the caller is told so.
    Synced {
        inode: Inode,
        upto: usize,
    },
}

impl Op {
    /// Whose `Synced` makes this one certain: a file for its bytes, a folder for the names in it.
    pub fn of(&self) -> Inode {
        match self {
            Op::Make { parent, .. }
            | Op::Link { parent, .. }
            | Op::Rename { parent, .. }
            | Op::Unlink { parent, .. } => *parent,
            Op::Write { inode, .. } | Op::Resize { inode, .. } | Op::Mode { inode, .. } | Op::Synced { inode, .. } => {
                *inode
            }
        }
    }

    pub fn is_name(&self) -> bool {
        matches!(self, Op::Make { .. } | Op::Link { .. } | Op::Rename { .. } | Op::Unlink { .. })
    }
}
