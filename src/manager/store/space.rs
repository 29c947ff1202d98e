//! Room on the disk: below 5 % new submissions are refused, and a reserve is given up so that results of running
//! tasks can still be committed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use protocol::unit::Bytes;

const RESERVE: u64 = 16 << 20;
const LOW_PERCENT: u64 = 5;
/// Part of the disk that halves of results may take of one node, beside the largest of them.
const OF_ONE_NODE: u64 = 8;

#[derive(Debug, Clone)]
pub struct Space {
    state: PathBuf,
}

impl Space {
    pub fn new(state: &Path) -> Self {
        Self { state: state.into() }
    }

    /// `Some(sentence)` while the disk is too full for new work.
    pub fn low(&self) -> Option<String> {
        let (free, whole) = self.free()?;
        (free < low(whole)).then(|| {
            format!(
                "the manager's disk is nearly full ({} of {} free in {}): nothing new is accepted until there is room; what runs goes on",
                Bytes(free),
                Bytes(whole),
                self.state.display()
            )
        })
    }

    /// `Some(sentence)` where so many bytes more would make the disk too full.
    pub fn lacks(&self, bytes: u64) -> Option<String> {
        let (free, whole) = self.free()?;
        (free < low(whole).saturating_add(bytes)).then(|| {
            format!(
                "the manager's disk has no room for {} ({} of {} free in {}, of which {LOW_PERCENT} % stay free)",
                Bytes(bytes),
                Bytes(free),
                Bytes(whole),
                self.state.display()
            )
        })
    }

    /// `Some(sentence)` where so many bytes would not find room on an empty disk either.
    pub fn never_has(&self, bytes: u64) -> Option<String> {
        let (_, whole) = self.free()?;
        (bytes > whole - low(whole))
            .then(|| format!("it is {}, and the manager's disk has {} in all", Bytes(bytes), Bytes(whole)))
    }

    /// Bytes that halves of results may take of one node, beside the largest of them.
    pub fn of_one_node(&self) -> u64 {
        self.free().map_or(0, |(_, whole)| whole / OF_ONE_NODE)
    }

    /// Free, and in all.
    fn free(&self) -> Option<(u64, u64)> {
        let disk = rustix::fs::statvfs(&self.state).ok()?;
        let whole = disk.f_blocks * disk.f_frsize;
        (whole > 0).then_some((disk.f_bavail * disk.f_frsize, whole))
    }

    fn reserve(&self) -> PathBuf {
        self.state.join("reserve")
    }

    /// Puts the reserve aside where there is room enough for it.
    pub fn keep_reserve(&self) {
        let fits = self.free().is_some_and(|(free, whole)| free >= low(whole) + RESERVE);
        if !fits || fs::metadata(self.reserve()).is_ok_and(|m| m.len() == RESERVE) {
            return;
        }
        let made = File::create(self.reserve())
            .and_then(|file| Ok(rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE)?));
        if let Err(error) = made {
            tracing::warn!("no reserve of {} could be put aside: {error}", Bytes(RESERVE));
            self.give_up_reserve();
        }
    }

    /// Whether there was one to give up.
    pub fn give_up_reserve(&self) -> bool {
        fs::remove_file(self.reserve()).is_ok()
    }
}

fn low(whole: u64) -> u64 {
    whole / 100 * LOW_PERCENT
}
