//! Nodes: what is kept of them, and how they are just now.

use std::collections::{BTreeMap, BTreeSet};

use protocol::api::SshWay;
use protocol::id::AttemptId;
use protocol::name::NodeName;
use protocol::node::{Facts, Metrics, NodeState, Role};
use protocol::time::UnixMillis;

use super::change::{KeyPrint, NodeRow};
use super::ids::{ClassIx, NodeIx, PersonIx};
use super::interpreters::Interpreters;
use super::orders::Orders;
use super::port::{LinkId, Mono};
use super::queue::Key;
use super::reach::Looked;
use super::valve::Valve;

#[derive(Debug)]
pub struct Node {
    pub role: Role,
    /// Of its agent; `None` where none has ever joined.
    pub key: Option<KeyPrint>,
    pub revoked: bool,
    pub draining: bool,
    pub joined_at: UnixMillis,
    pub seen_at: Option<UnixMillis>,
    pub address: Option<String>,
    pub version: Option<String>,
    pub cpus: u32,
    pub slots: u32,
    pub shared_uid: bool,
    pub taken_by: Option<PersonIx>,
    pub facts: Facts,
    /// How it is asked where no agent of it is linked.
    pub ssh: Option<SshWay>,
    /// Whether it answers, while no agent of it is linked.
    pub looked: Looked,
    /// The same of its facts, for quick questions.
    pub interpreters: Interpreters,

    /// Its control link; a node with one is up.
    pub link: Option<LinkId>,
    /// The newest link it ever said hello on: what an older one says is overtaken.
    pub newest_link: Option<LinkId>,
    /// Since when it has been away, while this core lives.
    pub down_since: Option<UnixMillis>,
    /// When its attempts are declared lost, while it is away.
    pub lease: Option<Mono>,
    pub metrics: Metrics,
    pub orders: Orders,
    pub finished: u64,
    /// Kept free for the head of this class.
    pub reserved_for: Option<ClassIx>,
    /// CPUs' worth of orders called back from other nodes for this one.
    pub expecting: u64,
    /// As its agent said in its hello.
    pub takes_files: bool,
    pub gives_results: bool,
    pub takes_secrets: bool,
    pub takes_runs: bool,
    /// It had no room for some a moment ago.
    pub files_rest: bool,
    /// Replaced attempts it holds ended: their late results are on the way.
    pub late: BTreeSet<AttemptId>,
    pub complaints: Valve,
    /// Why its last hello was not taken.
    pub trouble: Option<String>,
    /// Each change of its facts is a write to the disk.
    pub facts_kept: Valve,
}

impl Node {
    pub fn new(role: Role, key: Option<KeyPrint>, joined_at: UnixMillis) -> Self {
        Self {
            role,
            key,
            revoked: false,
            draining: false,
            joined_at,
            seen_at: None,
            address: None,
            version: None,
            cpus: 0,
            slots: 0,
            shared_uid: false,
            taken_by: None,
            facts: Facts::default(),
            ssh: None,
            looked: Looked::default(),
            interpreters: Interpreters::default(),
            link: None,
            newest_link: None,
            down_since: None,
            lease: None,
            metrics: Metrics::default(),
            orders: Orders::default(),
            finished: 0,
            reserved_for: None,
            expecting: 0,
            takes_files: false,
            gives_results: false,
            takes_secrets: false,
            takes_runs: false,
            files_rest: false,
            late: BTreeSet::new(),
            complaints: Valve::default(),
            trouble: None,
            facts_kept: Valve::default(),
        }
    }

    pub fn load(row: NodeRow, taken_by: Option<PersonIx>) -> (NodeName, Self) {
        let mut node = Self::new(row.role, row.key, row.joined_at);
        node.revoked = row.revoked;
        node.draining = row.draining;
        node.seen_at = row.seen_at;
        node.down_since = row.seen_at;
        node.address = row.address;
        node.version = row.version;
        node.cpus = row.cpus;
        node.slots = row.slots;
        node.shared_uid = row.shared_uid;
        node.taken_by = taken_by;
        node.know(row.facts);
        node.ssh = row.ssh;
        node.orders.reset(row.slots, |_| None);
        (row.name, node)
    }

    pub fn know(&mut self, facts: Facts) {
        self.interpreters = Interpreters::told(&facts);
        self.facts = facts;
    }

    pub fn up(&self) -> bool {
        self.link.is_some()
    }

    pub fn state(&self) -> NodeState {
        match self.looked.answers {
            _ if self.up() => NodeState::Up,
            Some(true) => NodeState::Reachable,
            Some(false) | None => NodeState::Down,
        }
    }

    /// Whether new work may go there at all.
    pub fn open(&self) -> bool {
        self.up() && self.role == Role::Worker && !self.draining && !self.revoked && !self.is_full()
    }

    /// Whether its agent is new enough for such a task, and it has what runs it.
    pub fn can(&self, key: &Key) -> bool {
        (self.takes_files || !key.files)
            && (self.gives_results || !key.results)
            && self.interpreters.has(key.interpreters)
            && (self.takes_secrets || !key.secrets)
    }

    /// As it says itself.
    pub fn is_full(&self) -> bool {
        self.metrics.disk_full
    }
}

/// The manager's own machine: shown as a card, never given work.
#[derive(Debug)]
pub struct Own {
    pub name: NodeName,
    pub since: UnixMillis,
    pub facts: Facts,
    pub metrics: Metrics,
}

#[derive(Debug, Default)]
pub struct Nodes {
    names: Vec<NodeName>,
    by_name: BTreeMap<NodeName, NodeIx>,
    known: Vec<Option<Box<Node>>>,
    by_key: BTreeMap<KeyPrint, NodeIx>,
    links: BTreeMap<LinkId, NodeIx>,
    pub own: Option<Own>,
}

impl Nodes {
    pub fn intern(&mut self, name: &NodeName) -> NodeIx {
        if let Some(ix) = self.by_name.get(name) {
            return *ix;
        }
        let ix = NodeIx::of(self.names.len());
        self.names.push(name.clone());
        self.known.push(None);
        self.by_name.insert(name.clone(), ix);
        ix
    }

    pub fn name(&self, ix: NodeIx) -> &NodeName {
        &self.names[ix.position()]
    }

    pub fn find(&self, name: &NodeName) -> Option<NodeIx> {
        self.by_name.get(name).copied().filter(|ix| self.get(*ix).is_some())
    }

    pub fn by_key(&self, key: &KeyPrint) -> Option<NodeIx> {
        self.by_key.get(key).copied()
    }

    pub fn by_link(&self, link: LinkId) -> Option<NodeIx> {
        self.links.get(&link).copied()
    }

    pub fn get(&self, ix: NodeIx) -> Option<&Node> {
        self.known.get(ix.position()).and_then(Option::as_deref)
    }

    pub fn get_mut(&mut self, ix: NodeIx) -> Option<&mut Node> {
        self.known.get_mut(ix.position()).and_then(Option::as_deref_mut)
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = (NodeIx, &Node)> {
        self.by_name.values().filter_map(|ix| Some((*ix, self.get(*ix)?)))
    }

    pub fn add(&mut self, name: &NodeName, node: Node) -> NodeIx {
        let ix = self.intern(name);
        if let Some(key) = &node.key {
            self.by_key.insert(key.clone(), ix);
        }
        self.known[ix.position()] = Some(Box::new(node));
        ix
    }

    pub fn remove(&mut self, ix: NodeIx) {
        let Some(node) = self.known.get_mut(ix.position()).and_then(Option::take) else { return };
        if let Some(key) = &node.key {
            self.by_key.remove(key);
        }
        if let Some(link) = node.link {
            self.links.remove(&link);
        }
    }

    /// An agent of a node that had none has joined.
    pub fn set_key(&mut self, ix: NodeIx, key: KeyPrint) {
        let Some(node) = self.known.get_mut(ix.position()).and_then(Option::as_deref_mut) else { return };
        if let Some(before) = node.key.replace(key.clone()) {
            self.by_key.remove(&before);
        }
        self.by_key.insert(key, ix);
    }

    /// Returns the link it had before.
    pub fn set_link(&mut self, ix: NodeIx, link: Option<LinkId>) -> Option<LinkId> {
        let node = self.known.get_mut(ix.position()).and_then(Option::as_deref_mut)?;
        let before = std::mem::replace(&mut node.link, link);
        if let Some(before) = before {
            self.links.remove(&before);
        }
        if let Some(link) = link {
            self.links.insert(link, ix);
        }
        before
    }

    pub fn row(&self, ix: NodeIx, taken_by: impl Fn(PersonIx) -> protocol::name::PersonName) -> Option<NodeRow> {
        let node = self.get(ix)?;
        Some(NodeRow {
            ssh: node.ssh.clone(),
            name: self.name(ix).clone(),
            role: node.role,
            key: node.key.clone(),
            revoked: node.revoked,
            draining: node.draining,
            joined_at: node.joined_at,
            seen_at: node.seen_at,
            address: node.address.clone(),
            version: node.version.clone(),
            cpus: node.cpus,
            slots: node.slots,
            shared_uid: node.shared_uid,
            taken_by: node.taken_by.map(taken_by),
            facts: node.facts.clone(),
        })
    }
}
