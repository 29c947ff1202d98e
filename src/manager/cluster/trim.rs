//! Forgetting old jobs, so that neither memory nor disk fill up. Never one with unfinished tasks.

use protocol::event::What;
use protocol::id::TaskId;

use super::Cluster;
use super::change::Change;
use super::timers::Timer;
use super::turn::Turn;

/// The most jobs forgotten in one turn; the rest follow in the next.
const MOST: usize = 100;

impl Cluster {
    pub(super) fn trim(&mut self, turn: &mut Turn<'_>) {
        self.agenda.trim = false;
        for _ in 0..MOST {
            let Some(id) = self.jobs.surplus(self.config.keep_tasks) else { return };
            self.waits_forget_job(id);
            let followed: Vec<TaskId> = self.lookers.tasks_of(id);
            let owner = self.jobs.get(id).map(|job| self.people.name(job.owner).clone());
            self.jobs.forget(id);
            turn.persist(Change::JobGone(id));
            self.end_supply(id, turn);
            if let Some(owner) = owner {
                self.end_results(id, &owner, turn);
            }
            turn.publish(What::JobForgotten { job: id });
            turn.touch_job(id);
            for task in followed {
                self.look_again(task, turn);
            }
        }
        self.timers.set(turn.now.mono, Timer::Trim);
    }
}
