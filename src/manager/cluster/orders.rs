//! What one node has been given, and what of it must be running by now. A task takes as many slots as it asked for
//! CPUs; the agent starts what waits there strictly in the order it came. Doing the same here tells what is free
//! without asking.

use std::collections::BTreeMap;

use protocol::id::TaskId;

use super::ids::NodeIx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits there for its slots.
    Waiting,
    /// Should be starting.
    Sent,
    /// The node said that it runs.
    Running,
    /// The node said that it has ended; its result is on the way.
    Ending,
}

/// For whom an order was called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recall {
    /// This node has slots free.
    For(NodeIx),
    /// Whoever comes: its own node is to be emptied.
    Away,
}

#[derive(Debug, Clone)]
pub struct Order {
    pub number: u32,
    pub cpus: u32,
    /// It may run on other nodes as well.
    pub movable: bool,
    pub phase: Phase,
    pub recall: Option<Recall>,
    place: u64,
}

#[derive(Debug, Default)]
pub struct Orders {
    slots: u32,
    by_task: BTreeMap<TaskId, Order>,
    waiting: BTreeMap<u64, TaskId>,
    waiting_cpus: u64,
    /// Waiting orders that could be called back for another node: how many ask for how many CPUs.
    movable: Sizes,
    used: u64,
    /// The same of all orders that are not over.
    sizes: Sizes,
    last_place: u64,
}

impl Orders {
    pub fn get(&self, task: TaskId) -> Option<&Order> {
        self.by_task.get(&task)
    }

    pub fn is_empty(&self) -> bool {
        self.by_task.is_empty()
    }

    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// By task, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &Order)> {
        self.by_task.iter().map(|(task, order)| (*task, order))
    }

    /// In the order they were given.
    pub fn in_order(&self) -> Vec<(TaskId, Order)> {
        let mut all: Vec<_> = self.by_task.iter().map(|(task, order)| (*task, order.clone())).collect();
        all.sort_unstable_by_key(|(_, order)| order.place);
        all
    }

    /// Waiting ones, the youngest first.
    pub fn waiting_youngest(&self) -> impl Iterator<Item = (TaskId, &Order)> {
        self.waiting.values().rev().filter_map(|task| Some((*task, self.by_task.get(task)?)))
    }

    /// Slots a further order would find free at once. Behind one that waits, it would wait as well.
    pub fn free(&self) -> u32 {
        if !self.waiting.is_empty() {
            return 0;
        }
        u32::try_from(u64::from(self.slots).saturating_sub(self.used)).unwrap_or(0)
    }

    pub fn waiting_cpus(&self) -> u64 {
        self.waiting_cpus
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many could be called back, and the fewest CPUs one of them asks for.
    pub fn movable(&self) -> Option<(u32, u32)> {
        self.movable.smallest().map(|smallest| (self.movable.all, smallest))
    }

    /// How many have ended there, and are not over.
    pub fn ending(&self) -> usize {
        self.by_task.len() - self.sizes.all as usize
    }

    pub fn used(&self) -> u64 {
        self.used
    }

    /// Whether an order may wait here behind what runs. Never so that slots stay empty while it waits, which a
    /// smaller task could use: it takes one slot, or all that is here takes just as many and leaves none over.
    pub fn may_wait(&self, cpus: u32, backlog: u32) -> bool {
        let alike = self.sizes.only() == Some(cpus) && self.slots.is_multiple_of(cpus);
        (cpus == 1 || alike) && self.waiting_cpus + u64::from(cpus) <= u64::from(backlog)
    }

    pub fn has_backlog_room(&self, backlog: u32) -> bool {
        self.waiting_cpus < u64::from(backlog) && self.sizes.all > 0
    }

    pub fn give(&mut self, task: TaskId, number: u32, cpus: u32, movable: bool) {
        self.last_place += 1;
        let place = self.last_place;
        self.sizes.add(cpus);
        let order = Order { number, cpus, movable, phase: Phase::Waiting, recall: None, place };
        self.by_task.insert(task, order);
        self.wait(task, place, cpus, movable);
        self.advance();
    }

    /// It is over, gone or given back. Returns what it was.
    pub fn take(&mut self, task: TaskId) -> Option<Order> {
        self.set_phase(task, Phase::Ending)?;
        self.by_task.remove(&task)
    }

    pub fn set_phase(&mut self, task: TaskId, phase: Phase) -> Option<()> {
        let before = self.by_task.get(&task)?.phase;
        match (before, phase) {
            (Phase::Waiting, Phase::Sent | Phase::Running) => self.begin(task, phase),
            (Phase::Waiting, Phase::Ending) => {
                self.leave_waiting(task);
                self.close(task);
                self.advance();
            }
            (Phase::Sent | Phase::Running, Phase::Ending) => {
                self.used -= self.takes(self.by_task.get(&task)?.cpus);
                self.close(task);
                self.advance();
            }
            (Phase::Sent, Phase::Running) => self.by_task.get_mut(&task)?.phase = Phase::Running,
            // Nothing starts a second time.
            _ => {}
        }
        Some(())
    }

    pub fn set_recall(&mut self, task: TaskId, recall: Option<Recall>) {
        let Some(order) = self.by_task.get_mut(&task) else { return };
        let counted = |order: &Order| order.phase == Phase::Waiting && order.movable && order.recall.is_none();
        let before = counted(order);
        order.recall = recall;
        match (before, counted(order)) {
            (true, false) => self.movable.sub(order.cpus),
            (false, true) => self.movable.add(order.cpus),
            _ => {}
        }
    }

    /// After a new hello: `running` is what the node said it runs; everything else there waits anew, in order.
    pub fn reset(&mut self, slots: u32, running: impl Fn(TaskId) -> Option<Phase>) {
        let all = self.in_order();
        *self = Self { slots, last_place: self.last_place, ..Self::default() };
        for (task, order) in &all {
            if let Some(phase) = running(*task) {
                self.put(*task, order, phase);
            }
        }
        for (task, order) in &all {
            if running(*task).is_none() {
                self.put(*task, order, Phase::Waiting);
            }
        }
        self.advance();
    }

    fn put(&mut self, task: TaskId, order: &Order, phase: Phase) {
        let order = Order { phase: Phase::Waiting, recall: None, ..order.clone() };
        let (place, cpus, movable) = (order.place, order.cpus, order.movable);
        self.sizes.add(cpus);
        self.by_task.insert(task, order);
        self.wait(task, place, cpus, movable);
        self.set_phase(task, phase);
    }

    fn wait(&mut self, task: TaskId, place: u64, cpus: u32, movable: bool) {
        self.waiting.insert(place, task);
        self.waiting_cpus += u64::from(cpus);
        if movable {
            self.movable.add(cpus);
        }
    }

    fn leave_waiting(&mut self, task: TaskId) {
        let Some(order) = self.by_task.get(&task) else { return };
        self.waiting.remove(&order.place);
        self.waiting_cpus -= u64::from(order.cpus);
        if order.movable && order.recall.is_none() {
            self.movable.sub(order.cpus);
        }
    }

    fn begin(&mut self, task: TaskId, phase: Phase) {
        self.leave_waiting(task);
        let Some(order) = self.by_task.get_mut(&task) else { return };
        order.phase = phase;
        let cpus = order.cpus;
        self.used += self.takes(cpus);
    }

    /// One larger than the node takes all of it.
    fn takes(&self, cpus: u32) -> u64 {
        u64::from(cpus.min(self.slots))
    }

    fn close(&mut self, task: TaskId) {
        let Some(order) = self.by_task.get_mut(&task) else { return };
        order.phase = Phase::Ending;
        self.sizes.sub(order.cpus);
    }

    /// What waits begins, in order, as far as there are slots. Nobody overtakes.
    fn advance(&mut self) {
        while let Some(task) = self.waiting.first_key_value().map(|(_, task)| *task) {
            let fits = self.by_task.get(&task).is_some_and(|o| self.used + self.takes(o.cpus) <= self.slots.into());
            if !fits || self.slots == 0 {
                return;
            }
            self.begin(task, Phase::Sent);
        }
    }
}

/// How many of each size.
#[derive(Debug, Default)]
struct Sizes {
    counts: BTreeMap<u32, u32>,
    all: u32,
}

impl Sizes {
    fn smallest(&self) -> Option<u32> {
        self.counts.first_key_value().map(|(size, _)| *size)
    }

    /// The one size all have.
    fn only(&self) -> Option<u32> {
        self.smallest().filter(|_| self.counts.len() == 1)
    }

    fn add(&mut self, size: u32) {
        *self.counts.entry(size).or_default() += 1;
        self.all += 1;
    }

    fn sub(&mut self, size: u32) {
        let Some(count) = self.counts.get_mut(&size) else { return };
        *count -= 1;
        self.all -= 1;
        if *count == 0 {
            self.counts.remove(&size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(slots: u32) -> Orders {
        let mut orders = Orders::default();
        orders.reset(slots, |_| None);
        orders
    }

    fn phase(orders: &Orders, index: u32) -> Phase {
        orders.get(TaskId::new(1, index)).unwrap().phase
    }

    #[test]
    fn what_waits_starts_in_order_when_a_cpu_is_freed() {
        let mut orders = node(1);
        for index in 0..3 {
            orders.give(TaskId::new(1, index), 1, 1, true);
        }
        assert_eq!((orders.free(), orders.waiting(), orders.movable()), (0, 2, Some((2, 1))));
        orders.take(TaskId::new(1, 0));
        assert_eq!((phase(&orders, 1), phase(&orders, 2)), (Phase::Sent, Phase::Waiting));
        orders.set_recall(TaskId::new(1, 2), Some(Recall::Away));
        assert_eq!(orders.movable(), None);
        orders.take(TaskId::new(1, 2));
        orders.take(TaskId::new(1, 1));
        assert_eq!((orders.free(), orders.waiting_cpus(), orders.used()), (1, 0, 0));
    }

    #[test]
    fn only_what_leaves_no_slot_idle_may_wait() {
        let mut orders = node(4);
        orders.give(TaskId::new(1, 0), 1, 2, true);
        orders.give(TaskId::new(1, 1), 1, 2, true);
        assert!(orders.may_wait(2, 8) && orders.may_wait(1, 8));
        assert!(!orders.may_wait(4, 8) && !orders.may_wait(2, 1));
        orders.give(TaskId::new(1, 2), 1, 1, true);
        assert!(!orders.may_wait(2, 8), "two slots of it would stay empty until both are free");
        let mut orders = node(3);
        orders.give(TaskId::new(1, 0), 1, 2, true);
        assert!(!orders.may_wait(2, 8), "one slot would be left over");
    }

    #[test]
    fn nobody_overtakes_what_waits() {
        let mut orders = node(4);
        orders.give(TaskId::new(1, 0), 1, 2, true);
        orders.give(TaskId::new(1, 1), 1, 4, true);
        orders.give(TaskId::new(1, 2), 1, 1, true);
        assert_eq!((phase(&orders, 2), orders.free()), (Phase::Waiting, 0));
        orders.take(TaskId::new(1, 1));
        assert_eq!((phase(&orders, 2), orders.free()), (Phase::Sent, 1));
    }

    #[test]
    fn one_larger_than_the_node_takes_all_of_it() {
        let mut orders = node(2);
        orders.give(TaskId::new(1, 0), 1, 8, true);
        orders.give(TaskId::new(1, 1), 1, 1, true);
        assert_eq!((phase(&orders, 0), phase(&orders, 1)), (Phase::Sent, Phase::Waiting));
        orders.take(TaskId::new(1, 0));
        assert_eq!(orders.free(), 1);
        assert_eq!(node(0).free(), 0);
    }

    #[test]
    fn a_hello_says_what_runs_and_the_rest_waits_anew() {
        let mut orders = node(1);
        for index in 0..3 {
            orders.give(TaskId::new(1, index), 1, 1, true);
        }
        orders.reset(1, |task| (task.index == 2).then_some(Phase::Running));
        assert_eq!((phase(&orders, 0), phase(&orders, 2)), (Phase::Waiting, Phase::Running));
        orders.reset(2, |task| (task.index == 2).then_some(Phase::Ending));
        assert_eq!((phase(&orders, 0), phase(&orders, 1), orders.free()), (Phase::Sent, Phase::Sent, 0));
    }
}
