//! No slot idles while work it could take waits.
//!
//! Looked at whenever the manager has done all it had to do, for each machine with which nothing is on its way. Work
//! that waits is in the queue on the disk, or at another machine behind what runs there.
//!
//! One exception is meant. A task that needs many CPUs and was overtaken for as long as a person may be expected to
//! be patient gets a machine kept free for it (`reserve`). What may idle then is bounded: one machine for each kind
//! of task that waits so; only while the oldest of the kind fits into that machine, and not into what is free there;
//! and only for tasks younger than that one. It ends with whatever ran there when it began. How long that takes nobody
//! knows, so a machine may idle behind one long task: the price of a wide task that does not starve.

use protocol::id::TaskId;
use protocol::node::Role;

use super::agenda::MS;
use super::manager::SLOWEST;
use super::promises::Class;
use super::world::Sim;

/// A machine with slots that nothing uses.
struct Idle {
    at: usize,
    free: u32,
}

impl Sim {
    pub fn idle_check(&mut self) {
        let woken = self.manager.due(self.now());
        if !self.manager.quiet() || woken || (self.machines.len() > 20 && !self.dice.chance(5)) {
            return;
        }
        let settled: Vec<usize> = (0..self.machines.len()).filter(|at| self.settled(*at)).collect();
        let idle: Vec<Idle> = settled.iter().filter_map(|at| self.idle(*at)).collect();
        if idle.is_empty() {
            return;
        }
        let mut kept_free = 0;
        for one in &idle {
            let queued = self.promises.queued.iter().filter(|(class, _)| self.could_run(one, class));
            let oldest = queued.filter_map(|(_, tasks)| tasks.keys().next().copied()).min();
            let behind = if settled.len() == self.machines.len() { self.behind_others(one) } else { None };
            let Some(task) = oldest.into_iter().chain(behind).min() else { continue };
            let name = &self.machines[one.at].name;
            assert!(
                self.may_be_kept_free(one, task),
                "promise broken: {task} waits while {name} has {} of its slots free",
                one.free
            );
            kept_free += 1;
        }
        let patient = self.patient(|_| true).count();
        assert!(kept_free <= patient, "promise broken: {kept_free} machines idle for {patient} kinds of wide tasks");
    }

    /// Nothing is on its way to or from it, and it has nothing left to say.
    fn settled(&self, at: usize) -> bool {
        let machine = &self.machines[at];
        let conn = machine.conn.and_then(|conn| self.conns.get(&conn));
        machine.powered
            && machine.agent_up
            && !machine.liar
            && conn.is_some_and(|conn| conn.quiet() && conn.manager_open && conn.linked && conn.welcome)
            && machine.runs.values().all(|run| run.state == super::machine::State::Running)
            && machine.journal.is_empty()
            && machine.unbegun.is_empty()
    }

    fn idle(&self, at: usize) -> Option<Idle> {
        let machine = &self.machines[at];
        let row = self.manager.disk.nodes.get(&machine.name)?;
        let open = row.role == Role::Worker && !row.draining && !row.revoked;
        let free = machine.slots.saturating_sub(machine.used());
        (open && free > 0 && machine.waiting.is_empty()).then_some(Idle { at, free })
    }

    fn could_run(&self, idle: &Idle, class: &Class) -> bool {
        class.cpus <= idle.free && self.welcome(idle.at, class)
    }

    fn welcome(&self, at: usize, class: &Class) -> bool {
        let machine = &self.machines[at];
        let taken_by = self.manager.disk.nodes.get(&machine.name).and_then(|row| row.taken_by.as_ref());
        let owner_may = !machine.shared_uid
            || taken_by.is_none_or(|by| *by == class.owner)
            || self.manager.config.allow_shared_uid.contains(&machine.name);
        let files_may = machine.takes_files || !class.files;
        let results_may = machine.gives_results || !class.results;
        let runs_it = class.interpreters.iter().all(|name| machine.interpreters.contains(&**name));
        let secrets_may = machine.takes_secrets || !class.secrets;
        owner_may
            && files_may
            && results_may
            && secrets_may
            && runs_it
            && class.pin.as_ref().is_none_or(|pin| *pin == machine.name)
    }

    /// The oldest that waits at another machine for slots, and could run here.
    fn behind_others(&self, idle: &Idle) -> Option<TaskId> {
        let others = self.machines.iter().enumerate().filter(|(at, _)| *at != idle.at);
        let waiting = others.flat_map(|(_, machine)| &machine.waiting).filter(|order| {
            let job = self.manager.disk.jobs.get(&order.attempt.task.job);
            let class = |job| super::promises::class(job, order.attempt.task.index);
            job.is_some_and(|job| self.could_run(idle, &class(job)) && job.spec.node.is_none())
        });
        waiting.map(|order| order.attempt.task).min()
    }

    fn may_be_kept_free(&self, idle: &Idle, task: TaskId) -> bool {
        let slots = self.machines[idle.at].slots;
        let fits = |class: &Class| class.cpus > idle.free && class.cpus <= slots && self.welcome(idle.at, class);
        self.patient(fits).any(|oldest| oldest < task)
    }

    /// The oldest of each kind of wide task of which one has waited for long enough: an older one may have come back since.
    fn patient(&self, which: impl Fn(&Class) -> bool) -> impl Iterator<Item = TaskId> {
        // The core knew of it a commit earlier, which may have been slow.
        let long = (self.manager.config.patience_ms * MS).saturating_sub(SLOWEST);
        let now = self.now();
        let classes = self.promises.queued.iter().filter(move |(class, _)| class.cpus > 1 && which(class));
        classes.filter_map(move |(_, tasks)| {
            let (oldest, since) = (tasks.keys().next()?, tasks.values().min()?);
            (now.saturating_sub(*since) >= long).then_some(*oldest)
        })
    }
}
