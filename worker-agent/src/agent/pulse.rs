//! What this machine is and does, told while there is a link, and only what changed.

use std::path::Path;

use protocol::agent::FromAgent;
use protocol::node::{Facts, Interpreter, Metrics};

use crate::facts::Sampler;
use crate::facts::interpreters::Finder;

/// Ticks (seconds) between two looks at what hardly ever changes.
const FACTS: u32 = 60;
const INTERPRETERS: u32 = 600;
/// A node that was just linked has better things to do than to ask python for its version.
const SETTLED: u32 = 5;

pub struct Pulse {
    sampler: Sampler,
    told_facts: Facts,
    told_metrics: Metrics,
    ticks: u32,
    /// Away while it is looking.
    finder: Option<Finder>,
    looked: Option<u32>,
}

impl Pulse {
    pub fn new(sysfs_root: Option<&Path>, state: &Path) -> Self {
        Self {
            sampler: Sampler::new(sysfs_root, state),
            told_facts: Facts::default(),
            told_metrics: Metrics::default(),
            ticks: 0,
            finder: Some(Finder::default()),
            looked: None,
        }
    }

    /// A new link: the hello says the facts, and of the metrics nothing is known there.
    pub fn begin(&mut self) -> Facts {
        self.look_for_interpreters();
        self.told_facts = self.sampler.facts();
        self.told_metrics = Metrics::default();
        self.ticks = 0;
        self.told_facts.clone()
    }

    /// What has been installed or removed is told soon, its version when there is time to ask for it.
    fn look_for_interpreters(&mut self) {
        if let Some(finder) = &self.finder {
            self.sampler.know(finder.look());
        }
    }

    /// The manager has answered the hello: what can be said at once.
    pub fn first(&mut self) -> FromAgent {
        // The time without a link is no interval worth an average.
        let metrics = Metrics { cpu: None, net_in: None, net_out: None, ..self.sampler.metrics() };
        let patch = metrics.since(&self.told_metrics);
        self.told_metrics = metrics;
        FromAgent::Metrics(patch)
    }

    /// Once a second.
    pub fn tick(&mut self) -> impl Iterator<Item = FromAgent> {
        self.ticks = self.ticks.wrapping_add(1);
        let facts = self.ticks.is_multiple_of(FACTS).then(|| {
            self.look_for_interpreters();
            self.changed_facts()
        });
        let facts = facts.flatten();
        let metrics = self.sampler.metrics();
        let patch = metrics.since(&self.told_metrics);
        self.told_metrics = metrics;
        facts.into_iter().chain((!patch.is_empty()).then_some(FromAgent::Metrics(patch)))
    }

    /// A task could not begin: whether that is for want of room is said before its end is.
    pub fn look_at_disk(&mut self) -> Option<FromAgent> {
        let metrics = Metrics { disk_full: self.sampler.disk_full(), ..self.told_metrics.clone() };
        let patch = metrics.since(&self.told_metrics);
        self.told_metrics = metrics;
        (!patch.is_empty()).then_some(FromAgent::Metrics(patch))
    }

    /// As it was last told.
    pub fn is_disk_full(&self) -> bool {
        self.told_metrics.disk_full
    }

    fn changed_facts(&mut self) -> Option<FromAgent> {
        let facts = self.sampler.facts();
        if facts == self.told_facts {
            return None;
        }
        self.told_facts = facts.clone();
        Some(FromAgent::Facts(Box::new(facts)))
    }

    /// The finder, when it is time to look for interpreters: to be run elsewhere and given back to
    /// [`found`](Self::found). `idle`: nothing runs here that it would disturb.
    pub fn wants_interpreters(&mut self, idle: bool) -> Option<Finder> {
        let due = match self.looked {
            None => self.ticks >= SETTLED && (idle || self.ticks >= FACTS),
            Some(ticks) => self.ticks.wrapping_sub(ticks) >= INTERPRETERS,
        };
        if due { self.finder.take() } else { None }
    }

    pub fn found(&mut self, finder: Finder, interpreters: Vec<Interpreter>) -> Option<FromAgent> {
        self.finder = Some(finder);
        self.looked = Some(self.ticks);
        self.sampler.know(interpreters);
        self.changed_facts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_link_hears_everything_once_and_then_only_what_changed() {
        let state = tempfile::tempdir().unwrap();
        let mut pulse = Pulse::new(None, state.path());
        for _ in 0..2 {
            assert!(pulse.begin().memory.is_some());
            let FromAgent::Metrics(first) = pulse.first() else { panic!() };
            let mut known = Metrics::default();
            known.patch(first).unwrap();
            assert!(known.memory_used.is_some() && known.disk_used.is_some());
            assert_eq!(known.cpu, None, "nothing was measured yet");
            for said in pulse.tick() {
                let FromAgent::Metrics(patch) = said else { panic!() };
                known.patch(patch).unwrap();
            }
            assert_eq!(known, pulse.told_metrics);
        }
    }

    #[test]
    fn interpreters_are_looked_for_when_nothing_is_disturbed_and_once_at_a_time() {
        let state = tempfile::tempdir().unwrap();
        let mut pulse = Pulse::new(None, state.path());
        pulse.begin();
        assert!(pulse.wants_interpreters(true).is_none(), "first things first");
        pulse.ticks = SETTLED;
        assert!(pulse.wants_interpreters(false).is_none());
        let finder = pulse.wants_interpreters(true).unwrap();
        assert!(pulse.wants_interpreters(true).is_none());
        let bash = Interpreter { name: "bash".into(), path: "/bin/bash".into(), version: Some("5.2".into()) };
        let Some(FromAgent::Facts(facts)) = pulse.found(finder, vec![bash.clone()]) else { panic!() };
        assert_eq!(facts.interpreters, std::slice::from_ref(&bash));
        let finder = Finder::default();
        assert_eq!(pulse.found(finder, vec![bash]), None, "no news");
    }
}
