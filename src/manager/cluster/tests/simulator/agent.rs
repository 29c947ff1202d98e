//! The agent process: dials, says hello, takes orders, reports. It may die at any moment; its next life begins with
//! what the keeper has.

use std::collections::btree_map::Entry;

use protocol::agent::{FromAgent, ToAgent};
use protocol::id::AttemptId;
use protocol::job::Outcome;

use super::agenda::{MS, SECOND};
use super::machine::{NEWEST, State, some_languages};
use super::net::{ConnId, End, Frame, Way};
use super::world::{Happening, Sim};

impl Sim {
    pub fn agent_dies(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        if !machine.agent_up {
            return;
        }
        machine.agent_up = false;
        machine.life += 1;
        machine.waiting.clear();
        machine.unbegun.clear();
        let life = machine.life;
        if self.noise && self.plan.older > 0 && self.dice.chance(30) {
            let kind = self.dice.below(NEWEST + 1);
            self.machines[at].is_of(kind);
        }
        if self.noise && self.dice.chance(30) {
            self.machines[at].interpreters = some_languages(&mut self.dice);
        }
        // Sometimes the keeper with it: what runs goes on, but its end will be nobody's to know.
        let keeper_too = self.noise && self.dice.chance(20);
        if keeper_too {
            self.machines[at].runs.values_mut().for_each(|run| run.unknown = true);
        }
        if let Some(conn) = self.machines[at].conn.take() {
            self.close(conn, End::Agent);
        }
        let delay = 10 * MS + self.up_to(SECOND);
        self.agenda.after(delay, Happening::AgentBack { machine: at, life });
        self.say(|sim| {
            format!("the agent of {} dies{}", sim.machines[at].name, if keeper_too { ", and its keeper" } else { "" })
        });
    }

    pub fn agent_back(&mut self, at: usize, life: u32) {
        let machine = &mut self.machines[at];
        if !machine.powered || machine.agent_up || machine.life != life {
            return;
        }
        machine.agent_up = true;
        machine.failures = 0;
        // It finds what the keeper was doing meanwhile.
        for run in machine.runs.values_mut() {
            if run.state == State::Discarded {
                // That nobody wanted to hear of it, the last agent knew.
                run.stopping = Some("discarded".into());
            }
            run.state = State::Running;
        }
        self.redial(at);
    }

    pub fn redial(&mut self, at: usize) {
        let machine = &mut self.machines[at];
        let pause = ((100 * MS) << machine.failures.min(8)).min(30 * SECOND);
        machine.failures += 1;
        let life = machine.life;
        let delay = self.about(pause);
        self.agenda.after(delay, Happening::Dial { machine: at, life });
    }

    pub fn dial(&mut self, at: usize, life: u32) {
        let now = self.now();
        let machine = &self.machines[at];
        if machine.life != life || !machine.agent_up || machine.conn.is_some() || machine.outcast {
            return;
        }
        // Without an answer from the other side there is no hello to be said.
        let reached = machine.blocked_up.max(machine.blocked_down) <= now && self.manager.up;
        if !reached {
            return self.redial(at);
        }
        let hello = Box::new(machine.hello(now));
        let conn = self.connect(at);
        self.machines[at].conn = Some(conn);
        self.say(|sim| format!("{} dials: link {conn}, holds {:?}", sim.machines[at].name, ids(&hello.held)));
        // It may be on its way for long while its agent dies and the next one has dialled anew.
        let overtaken = self.noise && self.plan.agent_crashes.is_some() && self.dice.chance(8);
        if overtaken {
            let (late, soon) = (self.up_to(4 * SECOND), self.up_to(SECOND));
            self.hold_up(conn, late);
            self.agenda.after(soon, Happening::Dies { machine: at, life });
        }
        self.write(conn, Way::Up, Frame::Hello(hello));
        self.agenda.after(15 * SECOND, Happening::NoWelcome(conn));
    }

    pub fn no_welcome(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get(&id) else { return };
        if conn.agent_open && !conn.welcome {
            self.close(id, End::Agent);
            self.agent_unlinked(id);
        }
    }

    pub fn agent_lost(&mut self, id: ConnId) {
        self.forget(id, End::Agent);
        self.agent_unlinked(id);
    }

    fn agent_unlinked(&mut self, id: ConnId) {
        let Some(at) = self.machines.iter().position(|machine| machine.conn == Some(id)) else { return };
        self.machines[at].conn = None;
        // The manager sends them again.
        self.machines[at].waiting.clear();
        self.say(|sim| format!("{} is without its link {id}", sim.machines[at].name));
        if self.machines[at].agent_up {
            self.redial(at);
        }
    }

    pub fn report(&mut self, at: usize, report: FromAgent) {
        let machine = &self.machines[at];
        let Some(conn) = machine.conn else { return };
        if !self.conns.get(&conn).is_some_and(|conn| conn.welcome) {
            return;
        }
        if !matches!(report, FromAgent::Recalled { .. }) && self.noise && self.dice.chance(self.plan.echoes) {
            self.people.echoes.push((at, report.clone()));
        }
        self.write(conn, Way::Up, Frame::Report(report));
    }

    pub fn agent_hears_of_end(&mut self, at: usize, attempt: AttemptId) {
        let machine = &self.machines[at];
        if !machine.agent_up {
            return;
        }
        if machine.out.contains_key(&attempt) {
            return self.brings(at, attempt);
        }
        if let Some(report) = machine.journal.get(&attempt).or_else(|| machine.unbegun.get(&attempt)).cloned() {
            self.report(at, FromAgent::Finished(report));
        }
    }

    pub fn spawned(&mut self, at: usize, boot: u32, attempt: AttemptId) {
        let machine = &mut self.machines[at];
        let up = machine.agent_up && machine.boot == boot;
        let Some(run) = machine.runs.get_mut(&attempt).filter(|run| up && run.state == State::Starting) else { return };
        run.state = State::Running;
        let at_wall = run.since;
        self.report(at, FromAgent::Started { attempt, at: at_wall });
    }

    pub fn agent_reads(&mut self, id: ConnId, frame: Frame) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let at = conn.machine;
        match frame {
            Frame::Order(ToAgent::Welcome(_)) => {
                assert!(!conn.welcome, "promise broken: {} is welcomed twice", self.machines[at].name);
                conn.welcome = true;
                self.machines[at].failures = 0;
                let machine = &self.machines[at];
                let ended: Vec<AttemptId> = machine.journal.keys().chain(machine.unbegun.keys()).copied().collect();
                ended.into_iter().for_each(|attempt| self.agent_hears_of_end(at, attempt));
            }
            Frame::Order(ToAgent::Bye { stay_away, reason }) => {
                self.say(|sim| format!("{} is let go: {reason}", sim.machines[at].name));
                self.close(id, End::Agent);
                self.machines[at].outcast |= stay_away;
                self.agent_unlinked(id);
                if stay_away {
                    let delay = self.about(3 * SECOND);
                    self.agenda.after(delay, Happening::Joins { machine: at });
                }
            }
            Frame::Order(order) => {
                assert!(conn.welcome, "promise broken: {} is given orders before its welcome", self.machines[at].name);
                self.takes_order(at, order);
                self.begin_waiting(at);
            }
            Frame::Fin => {
                self.forget(id, End::Agent);
                self.agent_unlinked(id);
            }
            Frame::Hello(_) | Frame::Report(_) => {}
        }
    }

    fn takes_order(&mut self, at: usize, order: ToAgent) {
        self.say(|sim| format!("{} reads {}", sim.machines[at].name, shown(&order)));
        let now = self.now();
        let machine = &mut self.machines[at];
        if let ToAgent::Start(order) = &order {
            self.promises.given(&self.manager.disk, machine, order);
            self.promises.runs.given(&self.manager.disk, &self.plan.config, machine, order);
        }
        match order {
            ToAgent::Start(order) if machine.holds(order.attempt) => {}
            ToAgent::Start(order) if order.run.is_some() => self.begin_one(at, order),
            ToAgent::Start(order) => machine.waiting.push_back(order),
            ToAgent::Stop { attempt, reason } => {
                if let Some(place) = machine.waiting.iter().position(|order| order.attempt == attempt) {
                    let Some(order) = machine.waiting.remove(place) else { return };
                    let report = machine.report(&order, None, Outcome::Stopped { reason }, now);
                    self.promises.truly_ended(at, &report);
                    self.machines[at].unbegun.insert(attempt, report);
                    self.agent_hears_of_end(at, attempt);
                } else if let Some(run) = machine.runs.get_mut(&attempt).filter(|run| run.state != State::Discarded) {
                    run.stopping.get_or_insert(reason);
                    let (boot, run) = (machine.boot, run.number);
                    let delay = if self.dice.chance(80) { self.up_to(100 * MS) } else { self.up_to(10 * SECOND) };
                    self.agenda.after(delay, Happening::Ends { machine: at, boot, attempt, run });
                } else {
                    self.may_give_up(at, attempt, reason);
                }
            }
            ToAgent::Recall { attempt } => {
                machine.waiting.retain(|order| order.attempt != attempt);
                if !machine.holds(attempt) {
                    self.report(at, FromAgent::Recalled { attempt });
                }
            }
            ToAgent::Ack { attempts } => {
                for attempt in attempts {
                    machine.journal.remove(&attempt);
                    machine.out.remove(&attempt);
                    machine.unbegun.remove(&attempt);
                }
            }
            ToAgent::Discard { attempts } => attempts.into_iter().for_each(|attempt| self.discard(at, attempt)),
            ToAgent::Reboot => self.power_cut(at),
            _ => {}
        }
    }

    fn discard(&mut self, at: usize, attempt: AttemptId) {
        let machine = &mut self.machines[at];
        machine.waiting.retain(|order| order.attempt != attempt);
        machine.journal.remove(&attempt);
        machine.out.remove(&attempt);
        machine.unbegun.remove(&attempt);
        let boot = machine.boot;
        if let Entry::Occupied(mut run) = machine.runs.entry(attempt) {
            let run = run.get_mut();
            if run.state != State::Discarded {
                run.state = State::Discarded;
                let number = run.number;
                // Killed at once, which takes a moment.
                let delay = self.up_to(50 * MS);
                self.agenda.after(delay, Happening::Ends { machine: at, boot, attempt, run: number });
            }
        }
    }
}

pub fn ids(held: &[protocol::agent::Held]) -> Vec<String> {
    held.iter().map(|one| format!("{}{}", one.attempt, if one.ended { " ended" } else { "" })).collect()
}

pub fn shown(order: &ToAgent) -> String {
    match order {
        ToAgent::Start(order) => format!("start {} ({} cpus)", order.attempt, order.cpus),
        ToAgent::Stop { attempt, .. } => format!("stop {attempt}"),
        ToAgent::Recall { attempt } => format!("recall {attempt}"),
        ToAgent::Ack { attempts } => format!("ack {attempts:?}"),
        ToAgent::Discard { attempts } => format!("discard {attempts:?}"),
        other => format!("{other:?}"),
    }
}
