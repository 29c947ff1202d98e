//! People who want something run now: on all nodes, on some, on some that are not there; who stop it, repeat what went
//! wrong, and ask what came of it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::api::{Request, SshWay};
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::{NotStarted, Outcome, TaskState};
use protocol::name::NodeName;
use protocol::run::{On, RunAs, RunQuery, RunSpec, RunWhat};
use protocol::script::{ScriptKeep, ScriptRef};

use super::super::words::{admin, name};
use super::agenda::MS;
use super::people::{Ask, PEOPLE};
use super::promises::Runs;
use super::world::{Happening, Sim};
use crate::manager::cluster::{Caller, Change, Input};

/// What never ends by itself.
pub const ENDLESS: &str = "sleep";
const SCRIPTS: [&str; 2] = ["tidy", "check"];
/// Nodes that have never had an agent.
const AGENTLESS: [&str; 2] = ["nas", "old"];

impl Sim {
    pub fn about_runs(&mut self, person: Caller) -> (Caller, Option<Ask>) {
        let caller = if self.dice.chance(50) { admin() } else { person };
        let ask = match self.dice.below(20) {
            0..=8 => Some(Ask::Request(Request::Run(self.a_run()))),
            9 | 10 => Some(Ask::Request(Request::RunAgain { run: self.some_run().filter(|_| self.noise) })),
            11..=13 => {
                self.some_answer().map(|target| Ask::Request(Request::Stop { targets: vec![target], reason: None }))
            }
            14 => self.some_answer().map(|target| Ask::Look { target, unlike: None }),
            15 => self.some_answer().map(|target| Ask::Request(Request::Wait { targets: vec![target] })),
            16 => self.some_run().map(|run| Ask::Request(Request::RunShow { run })),
            17 => Some(Ask::Request(Request::Runs(RunQuery::default()))),
            18 => Some(self.about_scripts()),
            _ => return (admin(), Some(self.about_ways())),
        };
        (caller, ask)
    }

    fn a_run(&mut self) -> RunSpec {
        let what = match self.dice.below(10) {
            0 | 1 => RunWhat::Script { script: self.some_script(), params: BTreeMap::new() },
            2..=4 => RunWhat::Command(vec![ENDLESS.into(), "infinity".into()]),
            _ => RunWhat::Command(vec!["true".into()]),
        };
        let mut on = match self.dice.below(3) {
            0 => vec![On::All],
            _ => (0..1 + self.dice.below(4)).map(|_| self.somewhere()).collect(),
        };
        if self.dice.chance(10) {
            on.push(On::Manager);
        }
        RunSpec {
            what,
            on,
            run_as: if self.dice.chance(50) { RunAs::Root } else { RunAs::Me },
            stdin: if self.dice.chance(20) { b"said to all".to_vec().into() } else { Default::default() },
            timeout_ms: self.dice.chance(30).then(|| 100 + self.dice.below(10_000) as u64),
            at_once: self.dice.chance(40).then(|| 1 + self.dice.below(3) as u32),
        }
    }

    fn somewhere(&mut self) -> On {
        On::Node(match self.dice.below(20) {
            0 => name("nowhere"),
            1..=3 => name(AGENTLESS[self.dice.below(AGENTLESS.len())]),
            _ => self.machines[self.dice.below(self.machines.len())].name.clone(),
        })
    }

    fn some_script(&mut self) -> ScriptRef {
        let owner = self.dice.chance(20).then(|| PEOPLE[self.dice.below(PEOPLE.len())].parse().unwrap());
        ScriptRef { owner, name: SCRIPTS[self.dice.below(SCRIPTS.len())].parse().unwrap() }
    }

    /// Mostly one of the newest.
    fn some_run(&mut self) -> Option<JobId> {
        let runs = &self.manager.disk.runs;
        let back = if self.dice.chance(70) { self.dice.below(runs.len().min(4)) } else { self.dice.below(runs.len()) };
        runs.keys().rev().nth(back).copied()
    }

    fn some_answer(&mut self) -> Option<Target> {
        let run = self.some_run()?;
        Some(match self.dice.below(3) {
            0 => Target::Job(run),
            _ => Target::Task(TaskId { job: run, index: self.dice.below(self.machines.len()) as u32 }),
        })
    }

    fn about_scripts(&mut self) -> Ask {
        let script = self.some_script();
        Ask::Request(match (self.dice.below(6), self.manager.disk.scripts.values().next_back()) {
            (0, _) => Request::ScriptRemove { script },
            (1 | 2, Some(row)) => Request::ScriptGrant {
                script: ScriptRef { owner: Some(row.owner.clone()), name: row.name.clone() },
                hash: row.hash,
                to: vec![PEOPLE[0].parse().unwrap()],
                on: true,
            },
            _ => {
                let text =
                    format!("#!/bin/bash\n# /// bramble\n# about = \"Tidy up\"\n# ///\necho {}\n", self.dice.below(4));
                Request::ScriptKeep(ScriptKeep { name: script.name, text, over: None })
            }
        })
    }

    /// A node without an agent is added, or another way to one that has one.
    fn about_ways(&mut self) -> Ask {
        let node = match self.dice.below(3) {
            0 => self.machines[self.dice.below(self.machines.len())].name.clone(),
            _ => name(AGENTLESS[self.dice.below(AGENTLESS.len())]),
        };
        let way = SshWay { host: format!("{node}.lan"), port: 22, user: "root".into(), host_key: "SHA256:host".into() };
        Ask::AddNode { node, way }
    }

    /// Whether nodes without a link answer: now and then they do not.
    pub fn looked_for(&mut self) {
        let nodes = self.manager.disk.nodes.values().filter(|row| row.ssh.is_some()).map(|row| row.name.clone());
        let nodes: Vec<_> = nodes.collect();
        if let Some(node) = nodes.get(self.dice.below(nodes.len())).cloned() {
            let answers = !self.noise || self.dice.chance(70);
            self.put(Input::Answers { node, answers });
        }
    }

    /// What a liar has said to have ended, nobody will stop.
    pub fn end_what_liars_run(&mut self) {
        for at in (0..self.machines.len()).filter(|at| self.machines[*at].liar) {
            let boot = self.machines[at].boot;
            let runs: Vec<_> = self.machines[at].runs.iter().map(|(id, run)| (*id, run.number)).collect();
            for (attempt, run) in runs {
                self.agenda.after(MS, Happening::Ends { machine: at, boot, attempt, run });
            }
        }
    }

    /// What nothing else ends is stopped, once.
    pub fn stop_what_is_endless(&mut self) {
        let disk = &self.manager.disk;
        let endless = |run: &JobId| matches!(&disk.runs[run].spec.what, RunWhat::Command(words) if words[0] == ENDLESS);
        let unfinished = Runs::unfinished(disk).filter(|row| row.stopping.is_none()).map(|row| row.id.job);
        let endless: BTreeSet<JobId> = unfinished.filter(endless).collect();
        for run in endless {
            let asked = Request::Stop { targets: vec![Target::Job(run)], reason: None };
            let under_way =
                self.people.calls.values().any(|call| matches!(&call.ask, Ask::Request(request) if *request == asked));
            if !under_way {
                self.ask(admin(), Ask::Request(asked), 0);
            }
        }
    }

    /// Nothing of a run is given up while its node may come back with it; who is not there is not waited for.
    pub fn runs_are_given_up_rightly(&mut self, changes: &[Change]) {
        let asked = changes.iter().any(|change| matches!(change, Change::Run(_)));
        let mut last = BTreeMap::new();
        for change in changes {
            if let Change::Answer(row) = change {
                last.insert(row.id, row);
            }
        }
        for row in last.into_values() {
            let Some((name, at)) = row.node.node().and_then(|name| Some((name, *self.by_name.get(name)?))) else {
                continue;
            };
            let attempt = row.id.attempt(1);
            let sent = self.promises.runs.was_sent(attempt) && !self.machines[at].liar;
            match &row.outcome {
                Some(Outcome::Lost { .. } | Outcome::Stopped { .. })
                    if sent && self.promises.truly(attempt) != Some(row.state) =>
                {
                    // An order that was lost on its way is nowhere; should it be somewhere all the same, it will begin.
                    if self.promises.runs.has_begun(attempt) {
                        self.may_be_given_up(attempt, name);
                    }
                    if self.is_beyond_hope(attempt, name) {
                        self.promises.runs.give_up(attempt);
                    }
                }
                Some(Outcome::NotStarted { kind: NotStarted::NotReached, .. }) => {
                    assert!(!sent, "promise broken: {name} was sent {attempt}, and is said to be out of reach");
                    self.may_be_out_of_reach(attempt, name, at, asked);
                }
                None if asked && row.state == TaskState::Queued => {
                    let there = self.manager.linked().contains(&at) || self.has_way(name);
                    assert!(there, "promise broken: {attempt} waits for {name}, which is not there");
                }
                _ => {}
            }
        }
    }

    fn has_way(&self, name: &NodeName) -> bool {
        self.manager.core.node_view(name).is_some_and(|view| view.ssh.is_some())
    }

    fn may_be_out_of_reach(&self, attempt: AttemptId, name: &NodeName, at: usize, asked: bool) {
        let welcome = self.manager.core.node_view(name).is_some_and(|view| !view.revoked);
        // By its SSH it may truly be so.
        if !welcome || self.has_way(name) || self.promises.runs.has_begun(attempt) {
            return;
        }
        let there = self.manager.linked().contains(&at);
        let easy = self.plan.older == 0 && self.plan.shared == 0;
        assert!(!(there && easy), "promise broken: {name} is there, and is not asked for {attempt}");
        let since_loaded = there || self.manager.last_seen(at) > self.manager.loaded;
        let had_time = self.now() + MS >= self.manager.loaded + self.manager.config.lease_ms * MS;
        assert!(
            asked || since_loaded || had_time,
            "promise broken: {attempt} does not wait for {name}, which had no time yet to come back"
        );
    }
}
