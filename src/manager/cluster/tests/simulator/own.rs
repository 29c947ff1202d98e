//! What the manager runs itself: on its own machine, and by the SSH of nodes without an agent. It dies with the manager, and
//! goes on where only the disk is loaded again.

use std::collections::BTreeMap;

use protocol::agent::Finished;
use protocol::id::AttemptId;
use protocol::job::{NotStarted, Outcome};
use protocol::run::Whence;

use super::super::words::printed;
use super::agenda::{MS, SECOND};
use super::runs::ENDLESS;
use super::world::{Happening, Sim};
use crate::manager::cluster::{Input, OwnRun};

#[derive(Debug)]
pub struct Own {
    stopping: Option<String>,
    started: bool,
}

/// By their attempts.
pub type Owns = BTreeMap<AttemptId, Own>;

impl Sim {
    pub fn own_run(&mut self, run: &OwnRun) {
        let attempt = run.attempt;
        let on = run.way.as_ref().map_or(Whence::Manager, |(node, _)| Whence::Node(node.clone()));
        self.say(|_| format!("  the manager runs {attempt} itself, on {on}"));
        self.promises.runs.begins(&self.manager.disk, &on, attempt);
        self.owns.insert(attempt, Own { stopping: None, started: false });
        let epoch = self.manager.epoch;
        // Some hosts do not answer, and some are not what they were.
        if !self.noise || self.dice.chance(85) {
            let delay = self.up_to(300 * MS);
            self.agenda.after(delay, Happening::OwnStarts { epoch, attempt });
        }
        let endless = run.command.first().is_some_and(|word| word == ENDLESS);
        let takes = match (endless, run.run.timeout_ms) {
            (true, None) => return,
            (true, Some(limit)) => limit * MS,
            (false, limit) => self.run_time().min(limit.map_or(u64::MAX, |limit| limit * MS)),
        };
        self.agenda.after(300 * MS + takes, Happening::OwnEnds { epoch, attempt });
    }

    pub fn end_own_run(&mut self, attempt: AttemptId, reason: String) {
        let (epoch, delay) = (self.manager.epoch, self.up_to(10 * SECOND));
        if let Some(own) = self.owns.get_mut(&attempt) {
            own.stopping.get_or_insert(reason);
            self.agenda.after(delay, Happening::OwnEnds { epoch, attempt });
        }
    }

    /// The manager has died, and they with it.
    pub fn end_of_own_runs(&mut self) {
        self.owns.clear();
    }

    pub fn own_starts(&mut self, epoch: u32, attempt: AttemptId) {
        let at = self.manager.clock(self.now()).wall;
        let Some(own) = self.owns.get_mut(&attempt).filter(|_| self.manager.epoch == epoch) else { return };
        own.started = true;
        self.put(Input::OwnRunStarted { attempt, at });
    }

    pub fn own_ends(&mut self, epoch: u32, attempt: AttemptId) {
        if self.manager.epoch != epoch {
            return;
        }
        let Some(own) = self.owns.remove(&attempt) else { return };
        let outcome = match (own.started, own.stopping, self.dice.below(10)) {
            (_, Some(reason), 0..=7) => Outcome::Stopped { reason },
            (false, ..) => Outcome::NotStarted { kind: NotStarted::NotReached, message: "it does not answer".into() },
            (.., 0..=6) => Outcome::Exited(0),
            _ => Outcome::Exited(1 + self.dice.below(255) as i32),
        };
        self.say(|_| format!("the manager's own {attempt} ends: {outcome:?}"));
        let ended_at = self.manager.clock(self.now()).wall;
        let report = Finished {
            attempt,
            outcome,
            started_at: own.started.then_some(ended_at),
            ended_at,
            ran_ms: Some(1),
            out_of_memory: false,
            result_lost: None,
            stdout: printed(&format!("{attempt} on the manager")),
            stderr: Default::default(),
        };
        self.promises.truly_ended_here(&report);
        self.put(Input::OwnRunEnded(report));
    }
}
