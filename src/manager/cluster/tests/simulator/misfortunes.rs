//! Bad luck: what breaks, and how often.

use protocol::agent::{Finished, FromAgent, Output};
use protocol::id::{AttemptId, TaskId};
use protocol::job::Outcome;
use protocol::time::UnixMillis;

use super::agenda::SECOND;
use super::plan::Every;
use super::world::{Happening, Misfortune, Sim};

const ALL: [Misfortune; 7] = [
    Misfortune::LinkBreaks,
    Misfortune::Partition,
    Misfortune::AgentCrash,
    Misfortune::Reboot,
    Misfortune::ManagerCrash,
    Misfortune::ClockJump,
    Misfortune::Lie,
];

/// A year, in milliseconds.
const YEAR: i64 = 365 * 24 * 3600 * 1000;

impl Sim {
    pub fn begin_misfortunes(&mut self) {
        ALL.into_iter().for_each(|which| self.strikes_again(which));
    }

    fn every(&self, which: Misfortune) -> Every {
        let plan = &self.plan;
        match which {
            Misfortune::LinkBreaks => plan.link_breaks,
            Misfortune::Partition => plan.partitions,
            Misfortune::AgentCrash => plan.agent_crashes,
            Misfortune::Reboot => plan.reboots,
            Misfortune::ManagerCrash => plan.manager_crashes,
            Misfortune::ClockJump => plan.clock_jumps,
            Misfortune::Lie => plan.liar.then_some(2 * SECOND),
        }
    }

    fn strikes_again(&mut self, which: Misfortune) {
        if let Some(delay) = self.due(self.every(which)) {
            self.agenda.after(delay, Happening::Misfortune(which));
        }
    }

    pub fn strikes(&mut self, which: Misfortune) {
        if !self.noise {
            return;
        }
        let at = self.dice.below(self.machines.len());
        match which {
            Misfortune::LinkBreaks => {
                if let Some(conn) = self.machines[at].conn {
                    self.breaks(conn);
                }
            }
            Misfortune::Partition => self.partition(at),
            Misfortune::AgentCrash => self.agent_dies(at),
            Misfortune::Reboot if self.machines[at].powered => self.power_cut(at),
            Misfortune::Reboot => {}
            Misfortune::ManagerCrash => self.manager_dies(),
            Misfortune::ClockJump => {
                let off = [-YEAR, YEAR, -3_600_000, 0][self.dice.below(4)];
                if self.dice.chance(50) {
                    self.manager.clock = off;
                    self.say(|_| format!("the manager's wall clock is {off} ms off"));
                } else {
                    self.machines[at].clock = off;
                }
            }
            Misfortune::Lie => self.lie(),
        }
        self.strikes_again(which);
    }

    /// A node that says what is not so: of others' tasks, of attempts that never were, of its own before their end.
    fn lie(&mut self) {
        let Some(at) = self.machines.iter().position(|machine| machine.liar) else { return };
        let own = {
            let runs = &self.machines[at].runs;
            runs.keys().nth(self.dice.below(runs.len())).copied()
        };
        let attempt = match own {
            Some(own) if self.dice.chance(20) => own,
            _ => self.any_attempt(),
        };
        let outcome = match self.dice.below(3) {
            0 => Outcome::Exited(0),
            1 => Outcome::Lost { reason: "I forgot".into(), again: true },
            _ => Outcome::Signaled(i32::MAX),
        };
        let report = match self.dice.below(4) {
            0 => FromAgent::Started { attempt, at: UnixMillis(u64::MAX) },
            1 if own != Some(attempt) && !self.machines[at].holds(attempt) => FromAgent::Recalled { attempt },
            _ => FromAgent::Finished(Finished {
                attempt,
                outcome,
                started_at: Some(UnixMillis(0)),
                ended_at: UnixMillis(u64::MAX),
                ran_ms: Some(u64::MAX),
                out_of_memory: true,
                result_lost: None,
                stdout: Output { length: 3, dropped: 99, bytes: None },
                stderr: Output::default(),
            }),
        };
        if self.dice.chance(30) {
            self.lies_about_result(at, attempt);
        }
        self.say(|_| format!("the liar says {report:?}").chars().take(100).collect());
        self.report(at, report);
    }

    fn any_attempt(&mut self) -> AttemptId {
        let (tasks, answers) = (&self.manager.disk.tasks, &self.manager.disk.answers);
        let some = match self.dice.chance(if self.plan.about_runs > 0 { 40 } else { 0 }) {
            true => answers.keys().nth(self.dice.below(answers.len())).copied(),
            false => tasks.keys().nth(self.dice.below(tasks.len())).copied(),
        };
        let number = if self.dice.chance(80) { 1 } else { self.dice.below(4) as u32 };
        some.unwrap_or(TaskId::new(1, 0)).attempt(number)
    }
}
