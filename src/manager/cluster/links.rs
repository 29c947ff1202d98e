//! Links of agents: one at a time for each node, known by its key.

use protocol::agent::{Hello, ToAgent, Welcome};
use protocol::event::What;
use protocol::name::NodeName;
use protocol::node::{Facts, Metrics, MetricsPatch};

use super::Cluster;
use super::change::KeyPrint;
use super::ids::NodeIx;
use super::nodes::Own;
use super::port::LinkId;
use super::reach::Looked;
use super::sane;
use super::turn::Turn;

/// Why a link is not taken: the sentence, and whether the agent should stay away for good.
struct Unwelcome {
    reason: String,
    stay_away: bool,
}

impl Cluster {
    pub(super) fn linked(
        &mut self,
        link: LinkId,
        name: &NodeName,
        key: &KeyPrint,
        address: Option<String>,
        mut hello: Hello,
        turn: &mut Turn<'_>,
    ) {
        sane::hello(&mut hello);
        // It was on its way for so long that its agent has dialled anew: what it says was true before that.
        if self.nodes.find(name).and_then(|ix| self.nodes.get(ix)?.newest_link).is_some_and(|newest| newest > link) {
            return turn.dismiss(link, format!("a newer link of {name} was here first"), false);
        }
        let ix = match self.admit(name, key, &hello) {
            Ok(ix) => ix,
            Err(Unwelcome { reason, stay_away }) => {
                self.note_trouble(name, &reason, turn);
                return turn.dismiss(link, reason, stay_away);
            }
        };
        let was_up = self.nodes.get(ix).is_some_and(|node| node.up());
        if let Some(old) = self.nodes.set_link(ix, Some(link)) {
            turn.dismiss(old, format!("a newer link of {name} has replaced this one"), false);
            // It may have come back with fewer slots than it was kept free for.
            self.give_up_reservation(ix, turn);
        }
        self.end_recalls(ix);
        let rebooted = self.note_hello(ix, link, address, &mut hello, turn);
        if !was_up {
            turn.publish(What::NodeUp { node: name.clone() });
        }
        turn.touch_node(name);
        turn.send(link, ToAgent::Welcome(self.welcome_for(name)));
        self.reconcile(ix, link, &hello, rebooted, turn);
        self.look_again_on(ix, turn);
    }

    fn admit(&self, name: &NodeName, key: &KeyPrint, hello: &Hello) -> Result<NodeIx, Unwelcome> {
        let for_good = |reason: String| Err(Unwelcome { reason, stay_away: true });
        let Some(ix) = self.nodes.find(name) else {
            return for_good(format!("{name} is not known here any more; it can join again with a new token"));
        };
        match self.nodes.get(ix) {
            Some(node) if node.revoked => for_good(format!("the key of {name} was revoked")),
            Some(node) if node.key.as_ref() != Some(key) => for_good(format!("this is not the key {name} joined with")),
            _ if !self.config.protocols.contains(&hello.protocol) => {
                let (theirs, own, version) = (hello.protocol, &self.config.version, sane::line(&hello.version));
                let (oldest, newest) = (self.config.protocols.start(), self.config.protocols.end());
                let ours = if oldest == newest {
                    format!("protocol {newest}")
                } else {
                    format!("protocols {oldest} to {newest}")
                };
                let remedy = if theirs < *oldest {
                    format!("update bramble on {name}")
                } else {
                    "update bramble on the manager".to_owned()
                };
                let reason = format!(
                    "agent {version} of {name} speaks protocol {theirs}, manager {own} speaks {ours}: {remedy}"
                );
                // It may be another program the next time.
                Err(Unwelcome { reason, stay_away: false })
            }
            _ => Ok(ix),
        }
    }

    /// Told once, however often its agent tries.
    fn note_trouble(&mut self, name: &NodeName, reason: &str, turn: &mut Turn<'_>) {
        let Some(node) = self.nodes.find(name).and_then(|ix| self.nodes.get_mut(ix)) else { return };
        if node.revoked || node.trouble.as_deref() == Some(reason) {
            return;
        }
        node.trouble = Some(reason.to_owned());
        turn.touch_node(name);
        let (node, what, reason) = (name.clone(), "the hello".to_owned(), reason.to_owned());
        turn.publish(What::ReportRefused { node, what, reason });
    }

    fn welcome_for(&self, name: &NodeName) -> Welcome {
        Welcome {
            protocol: *self.config.protocols.end(),
            version: self.config.version.clone(),
            node: name.clone(),
            stop_grace_ms: self.config.stop_grace_ms,
            output_limit: self.config.output_limit,
            lease_ms: self.config.lease_ms,
            takes_results: true,
        }
    }

    /// Keeps what the hello says of the node. Returns whether the machine was started anew since the last one.
    fn note_hello(
        &mut self,
        ix: NodeIx,
        link: LinkId,
        address: Option<String>,
        hello: &mut Hello,
        turn: &mut Turn<'_>,
    ) -> bool {
        let Some(node) = self.nodes.get_mut(ix) else { return false };
        let rebooted = node.facts.boot_id.as_ref().is_some_and(|boot| *boot != hello.boot_id);
        node.newest_link = Some(link);
        node.looked = Looked::default();
        node.takes_files = hello.takes_files;
        node.gives_results = hello.gives_results;
        node.takes_secrets = hello.takes_secrets;
        node.takes_runs = hello.takes_runs;
        node.lease = None;
        node.down_since = None;
        node.trouble = None;
        node.late.clear();
        node.metrics = Metrics::default();
        node.seen_at = Some(turn.now.wall);
        node.address = address;
        node.version = Some(hello.version.clone());
        node.cpus = hello.cpus;
        node.slots = hello.slots;
        node.shared_uid = hello.shared_uid;
        node.know(std::mem::take(&mut hello.facts));
        node.facts.boot_id = Some(hello.boot_id.clone());
        self.persist_node(ix, turn);
        self.look_for(ix, turn);
        rebooted
    }

    pub(super) fn unlinked(&mut self, link: LinkId, mut reason: String, turn: &mut Turn<'_>) {
        // A link that was replaced or cut ends later than it counted.
        let Some(ix) = self.nodes.by_link(link) else { return };
        sane::sentence(&mut reason);
        self.down(ix, reason, turn);
        self.start_lease(ix, turn);
        self.persist_node(ix, turn);
        self.look_again_on(ix, turn);
    }

    /// The node has no link any more.
    pub(super) fn down(&mut self, ix: NodeIx, reason: String, turn: &mut Turn<'_>) {
        self.nodes.set_link(ix, None);
        self.end_recalls(ix);
        self.give_up_reservation(ix, turn);
        if let Some(node) = self.nodes.get_mut(ix) {
            node.seen_at = Some(turn.now.wall);
            node.down_since = Some(turn.now.wall);
            node.metrics = Metrics::default();
            node.late.clear();
        }
        self.refresh(ix);
        self.look_for(ix, turn);
        let node = self.nodes.name(ix).clone();
        turn.touch_node(&node);
        turn.publish(What::NodeDown { node, reason });
    }

    /// What was called back over a link that is gone is not answered any more.
    fn end_recalls(&mut self, ix: NodeIx) {
        let Some(node) = self.nodes.get(ix) else { return };
        let recalled = node.orders.iter().filter(|(_, order)| order.recall.is_some());
        let tasks: Vec<_> = recalled.map(|(task, _)| task).collect();
        for task in tasks {
            self.end_recall(ix, task);
        }
    }

    /// The manager's own machine.
    pub(super) fn own(
        &mut self,
        name: NodeName,
        facts: Option<Box<Facts>>,
        metrics: MetricsPatch,
        turn: &mut Turn<'_>,
    ) {
        let before = self.nodes.own.as_ref().map(|own| own.name.clone());
        let own = self.nodes.own.get_or_insert_with(|| Own {
            name: name.clone(),
            since: turn.now.wall,
            facts: Facts::default(),
            metrics: Metrics::default(),
        });
        if before.as_ref() != Some(&name) {
            before.iter().for_each(|before| turn.touch_node(before));
            turn.touch_node(&name);
            own.name = name;
        }
        if let Some(facts) = facts {
            own.facts = *facts;
            turn.touch_node(&own.name);
        }
        if own.metrics.patch(metrics).is_err() {
            self.ignored += 1;
        }
        turn.touch_metrics(&own.name);
    }
}
