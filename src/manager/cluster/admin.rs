//! What admins ask of nodes. Each answers with the node as it is then.

use protocol::agent::ToAgent;
use protocol::api::{Refusal, Reply};
use protocol::event::What;
use protocol::name::NodeName;
use protocol::node::Role;

use super::Cluster;
use super::change::Change;
use super::ids::NodeIx;
use super::port::Caller;
use super::reach::Looked;
use super::turn::Turn;

impl Cluster {
    pub(super) fn drain(
        &mut self,
        caller: &Caller,
        name: &NodeName,
        on: bool,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let ix = self.worker(name)?;
        let Some(node) = self.nodes.get_mut(ix) else { return Err(self.unknown(name)) };
        if node.key.is_none() {
            return Err(Refusal::refused(format!("{name} has no agent and runs no tasks: there is nothing to drain")));
        }
        // Asked again, it is as it was.
        if node.draining != on {
            node.draining = on;
            self.persist_node(ix, turn);
            let node = name.clone();
            let what = if on { What::NodeDraining { node } } else { What::NodeUndrained { node } };
            turn.publish_of(Some(caller.person.clone()), what);
            turn.touch_node(name);
            if on {
                self.give_up_reservation(ix, turn);
                self.recall_all(ix, turn, |_, _| true);
            }
            self.room_on(ix);
        }
        self.show_node(name)
    }

    pub(super) fn reboot(&mut self, caller: &Caller, name: &NodeName, turn: &mut Turn<'_>) -> Result<Reply, Refusal> {
        let ix = self.member(name)?;
        let Some(link) = self.nodes.get(ix).and_then(|node| node.link) else {
            let why = match self.nodes.get(ix) {
                Some(node) if node.ssh.is_some() => {
                    format!(
                        "no agent of {name} is linked that could be told; by its SSH: bramble exec --on {name} -- reboot"
                    )
                }
                _ => format!("{name} is down, so it cannot be told to reboot"),
            };
            return Err(Refusal::refused(why));
        };
        turn.publish_of(Some(caller.person.clone()), What::RebootAsked { node: name.clone() });
        turn.send(link, ToAgent::Reboot);
        self.show_node(name)
    }

    pub(super) fn remove_node(
        &mut self,
        caller: &Caller,
        name: &NodeName,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let ix = self.member(name)?;
        let live = self.nodes.get(ix).map_or(0, |node| node.orders.iter().count());
        if live > 0 {
            let (tasks, them) = if live == 1 { ("1 task", "it") } else { (&*format!("{live} tasks"), "them") };
            return Err(Refusal::refused(format!(
                "{name} still has {tasks}; drain it and wait for {them} (bramble node drain {name}), or have {them} run elsewhere at once (bramble node revoke {name})"
            )));
        }
        if let Some(id) = self.runs.first_owed_by(ix) {
            let run = id.job;
            return Err(Refusal::refused(format!(
                "{name} still runs {id}; wait for it or stop it (bramble stop {run}), or give it up at once (bramble node revoke {name})"
            )));
        }
        let view = self.show_node(name);
        if let Some(link) = self.nodes.get(ix).and_then(|node| node.link) {
            turn.dismiss(link, format!("{name} was removed; it can join again with a new token"), true);
        }
        self.give_up_reservation(ix, turn);
        self.expect_no_more(ix);
        self.look_no_more(ix, turn);
        self.nodes.remove(ix);
        self.refresh(ix);
        turn.persist(Change::NodeGone(name.clone()));
        turn.publish_of(Some(caller.person.clone()), What::NodeRemoved { node: name.clone() });
        turn.touch_node(name);
        view
    }

    pub(super) fn revoke_node(
        &mut self,
        caller: &Caller,
        name: &NodeName,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let ix = self.member(name)?;
        let Some(node) = self.nodes.get_mut(ix) else { return Err(self.unknown(name)) };
        if node.key.is_none() {
            return Err(Refusal::refused(format!(
                "{name} has no agent, so there is no key of it to revoke; to have nothing to do with it any more: bramble node rm {name}"
            )));
        }
        if !node.revoked {
            node.revoked = true;
            node.lease = None;
            node.looked = Looked::default();
            let link = node.link;
            turn.publish_of(Some(caller.person.clone()), What::NodeRevoked { node: name.clone() });
            if let Some(link) = link {
                turn.dismiss(link, format!("the key of {name} was revoked"), true);
                self.down(ix, "its key was revoked".into(), turn);
            }
            self.look_no_more(ix, turn);
            self.persist_node(ix, turn);
            turn.touch_node(name);
            self.refresh(ix);
            self.lose_all(ix, "the key of its node was revoked", turn);
        }
        self.show_node(name)
    }

    pub(super) fn unknown(&self, name: &NodeName) -> Refusal {
        Refusal::not_found(format!("there is no node {name}"))
    }

    /// A node that joined, of any role.
    fn member(&self, name: &NodeName) -> Result<NodeIx, Refusal> {
        if self.nodes.own.as_ref().is_some_and(|own| own.name == *name) && self.nodes.find(name).is_none() {
            return Err(Refusal::refused(format!("{name} is the manager itself; this is for nodes that joined it")));
        }
        self.nodes.find(name).ok_or_else(|| self.unknown(name))
    }

    /// A node that runs tasks.
    pub(super) fn worker(&self, name: &NodeName) -> Result<NodeIx, Refusal> {
        let ix = self.member(name)?;
        match self.nodes.get(ix).map(|node| node.role) {
            Some(Role::Worker) | None => Ok(ix),
            Some(role) => Err(Refusal::refused(format!("{name} is a {role} and runs no tasks"))),
        }
    }
}
