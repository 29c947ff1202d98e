//! The heart: the one task that owns the cluster core. Inputs come in by a bounded channel, all that wait are
//! handled, and what follows from them goes to the store as one batch; replies, orders and news leave from there
//! after the commit.
//!
//! - [`handle`] is how everyone else reaches it.
//! - [`owner`] is the task itself.

mod handle;
mod owner;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use link::Fingerprint;
use protocol::agent::ToAgent;
use protocol::api::{JobView, NodeMetrics, NodeView, Picture, Refusal};
use protocol::event::Event;
use protocol::id::JobId;
use protocol::job::Counts;
use protocol::name::NodeName;
use tokio::sync::{mpsc, oneshot};

use super::cluster::{CallId, Input, LinkId, Told, Touched};
use super::reply::ReplyTo;

pub use handle::{Heart, stopping, unexpected};
pub use owner::{Owner, Ways};

/// What changed with one commit.
#[derive(Debug)]
pub enum News {
    Changed {
        events: Vec<Event>,
        touched: BTreeSet<Touched>,
    },
    /// The manager has reloaded: forget the picture.
    Reset,
}

/// Keys that are welcome as workers.
pub type Keys = HashMap<Fingerprint, NodeName>;

/// The current views of some things; `None` where a thing is gone.
#[derive(Debug, Default)]
pub struct Views {
    pub nodes: Vec<(NodeName, Option<NodeView>)>,
    pub metrics: Vec<NodeMetrics>,
    pub jobs: Vec<(JobId, Option<JobView>)>,
    pub work: Counts,
}

enum Message {
    Input {
        input: Input,
        reply: Option<(CallId, ReplyTo)>,
    },
    Linked {
        link: LinkId,
        orders: Orders,
        input: Input,
    },
    /// An order that is not the core's business.
    Order {
        link: LinkId,
        order: ToAgent,
    },
    Picture(oneshot::Sender<Result<Picture, Refusal>>),
    Views(BTreeSet<Touched>, oneshot::Sender<Result<Views, Refusal>>),
    Stop(oneshot::Sender<()>),
}

impl Message {
    /// Nothing of it has happened.
    fn refuse(self, refusal: &Refusal) {
        // Whoever asked may have stopped waiting.
        match self {
            Message::Input { reply: Some((_, reply)), .. } => reply.tell(Told::Refused(refusal.clone())),
            Message::Linked { orders, .. } => orders.cut.notify_one(),
            Message::Picture(tell) => drop(tell.send(Err(refusal.clone()))),
            Message::Views(_, tell) => drop(tell.send(Err(refusal.clone()))),
            Message::Input { reply: None, .. } | Message::Order { .. } | Message::Stop(_) => {}
        }
    }
}

/// The way to one linked agent.
#[derive(Clone)]
pub struct Orders {
    pub to: mpsc::Sender<ToAgent>,
    /// Told when the link must end: what was ordered before is still sent.
    pub cut: Arc<tokio::sync::Notify>,
}
