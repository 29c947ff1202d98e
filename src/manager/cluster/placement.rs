//! Which task goes to which node, and when. Never a tick: each submit, end, join or undrain puts on the agenda
//! exactly what it made possible, and `settle` does it.
//!
//! - Oldest first (job, then index), among the tasks a node could take now.
//! - A task goes to the node with the most free CPUs; ties go by name.
//! - Only where no node has room for it now, it may wait in the backlog of one, so that a CPU never waits for a
//!   round trip; `orders::may_wait` keeps tasks out that would hold CPUs idle there.
//! - A node with free CPUs and nothing in the queue calls back from the longest backlog (`recall`).
//! - A task that needs many CPUs and is overtaken by smaller ones for a minute gets a node kept free of younger ones
//!   (`reserve`).

use protocol::agent::{Order, ToAgent};
use protocol::id::TaskId;
use protocol::job::TaskState;

use super::Cluster;
use super::ids::{ClassIx, NodeIx, PersonIx};
use super::nodes::Node;
use super::openings::Standing;
use super::queue::Key;
use super::task::Task;
use super::turn::Turn;

impl Cluster {
    /// Does everything this turn has made possible.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        loop {
            let rooms = std::mem::take(&mut self.agenda.rooms);
            let fresh = std::mem::take(&mut self.agenda.fresh);
            let pull = std::mem::take(&mut self.agenda.pull);
            if rooms.is_empty() && fresh.is_empty() && !pull {
                return;
            }
            for &node in &rooms {
                self.fill(node, turn);
            }
            let mut heads: Vec<_> = fresh.iter().filter_map(|&c| Some((self.queue.head(c)?.0, c))).collect();
            heads.sort_unstable();
            for (_, class) in heads {
                self.spread(class, turn);
            }
            for &node in &rooms {
                self.top_up(node, turn);
            }
            for &node in &rooms {
                self.pull(node, turn);
            }
            if pull {
                self.pull_for_all(turn);
            }
        }
    }

    /// Gives a node's free CPUs to the oldest tasks that fit.
    fn fill(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        while let Some(node) = self.nodes.get(ix).filter(|node| node.open()) {
            let free = node.orders.free();
            if free == 0 {
                return;
            }
            let fits = |key: &Key| key.cpus <= free && self.suits(ix, node, key);
            let heads = self.queue.heads_for(ix).take_while(|(task, _)| self.may_use(node, *task));
            let mut heads = heads.filter_map(|(_, class)| self.queue.head(class));
            let Some((task, key)) = heads.find(|(_, key)| fits(key)) else { return };
            drop(heads);
            self.assign(task, key, ix, turn);
        }
    }

    /// Gives the tasks of a class to whoever has room.
    fn spread(&mut self, class: ClassIx, turn: &mut Turn<'_>) {
        while let Some((task, key)) = self.queue.head(class) {
            let Some(node) = self.roomiest(task, &key).or_else(|| self.shortest_backlog(&key)) else { return };
            self.assign(task, key, node, turn);
        }
    }

    /// Gives a node a short backlog of what no other node has room for.
    fn top_up(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        while let Some(node) = self.nodes.get(ix).filter(|node| node.open() && node.reserved_for.is_none()) {
            let backlog = self.config.backlog_of(node.slots);
            if !node.orders.has_backlog_room(backlog) {
                return;
            }
            let may_wait = |key: &Key| node.orders.may_wait(key.cpus, backlog) && self.suits(ix, node, key);
            let mut heads = self.queue.heads_for(ix).filter_map(|(_, class)| self.queue.head(class));
            let Some((task, key)) = heads.find(|(_, key)| may_wait(key)) else { return };
            drop(heads);
            let to = self.roomiest(task, &key).unwrap_or(ix);
            self.assign(task, key, to, turn);
        }
    }

    /// The node with the most free CPUs among those that can take such a task now.
    fn roomiest(&self, task: TaskId, key: &Key) -> Option<NodeIx> {
        let takes = |ix: NodeIx| {
            let node = self.nodes.get(ix)?;
            (self.may_use(node, task) && self.suits(ix, node, key)).then_some(ix)
        };
        match key.pin {
            Some(ix) => {
                let fits = self.nodes.get(ix).is_some_and(|node| node.open() && node.orders.free() >= key.cpus);
                takes(ix).filter(|_| fits)
            }
            None => self.openings.with_free(key.cpus).find_map(takes),
        }
    }

    fn shortest_backlog(&self, key: &Key) -> Option<NodeIx> {
        let may_wait = |ix: NodeIx| {
            let node = self.nodes.get(ix)?;
            let open = node.open() && node.reserved_for.is_none() && self.suits(ix, node, key);
            (open && node.orders.may_wait(key.cpus, self.config.backlog_of(node.slots))).then_some(ix)
        };
        match key.pin {
            Some(ix) => may_wait(ix),
            None => self.openings.with_backlog_room().find_map(may_wait),
        }
    }

    /// Whether a node takes work of this kind at all.
    pub(super) fn suits(&self, ix: NodeIx, node: &Node, key: &Key) -> bool {
        node.can(key) && !(key.files && node.files_rest) && self.welcome(ix, node, key.owner)
    }

    /// Whether a node takes this person's work: where tasks share the agent's uid they could reach into each
    /// other, so such a node works for one person only, unless an admin allows more.
    pub(super) fn welcome(&self, ix: NodeIx, node: &Node, owner: PersonIx) -> bool {
        !node.shared_uid
            || node.taken_by.is_none_or(|by| by == owner)
            || self.config.allow_shared_uid.contains(self.nodes.name(ix))
    }

    fn assign(&mut self, id: TaskId, key: Key, ix: NodeIx, turn: &mut Turn<'_>) {
        self.note_overtaken(id, ix, turn);
        self.unqueue(id, key);
        self.bury(id, turn);
        let uid = self.config.task_uid_base.saturating_add(self.people.serial(key.owner, turn));
        self.take_for(ix, key.owner, turn);
        let Some(attempt) = self.jobs.task(id).map(|(_, task)| task.attempt.saturating_add(1)) else { return };
        self.update(id, turn, |task: &mut Task| {
            task.clear_attempt();
            task.state = TaskState::Starting;
            task.attempt = attempt;
            task.node = Some(ix);
        });
        if let Some(node) = self.nodes.get_mut(ix) {
            node.orders.give(id, attempt, key.cpus, key.pin.is_none());
            if let Some(link) = node.link
                && let Some(order) = self.order(id, uid)
            {
                turn.send(link, ToAgent::Start(order));
            }
        }
        self.refresh(ix);
        turn.touch_metrics(self.nodes.name(ix));
    }

    /// The order for the latest attempt of a task.
    pub(super) fn order(&self, id: TaskId, uid: u32) -> Option<Order> {
        let (job, task) = self.jobs.task(id)?;
        Some(Order {
            run: None,
            attempt: id.attempt(task.attempt),
            uid,
            cpus: job.cpus,
            command: job.recipe.command_of(id.index),
            env: job.recipe.env_of(id.index).unwrap_or_else(|| self.no_env.clone()),
            files: self.given_to(id),
            secrets: self.secrets.told(id.job, self.people.name(job.owner)),
        })
    }

    pub(super) fn take_for(&mut self, ix: NodeIx, owner: PersonIx, turn: &mut Turn<'_>) {
        let Some(node) = self.nodes.get_mut(ix) else { return };
        if node.shared_uid && node.taken_by.is_none() {
            node.taken_by = Some(owner);
            self.persist_node(ix, turn);
        }
    }

    /// Puts a task into the queue, at its place; but one that waits for others of its job.
    pub(super) fn enqueue(&mut self, id: TaskId) {
        let Some(job) = self.jobs.get(id.job).filter(|job| !job.waits(id.index)) else { return };
        let key = Key::of(job, id.index);
        self.agenda.fresh.extend(self.queue.insert(key, id));
    }

    pub(super) fn unqueue(&mut self, id: TaskId, key: Key) {
        match self.queue.remove(key, id) {
            Some(node) => self.release(node),
            // It may be kept free for a younger one of the kind now: what waits between the two may come in.
            None => self.queue.kept_free_for(key).into_iter().for_each(|node| self.room_on(node)),
        }
    }

    /// A node may take more than before.
    pub(super) fn room_on(&mut self, ix: NodeIx) {
        self.refresh(ix);
        self.agenda.rooms.insert(ix);
    }

    /// Keeps the indexes true after anything changed about a node.
    pub(super) fn refresh(&mut self, ix: NodeIx) {
        let standing = self.nodes.get(ix).map(|node| {
            let open = node.open();
            let per_slot = |cpus: u64| cpus * 1000 / u64::from(node.slots.max(1));
            let roomy =
                open && node.reserved_for.is_none() && node.orders.has_backlog_room(self.config.backlog_of(node.slots));
            Standing {
                free: if open { node.orders.free() } else { 0 },
                shallow: roomy.then(|| per_slot(node.orders.waiting_cpus())),
                deep: node.orders.movable().filter(|_| node.up()).map(|(n, least)| (per_slot(n.into()), least)),
            }
        });
        self.openings.set(ix, self.nodes.name(ix), standing.unwrap_or_default());
    }
}
