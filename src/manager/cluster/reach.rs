//! Nodes that are reached without an agent: by their own SSH, and whether they answer at all while no agent is linked.

use protocol::api::{Refusal, Reply, SshWay};
use protocol::event::What;
use protocol::name::NodeName;
use protocol::node::{NodeState, Role};

use super::Cluster;
use super::ids::NodeIx;
use super::nodes::Node;
use super::port::Caller;
use super::turn::Turn;

/// Where a node is looked for that nobody has named a port of.
const SSH_PORT: u16 = 22;
/// So many looks in a row in vain: one may have been lost on its way.
const MISSES: u8 = 2;

/// What came of looking for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Looked {
    /// `None`: not known yet.
    pub answers: Option<bool>,
    /// Looks in vain since it last answered.
    misses: u8,
}

impl Node {
    /// Where it is looked for; nowhere while its agent says itself how it is.
    fn looked_for(&self) -> Option<(String, u16)> {
        if self.up() || self.revoked || self.role != Role::Worker {
            return None;
        }
        let by_way = self.ssh.as_ref().map(|way| (way.host.clone(), way.port));
        by_way.or_else(|| Some((self.address.clone()?, SSH_PORT)))
    }

    /// Nothing answers where it was.
    pub fn silent(&self) -> bool {
        !self.up() && self.looked.answers == Some(false)
    }
}

impl Cluster {
    /// Where which nodes are to be looked for, after a start and a reload.
    pub fn looked_for(&self) -> Vec<(NodeName, (String, u16))> {
        let nodes = self.nodes.iter();
        nodes.filter_map(|(ix, node)| Some((self.nodes.name(ix).clone(), node.looked_for()?))).collect()
    }

    /// Its link has come or gone, or its way is another.
    pub(super) fn look_for(&self, ix: NodeIx, turn: &mut Turn<'_>) {
        let at = self.nodes.get(ix).and_then(Node::looked_for);
        turn.look_for(self.nodes.name(ix), at);
    }

    pub(super) fn look_no_more(&self, ix: NodeIx, turn: &mut Turn<'_>) {
        turn.look_for(self.nodes.name(ix), None);
    }

    pub(super) fn add_way(
        &mut self,
        caller: &Caller,
        name: NodeName,
        way: SshWay,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        if self.nodes.own.as_ref().is_some_and(|own| own.name == name) {
            return Err(Refusal::refused(format!(
                "{name} is the manager itself; what it is to run itself goes there with --on manager"
            )));
        }
        let ix = match self.nodes.find(&name) {
            Some(ix) => ix,
            None => self.nodes.add(&name, Node::new(Role::Worker, None, turn.now.wall)),
        };
        let Some(node) = self.nodes.get_mut(ix) else { return Err(self.unknown(&name)) };
        if node.role != Role::Worker {
            return Err(Refusal::refused(format!("{name} is a {} and is not reached by SSH", node.role)));
        }
        if node.revoked {
            return Err(Refusal::refused(format!(
                "{name} was revoked; to have to do with it again, first: bramble node rm {name}"
            )));
        }
        // Asked again, it is as it was.
        if node.ssh.as_ref() != Some(&way) {
            let host = way.host.clone();
            node.ssh = Some(way);
            self.persist_node(ix, turn);
            turn.publish_of(Some(caller.person.clone()), What::NodeAdded { node: name.clone(), host });
            self.look_for(ix, turn);
        }
        if let Some(node) = self.nodes.get_mut(ix).filter(|node| !node.up()) {
            // The shell has just been there.
            node.looked = Looked { answers: Some(true), misses: 0 };
            node.seen_at = Some(turn.now.wall);
        }
        turn.touch_node(&name);
        self.show_node(&name)
    }

    pub(super) fn answers(&mut self, name: &NodeName, answers: bool, turn: &mut Turn<'_>) {
        let Some(ix) = self.nodes.find(name) else { return };
        // Looked for before its link came.
        let Some(node) = self.nodes.get_mut(ix).filter(|node| node.looked_for().is_some()) else { return };
        let (before, known) = (node.state(), node.looked.answers.is_some());
        node.looked.misses = if answers { 0 } else { node.looked.misses.saturating_add(1) };
        if answers {
            node.seen_at = Some(turn.now.wall);
            node.looked.answers = Some(true);
        } else if node.looked.misses >= MISSES {
            node.looked.answers = Some(false);
        }
        let first = !known && node.looked.answers.is_some();
        let (after, joined) = (node.state(), node.key.is_some());
        if after != before {
            turn.touch_node(name);
        }
        let node = name.clone();
        match (before, after) {
            // After a start of the manager it is as it was before, as far as anybody knows.
            (_, NodeState::Reachable) if first && !joined => {}
            (NodeState::Down, NodeState::Reachable) => turn.publish(What::NodeReachable { node }),
            (NodeState::Reachable, NodeState::Down) => turn.publish(What::NodeSilent { node }),
            // That a worker is down was told when its link broke.
            (NodeState::Down, NodeState::Down) if first && !joined => turn.publish(What::NodeSilent { node }),
            _ => {}
        }
    }
}
