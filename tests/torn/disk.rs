//! A disk in memory, mounted by FUSE: programs use it as any other, and every change is written down in the order in
//! which it was made.
//!
//! Without the kernel's write-back cache each `write` comes here before it returns, so that the order is that of the
//! program. A sync takes a moment, as on a real disk, while other calls go on. SQLite's `-shm` is memory that happens to
//! have a name: it is kept, not written down. Renaming into another folder is refused: the manager never does it, and
//! what a power cut makes of it differs too much between file systems to be modelled here.

mod tree;

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::journal::{Inode, Op};
use test_support::Dice;
use tree::{Node, Tree};

/// All changes come through the kernel: what it remembers is right for ever.
const FOR_EVER: Duration = Duration::from_secs(1 << 20);
/// The longest a sync takes.
const SLOWEST_MICROS: usize = 3000;
const BLOCKS: u64 = 1 << 20;

#[derive(Clone)]
pub struct Disk {
    tree: Arc<Mutex<Tree>>,
    full: Arc<AtomicBool>,
}

/// The mount; ended with it.
pub struct Mounted {
    session: Option<BackgroundSession>,
}

impl Disk {
    pub fn new(seed: u64) -> Self {
        Self { tree: Arc::new(Mutex::new(Tree::new(Dice::of(seed, "disk")))), full: Arc::default() }
    }

    /// Needs root and `/dev/fuse`; no helper program.
    pub fn mount(&self, at: &Path) -> io::Result<Mounted> {
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("torn".into()), MountOption::DefaultPermissions];
        // More than syncs that are under way at once.
        config.n_threads = Some(4);
        Ok(Mounted { session: Some(fuser::spawn_mount(self.clone(), at, &config)?) })
    }

    /// How much has been done so far: what is done from now on gets this number or a later one.
    pub fn now(&self) -> usize {
        self.tree().journal.len()
    }

    /// Everything done until now.
    pub fn journal(&self) -> Vec<Op> {
        self.tree().journal.clone()
    }

    /// No room is left until a file called `reserve` is given up, or [`Disk::make_room`].
    pub fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }

    /// Whether it was still full.
    pub fn make_room(&self) -> bool {
        self.full.swap(false, Ordering::SeqCst)
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn room(&self) -> Result<(), Errno> {
        if self.full.load(Ordering::SeqCst) { Err(Errno::ENOSPC) } else { Ok(()) }
    }

    fn sync(&self, inode: Inode) {
        let (upto, pause) = {
            let mut tree = self.tree();
            let pause = tree.dice.below(SLOWEST_MICROS) as u64;
            (tree.journal.len(), pause)
        };
        std::thread::sleep(Duration::from_micros(pause)); // why: a disk takes its time; others go on meanwhile
        self.tree().journal.push(Op::Synced { inode, upto });
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let ended = self.session.take().map(BackgroundSession::umount_and_join);
        if let Some(Err(error)) = ended {
            eprintln!("the disk of this test stays mounted: {error}");
        }
    }
}

fn attr(inode: Inode, node: &Node) -> FileAttr {
    let (kind, size) = match &node.entries {
        Some(_) => (FileType::Directory, 0),
        None => (FileType::RegularFile, node.bytes.size() as u64),
    };
    let (old, mode) = (SystemTime::UNIX_EPOCH, node.mode);
    FileAttr {
        ino: INodeNo(inode),
        size,
        blocks: size.div_ceil(512),
        atime: old,
        mtime: old,
        ctime: old,
        crtime: old,
        kind,
        perm: mode,
        nlink: node.links,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}

/// Tells the caller how it went.
macro_rules! answer {
    ($reply:ident, $done:expr, $ok:expr) => {
        match $done {
            #[allow(clippy::redundant_closure_call)]
            Ok(value) => $ok($reply, value),
            Err(error) => $reply.error(error),
        }
    };
}

fn entered(reply: ReplyEntry, found: (Inode, FileAttr)) {
    reply.entry(&FOR_EVER, &found.1, Generation(0));
}

impl Filesystem for Disk {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let tree = self.tree();
        let found = tree.find(parent.0, name).and_then(|inode| Ok((inode, attr(inode, tree.node(inode)?))));
        answer!(reply, found, entered);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.tree().node(inode.0).map(|node| attr(inode.0, node)), |reply: ReplyAttr, attr| {
            reply.attr(&FOR_EVER, &attr);
        });
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut tree = self.tree();
        let done = (|| {
            if let Some(mode) = mode {
                tree.set_mode(inode.0, mode as u16 & 0o7777)?;
            }
            if let Some(size) = size {
                tree.resize(inode.0, size)?;
            }
            tree.node(inode.0).map(|node| attr(inode.0, node))
        })();
        answer!(reply, done, |reply: ReplyAttr, attr| reply.attr(&FOR_EVER, &attr));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let mut tree = self.tree();
        let made = self.room().and_then(|()| tree.make(parent.0, name, true, (mode & !umask) as u16 & 0o7777));
        let made = made.and_then(|inode| Ok((inode, attr(inode, tree.node(inode)?))));
        answer!(reply, made, entered);
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, _: i32, reply: ReplyCreate) {
        let mut tree = self.tree();
        let made = self.room().and_then(|()| tree.make(parent.0, name, false, (mode & !umask) as u16 & 0o7777));
        let made = made.and_then(|inode| tree.node(inode).map(|node| attr(inode, node)));
        answer!(reply, made, |reply: ReplyCreate, attr| {
            reply.created(&FOR_EVER, &attr, Generation(0), FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
        });
    }

    fn link(&self, _: &Request, inode: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut tree = self.tree();
        let linked = tree.link(inode.0, parent.0, name);
        answer!(reply, linked.and_then(|()| tree.node(inode.0).map(|node| (inode.0, attr(inode.0, node)))), entered);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        to_parent: INodeNo,
        to: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let only_new = flags.contains(RenameFlags::RENAME_NOREPLACE);
        let renamed = if flags.contains(RenameFlags::RENAME_EXCHANGE) {
            Err(Errno::EXDEV)
        } else if parent != to_parent {
            self.tree().move_over((parent.0, name), (to_parent.0, to), only_new)
        } else {
            self.tree().rename(parent.0, name, to, only_new)
        };
        answer!(reply, renamed, |reply: ReplyEmpty, ()| reply.ok());
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let gone = self.tree().remove(parent.0, name);
        if gone.is_ok() && name == "reserve" {
            self.make_room();
        }
        answer!(reply, gone, |reply: ReplyEmpty, ()| reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.tree().remove(parent.0, name), |reply: ReplyEmpty, ()| reply.ok());
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        at: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let tree = self.tree();
        answer!(reply, tree.node(inode.0), |reply: ReplyData, node: &Node| {
            reply.data(&node.bytes.read(at as usize, size as usize));
        });
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        at: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut tree = self.tree();
        let is_memory = tree.node(inode.0).is_ok_and(|node| node.is_memory);
        let room = if is_memory { Ok(()) } else { self.room() };
        let written = room.and_then(|()| tree.write(inode.0, at, bytes));
        answer!(reply, written, |reply: ReplyWrite, ()| reply.written(bytes.len() as u32));
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        at: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mut tree = self.tree();
        let done = match mode {
            0 => self.room().and_then(|()| {
                let size = tree.node(inode.0)?.bytes.size() as u64;
                if at + length > size { tree.resize(inode.0, at + length) } else { Ok(()) }
            }),
            _ => Err(Errno::ENOTSUP),
        };
        answer!(reply, done, |reply: ReplyEmpty, ()| reply.ok());
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    /// With or without `datasync`: the length belongs to the data.
    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(inode.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        self.sync(inode.0);
        reply.ok();
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, skip: u64, mut reply: ReplyDirectory) {
        let tree = self.tree();
        let listed = tree.list(inode.0);
        match listed {
            Ok(all) => {
                for (no, (inode, folder, name)) in all.into_iter().enumerate().skip(skip as usize) {
                    let kind = if folder { FileType::Directory } else { FileType::RegularFile };
                    if reply.add(INodeNo(inode), no as u64 + 1, kind, name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS / 2, BLOCKS / 2, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}
