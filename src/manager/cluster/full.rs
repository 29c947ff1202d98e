//! A node whose disk is full takes no new work until there is room again, and is not let to eat up the queue: what it
//! could not begin for want of room is tried elsewhere.

use protocol::job::{NotStarted, Outcome};

use super::Cluster;
use super::ids::NodeIx;
use super::nodes::Node;
use super::timers::Timer;
use super::turn::Turn;

/// So long a node that had no room for the files of a task is given no other that has some.
const FILES_REST_MS: u64 = 60_000;

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
    pub(super) fn want_of_room(&mut self, on: NodeIx, outcome: &Outcome, turn: &mut Turn<'_>) -> Option<String> {
        match outcome {
            Outcome::NotStarted { kind: NotStarted::Fault, message } if self.nodes.get(on)?.is_full() => {
                Some(format!("the node's disk is full: {message}"))
            }
            Outcome::NotStarted { kind: NotStarted::NoRoom, message } => {
                self.no_more_files(on, turn);
                Some(message.clone())
            }
            _ => None,
        }
    }

    /// Its disk is not full, but some task's files did not fit: others with files go elsewhere for a while, or this node,
    /// which is done with each of them in no time, would be given all there are.
    fn no_more_files(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        let Some(node) = self.nodes.get_mut(ix) else { return };
        if !node.files_rest {
            node.files_rest = true;
            self.timers.set(turn.now.mono.plus(FILES_REST_MS), Timer::Files(ix));
            self.give_up_reservation(ix, turn);
        }
        self.refresh(ix);
    }

    pub(super) fn files_due(&mut self, ix: NodeIx) {
        if let Some(node) = self.nodes.get_mut(ix) {
            node.files_rest = false;
            self.room_on(ix);
        }
    }
}
