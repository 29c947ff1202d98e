//! What attempts leave, on its way to the manager: by connections of their own, which break as they like. Its agent tells no
//! end before it was kept, or refused for good; it asks again for as long as it hears nothing.

use protocol::api::{RefusalKind, Request};
use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::result::{Left, ResultQuery};

use super::agenda::{MS, SECOND};
use super::people::{Ask, Reply};
use super::world::{Happening, Sim};
use crate::manager::cluster::{CallId, Input, Told};

/// As many as files have, so that some of them are the same.
const CONTENTS: usize = 8;

#[derive(Debug, Clone)]
pub struct Bringing {
    machine: usize,
    life: u32,
    pub attempt: AttemptId,
    content: u8,
}

impl Sim {
    pub fn may_leave(&mut self, at: usize, attempt: AttemptId) {
        let reduced = self.manager.disk.jobs.get(&attempt.task.job).is_some_and(|job| job.spec.reduce.is_some());
        if self.dice.chance(if reduced { 95 } else { self.plan.leaving }) {
            let content = self.dice.below(CONTENTS) as u8;
            self.promises.truly_left(attempt, hash(content));
            self.machines[at].out.insert(attempt, content);
        }
    }

    pub fn brings(&mut self, at: usize, attempt: AttemptId) {
        let machine = &mut self.machines[at];
        if !machine.gives_results {
            machine.out.remove(&attempt);
            self.promises.not_brought(attempt);
            return self.agent_hears_of_end(at, attempt);
        }
        let Some(&content) = machine.out.get(&attempt) else { return };
        let life = machine.life;
        let under_way = |one: &Bringing| (one.machine, one.life, one.attempt) == (at, life, attempt);
        if self.bringing.values().any(under_way) {
            return;
        }
        let (node, now) = (machine.name.clone(), self.now());
        let machine = &self.machines[at];
        if machine.blocked_up <= now && !machine.outcast {
            let call = CallId(self.number());
            self.put(Input::PlanResult { call, node, attempt });
        }
        let call = CallId(self.number());
        self.say(|sim| format!("{} brings what {attempt} left", sim.machines[at].name));
        self.bringing.insert(call, Bringing { machine: at, life, attempt, content });
        let takes = self.up_to(self.plan.slow_net * 4);
        self.agenda.after(takes, Happening::Brought(call));
        let patience = 3 * SECOND + self.up_to(3 * SECOND);
        self.agenda.after(takes + patience, Happening::Unheard(call));
    }

    /// It was stopped when it had ended. Where the manager had no room for it so far, nobody waits any longer; it may still
    /// arrive.
    pub fn may_give_up(&mut self, at: usize, attempt: AttemptId, reason: String) {
        let machine = &mut self.machines[at];
        if !machine.out.contains_key(&attempt) || !self.dice.chance(50) {
            return;
        }
        let Some(report) = machine.journal.get_mut(&attempt) else { return };
        report.result_lost = Some(reason);
        machine.out.remove(&attempt);
        self.promises.not_brought(attempt);
        self.say(|sim| format!("{} gives up what {attempt} left", sim.machines[at].name));
        self.agent_hears_of_end(at, attempt);
    }

    /// It may have arrived just before its agent died.
    pub fn brought(&mut self, call: CallId) {
        let Some(Bringing { machine, attempt, content, .. }) = self.bringing.get(&call).cloned() else { return };
        let now = self.now();
        let one = &self.machines[machine];
        if one.blocked_up.max(one.blocked_down) <= now && !one.outcast {
            let node = one.name.clone();
            self.put(Input::KeepResult { call, node, attempt, left: left(content), hash: hash(content) });
        }
    }

    pub fn unheard(&mut self, call: CallId) {
        if let Some(Bringing { machine, attempt, .. }) = self.bringing.remove(&call) {
            self.agent_hears_of_end(machine, attempt);
        }
    }

    pub fn hears_of_result(&mut self, bringing: Bringing, reply: Reply) {
        let Bringing { machine: at, life, attempt, .. } = bringing;
        let now = self.now();
        let machine = &mut self.machines[at];
        if machine.life != life || !machine.agent_up {
            return;
        }
        let reply = if machine.blocked_down > now { Reply::Unavailable } else { reply };
        match reply {
            Reply::Told(Told::Kept) => drop(machine.out.remove(&attempt)),
            Reply::Told(Told::Refused(refusal)) if refusal.kind != RefusalKind::Unavailable => {
                machine.out.remove(&attempt);
                if let Some(report) = machine.journal.get_mut(&attempt) {
                    report.result_lost = Some(refusal.message);
                }
            }
            _ => {
                // It was not taken, and may be the next time.
                let (call, pause) = (CallId(self.number()), SECOND + self.up_to(SECOND));
                self.bringing.insert(call, bringing);
                return self.agenda.after(pause, Happening::Unheard(call));
            }
        }
        // Its answer was lost, so it is brought once more; that changes nothing.
        if self.noise && self.dice.chance(self.plan.echoes) {
            let delay = self.up_to(100 * MS);
            let call = CallId(self.number());
            self.bringing.insert(call, bringing);
            self.agenda.after(delay, Happening::Brought(call));
        }
        self.agent_hears_of_end(at, attempt);
    }

    /// Somebody else's, one of its own that has not ended, or one that never was.
    pub fn lies_about_result(&mut self, at: usize, attempt: AttemptId) {
        let (call, node) = (CallId(self.number()), self.machines[at].name.clone());
        self.say(|_| format!("the liar brings what {attempt} never left"));
        self.put(Input::KeepResult { call, node, attempt, left: left(99), hash: hash(99) });
    }

    pub fn about_results(&mut self) -> Option<Ask> {
        let target = self.some_target()?;
        let some = {
            let results = &self.manager.disk.results;
            results.keys().nth(self.dice.below(results.len())).copied()
        };
        Some(Ask::Request(match (self.dice.below(10), some) {
            (0, _) => Request::JobRemove { jobs: vec![target.job()] },
            (1 | 2, _) => Request::ResultRemove { targets: vec![target] },
            (3, _) => Request::Results(ResultQuery { targets: vec![target], ..ResultQuery::default() }),
            (_, Some(attempt)) => Request::ResultCollected { attempt },
            (_, None) => Request::Results(ResultQuery::default()),
        }))
    }
}

fn hash(content: u8) -> ContentHash {
    ContentHash([content; 32])
}

/// Of the size that a file with these bytes has.
fn left(content: u8) -> Left {
    Left { size: 10 + u64::from(content), entries: 1, left_out: 0 }
}
