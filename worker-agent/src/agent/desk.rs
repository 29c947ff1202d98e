//! What this node has been told to run and how far it is. Decides, and does nothing itself: no files, no sockets.
//!
//! Waiting orders live here alone. They may be lost at any moment, because the manager sends them again to whoever
//! does not list them in its hello; everything that has started is in the keeper's journal.

use std::collections::{BTreeMap, VecDeque};

use protocol::agent::{Held, Order};
use protocol::id::AttemptId;
use protocol::job::{NotStarted, Outcome};
use protocol::keeper::{Ended, Kept};
use protocol::time::UnixMillis;

#[derive(Debug)]
pub struct Desk {
    slots: u32,
    used: u32,
    tasks: BTreeMap<AttemptId, Task>,
    /// Oldest first. Nobody overtakes: a small order behind a large one waits, or the large one would for ever.
    waiting: VecDeque<Order>,
}

#[derive(Debug)]
struct Task {
    /// The slots it takes, or will take.
    cpus: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    /// Handed to the keeper.
    Starting,
    Running {
        since: UnixMillis,
    },
    /// The manager no longer wants it: being killed, reported to nobody.
    Discarded,
    Ended {
        ended: Ended,
        kept: bool,
    },
}

/// What a message about an attempt comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    /// The keeper is to end it.
    Stop,
    /// It ended here, without the keeper; to be reported.
    Report,
}

impl Desk {
    pub fn new(slots: u32) -> Self {
        Self { slots: slots.max(1), used: 0, tasks: BTreeMap::new(), waiting: VecDeque::new() }
    }

    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// What the keeper has from before this agent.
    pub fn adopt(&mut self, kept: Kept) {
        let cpus = self.fitting(u32::try_from(kept.note["cpus"].as_u64().unwrap_or(1)).unwrap_or(u32::MAX));
        let state = match kept.ended {
            Some(ended) => State::Ended { ended, kept: true },
            None => {
                self.used += cpus;
                State::Running { since: kept.started_at }
            }
        };
        self.tasks.insert(kept.attempt, Task { cpus, state });
    }

    /// An order larger than the node takes all of it, rather than waiting for ever.
    fn fitting(&self, cpus: u32) -> u32 {
        cpus.clamp(1, self.slots)
    }

    pub fn order(&mut self, order: Order) {
        let cpus = self.fitting(order.cpus);
        if let std::collections::btree_map::Entry::Vacant(place) = self.tasks.entry(order.attempt) {
            place.insert(Task { cpus, state: State::Waiting });
            self.waiting.push_back(order);
        }
    }

    /// The next order there is room for. It holds its slots from now on.
    pub fn next(&mut self) -> Option<Order> {
        let task = self.tasks.get_mut(&self.waiting.front()?.attempt)?;
        if self.used + task.cpus > self.slots {
            return None;
        }
        self.used += task.cpus;
        task.state = State::Starting;
        self.waiting.pop_front()
    }

    /// It could not even be handed to the keeper.
    pub fn failed(&mut self, attempt: AttemptId, message: String, now: UnixMillis) {
        let outcome = Outcome::NotStarted { kind: NotStarted::Fault, message };
        self.end(
            Ended { attempt, outcome, started_at: None, ended_at: now, ran_ms: None, out_of_memory: false },
            false,
        );
    }

    /// Whether the manager is to hear of it.
    pub fn started(&mut self, attempt: AttemptId, since: UnixMillis) -> bool {
        match self.tasks.get_mut(&attempt) {
            Some(task) if matches!(task.state, State::Starting) => {
                task.state = State::Running { since };
                true
            }
            _ => false,
        }
    }

    /// Whether the manager is to hear of it; otherwise it is to be forgotten.
    pub fn ended(&mut self, ended: Ended) -> bool {
        let attempt = ended.attempt;
        if matches!(self.tasks.get(&attempt), Some(Task { state: State::Discarded, .. })) {
            self.release(attempt);
            self.tasks.remove(&attempt);
            return false;
        }
        self.end(ended, true);
        true
    }

    fn end(&mut self, ended: Ended, kept: bool) {
        let attempt = ended.attempt;
        self.release(attempt);
        let task = self.tasks.entry(attempt).or_insert(Task { cpus: 1, state: State::Waiting });
        task.state = State::Ended { ended, kept };
    }

    fn release(&mut self, attempt: AttemptId) {
        if let Some(Task { cpus, state: State::Starting | State::Running { .. } | State::Discarded }) =
            self.tasks.get(&attempt)
        {
            self.used -= cpus;
        }
    }

    pub fn stop(&mut self, attempt: AttemptId, reason: String, now: UnixMillis) -> Act {
        match self.tasks.get(&attempt).map(|task| &task.state) {
            Some(State::Waiting) => {
                self.waiting.retain(|order| order.attempt != attempt);
                let outcome = Outcome::Stopped { reason };
                self.end(
                    Ended { attempt, outcome, started_at: None, ended_at: now, ran_ms: None, out_of_memory: false },
                    false,
                );
                Act::Report
            }
            Some(State::Starting | State::Running { .. }) => Act::Stop,
            Some(State::Discarded | State::Ended { .. }) | None => Act::Nothing,
        }
    }

    /// Whether it is not here (any more) and never ran, so that it may run elsewhere.
    pub fn recall(&mut self, attempt: AttemptId) -> bool {
        match self.tasks.get(&attempt).map(|task| &task.state) {
            None => true,
            Some(State::Waiting) => {
                self.waiting.retain(|order| order.attempt != attempt);
                self.tasks.remove(&attempt);
                true
            }
            Some(_) => false,
        }
    }

    /// Whether there is something to forget. What has not ended is left alone: an ack is no order to kill.
    pub fn ack(&mut self, attempt: AttemptId) -> Option<Forget> {
        let Some(Task { state: State::Ended { kept, .. }, .. }) = self.tasks.get(&attempt) else { return None };
        let keeper = *kept;
        self.tasks.remove(&attempt);
        Some(Forget { keeper })
    }

    pub fn discard(&mut self, attempt: AttemptId) -> Discard {
        let Some(task) = self.tasks.get_mut(&attempt) else { return Discard::Nothing };
        match task.state {
            State::Waiting => {
                self.waiting.retain(|order| order.attempt != attempt);
                self.tasks.remove(&attempt);
                Discard::Nothing
            }
            State::Starting | State::Running { .. } => {
                task.state = State::Discarded;
                Discard::Kill
            }
            State::Discarded => Discard::Nothing,
            State::Ended { kept, .. } => {
                self.tasks.remove(&attempt);
                Discard::Forget(Forget { keeper: kept })
            }
        }
    }

    /// The manager will send them again after the next hello.
    pub fn unlinked(&mut self) {
        for order in self.waiting.drain(..) {
            self.tasks.remove(&order.attempt);
        }
    }

    /// For the hello: everything but what waits (and there is nothing waiting without a link).
    pub fn held(&self, now: UnixMillis) -> Vec<Held> {
        let held = |(&attempt, task): (&AttemptId, &Task)| match &task.state {
            State::Waiting => None,
            State::Starting | State::Discarded => Some(Held { attempt, started_at: now, ended: false }),
            State::Running { since } => Some(Held { attempt, started_at: *since, ended: false }),
            State::Ended { ended, .. } => {
                Some(Held { attempt, started_at: ended.started_at.unwrap_or(ended.ended_at), ended: true })
            }
        };
        self.tasks.iter().filter_map(held).collect()
    }

    pub fn ended_ones(&self) -> Vec<AttemptId> {
        let ended = self.tasks.iter().filter(|(_, task)| matches!(task.state, State::Ended { .. }));
        ended.map(|(&attempt, _)| attempt).collect()
    }

    pub fn end_of(&self, attempt: AttemptId) -> Option<&Ended> {
        match &self.tasks.get(&attempt)?.state {
            State::Ended { ended, .. } => Some(ended),
            _ => None,
        }
    }

    /// Those whose output may be growing.
    pub fn running(&self) -> impl Iterator<Item = AttemptId> {
        let runs = |task: &Task| matches!(task.state, State::Starting | State::Running { .. });
        self.tasks.iter().filter(move |(_, task)| runs(task)).map(|(&attempt, _)| attempt)
    }

    /// Handed to the keeper, which has not answered yet.
    pub fn is_starting(&self, attempt: AttemptId) -> bool {
        self.tasks.get(&attempt).is_some_and(|task| matches!(task.state, State::Starting))
    }

    /// Whether it has, or is about to have, output files here.
    pub fn prints(&self, attempt: AttemptId) -> bool {
        self.tasks.get(&attempt).is_some_and(|task| !matches!(task.state, State::Waiting | State::Discarded))
    }

    pub fn holds(&self, attempt: AttemptId) -> bool {
        self.tasks.contains_key(&attempt)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_idle(&self) -> bool {
        self.used == 0
    }
}

/// Its folder and output go; `keeper`: and its journal entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Forget {
    pub keeper: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Discard {
    Nothing,
    /// End it at once; it is forgotten when it has ended.
    Kill,
    Forget(Forget),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AttemptId {
        text.parse().unwrap()
    }

    fn order(attempt: &str, cpus: u32) -> Order {
        let command = ["true".to_owned()].into();
        Order { attempt: id(attempt), uid: 1000, cpus, command, env: Default::default() }
    }

    fn end(attempt: &str) -> Ended {
        let at = UnixMillis(5);
        Ended {
            attempt: id(attempt),
            outcome: Outcome::Exited(0),
            started_at: Some(at),
            ended_at: at,
            ran_ms: Some(0),
            out_of_memory: false,
        }
    }

    fn begun(desk: &mut Desk) -> Vec<String> {
        std::iter::from_fn(|| desk.next()).map(|order| order.attempt.to_string()).collect()
    }

    #[test]
    fn a_large_order_is_not_overtaken_by_small_ones_behind_it() {
        let mut desk = Desk::new(4);
        for (attempt, cpus) in [("1.0#1", 3), ("1.1#1", 4), ("1.2#1", 1), ("1.3#1", 1)] {
            desk.order(order(attempt, cpus));
        }
        assert_eq!(begun(&mut desk), ["1.0#1"]);
        assert!(desk.ended(end("1.0#1")));
        assert_eq!(begun(&mut desk), ["1.1#1"]);
        assert!(desk.ended(end("1.1#1")));
        assert_eq!(begun(&mut desk), ["1.2#1", "1.3#1"]);
    }

    #[test]
    fn an_order_larger_than_the_node_takes_all_of_it() {
        let mut desk = Desk::new(2);
        desk.order(order("1.0#1", 4096));
        desk.order(order("1.1#1", 1));
        assert_eq!(begun(&mut desk), ["1.0#1"]);
        desk.ended(end("1.0#1"));
        assert_eq!(begun(&mut desk), ["1.1#1"]);
    }

    #[test]
    fn an_order_repeated_runs_once() {
        let mut desk = Desk::new(4);
        desk.order(order("1.0#1", 1));
        desk.order(order("1.0#1", 1));
        assert_eq!(begun(&mut desk), ["1.0#1"]);
        desk.order(order("1.0#1", 1));
        desk.ended(end("1.0#1"));
        desk.order(order("1.0#1", 1));
        assert_eq!(begun(&mut desk), [] as [&str; 0]);
        assert_eq!(desk.held(UnixMillis(1)).len(), 1);
    }

    #[test]
    fn what_is_adopted_holds_as_many_slots_as_before() {
        let mut desk = Desk::new(4);
        let note = serde_json::json!({"cpus": 3});
        desk.adopt(Kept { attempt: id("1.0#1"), pid: Some(7), started_at: UnixMillis(1), ended: None, note });
        desk.order(order("1.1#1", 2));
        assert_eq!(begun(&mut desk), [] as [&str; 0]);
        assert!(desk.ended(end("1.0#1")));
        assert_eq!(begun(&mut desk), ["1.1#1"]);
    }

    #[test]
    fn only_what_has_not_started_is_given_back() {
        let mut desk = Desk::new(1);
        desk.order(order("1.0#1", 1));
        desk.order(order("1.1#1", 1));
        begun(&mut desk);
        assert!(!desk.recall(id("1.0#1")));
        assert!(desk.recall(id("1.1#1")) && !desk.holds(id("1.1#1")));
        assert!(desk.recall(id("9.9#9")), "it is not here, and never will be again");
    }

    #[test]
    fn stopping_what_waits_ends_it_and_the_next_moves_up() {
        let mut desk = Desk::new(1);
        for attempt in ["1.0#1", "1.1#1", "1.2#1"] {
            desk.order(order(attempt, 1));
        }
        begun(&mut desk);
        assert_eq!(desk.stop(id("1.1#1"), "by ana".into(), UnixMillis(9)), Act::Report);
        assert_eq!(desk.end_of(id("1.1#1")).unwrap().outcome, Outcome::Stopped { reason: "by ana".into() });
        assert_eq!(desk.stop(id("1.0#1"), "by ana".into(), UnixMillis(9)), Act::Stop);
        assert_eq!(desk.stop(id("7.0#1"), "by ana".into(), UnixMillis(9)), Act::Nothing);
        desk.ended(end("1.0#1"));
        assert_eq!(begun(&mut desk), ["1.2#1"]);
        assert_eq!(desk.ack(id("1.1#1")), Some(Forget { keeper: false }), "the keeper never had it");
        assert_eq!(desk.ack(id("1.0#1")), Some(Forget { keeper: true }));
        assert_eq!(desk.ack(id("1.2#1")), None, "an ack kills nothing");
    }

    #[test]
    fn what_is_discarded_holds_its_slots_until_it_is_dead_and_is_reported_to_nobody() {
        let mut desk = Desk::new(1);
        desk.order(order("1.0#1", 1));
        desk.order(order("1.1#1", 1));
        begun(&mut desk);
        assert_eq!(desk.discard(id("1.0#1")), Discard::Kill);
        assert_eq!(desk.discard(id("1.0#1")), Discard::Nothing);
        assert_eq!(begun(&mut desk), [] as [&str; 0]);
        assert!(!desk.ended(end("1.0#1")));
        assert_eq!(begun(&mut desk), ["1.1#1"]);
        desk.ended(end("1.1#1"));
        assert_eq!(desk.discard(id("1.1#1")), Discard::Forget(Forget { keeper: true }));
        assert!(desk.held(UnixMillis(1)).is_empty());
    }

    #[test]
    fn a_lost_link_drops_what_waits_and_keeps_the_rest() {
        let mut desk = Desk::new(1);
        for attempt in ["1.0#1", "1.1#1"] {
            desk.order(order(attempt, 1));
        }
        begun(&mut desk);
        desk.unlinked();
        assert_eq!(desk.held(UnixMillis(1)).iter().map(|held| held.attempt).collect::<Vec<_>>(), [id("1.0#1")]);
        desk.order(order("1.1#1", 1));
        desk.ended(end("1.0#1"));
        assert_eq!(begun(&mut desk), ["1.1#1"]);
    }

    #[test]
    fn what_could_not_be_prepared_is_a_fault_of_ours() {
        let mut desk = Desk::new(1);
        desk.order(order("1.0#1", 1));
        begun(&mut desk);
        desk.failed(id("1.0#1"), "no space".into(), UnixMillis(3));
        assert_eq!(desk.end_of(id("1.0#1")).unwrap().outcome.code(), Some(125));
        assert!(desk.is_idle());
    }
}
