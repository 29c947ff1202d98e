//! Dice instead of a script: people ask, nodes work, links break, machines lose power, the manager dies before or
//! after a commit. After every step the promises are checked; in the end everything has come to rest. A failing
//! seed fails again.

use std::collections::BTreeMap;

use protocol::api::{Reply, Request};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Array, JobSpec};

use super::agent::{Agent, is_own_verdict};
use super::checks::{self, Told as Heard};
use super::prng::Prng;
use super::world::*;
use crate::manager::cluster::{CallId, Caller, Cluster, ClusterConfig, Effect, Input, LinkId, Told};

struct Chaos {
    world: World,
    agents: Vec<Agent>,
    dice: Prng,
    heard: Heard,
    heard_events: usize,
    /// Jobs somebody was told about, with their tasks.
    promised: BTreeMap<JobId, u32>,
    /// Submits on their way, with their tasks.
    submits: BTreeMap<CallId, u32>,
    waits: BTreeMap<CallId, ()>,
    /// Nodes that stay away for so many steps.
    away: BTreeMap<usize, usize>,
    /// How often, of a hundred times it could, a running task ends.
    haste: usize,
    noise: bool,
    /// All effects so far, as one number.
    trace: u64,
}

impl Chaos {
    fn new(seed: u64) -> Self {
        let mut dice = Prng::new(seed);
        let config = ClusterConfig {
            lease_ms: 60_000,
            most_losses: 3,
            keep_tasks: 1_000_000,
            backlog: [None, Some(0), Some(1)][dice.below(3)],
            ..ClusterConfig::default()
        };
        let mut world = World::with(config);
        let agents: Vec<Agent> = (0..2 + dice.below(4))
            .map(|n| {
                let mut agent = Agent::new(&format!("pi-{n}"), 1 + dice.below(4) as u32);
                agent.shared_uid = dice.chance(15);
                agent
            })
            .collect();
        agents.iter().for_each(|agent| world.join(&agent.name));
        let haste = [10, 50, 100][dice.below(3)];
        Self {
            world,
            agents,
            dice,
            heard: Heard::default(),
            heard_events: 0,
            promised: BTreeMap::new(),
            submits: BTreeMap::new(),
            waits: BTreeMap::new(),
            away: BTreeMap::new(),
            haste,
            noise: true,
            trace: 0,
        }
    }

    fn step(&mut self) {
        let at = self.dice.below(self.agents.len());
        match self.dice.below(100) {
            0..=9 => self.submit(),
            10..=12 => self.ask_about_tasks(),
            13 => self.ask_about_nodes(at),
            14..=15 => self.wait(),
            16..=39 => self.deliver(at),
            40..=59 => self.hear(at),
            60..=79 if self.dice.chance(self.haste) => {
                let now = self.world.now.wall;
                self.agents[at].finish_one(&mut self.dice, now);
            }
            60..=79 => {}
            80..=86 => self.link(at),
            87 => self.unlink(at),
            88 => {
                self.unlink(at);
                let steps = self.dice.below(100);
                self.away.insert(at, steps);
            }
            89 => {
                self.unlink(at);
                self.agents[at].reboot(&mut self.dice);
            }
            90..=97 => {
                let ms = [1, 100, 5_000, 30_000, 61_000][self.dice.below(5)];
                self.pass(ms);
            }
            98 => self.restart(),
            _ => self.look(),
        }
        self.away.retain(|_, steps| {
            *steps = steps.saturating_sub(1);
            *steps > 0
        });
        self.check();
    }

    /// Hands over an input; sometimes the manager dies before or after it was committed.
    fn put(&mut self, input: Input) {
        let effects = self.world.handle(input);
        for byte in format!("{effects:?}").bytes() {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if !self.noise || !self.dice.chance(2) {
            let rest = self.world.commit(effects);
            return self.release(rest);
        }
        if self.dice.chance(50) {
            self.world.commit(effects);
        }
        self.restart();
    }

    fn release(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(link, order) => {
                    if let Some(agent) = self.agents.iter_mut().find(|agent| agent.link == Some(link)) {
                        agent.inbox.push_back(order);
                    }
                }
                Effect::Cut(link) => {
                    if let Some(agent) = self.agents.iter_mut().find(|agent| agent.link == Some(link)) {
                        agent.unlinked();
                    }
                }
                Effect::Tell(call, Told::Reply(reply)) => {
                    if let Reply::Submitted { job, tasks } = reply {
                        assert_eq!(self.submits.remove(&call), Some(tasks));
                        self.promised.insert(job, tasks);
                    }
                    self.waits.remove(&call);
                }
                Effect::Tell(call, _) => drop(self.waits.remove(&call)),
                Effect::Touch(_) => {}
                Effect::Persist(_) | Effect::Publish(_) => panic!("not committed"),
            }
        }
    }

    fn restart(&mut self) {
        self.world.restart();
        self.submits.clear();
        self.waits.clear();
        self.agents.iter_mut().for_each(Agent::unlinked);
    }

    fn request(&mut self, caller: &Caller, request: Request) -> CallId {
        let call = self.world.new_call();
        self.put(Input::Request { call, caller: caller.clone(), request });
        call
    }

    fn submit(&mut self) {
        let mut spec = JobSpec::of(["true"]);
        if self.dice.chance(30) {
            let first = self.dice.below(5) as u32;
            spec.array = Some(Array { first, last: first + self.dice.below(12) as u32 });
        }
        if self.dice.chance(25) {
            spec.cpus = 1 + self.dice.below(5) as u32;
        }
        if self.dice.chance(15) {
            spec.node = Some(name(&self.agents[self.dice.below(self.agents.len())].name));
        }
        let tasks = spec.indices().count() as u32;
        let person = ["ana", "bob"][self.dice.below(2)];
        let call = self.world.new_call();
        self.submits.insert(call, tasks);
        self.put(Input::Request { call, caller: operator(person), request: Request::Submit(spec) });
    }

    fn some_target(&mut self) -> Option<Target> {
        let jobs: Vec<JobId> = self.promised.keys().copied().collect();
        let job = *jobs.get(self.dice.below(jobs.len()))?;
        let view = self.world.cluster.jobs.get(job)?;
        let index = view.first + self.dice.below(view.tasks() as usize) as u32;
        Some(match self.dice.below(4) {
            0 => Target::Job(job),
            1 => Target::Range { job, first: index, last: index + 3 },
            2 => Target::Attempt(TaskId { job, index }.attempt(1)),
            _ => Target::Task(TaskId { job, index }),
        })
    }

    fn ask_about_tasks(&mut self) {
        let Some(target) = self.some_target() else { return };
        let targets = vec![target];
        let request = match self.dice.below(3) {
            0 => Request::Retry { targets },
            _ => Request::Stop { targets, reason: None },
        };
        self.request(&admin(), request);
    }

    fn wait(&mut self) {
        let Some(target) = self.some_target() else { return };
        let call = self.world.new_call();
        self.waits.insert(call, ());
        self.put(Input::Request { call, caller: admin(), request: Request::Wait { targets: vec![target] } });
    }

    fn ask_about_nodes(&mut self, at: usize) {
        let node = name(&self.agents[at].name);
        let on = self.dice.chance(40);
        match self.dice.below(10) {
            0 => {
                self.request(&admin(), Request::RevokeNode { node: node.clone() });
                self.request(&admin(), Request::RemoveNode { node: node.clone() });
                if self.world.cluster.nodes.find(&node).is_none() {
                    self.world.join(node.as_str());
                }
            }
            _ => drop(self.request(&admin(), Request::Drain { node, on })),
        }
    }

    /// Questions change nothing and break nothing.
    fn look(&mut self) {
        let Some(target) = self.some_target() else { return };
        let call = self.world.new_call();
        self.put(Input::FindOutput { call, caller: admin(), target, unlike: None });
        if let Target::Task(id) = target {
            self.request(&admin(), Request::Why { id });
        }
        self.request(&admin(), Request::Tasks(Default::default()));
        self.request(&admin(), Request::Jobs(Default::default()));
        self.world.cluster.picture(10);
    }

    fn deliver(&mut self, at: usize) {
        let now = self.world.now.wall;
        if let Some(order) = self.agents[at].inbox.pop_front() {
            self.agents[at].take(order, now);
        }
    }

    fn hear(&mut self, at: usize) {
        let Some(link) = self.agents[at].link else { return };
        if let Some(report) = self.agents[at].speak(&mut self.dice, self.noise) {
            self.put(Input::Report { link, report });
        }
    }

    fn link(&mut self, at: usize) {
        // Rarely over a link that is still there: the agent noticed its end before the manager did.
        let again = self.noise && self.dice.chance(10);
        if self.agents[at].link.is_some() && !again || self.away.contains_key(&at) {
            return;
        }
        self.agents[at].unlinked();
        if self.noise && self.dice.chance(5) {
            self.agents[at].slots = 1 + self.dice.below(4) as u32;
        }
        let link = LinkId(self.world.number());
        let agent = &mut self.agents[at];
        let hello = Box::new(agent.hello());
        agent.linked(link);
        let (node, key) = (name(&agent.name), key(&agent.name));
        self.put(Input::Linked { link, node, key, address: None, hello });
    }

    fn unlink(&mut self, at: usize) {
        if let Some(link) = self.agents[at].link {
            self.agents[at].unlinked();
            self.put(Input::Unlinked { link, reason: "the link broke".into() });
        }
    }

    fn pass(&mut self, ms: u64) {
        let end = self.world.now.mono.plus(ms);
        while let Some(due) = self.world.cluster.next_wakeup().filter(|at| *at <= end) {
            self.world.advance_to(due);
            self.put(Input::Woken);
        }
        self.world.advance_to(end);
    }

    fn check(&mut self) {
        for event in &self.world.events[self.heard_events..] {
            self.heard.hear(&event.what);
        }
        self.heard_events = self.world.events.len();
        let core = &self.world.cluster;
        for (job, tasks) in &self.promised {
            assert_eq!(core.jobs.get(*job).map(|job| job.tasks()), Some(*tasks), "job {job} was promised");
        }
        checks::indexes_agree(core);
        checks::nothing_runs_twice(core, &self.agents, &self.heard);
        if core.next_wakeup().is_none_or(|at| at > self.world.now.mono) {
            checks::no_cpu_idles(core);
        }
        if self.dice.chance(10) {
            let again = Cluster::new(self.world.config.clone(), self.world.kept.image(), self.world.now);
            checks::disk_and_memory_agree(core, &again);
        }
        for agent in &self.agents {
            let all_said = agent.is_quiet() && agent.link.is_some();
            if all_said && core.nodes.by_link(agent.link.unwrap()).is_some() {
                checks::accounts_are_right(core, agent);
            }
        }
    }

    /// No more bad luck: everything is linked, everything said arrives, everything that runs ends.
    fn come_to_rest(&mut self) {
        self.noise = false;
        self.away.clear();
        for at in 0..self.agents.len() {
            self.agents[at].slots = self.agents[at].slots.max(5);
            let node = name(&self.agents[at].name);
            self.unlink(at);
            let revoked = self.world.cluster.node_view(&node).is_some_and(|view| view.revoked);
            if revoked {
                self.request(&admin(), Request::RemoveNode { node: node.clone() });
            }
            if self.world.cluster.nodes.find(&node).is_none() {
                self.world.join(node.as_str());
            }
            // All work here: whose node it is does not hold anyone up in the end.
            self.agents[at].shared_uid = false;
            self.link(at);
            self.request(&admin(), Request::Drain { node, on: false });
        }
        for round in 0.. {
            if round == 5_000 {
                panic!("it does not come to rest:\n{}", self.unfinished());
            }
            for at in 0..self.agents.len() {
                self.link(at);
                while !self.agents[at].inbox.is_empty() {
                    self.deliver(at);
                }
                while !self.agents[at].outbox.is_empty() {
                    self.hear(at);
                }
            }
            if self.agents.iter().all(Agent::is_quiet) {
                let now = self.world.now.wall;
                self.agents.iter_mut().for_each(|agent| agent.finish_one(&mut self.dice, now));
                self.pass(1000);
                if self.world.cluster.jobs.active.is_empty() && self.agents.iter().all(Agent::is_quiet) {
                    return;
                }
            }
            self.check();
        }
    }

    /// What is still under way, for whoever has to find out why.
    fn unfinished(&mut self) -> String {
        let mut told = String::new();
        for job in self.world.cluster.jobs.active.clone() {
            let (first, last) = self.world.cluster.jobs.get(job).map(|job| (job.first, job.last)).unwrap();
            for index in first..=last {
                let why = self.world.ask(Request::Why { id: TaskId { job, index } });
                if let Ok(Reply::Why(why)) = why
                    && !why.state.ended()
                {
                    told += &format!("{why:#?}\n");
                }
            }
        }
        told
    }

    /// Every task has ended as the node that ran its last attempt said, or as the core had to say without it.
    fn verify(&self) {
        checks::each_attempt_began_once(&self.agents);
        let core: &Cluster = &self.world.cluster;
        let truth: BTreeMap<_, _> = self
            .agents
            .iter()
            .flat_map(|agent| agent.truth.iter().map(move |(id, outcome)| ((name(&agent.name), *id), outcome)))
            .collect();
        for (job_id, job) in core.jobs.newest() {
            for index in job.first..=job.last {
                let id = TaskId { job: job_id, index };
                let task = job.task(index);
                assert!(task.state.ended(), "{id} is {}", task.state);
                let attempt = id.attempt(task.attempt);
                let on = task.node.map(|ix| core.nodes.name(ix).clone());
                let told = on.and_then(|on| truth.get(&(on, attempt)));
                if !told.is_some_and(|told| task.end.is(told)) {
                    assert!(is_own_verdict(task.state), "{id} ended {:?}, its node said {told:?}", task.end);
                }
            }
        }
        assert!(self.waits.is_empty(), "somebody still waits");
    }
}

fn run(seed: u64, steps: usize) -> u64 {
    let mut chaos = Chaos::new(seed);
    for _ in 0..steps {
        chaos.step();
    }
    chaos.come_to_rest();
    chaos.verify();
    chaos.trace
}

#[test]
fn the_same_inputs_have_the_same_effects() {
    for seed in 7_000..7_010 {
        assert_eq!(run(seed, 200), run(seed, 200), "seed {seed}");
    }
}

#[test]
fn whatever_happens_the_promises_hold() {
    let seeds = std::env::var("BRAMBLE_CHAOS_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let first = std::env::var("BRAMBLE_CHAOS_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(|| run(seed, 400));
        assert!(outcome.is_ok(), "seed {seed} fails; again: BRAMBLE_CHAOS_SEED={seed} BRAMBLE_CHAOS_SEEDS=1");
    }
}
