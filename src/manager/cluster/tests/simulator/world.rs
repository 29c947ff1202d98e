//! The whole world of one seed, and its one loop: take the next happening, let it happen, check.

use std::collections::BTreeMap;

use protocol::id::AttemptId;
use protocol::name::NodeName;
use test_support::Dice;

use super::agenda::{Agenda, Instant};
use super::carrier::Carrier;
use super::leaving::Bringing;
use super::machine::Machine;
use super::manager::Manager;
use super::net::{ConnId, Connection, End, Way};
use super::own::Owns;
use super::people::{People, Reply};
use super::plan::{Every, Plan};
use super::promises::Promises;
use super::trace::Trace;
use crate::manager::cluster::CallId;

/// Everything that can happen. Numbers of lives and epochs tell what was meant for somebody who is dead by now.
#[derive(Debug)]
pub enum Happening {
    // The network.
    Arrives(ConnId, Way),
    Notices(ConnId, End),
    CutOff {
        machine: usize,
        conn: ConnId,
        end: End,
        partition: u32,
    },
    // Machines.
    Dial {
        machine: usize,
        life: u32,
    },
    NoWelcome(ConnId),
    Spawned {
        machine: usize,
        boot: u32,
        attempt: AttemptId,
    },
    Ends {
        machine: usize,
        boot: u32,
        attempt: AttemptId,
        run: u64,
    },
    Dies {
        machine: usize,
        life: u32,
    },
    /// All of it is at the manager; so long has nothing been heard of it.
    Brought(CallId),
    Unheard(CallId),
    AgentBack {
        machine: usize,
        life: u32,
    },
    PowerBack {
        machine: usize,
        boot: u32,
    },
    Joins {
        machine: usize,
    },
    // The manager.
    Turn {
        epoch: u32,
    },
    Held {
        epoch: u32,
        held: u64,
    },
    Commit {
        epoch: u32,
    },
    Alarm {
        epoch: u32,
    },
    Reload {
        epoch: u32,
        pause: u64,
    },
    Wake {
        epoch: u32,
        at: Instant,
    },
    Back {
        epoch: u32,
    },
    /// This notice reaches whom it is for, or nobody.
    Carried {
        epoch: u32,
        no: u64,
    },
    /// What the manager runs itself.
    OwnStarts {
        epoch: u32,
        attempt: AttemptId,
    },
    OwnEnds {
        epoch: u32,
        attempt: AttemptId,
    },
    // People.
    Somebody,
    Asked(CallId),
    Answered(CallId, Reply),
    HangsUp(CallId),
    Noticed(CallId),
    // Bad luck.
    Misfortune(Misfortune),
    Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfortune {
    LinkBreaks,
    Partition,
    AgentCrash,
    Reboot,
    ManagerCrash,
    ClockJump,
    Lie,
}

pub struct Sim {
    pub plan: Plan,
    pub dice: Dice,
    pub agenda: Agenda<Happening>,
    pub trace: Trace,
    pub manager: Manager,
    pub machines: Vec<Machine>,
    pub by_name: BTreeMap<NodeName, usize>,
    pub conns: BTreeMap<ConnId, Connection>,
    pub people: People,
    /// Results on their way.
    pub bringing: BTreeMap<CallId, Bringing>,
    pub carrier: Carrier,
    pub owns: Owns,
    pub promises: Promises,
    /// While there is bad luck, and people ask.
    pub noise: bool,
    pub happened: u64,
    last_number: u64,
}

impl Sim {
    pub fn new(seed: u64, nodes: Option<usize>, aloud: bool) -> Self {
        let (plan, mut dice) = Plan::of(seed, nodes);
        let machines = Machine::some(&plan, &mut dice);
        let by_name = machines.iter().enumerate().map(|(at, machine)| (machine.name.clone(), at)).collect();
        let mut trace = Trace::new(aloud);
        trace.say(0, || format!("{plan:#?}"));
        let manager = Manager::new(&plan.config);
        let mut sim = Self {
            people: People::default(),
            bringing: BTreeMap::new(),
            carrier: Carrier::default(),
            owns: Owns::new(),
            promises: Promises::new(&plan, &machines),
            plan,
            dice,
            agenda: Agenda::new(),
            trace,
            manager,
            machines,
            by_name,
            conns: BTreeMap::new(),
            noise: true,
            happened: 0,
            last_number: 0,
        };
        sim.begin();
        sim
    }

    fn begin(&mut self) {
        self.manager_begins();
        for machine in 0..self.machines.len() {
            let delay = self.dice.below(3_000_000) as u64;
            self.agenda.after(delay, Happening::Joins { machine });
        }
        self.agenda.after(0, Happening::Somebody);
        self.agenda.after(0, Happening::Look);
        self.begin_misfortunes();
    }

    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub fn now(&self) -> Instant {
        self.agenda.now()
    }

    /// Somewhere around this long.
    pub fn about(&mut self, time: u64) -> u64 {
        time / 2 + self.dice.next() % time.max(1)
    }

    pub fn up_to(&mut self, time: u64) -> u64 {
        self.dice.next() % time.max(1)
    }

    pub fn due(&mut self, every: Every) -> Option<u64> {
        every.map(|every| self.about(every))
    }

    pub fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.aloud {
            let line = line(self);
            self.trace.say(self.agenda.now(), || line);
        }
    }

    /// Everything until this time.
    pub fn run_until(&mut self, end: Instant) {
        while self.now() < end && self.step() {}
    }

    pub fn step(&mut self) -> bool {
        let Some(happening) = self.agenda.next() else { return false };
        self.happened += 1;
        let (now, kind) = (self.now(), self.happens(happening));
        self.trace.mix(now ^ kind << 56);
        true
    }

    /// Returns a number for what it was.
    fn happens(&mut self, happening: Happening) -> u64 {
        use Happening as H;
        match happening {
            H::Arrives(conn, way) => return self.arrives(conn, way),
            H::Notices(conn, end) => self.notices(conn, end),
            H::CutOff { machine, conn, end, partition } => self.cut_off(machine, conn, end, partition),
            H::Dial { machine, life } => self.dial(machine, life),
            H::NoWelcome(conn) => self.no_welcome(conn),
            H::Spawned { machine, boot, attempt } => self.spawned(machine, boot, attempt),
            H::Ends { machine, boot, attempt, run } => self.ends(machine, boot, attempt, run),
            H::Dies { machine, life } if self.machines[machine].life == life => self.agent_dies(machine),
            H::Dies { .. } => {}
            H::Brought(call) => self.brought(call),
            H::Unheard(call) => self.unheard(call),
            H::AgentBack { machine, life } => self.agent_back(machine, life),
            H::PowerBack { machine, boot } => self.power_back(machine, boot),
            H::Joins { machine } => self.joins(machine),
            H::Turn { epoch } => self.manager_turn(epoch),
            H::Held { epoch, held } => self.held_due(epoch, held),
            H::Commit { epoch } => self.commit(epoch),
            H::Alarm { epoch } => self.alarm(epoch),
            H::Reload { epoch, pause } => self.reload(epoch, pause),
            H::Wake { epoch, at } => self.wake(epoch, at),
            H::Back { epoch } => self.manager_back(epoch),
            H::Carried { epoch, no } => self.carried(epoch, no),
            H::OwnStarts { epoch, attempt } => self.own_starts(epoch, attempt),
            H::OwnEnds { epoch, attempt } => self.own_ends(epoch, attempt),
            H::Somebody => self.somebody_asks(),
            H::Asked(call) => self.asked(call),
            H::Answered(call, reply) => self.answered(call, reply),
            H::HangsUp(call) => self.hangs_up(call),
            H::Noticed(call) => self.noticed(call),
            H::Misfortune(which) => self.strikes(which),
            H::Look => self.look(),
        }
        2
    }
}
