//! Whether the kernel has just killed for want of memory. It counts such kills for each cgroup and does not say whom it
//! chose: a task of ours that dies of SIGKILL at that moment, unasked, was it.
//!
//! The count is that of our own cgroup and all below it, which where systemd started us is that of this unit: it rises
//! when the unit's `MemoryMax=` is reached, and when the whole machine has no memory left and one of ours is chosen.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
#[cfg(test)]
use std::path::Path;
use std::time::Duration;

use super::cgroup;
use super::clock::Moment;

/// Between a kill by the kernel and the end of the process it was meant for, which has to give its memory back first.
const RECENT: Duration = Duration::from_secs(3);

pub struct Hunger {
    events: Option<File>,
    kills: u64,
    rose: Option<Moment>,
}

impl Hunger {
    /// Where there is no such count (no cgroup v2, no memory controller), nobody is ever said to have been killed for it.
    pub fn watch() -> Self {
        let folder = cgroup::own_folder();
        Self::read(folder.and_then(|folder| File::open(folder.join("memory.events")).ok()))
    }

    #[cfg(test)]
    pub fn of(events: &Path) -> Self {
        Self::read(File::open(events).ok())
    }

    fn read(events: Option<File>) -> Self {
        let mut hunger = Self { events, kills: 0, rose: None };
        hunger.kills = hunger.count().unwrap_or(0);
        hunger
    }

    /// Its count has changed when poll says `PRI`.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.events.as_ref()?.as_fd())
    }

    pub fn look(&mut self) {
        match self.count() {
            Some(kills) if kills != self.kills => {
                self.rose = (kills > self.kills).then(Moment::now);
                self.kills = kills;
            }
            Some(_) => {}
            // Not to be polled for ever.
            None => self.events = None,
        }
    }

    pub fn just_killed(&mut self) -> bool {
        self.look();
        self.rose.is_some_and(|rose| Moment::now() - rose < RECENT)
    }

    fn count(&self) -> Option<u64> {
        let mut text = [0; 512];
        let length = self.events.as_ref()?.read_at(&mut text, 0).ok()?;
        kills(std::str::from_utf8(&text[..length]).ok()?)
    }
}

fn kills(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: &str = "low 0\nhigh 0\nmax 531\noom 2\noom_kill 1\noom_group_kill 0\n";

    #[test]
    fn of_all_counts_the_kills_are_read() {
        assert_eq!(kills(EVENTS), Some(1));
        assert_eq!(kills("low 0\noom 3\noom_kill_x 4\n"), None);
    }

    #[test]
    fn only_a_count_that_rises_is_a_kill() {
        let events = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(events.path(), EVENTS).unwrap();
        let mut hunger = Hunger::of(events.path());
        assert!(!hunger.just_killed(), "that was before our time");
        std::fs::write(events.path(), EVENTS.replace("max 531", "max 999")).unwrap();
        assert!(!hunger.just_killed());
        std::fs::write(events.path(), EVENTS.replace("oom_kill 1", "oom_kill 2")).unwrap();
        assert!(hunger.just_killed());
        hunger.rose = hunger.rose.map(|_| Moment::of_millis(0));
        assert!(!hunger.just_killed(), "that was long ago");
    }

    #[test]
    fn where_nothing_counts_nobody_is_hungry() {
        let mut hunger = Hunger::of(Path::new("/no/such/file"));
        assert!(!hunger.just_killed() && hunger.fd().is_none());
    }
}
