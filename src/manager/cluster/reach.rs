//! Nodes that are reached without an agent: by their own SSH, and whether they answer at all.

use protocol::api::{Refusal, Reply, SshWay};
use protocol::name::NodeName;

use super::Cluster;
use super::port::Caller;
use super::turn::Turn;

impl Cluster {
    pub(super) fn add_way(
        &mut self,
        _caller: &Caller,
        _name: NodeName,
        _way: SshWay,
        _turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        Err(Refusal::refused("this manager adds no nodes yet"))
    }

    pub(super) fn answers(&mut self, _node: &NodeName, _answers: bool, _turn: &mut Turn<'_>) {}
}
