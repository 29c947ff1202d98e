//! A node that plays by the rules: what a real keeper and agent do, without processes. Its link delivers in order
//! and loses only its end; beside that, old reports may come again at any time, also over later links.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::agent::{Finished, FromAgent, Held, Hello, Order, ToAgent};
use protocol::id::AttemptId;
use protocol::job::{Outcome, TaskState};
use protocol::time::UnixMillis;

use super::prng::Prng;
use super::world::{name, printed};
use crate::manager::cluster::LinkId;

#[derive(Debug)]
pub struct Agent {
    pub name: String,
    pub slots: u32,
    pub shared_uid: bool,
    pub boot: u32,
    pub link: Option<LinkId>,
    /// On their way to it, and from it.
    pub inbox: VecDeque<ToAgent>,
    pub outbox: VecDeque<FromAgent>,
    /// The agent's: gone with its link.
    pub waiting: Vec<Order>,
    /// The keeper's: they outlive everything but a reboot.
    pub running: BTreeMap<AttemptId, (Order, UnixMillis)>,
    pub ended: BTreeMap<AttemptId, Finished>,
    /// Everything it ever said, to be said again.
    said: Vec<FromAgent>,
    /// Every attempt that ever began here.
    pub begun: BTreeSet<AttemptId>,
    /// What truly came of each attempt that ended here.
    pub truth: BTreeMap<AttemptId, Outcome>,
}

impl Agent {
    pub fn new(name: &str, slots: u32) -> Self {
        Self {
            name: name.into(),
            slots,
            shared_uid: false,
            boot: 1,
            link: None,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            waiting: vec![],
            running: BTreeMap::new(),
            ended: BTreeMap::new(),
            said: vec![],
            begun: BTreeSet::new(),
            truth: BTreeMap::new(),
        }
    }

    pub fn hello(&self) -> Hello {
        let runs = self.running.iter().map(|(id, (_, at))| Held { attempt: *id, started_at: *at, ended: false });
        let ended = self.ended.values().map(|end| Held {
            attempt: end.attempt,
            started_at: end.started_at.unwrap_or_default(),
            ended: true,
        });
        Hello {
            protocol: protocol::PROTOCOL,
            version: "0.1.0".into(),
            node: name(&self.name),
            boot_id: format!("{}-boot-{}", self.name, self.boot),
            cpus: self.slots,
            slots: self.slots,
            shared_uid: self.shared_uid,
            facts: Default::default(),
            held: runs.chain(ended).collect(),
        }
    }

    pub fn linked(&mut self, link: LinkId) {
        self.link = Some(link);
        self.outbox.extend(self.ended.values().cloned().map(FromAgent::Finished));
    }

    /// The link is gone, and with it what was on its way and what had not begun.
    pub fn unlinked(&mut self) {
        self.link = None;
        self.inbox.clear();
        self.outbox.clear();
        self.waiting.clear();
    }

    /// The power was cut. What the journal still knows is told; what it had not written is forgotten.
    pub fn reboot(&mut self, dice: &mut Prng) {
        self.boot += 1;
        for (id, (order, started_at)) in std::mem::take(&mut self.running) {
            if dice.chance(70) {
                let outcome = Outcome::Lost { reason: "the power was cut".into(), again: true };
                self.end(&order, Some(started_at), outcome, started_at);
            }
            debug_assert_eq!(id, order.attempt);
        }
        self.outbox.clear();
    }

    fn holds(&self, id: AttemptId) -> bool {
        self.running.contains_key(&id) || self.ended.contains_key(&id) || self.waiting.iter().any(|o| o.attempt == id)
    }

    pub fn take(&mut self, order: ToAgent, now: UnixMillis) {
        match order {
            ToAgent::Start(order) if !self.holds(order.attempt) => self.waiting.push(order),
            ToAgent::Stop { attempt, reason } => self.stop(attempt, reason, now),
            ToAgent::Recall { attempt } => {
                // Also what is not here any more is given back; what has started is not.
                self.waiting.retain(|order| order.attempt != attempt);
                if !self.holds(attempt) {
                    self.outbox.push_back(FromAgent::Recalled { attempt });
                }
            }
            ToAgent::Ack { attempts } => attempts.iter().for_each(|id| drop(self.ended.remove(id))),
            ToAgent::Discard { attempts } => {
                for id in attempts {
                    self.waiting.retain(|order| order.attempt != id);
                    self.running.remove(&id);
                    self.ended.remove(&id);
                }
            }
            _ => {}
        }
        self.begin(now);
    }

    fn stop(&mut self, id: AttemptId, reason: String, now: UnixMillis) {
        if let Some(at) = self.waiting.iter().position(|order| order.attempt == id) {
            let order = self.waiting.remove(at);
            self.end(&order, None, Outcome::Stopped { reason }, now);
        } else if let Some((order, started_at)) = self.running.remove(&id) {
            self.end(&order, Some(started_at), Outcome::Stopped { reason }, now);
        }
    }

    /// What waits begins, strictly in the order it came. One larger than the node takes all of it.
    fn begin(&mut self, now: UnixMillis) {
        while let Some(order) = self.waiting.first() {
            let takes = |order: &Order| order.cpus.min(self.slots);
            let used: u32 = self.running.values().map(|(order, _)| takes(order)).sum();
            if used + takes(order) > self.slots {
                return;
            }
            let order = self.waiting.remove(0);
            let attempt = order.attempt;
            assert!(self.begun.insert(attempt), "{attempt} begins on {} a second time", self.name);
            self.running.insert(attempt, (order, now));
            self.outbox.push_back(FromAgent::Started { attempt, at: now });
        }
    }

    /// One of the running ones ends.
    pub fn finish_one(&mut self, dice: &mut Prng, now: UnixMillis) {
        let ids: Vec<AttemptId> = self.running.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let Some((order, started_at)) = self.running.remove(&ids[dice.below(ids.len())]) else { return };
        let outcome = match dice.below(10) {
            0..=6 => Outcome::Exited(0),
            7 => Outcome::Exited(dice.below(256) as i32),
            8 => Outcome::Signaled(9),
            _ => Outcome::Lost { reason: "exit unknown".into(), again: false },
        };
        self.end(&order, Some(started_at), outcome, now);
        self.begin(now);
    }

    fn end(&mut self, order: &Order, started_at: Option<UnixMillis>, outcome: Outcome, now: UnixMillis) {
        let attempt = order.attempt;
        let before = self.truth.insert(attempt, outcome.clone());
        assert!(before.is_none() || started_at.is_none(), "{attempt} ends twice on {}", self.name);
        let report = Finished {
            attempt,
            stdout: printed(&format!("{attempt} on {} {outcome:?}", self.name)),
            outcome,
            started_at,
            ended_at: now,
            ran_ms: None,
            out_of_memory: false,
            stderr: Default::default(),
        };
        self.ended.insert(attempt, report.clone());
        self.outbox.push_back(FromAgent::Finished(report));
    }

    /// The next report that arrives: usually the oldest, sometimes one a little ahead of it, sometimes one again.
    pub fn speak(&mut self, dice: &mut Prng, noise: bool) -> Option<FromAgent> {
        if noise && dice.chance(5) && !self.said.is_empty() {
            return Some(self.said[dice.below(self.said.len())].clone());
        }
        if noise && dice.chance(5) && self.outbox.len() > 1 && !is_recalled(&self.outbox[0]) {
            self.outbox.swap(0, 1);
        }
        let report = self.outbox.pop_front()?;
        // Giving back is said once for each time it is asked, which a link that delivers once can promise.
        if !is_recalled(&report) {
            self.said.push(report.clone());
        }
        Some(report)
    }

    pub fn is_quiet(&self) -> bool {
        self.inbox.is_empty() && self.outbox.is_empty()
    }
}

fn is_recalled(report: &FromAgent) -> bool {
    matches!(report, FromAgent::Recalled { .. })
}

/// Whether an end may be said without the node: the core's own last words on a task.
pub fn is_own_verdict(state: TaskState) -> bool {
    matches!(state, TaskState::Lost | TaskState::Stopped)
}
