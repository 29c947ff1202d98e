//! Forgetting old jobs, so that neither memory nor disk fill up. Never one with unfinished tasks, and one whose
//! results are kept yet only where there would be no end to it.

use protocol::event::What;

use super::Cluster;
use super::timers::Timer;
use super::turn::Turn;

/// The most jobs forgotten in one turn; the rest follow in the next.
const MOST: usize = 100;
/// The most results, and tasks beyond those that are to be kept, that are remembered for what waits to be collected.
const MOST_RESULTS: usize = 100_000;
const MOST_TASKS: u64 = 1_000_000;

impl Cluster {
    pub(super) fn trim(&mut self, turn: &mut Turn<'_>) {
        self.agenda.trim = false;
        for _ in 0..MOST {
            let keep = self.config.keep_tasks;
            let too_many = self.results.len() > MOST_RESULTS || self.jobs.ended_tasks() > u64::from(keep) + MOST_TASKS;
            let Some(id) = self.jobs.surplus(keep, too_many) else { return };
            let waiting = self.results.lot(id).copied().filter(|lot| lot.waiting > 0);
            if let Some((lot, owner)) = waiting.zip(self.owner_of(id)) {
                let (results, size, reason) = (lot.waiting, lot.waiting_size, "the history of jobs is full".into());
                turn.publish(What::ResultsGone { job: id, owner, results, size, reason });
            }
            self.forget(id, None, What::JobForgotten { job: id }, turn);
        }
        self.timers.set(turn.now.mono, Timer::Trim);
    }
}
