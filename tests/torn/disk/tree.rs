//! Files, folders and names as they are now, and the journal of how they came to be.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};

use fuser::Errno;

use crate::content::Content;
use crate::journal::{Inode, Op, TOP};
use test_support::Dice;

pub struct Node {
    pub mode: u16,
    pub links: u32,
    pub bytes: Content,
    /// Of a folder.
    pub entries: Option<BTreeMap<OsString, Inode>>,
    /// Its bytes are not written down.
    pub is_memory: bool,
}

pub struct Tree {
    nodes: HashMap<Inode, Node>,
    last: Inode,
    pub journal: Vec<Op>,
    pub dice: Dice,
}

impl Tree {
    pub fn new(dice: Dice) -> Self {
        let top =
            Node { mode: 0o755, links: 2, bytes: Content::default(), entries: Some(BTreeMap::new()), is_memory: false };
        Self { nodes: HashMap::from([(TOP, top)]), last: TOP, journal: vec![], dice }
    }

    pub fn node(&self, inode: Inode) -> Result<&Node, Errno> {
        self.nodes.get(&inode).ok_or(Errno::ENOENT)
    }

    fn file(&mut self, inode: Inode) -> Result<&mut Node, Errno> {
        let node = self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)?;
        if node.entries.is_some() { Err(Errno::EISDIR) } else { Ok(node) }
    }

    fn entries(&mut self, folder: Inode) -> Result<&mut BTreeMap<OsString, Inode>, Errno> {
        self.nodes.get_mut(&folder).ok_or(Errno::ENOENT)?.entries.as_mut().ok_or(Errno::ENOTDIR)
    }

    pub fn find(&self, folder: Inode, name: &OsStr) -> Result<Inode, Errno> {
        let entries = self.node(folder)?.entries.as_ref().ok_or(Errno::ENOTDIR)?;
        entries.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Everything in a folder; whether it is one itself.
    pub fn list(&self, folder: Inode) -> Result<Vec<(Inode, bool, OsString)>, Errno> {
        let entries = self.node(folder)?.entries.as_ref().ok_or(Errno::ENOTDIR)?;
        let own = [(folder, true, ".".into()), (folder, true, "..".into())];
        let others = entries.iter().map(|(name, inode)| {
            let is_folder = self.nodes.get(inode).is_some_and(|node| node.entries.is_some());
            (*inode, is_folder, name.clone())
        });
        Ok(own.into_iter().chain(others).collect())
    }

    pub fn make(&mut self, parent: Inode, name: &OsStr, folder: bool, mode: u16) -> Result<Inode, Errno> {
        let inode = self.last + 1;
        let entries = self.entries(parent)?;
        if entries.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        entries.insert(name.to_owned(), inode);
        self.last = inode;
        let is_memory = name.as_encoded_bytes().ends_with(b"-shm");
        let entries = folder.then(BTreeMap::new);
        let links = if folder { 2 } else { 1 };
        self.nodes.insert(inode, Node { mode, links, bytes: Content::default(), entries, is_memory });
        self.journal.push(Op::Make { inode, folder, mode, parent, name: name.to_owned() });
        Ok(inode)
    }

    pub fn write(&mut self, inode: Inode, at: u64, bytes: &[u8]) -> Result<(), Errno> {
        let file = self.file(inode)?;
        file.bytes.write(at as usize, bytes);
        if !file.is_memory {
            self.journal.push(Op::Write { inode, at, bytes: bytes.into() });
        }
        Ok(())
    }

    pub fn resize(&mut self, inode: Inode, size: u64) -> Result<(), Errno> {
        let file = self.file(inode)?;
        file.bytes.resize(size as usize);
        if !file.is_memory {
            self.journal.push(Op::Resize { inode, size });
        }
        Ok(())
    }

    pub fn set_mode(&mut self, inode: Inode, mode: u16) -> Result<(), Errno> {
        self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)?.mode = mode;
        self.journal.push(Op::Mode { inode, mode });
        Ok(())
    }

    pub fn link(&mut self, inode: Inode, parent: Inode, name: &OsStr) -> Result<(), Errno> {
        self.file(inode)?;
        let entries = self.entries(parent)?;
        if entries.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        entries.insert(name.to_owned(), inode);
        self.file(inode)?.links += 1;
        self.journal.push(Op::Link { inode, parent, name: name.to_owned() });
        Ok(())
    }

    pub fn rename(&mut self, parent: Inode, name: &OsStr, to: &OsStr, only_new: bool) -> Result<(), Errno> {
        let inode = self.find(parent, name)?;
        let entries = self.entries(parent)?;
        if only_new && entries.contains_key(to) {
            return Err(Errno::EEXIST);
        }
        entries.remove(name);
        let replaced = entries.insert(to.to_owned(), inode);
        if let Some(replaced) = replaced.filter(|old| *old != inode).and_then(|old| self.nodes.get_mut(&old)) {
            replaced.links = replaced.links.saturating_sub(1);
        }
        self.journal.push(Op::Rename { inode, parent, name: name.to_owned(), to: to.to_owned() });
        Ok(())
    }

    /// A file into another folder. What of it is on the disk for certain, each of the two folders says for itself.
    pub fn move_over(
        &mut self,
        (parent, name): (Inode, &OsStr),
        (to_parent, to): (Inode, &OsStr),
        only_new: bool,
    ) -> Result<(), Errno> {
        let inode = self.find(parent, name)?;
        match self.find(to_parent, to) {
            Ok(_) if only_new => return Err(Errno::EEXIST),
            Ok(_) => self.remove(to_parent, to)?,
            Err(_) => {}
        }
        self.link(inode, to_parent, to)?;
        self.remove(parent, name)
    }

    /// A file or an empty folder. Who has the file open goes on using it.
    pub fn remove(&mut self, parent: Inode, name: &OsStr) -> Result<(), Errno> {
        let inode = self.find(parent, name)?;
        let node = self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)?;
        if node.entries.as_ref().is_some_and(|entries| !entries.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        node.links = node.links.saturating_sub(1);
        self.entries(parent)?.remove(name);
        self.journal.push(Op::Unlink { parent, name: name.to_owned() });
        Ok(())
    }
}
