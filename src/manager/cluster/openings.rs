//! Which nodes have room, kept in order: the one with the most free CPUs, the one with the shortest backlog, the one
//! with the most that could be called back. So no decision looks at all nodes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use protocol::name::NodeName;

use super::ids::NodeIx;

/// Where a node stands in the three orders; 0 or `None`: not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub free: u32,
    /// Thousandths of its slots that wait there, where there is room for more.
    pub shallow: Option<u64>,
    /// The same, where some of it may move.
    pub deep: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Openings {
    free: BTreeSet<(u32, Reverse<NodeName>, NodeIx)>,
    shallow: BTreeSet<(u64, NodeName, NodeIx)>,
    deep: BTreeSet<(u64, Reverse<NodeName>, NodeIx)>,
    standing: Vec<Standing>,
}

impl Openings {
    pub fn set(&mut self, node: NodeIx, name: &NodeName, now: Standing) {
        let at = node.position();
        if self.standing.len() <= at {
            self.standing.resize(at + 1, Standing::default());
        }
        let before = std::mem::replace(&mut self.standing[at], now);
        if before.free != now.free {
            if before.free > 0 {
                self.free.remove(&(before.free, Reverse(name.clone()), node));
            }
            if now.free > 0 {
                self.free.insert((now.free, Reverse(name.clone()), node));
            }
        }
        if before.shallow != now.shallow {
            if let Some(depth) = before.shallow {
                self.shallow.remove(&(depth, name.clone(), node));
            }
            if let Some(depth) = now.shallow {
                self.shallow.insert((depth, name.clone(), node));
            }
        }
        if before.deep != now.deep {
            if let Some(depth) = before.deep {
                self.deep.remove(&(depth, Reverse(name.clone()), node));
            }
            if let Some(depth) = now.deep {
                self.deep.insert((depth, Reverse(name.clone()), node));
            }
        }
    }

    /// Nodes with at least so many free CPUs, the emptiest first.
    pub fn with_free(&self, cpus: u32) -> impl Iterator<Item = NodeIx> {
        self.free.iter().rev().take_while(move |(free, ..)| *free >= cpus).map(|(.., node)| *node)
    }

    /// Nodes with room in their backlog, the shortest first.
    pub fn with_backlog_room(&self) -> impl Iterator<Item = NodeIx> {
        self.shallow.iter().map(|(.., node)| *node)
    }

    /// Nodes whose backlog could be called back, the longest first.
    pub fn with_backlog(&self) -> impl Iterator<Item = NodeIx> {
        self.deep.iter().rev().map(|(.., node)| *node)
    }
}
