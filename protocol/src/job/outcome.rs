//! How an attempt ended.

use serde::{Deserialize, Serialize};

use super::TaskState;

/// How an attempt ended, as the keeper that waited for it tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The program's own exit code.
    Exited(i32),
    /// The signal that ended it.
    Signaled(i32),
    /// The kernel killed it for want of memory. An agent says so beside the outcome, the manager makes this of it.
    OutOfMemory,
    /// It never ran: the program is missing, may not be executed, or something of Bramble's own failed.
    NotStarted { kind: NotStarted, message: String },
    /// It had so long and no longer. Only of what has a time limit, so an older manager never hears it.
    TimedOut { limit_ms: u64 },
    /// It was stopped on request; the sentence says by whom.
    Stopped { reason: String },
    /// Nobody knows. `again`: the task may be queued again (a power cut), otherwise not (exit unknown).
    Lost { reason: String, again: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotStarted {
    NotFound,
    NotExecutable,
    Fault,
    /// The node has no room for its files. Only of tasks that are given some, so an older manager never hears it.
    NoRoom,
    /// Its node could not be asked. Only of runs.
    NotReached,
}

impl Outcome {
    pub fn state(&self) -> TaskState {
        match self {
            Outcome::Exited(0) => TaskState::Succeeded,
            Outcome::Exited(_)
            | Outcome::Signaled(_)
            | Outcome::OutOfMemory
            | Outcome::NotStarted { .. }
            | Outcome::TimedOut { .. } => TaskState::Failed,
            Outcome::Stopped { .. } => TaskState::Stopped,
            Outcome::Lost { .. } => TaskState::Lost,
        }
    }

    /// The code a shell would report: the program's own, 128 + n for a signal, 127, 126, 125; 124 as `timeout` gives it.
    pub fn code(&self) -> Option<i32> {
        match self {
            Outcome::Exited(code) => Some(*code),
            Outcome::Signaled(signal) => Some(128 + signal),
            Outcome::OutOfMemory => Some(137),
            Outcome::NotStarted { kind: NotStarted::NotFound, .. } => Some(127),
            Outcome::NotStarted { kind: NotStarted::NotExecutable, .. } => Some(126),
            Outcome::NotStarted { .. } => Some(125),
            Outcome::TimedOut { .. } => Some(124),
            Outcome::Stopped { .. } | Outcome::Lost { .. } => None,
        }
    }

    /// The words beside the state, empty where the state says it all.
    pub fn reason(&self) -> String {
        match self {
            Outcome::Exited(0) => String::new(),
            Outcome::Exited(code) => format!("exit code {code}"),
            Outcome::Signaled(signal) => format!("killed by signal {signal}"),
            Outcome::OutOfMemory => "killed: out of memory".to_owned(),
            Outcome::NotStarted { message, .. } => message.clone(),
            Outcome::TimedOut { limit_ms } if limit_ms % 1000 == 0 => format!("not done within {} s", limit_ms / 1000),
            Outcome::TimedOut { limit_ms } => format!("not done within {limit_ms} ms"),
            Outcome::Stopped { reason } | Outcome::Lost { reason, .. } => reason.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Outcome::Signaled(9).code(), Some(137));
        assert_eq!((Outcome::OutOfMemory.code(), Outcome::OutOfMemory.state()), (Some(137), TaskState::Failed));
        let missing = Outcome::NotStarted { kind: NotStarted::NotFound, message: "no such program".into() };
        assert_eq!((missing.code(), missing.state()), (Some(127), TaskState::Failed));
        assert_eq!(Outcome::Stopped { reason: "by ana".into() }.code(), None);
    }
}
