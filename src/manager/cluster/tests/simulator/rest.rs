//! The end of a world: no more bad luck, nobody asks for anything new, and everything must come to rest.

use std::collections::BTreeSet;

use protocol::api::Request;
use protocol::id::TaskId;

use super::super::{checks, words::admin};
use super::agenda::{MINUTE, SECOND};
use super::machine::{LANGUAGES, NEWEST};
use super::people::Ask;
use super::promises::Runs;
use super::world::{Happening, Sim};
use crate::manager::cluster::{Cluster, Input};

/// By then everything has come to rest.
const LONGEST: u64 = 360 * MINUTE;

/// What came of a seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    pub sum: u64,
    pub turns: u64,
    pub tasks: u64,
}

impl Sim {
    pub fn live(&mut self) -> Outcome {
        self.run_until(self.plan.span);
        self.come_to_rest();
        self.verify();
        let tasks = self.manager.disk.tasks.len() as u64;
        Outcome { sum: self.trace.sum(), turns: self.manager.turns, tasks }
    }

    fn come_to_rest(&mut self) {
        self.say(|_| "from here on there is no bad luck".into());
        self.noise = false;
        self.people.echoes.clear();
        for at in 0..self.machines.len() {
            let machine = &mut self.machines[at];
            (machine.blocked_up, machine.blocked_down) = (0, 0);
            // All agents are brought up to date.
            let newest = machine.takes_files && machine.gives_results && machine.takes_secrets && machine.takes_runs;
            let has_all = machine.interpreters.len() == LANGUAGES.len();
            if machine.slots != machine.usual_slots || !newest || !has_all {
                machine.slots = machine.usual_slots;
                machine.interpreters = LANGUAGES.into();
                machine.is_of(NEWEST);
                self.agent_dies(at);
            }
        }
        self.end_what_liars_run();
        // An admin sees to it that everybody's work has a place.
        if self.machines.iter().any(|machine| machine.shared_uid) {
            let shared = self.machines.iter().filter(|machine| machine.shared_uid).map(|machine| machine.name.clone());
            let shared: BTreeSet<_> = shared.collect();
            self.promises.allow(&shared);
            self.manager.config.allow_shared_uid = shared;
            self.manager_dies();
        }
        let end = self.now() + LONGEST;
        while !self.at_rest() {
            let until = self.now() + SECOND;
            self.run_until(until);
            self.undrain();
            self.stop_what_is_endless();
            assert!(self.now() < end, "promise broken: it does not come to rest:\n{}", self.unfinished());
        }
        // What is still on its way arrives.
        let until = self.now() + MINUTE;
        self.run_until(until);
    }

    fn undrain(&mut self) {
        let drained = self.manager.disk.nodes.values().filter(|row| row.draining).map(|row| row.name.clone());
        for node in drained.collect::<Vec<_>>() {
            let asked = Request::Drain { node, on: false };
            let under_way =
                self.people.calls.values().any(|call| matches!(&call.ask, Ask::Request(request) if *request == asked));
            if !under_way {
                self.ask(admin(), Ask::Request(asked), 0);
            }
        }
    }

    fn at_rest(&self) -> bool {
        self.promises.unfinished == 0
            && Runs::unfinished(&self.manager.disk).next().is_none()
            && self.owns.is_empty()
            && self.promises.nothing_runs()
            && self.manager.quiet()
            && self.manager.disk.notices.is_empty()
            && self.machines.iter().all(|machine| machine.powered && !machine.outcast && machine.empty())
            && self.machines.iter().all(|machine| machine.conn.is_some())
            && self.conns.values().all(|conn| conn.quiet() && conn.welcome)
    }

    fn verify(&mut self) {
        assert!(self.at_rest(), "promise broken: it moves again after it had come to rest");
        let disk = &self.manager.disk;
        self.promises.nothing_is_forgotten(disk);
        self.promises.contents_are_those(disk);
        self.promises.ended_truly(disk, &self.machines);
        self.promises.all_that_was_left_is_there(disk);
        self.promises.ends.were_all_told(disk);
        assert!(self.carrier.is_empty(), "promise broken: {:?} is carried though nobody wants it", self.carrier);
        // Who still asks where output is to be had hangs up; everybody else was answered.
        let calls: Vec<_> = self.people.calls.iter().map(|(id, call)| (*id, call.clone())).collect();
        for (id, call) in calls {
            assert!(matches!(call.ask, Ask::Look { .. }), "promise broken: {call:?} has no answer");
            self.hangs_up(id);
        }
        self.manager_handles_all();
        let unanswered = self.manager.unanswered();
        assert!(unanswered.is_empty(), "promise broken: nobody answers {unanswered:?}");
        self.core_agrees();
        checks::nothing_is_left_over(&self.manager.core);
    }

    fn manager_handles_all(&mut self) {
        while !self.manager.quiet() {
            self.step();
        }
    }

    /// Now and then: is what is known of machines that are away given up in time, and is memory what the disk is?
    pub fn look(&mut self) {
        let now = self.now();
        self.agenda.after(SECOND, Happening::Look);
        if !self.manager.quiet() {
            return;
        }
        let lease = self.manager.config.lease_ms * super::agenda::MS + 10 * SECOND;
        let there = self.manager.linked();
        for (name, live) in self.promises.live_on.iter().filter(|(_, live)| !live.is_empty()) {
            let at = self.by_name[name];
            let since = if there.contains(&at) { now } else { self.manager.last_seen(at) };
            assert!(now < since + lease, "promise broken: {name} is long away, and {live:?} are still to be there");
        }
        for (name, live) in self.promises.runs.live_on.iter().filter(|(_, live)| !live.is_empty()) {
            let Some(at) = self.by_name.get(name) else { continue };
            let since = if there.contains(at) { now } else { self.manager.last_seen(*at) };
            let own = live.iter().any(|id| self.owns.contains_key(&id.attempt(1)));
            assert!(now < since + lease || own, "promise broken: {name} is long away, and {live:?} are waited for");
        }
        let small = self.machines.len() <= 20;
        // All of it is gone over: where there is much, not as often.
        if self.dice.below(1000) < if small { 150 / self.much() } else { 3 } {
            self.promises.nothing_is_forgotten(&self.manager.disk);
            self.promises.contents_are_those(&self.manager.disk);
            self.promises.what_was_told_kept_is_there(&self.manager.disk);
            self.core_agrees();
        }
    }

    /// The core's own tables agree with each other, and with those it would load from the disk. The only place where
    /// its opinion counts.
    pub fn core_agrees(&self) {
        let manager = &self.manager;
        checks::indexes_agree(&manager.core);
        let again = Cluster::new(manager.config.clone(), manager.disk.image(), manager.clock(self.now()));
        checks::disk_and_memory_agree(&manager.core, &again);
    }

    /// After every turn of the core.
    pub fn after_turn(&mut self) {
        if self.machines.len() <= 20
            && self.dice.chance(2)
            && self.manager.disk.last_event.is_multiple_of(self.much() as u64)
        {
            checks::indexes_agree(&self.manager.core);
        }
    }

    /// How many times as much as in most worlds is kept in this one.
    fn much(&self) -> usize {
        let disk = &self.manager.disk;
        let rows = disk.tasks.len() + disk.attempts.len() + disk.results.len() + disk.answers.len();
        1 + rows / 150
    }

    /// What is still under way, for whoever has to find out why.
    fn unfinished(&mut self) -> String {
        let mut told = String::new();
        for machine in &self.machines {
            if !machine.empty() || machine.conn.is_none() {
                told += &format!("{machine:?}\n");
            }
        }
        let queued = self.promises.queued.values().filter_map(|tasks| tasks.keys().next());
        let some: Vec<TaskId> = queued.chain(self.promises.live_on.values().flatten()).copied().take(5).collect();
        for id in some {
            let (call, mut effects) = (crate::manager::cluster::CallId(self.number()), vec![]);
            let input = Input::Request { call, caller: admin(), request: Request::Why { id } };
            let clock = self.manager.clock(self.now());
            self.manager.core.handle(input, clock, &mut effects);
            told += &format!("{effects:#?}\n");
        }
        told += &format!("{:#?}\n{:?}\n", Runs::unfinished(&self.manager.disk).collect::<Vec<_>>(), self.owns);
        told + &format!("{:?}", self.people.calls.values().take(5).collect::<Vec<_>>())
    }
}
