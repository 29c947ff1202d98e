//! A node whose disk is full takes no new work until there is room again, and is not let to eat up the queue: what it
//! could not begin for want of room is tried elsewhere.

use protocol::job::{NotStarted, Outcome};

use super::Cluster;
use super::ids::NodeIx;
use super::nodes::Node;
use super::turn::Turn;

impl Cluster {
    /// After it has said how it is; `before`: whether its disk was full then.
    pub(super) fn follow_disk(&mut self, ix: NodeIx, before: bool, turn: &mut Turn<'_>) {
        let full = self.nodes.get(ix).is_some_and(Node::is_full);
        if full == before {
            return;
        }
        if full {
            self.give_up_reservation(ix, turn);
            self.recall_all(ix, turn, |_, _| true);
        }
        self.room_on(ix);
    }

    /// Why this is no end of the task, but the node's own trouble.
    pub(super) fn want_of_room(&self, on: NodeIx, outcome: &Outcome) -> Option<String> {
        match outcome {
            Outcome::NotStarted { kind: NotStarted::Fault, message } if self.nodes.get(on)?.is_full() => {
                Some(format!("the node's disk is full: {message}"))
            }
            _ => None,
        }
    }
}
