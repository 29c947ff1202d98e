//! Why there is no answer: one sentence a person can act on.

use std::fmt::Display;
use std::io;

use protocol::api::Refusal;
use protocol::frame::{FrameError, LONGEST};

use super::ManagerAddress;

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ClientError {
    #[error("no manager runs here; start one with `bramble manager`, try `bramble demo`, or name one with --manager")]
    NoneHere,
    #[error(
        "no manager answers at {address}; start one with `bramble manager`, try `bramble demo`, or name another with --manager"
    )]
    NotRunning { address: ManagerAddress },
    #[error("you may not use the manager's socket {address}; ask whoever runs it, or name another with --manager")]
    Denied { address: ManagerAddress },
    #[error("the manager at {address} cannot be reached: {reason}")]
    Unreachable { address: ManagerAddress, reason: String },
    #[error(
        "the manager at {address} went away before it had answered; what it accepted is kept, ask again when it is back"
    )]
    Lost { address: ManagerAddress },
    #[error(
        "what answers at {address} is not understood ({what}); is it a manager of this version, {}?",
        protocol::VERSION
    )]
    Nonsense { address: ManagerAddress, what: String },
    #[error("the request is too long: {0} bytes, and at most {LONGEST} are taken")]
    TooLong(usize),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl ClientError {
    pub(super) fn connecting(address: &ManagerAddress, error: &io::Error) -> Self {
        let address = address.clone();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::NotRunning { address },
            io::ErrorKind::PermissionDenied => Self::Denied { address },
            _ => Self::Unreachable { address, reason: error.to_string() },
        }
    }

    pub(super) fn nonsense(address: &ManagerAddress, what: impl Display) -> Self {
        Self::Nonsense { address: address.clone(), what: what.to_string() }
    }

    pub(super) fn unsendable(error: &FrameError) -> Self {
        match error {
            FrameError::TooLong(length) => Self::TooLong(*length),
            other => Self::Refused(Refusal::usage(other.to_string())),
        }
    }
}
