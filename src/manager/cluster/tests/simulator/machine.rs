//! A worker machine: power, keeper, agent. The keeper survives the agent, the journal survives the keeper, and a
//! power cut may take the last of the journal. The desk of the agent does what `worker-agent` does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::agent::{Finished, Held, Hello, Order};
use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::name::NodeName;
use protocol::node::{Facts, Interpreter};
use protocol::run::Whence;
use protocol::time::UnixMillis;
use test_support::Dice;

use super::super::words::{DAWN, name, printed};
use super::agenda::{Instant, MS, SECOND};
use super::net::{ConnId, Way};
use super::plan::Plan;
use super::runs::ENDLESS;
use super::world::{Happening, Sim};

#[derive(Debug)]
pub struct Machine {
    pub name: NodeName,
    pub slots: u32,
    /// With which it began, and ends.
    pub usual_slots: u32,
    pub shared_uid: bool,
    /// Its agent does these. Another one may be there after a crash.
    pub takes_files: bool,
    /// What runs scripts there, as its agent tells when it begins.
    pub interpreters: BTreeSet<&'static str>,
    pub gives_results: bool,
    pub takes_secrets: bool,
    pub takes_runs: bool,
    pub liar: bool,
    pub powered: bool,
    pub boot: u32,
    pub last_boot: Instant,
    /// Which agent process this is; none just now where it is down.
    pub life: u32,
    pub agent_up: bool,
    pub conn: Option<ConnId>,
    /// It was sent away for good, and joins again.
    pub outcast: bool,
    pub failures: u32,
    pub partition: u32,
    pub blocked_up: Instant,
    pub blocked_down: Instant,
    /// How far its clock is off.
    pub clock: i64,
    // The keeper's.
    pub runs: BTreeMap<AttemptId, Run>,
    pub journal: BTreeMap<AttemptId, Finished>,
    /// What ended attempts left, and was not brought to the manager yet.
    pub out: BTreeMap<AttemptId, u8>,
    // The agent's.
    pub waiting: VecDeque<Order>,
    /// Ended before it ran, which no journal knows.
    pub unbegun: BTreeMap<AttemptId, Finished>,
    pub last_run: u64,
}

#[derive(Debug)]
pub struct Run {
    pub order: Order,
    pub since: UnixMillis,
    pub began: Instant,
    pub state: State,
    pub number: u64,
    /// Its keeper was killed meanwhile: nobody will know how it ended.
    pub unknown: bool,
    pub stopping: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Starting,
    Running,
    /// Being killed; nobody wants to hear of it.
    Discarded,
}

/// The youngest of the kinds of agents that [`Machine::is_of`] knows.
pub const NEWEST: usize = 4;

/// What scripts are run by here.
pub const LANGUAGES: [&str; 2] = ["bash", "python3"];

pub fn some_languages(dice: &mut Dice) -> BTreeSet<&'static str> {
    LANGUAGES.into_iter().filter(|_| dice.chance(80)).collect()
}

impl Machine {
    pub fn some(plan: &Plan, dice: &mut Dice) -> Vec<Self> {
        let liar = plan.liar.then(|| dice.below(plan.nodes));
        (0..plan.nodes)
            .map(|n| {
                let slots = 1 + dice.below(plan.most_slots) as u32;
                let kind = if dice.chance(plan.older) { dice.below(NEWEST) } else { NEWEST };
                let mut machine = Self {
                    name: name(&format!("pi-{n}")),
                    slots,
                    usual_slots: slots,
                    shared_uid: dice.chance(plan.shared),
                    takes_files: false,
                    interpreters: some_languages(dice),
                    gives_results: false,
                    takes_secrets: false,
                    takes_runs: false,
                    liar: liar == Some(n),
                    powered: true,
                    boot: 1,
                    last_boot: 0,
                    life: 1,
                    agent_up: true,
                    conn: None,
                    outcast: true,
                    failures: 0,
                    partition: 0,
                    blocked_up: 0,
                    blocked_down: 0,
                    clock: [0, 0, -40_000_000_000, 3_600_000][dice.below(4)],
                    runs: BTreeMap::new(),
                    journal: BTreeMap::new(),
                    out: BTreeMap::new(),
                    waiting: VecDeque::new(),
                    unbegun: BTreeMap::new(),
                    last_run: 0,
                };
                machine.is_of(kind);
                machine
            })
            .collect()
    }

    /// Its agent is of this kind, counted from the oldest.
    pub fn is_of(&mut self, kind: usize) {
        self.takes_files = kind > 0;
        self.gives_results = kind > 1;
        self.takes_secrets = kind > 2;
        self.takes_runs = kind >= NEWEST;
    }

    pub fn blocked_until(&self, way: Way) -> Instant {
        match way {
            Way::Up => self.blocked_up,
            Way::Down => self.blocked_down,
        }
    }

    pub fn wall(&self, now: Instant) -> UnixMillis {
        UnixMillis((DAWN + now / MS).saturating_add_signed(self.clock))
    }

    pub fn takes(&self, order: &Order) -> u32 {
        if order.run.is_some() {
            return 0;
        }
        order.cpus.clamp(1, self.slots.max(1))
    }

    pub fn used(&self) -> u32 {
        self.runs.values().map(|run| self.takes(&run.order)).sum()
    }

    pub fn holds(&self, attempt: AttemptId) -> bool {
        self.runs.contains_key(&attempt)
            || self.journal.contains_key(&attempt)
            || self.unbegun.contains_key(&attempt)
            || self.waiting.iter().any(|order| order.attempt == attempt)
    }

    pub fn empty(&self) -> bool {
        self.runs.is_empty() && self.journal.is_empty() && self.waiting.is_empty() && self.unbegun.is_empty()
    }

    pub fn hello(&self, now: Instant) -> Hello {
        let runs = self.runs.iter().map(|(id, run)| {
            let since = if run.state == State::Running { run.since } else { self.wall(now) };
            Held { attempt: *id, started_at: since, ended: false }
        });
        let told = |name: &&str| Interpreter { name: (*name).into(), path: format!("/usr/bin/{name}"), version: None };
        let ended = self.journal.values().chain(self.unbegun.values()).map(|end| Held {
            attempt: end.attempt,
            started_at: end.started_at.unwrap_or(end.ended_at),
            ended: true,
        });
        Hello {
            takes_runs: self.takes_runs,
            protocol: protocol::PROTOCOL,
            version: "0.1.0".into(),
            node: self.name.clone(),
            boot_id: format!("{}-boot-{}", self.name, self.boot),
            cpus: self.slots,
            slots: self.slots,
            shared_uid: self.shared_uid,
            takes_files: self.takes_files,
            takes_secrets: self.takes_secrets,
            gives_results: self.gives_results,
            facts: Facts { interpreters: self.interpreters.iter().map(told).collect(), ..Facts::default() },
            held: runs.chain(ended).collect(),
        }
    }

    pub fn report(&self, order: &Order, since: Option<UnixMillis>, outcome: Outcome, now: Instant) -> Finished {
        Finished {
            attempt: order.attempt,
            outcome,
            started_at: since,
            ended_at: self.wall(now),
            ran_ms: None,
            out_of_memory: false,
            result_lost: None,
            stdout: printed(&format!("{} on {}", order.attempt, self.name)),
            stderr: Default::default(),
        }
    }
}

impl Sim {
    /// What waits begins, strictly in the order it came. Nobody overtakes.
    pub fn begin_waiting(&mut self, at: usize) {
        loop {
            let machine = &mut self.machines[at];
            let Some(order) = machine.waiting.front() else { return };
            if machine.used() + machine.takes(order) > machine.slots {
                return;
            }
            let Some(order) = machine.waiting.pop_front() else { return };
            self.begin_one(at, order);
        }
    }

    pub fn begin_one(&mut self, at: usize, order: Order) {
        let now = self.now();
        let machine = &mut self.machines[at];
        machine.last_run += 1;
        let (attempt, number, boot, since) = (order.attempt, machine.last_run, machine.boot, machine.wall(now));
        let of_a_run = order.run.as_ref().map(|run| (is_endless(&order), run.timeout_ms));
        let run = Run { order, since, began: now, state: State::Starting, number, unknown: false, stopping: None };
        machine.runs.insert(attempt, run);
        self.say(|sim| format!("{} begins {attempt}", sim.machines[at].name));
        let machine = &self.machines[at];
        match of_a_run {
            None => self.promises.begins(&self.manager.disk, machine, at, attempt),
            Some(_) => {
                let on = Whence::Node(machine.name.clone());
                self.promises.run_begins(&self.manager.disk, &on, at, attempt);
            }
        }
        let delay = 500 + self.up_to(3 * MS);
        self.agenda.after(delay, Happening::Spawned { machine: at, boot, attempt });
        let takes = match of_a_run {
            None => Some(self.run_time()),
            Some((true, limit)) => limit.map(|limit| limit * MS),
            Some((false, limit)) => Some(self.run_time().min(limit.map_or(u64::MAX, |limit| limit * MS))),
        };
        if let Some(takes) = takes {
            self.agenda.after(delay + takes, Happening::Ends { machine: at, boot, attempt, run: number });
        }
    }

    pub fn run_time(&mut self) -> u64 {
        let longest = self.plan.longest;
        match self.dice.below(20) {
            0..=5 => self.up_to(10 * MS),
            6..=15 => self.up_to(longest.min(3 * SECOND)),
            16..=18 => self.up_to(longest),
            _ => self.up_to(longest * 4),
        }
    }

    /// A process has ended, as the keeper sees it.
    pub fn ends(&mut self, at: usize, boot: u32, attempt: AttemptId, number: u64) {
        let machine = &mut self.machines[at];
        if machine.boot != boot || machine.runs.get(&attempt).is_none_or(|run| run.number != number) {
            return;
        }
        let Some(run) = machine.runs.remove(&attempt) else { return };
        self.promises.stands_still(attempt);
        if run.state == State::Discarded {
            return self.begin_waiting(at);
        }
        let limit = run.order.run.as_ref().and_then(|run| run.timeout_ms);
        let is_late = limit.is_some_and(|limit| self.agenda.now() >= run.began + limit * MS);
        let outcome = match (run.unknown, run.stopping, self.dice.below(10)) {
            (true, ..) => Outcome::Lost { reason: "exit unknown".into(), again: false },
            (_, Some(reason), 0..=7) => Outcome::Stopped { reason },
            (_, None, _) if is_late => Outcome::TimedOut { limit_ms: limit.unwrap_or_default() },
            (.., 0..=6) => Outcome::Exited(0),
            (.., 7 | 8) => Outcome::Exited(1 + self.dice.below(255) as i32),
            _ => Outcome::Signaled(9),
        };
        let now = self.now();
        self.say(|sim| format!("{} ends {attempt}: {outcome:?}", sim.machines[at].name));
        let since = (run.state == State::Running || self.dice.chance(50)).then_some(run.since);
        let report = self.machines[at].report(&run.order, since, outcome, now);
        self.promises.truly_ended(at, &report);
        self.machines[at].journal.insert(attempt, report);
        if run.order.run.is_none() {
            self.may_leave(at, attempt);
        }
        self.agent_hears_of_end(at, attempt);
        self.begin_waiting(at);
    }

    /// The power is cut. Of the journal the last part may be torn away; nothing is said to anybody.
    pub fn power_cut(&mut self, at: usize) {
        let torn = self.dice.chance(50);
        let machine = &mut self.machines[at];
        machine.powered = false;
        machine.boot += 1;
        machine.life += 1;
        machine.agent_up = false;
        machine.last_boot = self.agenda.now();
        machine.waiting.clear();
        machine.unbegun.clear();
        if torn {
            machine.journal.clear();
            machine.out.clear();
        }
        let boot = machine.boot;
        let runs = std::mem::take(&mut machine.runs);
        for (attempt, run) in runs {
            self.promises.stands_still(attempt);
            // What its journal still knows of is said to be lost, the rest is unheard of.
            if !torn && self.dice.chance(70) && run.state != State::Discarded {
                let now = self.now();
                let outcome = Outcome::Lost { reason: "the power was cut".into(), again: true };
                let report = self.machines[at].report(&run.order, Some(run.since), outcome, now);
                self.promises.truly_ended(at, &report);
                self.machines[at].journal.insert(attempt, report);
            }
        }
        if let Some(conn) = self.machines[at].conn.take() {
            self.kill_path(conn);
            self.forget(conn, super::net::End::Agent);
            let delay = 5 * SECOND + self.up_to(15 * SECOND);
            self.agenda.after(delay, Happening::Notices(conn, super::net::End::Manager));
        }
        if self.noise && self.dice.chance(20) {
            let most = self.plan.most_slots;
            self.machines[at].slots = 1 + self.dice.below(most) as u32;
        }
        let off = match self.dice.below(4) {
            0 => self.up_to(100 * SECOND),
            _ => 100 * MS + self.up_to(10 * SECOND),
        };
        self.say(|sim| format!("the power of {} is cut for {} ms", sim.machines[at].name, off / MS));
        self.agenda.after(off, Happening::PowerBack { machine: at, boot });
    }

    pub fn power_back(&mut self, at: usize, boot: u32) {
        let machine = &mut self.machines[at];
        if machine.boot != boot || machine.powered {
            return;
        }
        machine.powered = true;
        // No clock that ran meanwhile: it begins where it likes.
        machine.clock = if self.dice.chance(50) { 0 } else { -1_000_000_000_000 };
        let life = machine.life;
        self.agent_back(at, life);
    }
}

fn is_endless(order: &Order) -> bool {
    order.command.first().is_some_and(|word| word == ENDLESS)
}
