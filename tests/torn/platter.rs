//! What a power cut at some point of the journal can leave.
//!
//! The strict reading of POSIX: a file's bytes are certain once that file was synced, a name once the folder it is in was
//! synced, and nothing makes anything else certain. Of what is not certain any part may be there, in any order, across
//! files: that is more than any one file system does, and each does some of it. A rename is there or not, never half. A
//! file's length comes with its bytes, or ahead of them, as zeros.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::content::Content;
use crate::journal::{Inode, Op, TOP};
use test_support::Dice;

/// What a disk writes whole, and what a file system does.
const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;

/// How the cut treats what was not certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Nothing of it is there.
    Certain,
    /// All of it is.
    All,
    /// Up to some moment, the last write torn: a file system that keeps the order.
    Ordered,
    /// Some operations, each whole.
    Some,
    /// Some blocks of 4096 bytes.
    Blocks,
    /// Some sectors of 512 bytes; SQLite's shared memory is there too, as rubbish.
    Sectors,
    /// All names and no bytes: a new file is there, and empty.
    Names,
    /// All bytes and no names.
    Bytes,
}

impl Cut {
    /// All but the first.
    pub const OTHERS: [Cut; 7] = [Cut::All, Cut::Ordered, Cut::Some, Cut::Blocks, Cut::Sectors, Cut::Names, Cut::Bytes];
}

#[derive(Clone)]
struct Kept {
    folder: bool,
    is_memory: bool,
    mode: u16,
    bytes: Content,
    entries: BTreeMap<OsString, Inode>,
}

/// The disk at one point: what is certain, and what is not.
pub struct Platter<'a> {
    journal: &'a [Op],
    at: usize,
    certain: HashMap<Inode, Kept>,
    /// Not certain: the places in the journal, by whose sync it waits for.
    open: BTreeMap<Inode, Vec<usize>>,
}

impl<'a> Platter<'a> {
    pub fn new(journal: &'a [Op]) -> Self {
        let top =
            Kept { folder: true, is_memory: false, mode: 0o755, bytes: Content::default(), entries: BTreeMap::new() };
        Self { journal, at: 0, certain: HashMap::from([(TOP, top)]), open: BTreeMap::new() }
    }

    /// Everything before `point` was done, nothing after.
    pub fn advance(&mut self, point: usize) {
        for no in self.at..point {
            match &self.journal[no] {
                Op::Synced { inode, upto } => {
                    let open = self.open.remove(inode).unwrap_or_default();
                    let (now, later): (Vec<_>, Vec<_>) = open.into_iter().partition(|no| no < upto);
                    for no in now {
                        apply(&mut self.certain, &self.journal[no]);
                    }
                    if !later.is_empty() {
                        self.open.insert(*inode, later);
                    }
                }
                op => {
                    if let Op::Make { inode, folder, mode, name, .. } = op {
                        let is_memory = name.as_encoded_bytes().ends_with(b"-shm");
                        // It can be reached only once its name is there.
                        let (folder, mode) = (*folder, *mode);
                        let new = Kept { folder, is_memory, mode, bytes: Content::default(), entries: BTreeMap::new() };
                        self.certain.insert(*inode, new);
                    }
                    self.open.entry(op.of()).or_default().push(no);
                }
            }
        }
        self.at = point;
    }

    /// How much is not certain.
    pub fn open(&self) -> usize {
        self.open.values().map(Vec::len).sum()
    }

    /// The disk as this cut leaves it, as files in `folder`, which is empty.
    pub fn leave(&self, cut: Cut, dice: &mut Dice, folder: &Path) -> io::Result<()> {
        let mut left: HashMap<Inode, Kept> = HashMap::new();
        let first = self.open.values().filter_map(|open| open.first()).min().copied().unwrap_or(self.at);
        let last = dice.within(first, self.at);
        let percent = [8, 50, 92][dice.below(3)];
        for (inode, open) in &self.open {
            let mut kept = self.certain[inode].clone();
            for &no in open {
                let op = &self.journal[no];
                match cut {
                    Cut::Certain => {}
                    Cut::All => apply_to(&mut kept, op),
                    Cut::Ordered if no < last => apply_to(&mut kept, op),
                    Cut::Ordered if no == last => pieces(&mut kept, op, SECTOR, dice, &mut |at, _| at == 0),
                    Cut::Ordered => {}
                    Cut::Names if op.is_name() => apply_to(&mut kept, op),
                    Cut::Bytes if !op.is_name() => apply_to(&mut kept, op),
                    Cut::Names | Cut::Bytes => {}
                    Cut::Some if dice.chance(percent) => apply_to(&mut kept, op),
                    Cut::Some => {}
                    Cut::Blocks => pieces(&mut kept, op, BLOCK, dice, &mut |_, dice| dice.chance(percent)),
                    Cut::Sectors => pieces(&mut kept, op, SECTOR, dice, &mut |_, dice| dice.chance(percent)),
                }
            }
            left.insert(*inode, kept);
        }
        self.put(TOP, &left, cut, dice, folder)
    }

    fn put(&self, inode: Inode, left: &HashMap<Inode, Kept>, cut: Cut, dice: &mut Dice, path: &Path) -> io::Result<()> {
        let kept = left.get(&inode).unwrap_or(&self.certain[&inode]);
        for (name, inode) in &kept.entries {
            let (path, kept) = (path.join(name), left.get(inode).unwrap_or(&self.certain[inode]));
            if kept.folder {
                fs::create_dir(&path)?;
                self.put(*inode, left, cut, dice, &path)?;
            } else if kept.is_memory && cut == Cut::Sectors {
                fs::write(&path, (0..32 * 1024).map(|_| dice.below(256) as u8).collect::<Vec<_>>())?;
            } else {
                kept.bytes.store(&path)?;
            }
            fs::set_permissions(&path, Permissions::from_mode(kept.mode.into()))?;
        }
        Ok(())
    }
}

fn apply(nodes: &mut HashMap<Inode, Kept>, op: &Op) {
    if let Some(kept) = nodes.get_mut(&op.of()) {
        apply_to(kept, op);
    }
}

/// Of a folder its names, of a file its bytes.
fn apply_to(kept: &mut Kept, op: &Op) {
    match op {
        Op::Make { inode, name, .. } | Op::Link { inode, name, .. } => drop(kept.entries.insert(name.clone(), *inode)),
        Op::Rename { inode, name, to, .. } => {
            kept.entries.remove(name);
            kept.entries.insert(to.clone(), *inode);
        }
        Op::Unlink { name, .. } => drop(kept.entries.remove(name)),
        Op::Write { at, bytes, .. } => kept.bytes.write(*at as usize, bytes),
        Op::Resize { size, .. } => kept.bytes.resize(*size as usize),
        Op::Mode { mode, .. } => kept.mode = *mode,
        Op::Synced { .. } => {}
    }
}

/// Of a write those pieces that are chosen, cut where the disk cuts; whatever else it is, wholly or not at all.
fn pieces(kept: &mut Kept, op: &Op, piece: u64, dice: &mut Dice, chosen: &mut dyn FnMut(u64, &mut Dice) -> bool) {
    let Op::Write { at, bytes, .. } = op else {
        if chosen(0, dice) {
            apply_to(kept, op);
        }
        return;
    };
    let end = at + bytes.len() as u64;
    let mut from = *at;
    while from < end {
        let to = end.min((from / piece + 1) * piece);
        if chosen(from - at, dice) {
            kept.bytes.write(from as usize, &bytes[(from - at) as usize..(to - at) as usize]);
        } else if kept.bytes.size() < to as usize && dice.chance(12) {
            kept.bytes.resize(to as usize);
        }
        from = to;
    }
}
