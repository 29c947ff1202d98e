//! How a verb ends: the code a script looks at, and the one sentence a person reads.

use std::fmt::Display;
use std::process::ExitCode;

use protocol::api::{Refusal, RefusalKind};
use serde::Serialize;

use crate::client::ClientError;

/// The code of a verb that did its work: 0, or what became of the tasks it was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    pub const OK: Exit = Exit(0);
    pub const TASK_FAILED: Exit = Exit(1);
    pub const SOME_FAILED: Exit = Exit(6);
    /// Left by Ctrl-C, as a shell counts it.
    pub const INTERRUPTED: Exit = Exit(130);
    /// Left because nobody reads any more, as a shell counts it.
    pub const UNREAD: Exit = Exit(141);
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Usage,
    Refused,
    Unavailable,
    NotFound,
    /// A fault of Bramble's own or of this machine's.
    Fault,
}

impl Kind {
    pub fn exit(self) -> Exit {
        Exit(match self {
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::Unavailable => 4,
            Kind::NotFound => 5,
            Kind::Fault => 125,
        })
    }
}

/// Why a verb could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub kind: Kind,
    pub message: String,
    #[serde(skip)]
    pub exit: Exit,
    /// Nobody reads our output any more (`head` had enough): nothing to say, and nothing went wrong.
    #[serde(skip)]
    pub unread: bool,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Display) -> Self {
        Self { kind, message: message.to_string(), exit: kind.exit(), unread: false }
    }

    pub fn usage(message: impl Display) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// What we wrote could not be written.
    pub fn output(error: &std::io::Error) -> Self {
        let failure = Self::new(Kind::Fault, format_args!("the output cannot be written: {error}"));
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self { exit: Exit::OK, unread: true, ..failure },
            _ => failure,
        }
    }

    /// Where the exit code belongs to the program that was run, ours is 125 (and 2 for what was typed wrong).
    pub fn beside_a_program(mut self) -> Self {
        if self.kind != Kind::Usage {
            self.exit = Kind::Fault.exit();
        }
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let kind = match &error {
            ClientError::Refused(Refusal { kind, .. }) => match kind {
                RefusalKind::Usage => Kind::Usage,
                RefusalKind::Refused => Kind::Refused,
                RefusalKind::NotFound => Kind::NotFound,
                RefusalKind::Unavailable => Kind::Unavailable,
            },
            ClientError::TooLong(_) => Kind::Usage,
            ClientError::NoneHere
            | ClientError::NotRunning { .. }
            | ClientError::Denied { .. }
            | ClientError::Unreachable { .. }
            | ClientError::Lost { .. }
            | ClientError::Nonsense { .. } => Kind::Unavailable,
        };
        Self::new(kind, error)
    }
}
