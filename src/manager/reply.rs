//! Where an answer of the core goes: back along a connection, or to one waiting task. A reply that is dropped
//! untold, because its commit failed, tells its caller so: silence is no answer.

use protocol::api::{Refusal, Reply};
use tokio::sync::{mpsc, oneshot};

use super::cluster::Told;

pub enum ReplyTo {
    Connection { to: mpsc::UnboundedSender<(u64, Result<Reply, Refusal>)>, id: u64, told: bool },
    One(Option<oneshot::Sender<Result<Told, Refusal>>>),
}

impl ReplyTo {
    /// `to` is unbounded by type only: a connection has a bounded number of calls under way.
    pub fn connection(to: mpsc::UnboundedSender<(u64, Result<Reply, Refusal>)>, id: u64) -> Self {
        Self::Connection { to, id, told: false }
    }

    pub fn one(to: oneshot::Sender<Result<Told, Refusal>>) -> Self {
        Self::One(Some(to))
    }

    pub fn tell(mut self, answer: Told) {
        match &mut self {
            // A caller that has gone away needs no answer.
            ReplyTo::Connection { to, id, told } => {
                *told = true;
                let answer = match answer {
                    Told::Reply(reply) => Ok(reply),
                    Told::Refused(refusal) => Err(refusal),
                    other => Err(super::heart::unexpected(&other)),
                };
                let _ = to.send((*id, answer));
            }
            ReplyTo::One(to) => {
                if let Some(to) = to.take() {
                    let _ = to.send(Ok(answer));
                }
            }
        }
    }

    /// The manager ends while this waits for something that has not happened. A connection says so by ending itself:
    /// programs know what to do about that.
    pub fn leave(mut self) {
        match &mut self {
            ReplyTo::Connection { told, .. } => *told = true,
            ReplyTo::One(to) => {
                if let Some(to) = to.take() {
                    // Whoever asked may have stopped waiting.
                    let _ = to.send(Err(super::heart::stopping()));
                }
            }
        }
    }
}

impl Drop for ReplyTo {
    fn drop(&mut self) {
        let lost = || {
            Refusal::unavailable(
                "the manager could not write this down, so it cannot say whether it happened; look before you try again",
            )
        };
        // A caller that has gone away needs no answer.
        match self {
            ReplyTo::Connection { to, id, told: false } => {
                let _ = to.send((*id, Err(lost())));
            }
            ReplyTo::Connection { .. } => {}
            ReplyTo::One(to) => {
                if let Some(to) = to.take() {
                    let _ = to.send(Err(lost()));
                }
            }
        }
    }
}
