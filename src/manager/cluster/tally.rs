//! All tasks the core knows, by state; kept as they change, so that a picture of a hundred thousand costs nothing.

use protocol::job::{Counts, TaskState};

/// Wider than [`Counts`]: of arrays there may be many.
#[derive(Debug, Default)]
pub struct Tally([u64; TaskState::ALL.len()]);

impl Tally {
    pub fn add(&mut self, mut counts: Counts) {
        for (state, all) in TaskState::ALL.into_iter().zip(&mut self.0) {
            *all += u64::from(*counts.of(state));
        }
    }

    pub fn take(&mut self, mut counts: Counts) {
        for (state, all) in TaskState::ALL.into_iter().zip(&mut self.0) {
            *all -= u64::from(*counts.of(state));
        }
    }

    pub fn change(&mut self, before: TaskState, after: TaskState) {
        self.0[before as usize] -= 1;
        self.0[after as usize] += 1;
    }

    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (state, all) in TaskState::ALL.into_iter().zip(self.0) {
            *counts.of(state) = u32::try_from(all).unwrap_or(u32::MAX);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_tasks_than_can_be_shown_are_still_counted() {
        let (mut tally, many) = (Tally::default(), Counts { queued: u32::MAX, lost: 1, ..Counts::default() });
        tally.add(many);
        tally.add(many);
        assert_eq!(tally.counts(), Counts { queued: u32::MAX, lost: 2, ..Counts::default() });
        assert_eq!(tally.counts().total(), u32::MAX);
        tally.take(many);
        tally.change(TaskState::Queued, TaskState::Running);
        assert_eq!(tally.counts(), Counts { queued: u32::MAX - 1, running: 1, lost: 1, ..Counts::default() });
    }
}
