//! What one node has been given, and what of it must be running by now. The agent starts what waits there in the
//! order it came, skipping what does not fit yet; doing the same here tells how many CPUs are free without asking.

use std::collections::BTreeMap;

use protocol::id::TaskId;

use super::ids::NodeIx;

/// What a node can run at once: at most so many tasks, on so many CPUs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    pub slots: u32,
    pub cpus: u32,
}

impl Room {
    /// More slots than CPUs is a wish for several tasks on one CPU.
    pub fn new(slots: u32, cpus: u32) -> Self {
        Self { slots, cpus: cpus.max(slots) }
    }

    /// The most CPUs one task can have here.
    pub fn largest(self) -> u32 {
        if self.slots == 0 { 0 } else { self.cpus }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waits there for a CPU.
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
    /// This node has CPUs free.
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
    room: Room,
    by_task: BTreeMap<TaskId, Order>,
    waiting: BTreeMap<u64, TaskId>,
    waiting_cpus: u64,
    /// Waiting orders that could be called back for another node.
    movable: u32,
    used_slots: u64,
    used_cpus: u64,
    /// How many orders that are not over ask for how many CPUs.
    sizes: BTreeMap<u32, u32>,
    last_place: u64,
}

impl Orders {
    pub fn get(&self, task: TaskId) -> Option<&Order> {
        self.by_task.get(&task)
    }

    pub fn is_empty(&self) -> bool {
        self.by_task.is_empty()
    }

    pub fn room(&self) -> Room {
        self.room
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

    /// CPUs a further order would find free at once.
    pub fn free(&self) -> u32 {
        if self.used_slots >= u64::from(self.room.slots) {
            return 0;
        }
        u32::try_from(u64::from(self.room.cpus).saturating_sub(self.used_cpus)).unwrap_or(u32::MAX)
    }

    pub fn waiting_cpus(&self) -> u64 {
        self.waiting_cpus
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn movable(&self) -> u32 {
        self.movable
    }

    pub fn used(&self) -> (u64, u64) {
        (self.used_slots, self.used_cpus)
    }

    /// Whether an order may wait here behind what runs: only if it fits as soon as any one of those ends, so that
    /// it never holds CPUs idle that a smaller task could use.
    pub fn may_wait(&self, cpus: u32, backlog: u32) -> bool {
        self.sizes.first_key_value().is_some_and(|(smallest, _)| cpus <= *smallest)
            && self.waiting_cpus + u64::from(cpus) <= u64::from(backlog)
    }

    pub fn has_backlog_room(&self, backlog: u32) -> bool {
        self.waiting_cpus < u64::from(backlog) && !self.sizes.is_empty()
    }

    pub fn give(&mut self, task: TaskId, number: u32, cpus: u32, movable: bool) {
        self.last_place += 1;
        let place = self.last_place;
        let order = Order { number, cpus, movable, phase: Phase::Waiting, recall: None, place };
        *self.sizes.entry(cpus).or_default() += 1;
        self.by_task.insert(task, order);
        self.wait(task, place, cpus, movable);
        if self.free() >= cpus {
            self.begin(task, Phase::Sent);
        }
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
            }
            (Phase::Sent | Phase::Running, Phase::Ending) => {
                let cpus = u64::from(self.by_task.get(&task)?.cpus);
                self.used_slots -= 1;
                self.used_cpus -= cpus;
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
            (true, false) => self.movable -= 1,
            (false, true) => self.movable += 1,
            _ => {}
        }
    }

    /// After a new hello: `running` is what the node said it runs; everything else there waits anew, in order.
    pub fn reset(&mut self, room: Room, running: impl Fn(TaskId) -> Option<Phase>) {
        let all = self.in_order();
        *self = Self { room, last_place: self.last_place, ..Self::default() };
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
        *self.sizes.entry(cpus).or_default() += 1;
        self.by_task.insert(task, order);
        self.wait(task, place, cpus, movable);
        self.set_phase(task, phase);
    }

    fn wait(&mut self, task: TaskId, place: u64, cpus: u32, movable: bool) {
        self.waiting.insert(place, task);
        self.waiting_cpus += u64::from(cpus);
        self.movable += u32::from(movable);
    }

    fn leave_waiting(&mut self, task: TaskId) {
        let Some(order) = self.by_task.get(&task) else { return };
        self.waiting.remove(&order.place);
        self.waiting_cpus -= u64::from(order.cpus);
        self.movable -= u32::from(order.movable && order.recall.is_none());
    }

    fn begin(&mut self, task: TaskId, phase: Phase) {
        self.leave_waiting(task);
        let Some(order) = self.by_task.get_mut(&task) else { return };
        order.phase = phase;
        self.used_slots += 1;
        self.used_cpus += u64::from(order.cpus);
    }

    fn close(&mut self, task: TaskId) {
        let Some(order) = self.by_task.get_mut(&task) else { return };
        order.phase = Phase::Ending;
        if let Some(count) = self.sizes.get_mut(&order.cpus) {
            *count -= 1;
            if *count == 0 {
                self.sizes.remove(&order.cpus);
            }
        }
    }

    /// What waits and fits begins.
    fn advance(&mut self) {
        let mut from = 0;
        while self.free() > 0 {
            let fits = |task: &TaskId| self.by_task.get(task).is_some_and(|order| order.cpus <= self.free());
            let next = self.waiting.range(from..).find(|(_, task)| fits(task)).map(|(place, task)| (*place, *task));
            let Some((place, task)) = next else { return };
            self.begin(task, Phase::Sent);
            from = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(slots: u32) -> Orders {
        let mut orders = Orders::default();
        orders.reset(Room::new(slots, slots), |_| None);
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
        assert_eq!((orders.free(), orders.waiting(), orders.movable()), (0, 2, 2));
        orders.take(TaskId::new(1, 0));
        assert_eq!((phase(&orders, 1), phase(&orders, 2)), (Phase::Sent, Phase::Waiting));
        orders.set_recall(TaskId::new(1, 2), Some(Recall::Away));
        assert_eq!(orders.movable(), 0);
        orders.take(TaskId::new(1, 2));
        orders.take(TaskId::new(1, 1));
        assert_eq!((orders.free(), orders.waiting_cpus(), orders.used()), (1, 0, (0, 0)));
    }

    #[test]
    fn only_what_fits_after_any_one_end_may_wait() {
        let mut orders = node(4);
        assert!(!orders.may_wait(1, 8));
        orders.give(TaskId::new(1, 0), 1, 3, true);
        orders.give(TaskId::new(1, 1), 1, 1, true);
        assert!(!orders.may_wait(2, 8));
        assert!(orders.may_wait(1, 8));
        assert!(!orders.may_wait(1, 0));
    }

    #[test]
    fn a_small_one_starts_beside_a_large_one_that_does_not_fit_yet() {
        let mut orders = node(4);
        orders.give(TaskId::new(1, 0), 1, 2, true);
        orders.give(TaskId::new(1, 1), 1, 1, true);
        orders.give(TaskId::new(1, 2), 1, 2, true);
        assert_eq!((phase(&orders, 2), orders.free()), (Phase::Waiting, 1));
        orders.give(TaskId::new(1, 3), 1, 1, true);
        assert_eq!((phase(&orders, 3), orders.free()), (Phase::Sent, 0));
        orders.take(TaskId::new(1, 0));
        assert_eq!(phase(&orders, 2), Phase::Sent);
    }

    #[test]
    fn slots_bound_tasks_and_cpus_bound_their_sum() {
        let mut orders = Orders::default();
        orders.reset(Room::new(2, 8), |_| None);
        orders.give(TaskId::new(1, 0), 1, 1, true);
        assert_eq!(orders.free(), 7);
        orders.give(TaskId::new(1, 1), 1, 1, true);
        assert_eq!(orders.free(), 0);
        assert_eq!(Room::new(0, 4).largest(), 0);
    }

    #[test]
    fn a_hello_says_what_runs_and_the_rest_waits_anew() {
        let mut orders = node(1);
        for index in 0..3 {
            orders.give(TaskId::new(1, index), 1, 1, true);
        }
        orders.reset(Room::new(1, 1), |task| (task.index == 2).then_some(Phase::Running));
        assert_eq!((phase(&orders, 0), phase(&orders, 2)), (Phase::Waiting, Phase::Running));
        orders.reset(Room::new(2, 2), |task| (task.index == 2).then_some(Phase::Ending));
        assert_eq!((phase(&orders, 0), phase(&orders, 1), orders.free()), (Phase::Sent, Phase::Sent, 0));
    }
}
