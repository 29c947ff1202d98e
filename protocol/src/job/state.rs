//! What state a task is in, and a job of many.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    Queued,
    Starting,
    Running,
    Succeeded,
    Failed,
    Stopped,
    Lost,
}

impl TaskState {
    pub const ALL: [TaskState; 7] = [
        TaskState::Queued,
        TaskState::Starting,
        TaskState::Running,
        TaskState::Succeeded,
        TaskState::Failed,
        TaskState::Stopped,
        TaskState::Lost,
    ];

    pub fn ended(self) -> bool {
        matches!(self, TaskState::Succeeded | TaskState::Failed | TaskState::Stopped | TaskState::Lost)
    }

    pub fn word(self) -> &'static str {
        match self {
            TaskState::Queued => "queued",
            TaskState::Starting => "starting",
            TaskState::Running => "running",
            TaskState::Succeeded => "succeeded",
            TaskState::Failed => "failed",
            TaskState::Stopped => "stopped",
            TaskState::Lost => "lost",
        }
    }
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// How many tasks of a job are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub queued: u32,
    pub starting: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub stopped: u32,
    pub lost: u32,
}

impl Counts {
    pub fn of(&mut self, state: TaskState) -> &mut u32 {
        match state {
            TaskState::Queued => &mut self.queued,
            TaskState::Starting => &mut self.starting,
            TaskState::Running => &mut self.running,
            TaskState::Succeeded => &mut self.succeeded,
            TaskState::Failed => &mut self.failed,
            TaskState::Stopped => &mut self.stopped,
            TaskState::Lost => &mut self.lost,
        }
    }

    pub fn ended(&self) -> u32 {
        [self.succeeded, self.failed, self.stopped, self.lost].into_iter().fold(0, u32::saturating_add)
    }

    pub fn total(&self) -> u32 {
        [self.queued, self.starting, self.running, self.ended()].into_iter().fold(0, u32::saturating_add)
    }

    /// One word for the whole job: what it is doing, or else the worst that came of it.
    pub fn state(&self) -> TaskState {
        if self.running > 0 {
            TaskState::Running
        } else if self.starting > 0 {
            TaskState::Starting
        } else if self.queued > 0 {
            if self.ended() > 0 { TaskState::Running } else { TaskState::Queued }
        } else if self.lost > 0 {
            TaskState::Lost
        } else if self.failed > 0 {
            TaskState::Failed
        } else if self.stopped > 0 {
            TaskState::Stopped
        } else {
            TaskState::Succeeded
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_by_the_worst_of_its_ends() {
        assert_eq!(Counts { succeeded: 2, failed: 1, ..Default::default() }.state(), TaskState::Failed);
        assert_eq!(Counts { succeeded: 2, queued: 1, ..Default::default() }.state(), TaskState::Running);
        assert_eq!(Counts { queued: 1, ..Default::default() }.state(), TaskState::Queued);
        assert_eq!(Counts { succeeded: 1, stopped: 1, ..Default::default() }.state(), TaskState::Stopped);
    }
}
