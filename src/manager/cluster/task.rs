//! One task in memory, in 56 bytes: a hundred thousand of them are to fit beside everything else.

use protocol::job::{Outcome, TaskState};
use protocol::time::UnixMillis;

use super::ids::NodeIx;

/// A task and the latest of its attempts. While it is queued again after a lost attempt, that attempt's part still
/// stands here, so that the node can bring it back; it is put aside (`past`) when the next one begins.
#[derive(Debug, Clone)]
pub struct Task {
    pub state: TaskState,
    /// How often it was queued again by itself.
    pub losses: u16,
    /// The latest attempt, 0 before the first.
    pub attempt: u32,
    pub node: Option<NodeIx>,
    pub end: End,
    started_at: u64,
    ended_at: u64,
    ran_ms: u64,
}

/// An outcome; exit codes, which nearly all are, without a heap of their own.
#[derive(Debug, Clone, Default)]
pub enum End {
    #[default]
    None,
    Exited(i32),
    Other(Box<Outcome>),
}

const NEVER: u64 = u64::MAX;

/// As every task is until something happens to it.
pub static FRESH: Task = Task {
    state: TaskState::Queued,
    losses: 0,
    attempt: 0,
    node: None,
    end: End::None,
    started_at: NEVER,
    ended_at: NEVER,
    ran_ms: NEVER,
};

fn time(at: u64) -> Option<UnixMillis> {
    (at != NEVER).then_some(UnixMillis(at))
}

impl Task {
    pub fn started_at(&self) -> Option<UnixMillis> {
        time(self.started_at)
    }

    pub fn ended_at(&self) -> Option<UnixMillis> {
        time(self.ended_at)
    }

    pub fn ran_ms(&self) -> Option<u64> {
        (self.ran_ms != NEVER).then_some(self.ran_ms)
    }

    pub fn set_started_at(&mut self, at: Option<UnixMillis>) {
        self.started_at = at.map_or(NEVER, |at| at.0);
    }

    pub fn set_ended_at(&mut self, at: Option<UnixMillis>) {
        self.ended_at = at.map_or(NEVER, |at| at.0);
    }

    pub fn set_ran_ms(&mut self, ms: Option<u64>) {
        self.ran_ms = ms.unwrap_or(NEVER);
    }

    pub fn live(&self) -> bool {
        matches!(self.state, TaskState::Starting | TaskState::Running)
    }

    /// Queued again after a lost attempt that no other has replaced yet.
    pub fn lost_and_queued(&self) -> bool {
        self.state == TaskState::Queued && self.end.is_lost()
    }

    /// Everything of an attempt is taken away; its number stays.
    pub fn clear_attempt(&mut self) {
        self.node = None;
        self.end = End::None;
        self.set_started_at(None);
        self.set_ended_at(None);
        self.set_ran_ms(None);
    }
}

impl End {
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Exited(code) => End::Exited(code),
            other => End::Other(Box::new(other)),
        }
    }

    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            End::None => None,
            End::Exited(code) => Some(Outcome::Exited(*code)),
            End::Other(outcome) => Some((**outcome).clone()),
        }
    }

    pub fn is(&self, outcome: &Outcome) -> bool {
        match self {
            End::None => false,
            End::Exited(code) => *outcome == Outcome::Exited(*code),
            End::Other(own) => **own == *outcome,
        }
    }

    pub fn is_lost(&self) -> bool {
        matches!(self, End::Other(outcome) if matches!(**outcome, Outcome::Lost { .. }))
    }

    pub fn code(&self) -> Option<i32> {
        self.outcome().and_then(|outcome| outcome.code())
    }

    pub fn reason(&self) -> String {
        self.outcome().map(|outcome| outcome.reason()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_small() {
        assert!(size_of::<Task>() <= 56, "{}", size_of::<Task>());
    }
}
