//! A busy time: people who submit, stop, run again and look; nodes that join, are drained, revoked and removed; a disk
//! that fills up for a moment; a manager that is ended well, and one that is killed. Whatever anybody is told goes into
//! the ledger.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use link::Key;
use protocol::agent::JoinReply;
use protocol::api::{EventQuery, More, Reply, Request};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Array, JobSpec};
use protocol::name::{NodeName, PersonName};
use protocol::node::Role;
use rustix::process::Signal;
use rustix::thread::set_thread_res_uid;
use tokio::sync::watch;

use crate::agent::{self, Agent, Way};
use crate::disk::Disk;
use crate::files;
use crate::ledger::{Ledger, Told, hash};
use crate::manager::{Manager, PEOPLE, Person, Place, Trouble};
use test_support::Dice;

const WORKERS: usize = 3;

/// Returns the place in the journal up to which it was busy.
pub fn busy(disk: &Disk, place: &Place, ledger: &Ledger, seed: u64, time: Duration) -> usize {
    let (mut manager, hello) = Manager::start(place, "127.0.0.1:0").unwrap();
    ledger.told(Told::HostKey(hello.host_key.clone()));
    let way = Way { address: hello.ssh.clone(), host_key: hello.host_key.clone().into() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (stop_agents, stopped) = watch::channel(false);
    let over = AtomicBool::new(false);
    let all_told = AtomicBool::new(false);
    let socket = manager.socket.clone();
    std::thread::scope(|scope| {
        scope.spawn(|| follow(&socket, ledger, &all_told));
        let mut admin = Admin { person: Person::new(&socket), ledger, way: &way, runtime: &runtime, nodes: vec![] };
        let mut agents = vec![];
        for no in 0..WORKERS {
            let name: NodeName = format!("pi-{no}").parse().unwrap();
            let key = Arc::new(Key::generate());
            while !matches!(admin.join(&name, &key), Some(JoinReply::Joined { .. })) {}
            let agent = Agent::new(way.clone(), name, key, ledger.clone());
            agents.push(runtime.spawn(agent.live(stopped.clone())));
        }
        let people: Vec<_> = PEOPLE
            .iter()
            .map(|(name, uid)| {
                let (socket, over) = (&socket, &over);
                scope.spawn(move || {
                    set_thread_res_uid(rustix::fs::Uid::from_raw(*uid), rustix::fs::Uid::from_raw(*uid), None).unwrap();
                    let dice = Dice::of(seed, uid.to_le_bytes());
                    Worker::new(Person::new(socket), ledger, name.parse().unwrap(), dice).work(over);
                })
            })
            .collect();
        let mut dice = Dice::of(seed, "load");
        let (began, mut restarts, mut fills) = (Instant::now(), 0, 0);
        while began.elapsed() < time {
            admin.rule(&mut dice);
            std::thread::sleep(Duration::from_millis(dice.within(5, 40) as u64)); // why: an admin thinks now and then
            let gone = began.elapsed().as_secs_f64() / time.as_secs_f64();
            if gone > [0.2, 0.7, 9.0][fills] {
                fills += 1;
                disk.fill();
                std::thread::sleep(Duration::from_millis(150)); // why: the time in which the disk is full
                disk.make_room();
            }
            if gone > [0.35, 0.65, 9.0][restarts] {
                let how = [Signal::TERM, Signal::KILL][restarts];
                restarts += 1;
                manager.end(how);
                manager = Manager::start(place, &way.address).unwrap().0;
            }
        }
        over.store(true, Ordering::SeqCst);
        people.into_iter().for_each(|person| person.join().unwrap());
        stop_agents.send_replace(true);
        agents.into_iter().for_each(|agent| runtime.block_on(agent).unwrap());
        let busy_until = disk.now();
        settle(&socket, ledger);
        all_told.store(true, Ordering::SeqCst);
        // Its followers hear that nothing more comes.
        manager.end(Signal::TERM);
        busy_until
    })
}

/// Until every event there is has been heard.
fn settle(socket: &Path, ledger: &Ledger) {
    let end = Instant::now() + crate::common::PATIENCE;
    let mut quiet_since = Instant::now();
    let mut person = Person::new(socket);
    while quiet_since.elapsed() < Duration::from_millis(300) {
        assert!(Instant::now() < end, "events come without end");
        let after = ledger.last_event();
        person.say(Request::Events(EventQuery { after: Some(after), ..Default::default() })).unwrap();
        let mut missing = false;
        while let Some(more) = person.more().unwrap() {
            missing |= matches!(more, More::Events(events) if !events.is_empty());
        }
        if missing {
            quiet_since = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(20)); // why: the pause between two looks
    }
}

/// Hears every event, over restarts too.
fn follow(socket: &Path, ledger: &Ledger, all_told: &AtomicBool) {
    while !all_told.load(Ordering::SeqCst) {
        let mut person = Person::new(socket);
        let query = EventQuery { after: Some(ledger.last_event()), limit: 10_000, follow: true, since: None };
        if person.say(Request::Events(query)).is_err() {
            std::thread::sleep(Duration::from_millis(20)); // why: the pause between two tries
            continue;
        }
        while let Ok(Some(More::Events(events))) = person.more() {
            events.into_iter().for_each(|event| ledger.event(event));
        }
    }
}

/// Someone who submits, and looks after it.
struct Worker<'a> {
    person: Person,
    ledger: &'a Ledger,
    name: PersonName,
    dice: Dice,
    asked: usize,
    jobs: Vec<(JobId, JobSpec)>,
}

impl<'a> Worker<'a> {
    fn new(person: Person, ledger: &'a Ledger, name: PersonName, dice: Dice) -> Self {
        Self { person, ledger, name, dice, asked: 0, jobs: vec![] }
    }

    fn work(&mut self, over: &AtomicBool) {
        while !over.load(Ordering::SeqCst) {
            let done = match self.dice.below(20) {
                0..=7 => self.submit(None),
                8..=11 => self.file(),
                12 => {
                    let (first, tasks) = (self.dice.below(5) as u32, self.dice.within(1, 24) as u32);
                    self.submit(Some(Array { first, last: first + tasks }))
                }
                13..=14 => self.stop(),
                15..=16 => self.retry(),
                _ => self.look(),
            };
            match done {
                // The manager is being started again, or its disk is full: it says so.
                Err(Trouble::Lost(_)) => std::thread::sleep(Duration::from_millis(20)), // why: the pause between two tries
                Ok(()) | Err(Trouble::Refused(_)) => {}
            }
            std::thread::sleep(Duration::from_millis(self.dice.below(24) as u64)); // why: people are not that fast
        }
    }

    fn file(&mut self) -> Result<(), Trouble> {
        let name = files::name(&mut self.dice);
        let request = match self.dice.below(10) {
            0..=1 => Request::FileRemove { file: files::own(name) },
            2 => Request::FileRename { file: files::own(name), to: files::name(&mut self.dice) },
            _ => {
                let kept = files::put(&self.person, &mut self.dice)?;
                self.ledger.told(Told::FileKept { version: kept.file.version });
                return Ok(());
            }
        };
        self.person.ask(request).map(drop)
    }

    fn submit(&mut self, array: Option<Array>) -> Result<(), Trouble> {
        self.asked += 1;
        let mut spec = JobSpec::of(["count".to_owned(), self.asked.to_string()]);
        spec.name = Some(format!("{}-{}", self.name, self.asked).parse().unwrap());
        spec.cpus = self.dice.within(1, 2) as u32;
        spec.env.insert("LETTERS".into(), "x".repeat(self.dice.below(400)));
        spec.array = array;
        self.ledger.asks(&spec);
        if let Reply::Submitted { job, .. } = self.person.ask(Request::Submit(spec.clone()))? {
            self.ledger.told(Told::Submitted { job, owner: self.name.clone(), spec: spec.clone() });
            self.jobs.push((job, spec));
        }
        Ok(())
    }

    /// One of the newest: older ones may be forgotten.
    fn recent(&mut self) -> Option<(JobId, JobSpec)> {
        let newest = self.jobs.len().saturating_sub(20);
        let at = self.dice.within(newest, self.jobs.len().max(1) - 1);
        self.jobs.get(at).cloned()
    }

    fn stop(&mut self) -> Result<(), Trouble> {
        let Some((job, spec)) = self.recent() else { return Ok(()) };
        let targets = vec![Target::Job(job)];
        if let Reply::Done { .. } = self.person.ask(Request::Stop { targets, reason: Some("enough".into()) })? {
            self.ledger.told(Told::Stopped { tasks: tasks(job, &spec) });
        }
        Ok(())
    }

    fn retry(&mut self) -> Result<(), Trouble> {
        let Some((job, spec)) = self.recent() else { return Ok(()) };
        let all = tasks(job, &spec);
        let task = all[self.dice.below(all.len())];
        self.ledger.asks_retry(task);
        if let Reply::Done { .. } = self.person.ask(Request::Retry { targets: vec![Target::Task(task)] })? {
            self.ledger.told(Told::Retried { task });
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Trouble> {
        let Some((job, spec)) = self.recent() else { return Ok(()) };
        let all = tasks(job, &spec);
        let id = all[self.dice.below(all.len())];
        if let Reply::Task { task, .. } = self.person.ask(Request::Task { id })?
            && task.state.ended()
        {
            let (attempt, state, code) = (id.attempt(task.attempt), task.state, task.code);
            self.ledger.told(Told::Ended { attempt, state, code });
        }
        Ok(())
    }
}

fn tasks(job: JobId, spec: &JobSpec) -> Vec<TaskId> {
    spec.indices().map(|index| TaskId { job, index }).collect()
}

/// Root, who lets nodes in and sends them away. What becomes of nodes is in the events.
struct Admin<'a> {
    person: Person,
    ledger: &'a Ledger,
    way: &'a Way,
    runtime: &'a tokio::runtime::Runtime,
    /// Those that only joined.
    nodes: Vec<NodeName>,
}

impl Admin<'_> {
    fn token(&mut self) -> Option<String> {
        let reply = self.person.ask(Request::JoinToken { role: Role::Worker, ttl_seconds: None }).ok()?;
        let Reply::JoinToken { token, .. } = reply else { return None };
        let secret = token.parse::<protocol::token::JoinToken>().unwrap().secret;
        self.ledger.told(Told::Token { hash: hash(&secret) });
        Some(token)
    }

    fn join(&mut self, name: &NodeName, key: &Arc<Key>) -> Option<JoinReply> {
        let token = self.token()?;
        self.runtime.block_on(agent::join(self.way, name, key, &token, self.ledger))
    }

    fn rule(&mut self, dice: &mut Dice) {
        let known: BTreeSet<NodeName> = self.nodes.iter().cloned().collect();
        let one = known.iter().nth(dice.below(known.len().max(1))).cloned();
        let node = || one.clone().unwrap_or_else(|| "pi-0".parse().unwrap());
        let done = match dice.below(12) {
            0..=1 => {
                let name: NodeName = format!("shelf-{}", dice.below(1_000_000)).parse().unwrap();
                if self.join(&name, &Arc::new(Key::generate())).is_some() {
                    self.nodes.push(name);
                }
                return;
            }
            2 => {
                self.token();
                return;
            }
            3..=5 => Request::Drain { node: node(), on: dice.chance(60) },
            6 => Request::Drain { node: format!("pi-{}", dice.below(WORKERS)).parse().unwrap(), on: dice.chance(20) },
            7 if one.is_some() => Request::RevokeNode { node: node() },
            8 if one.is_some() => {
                let node = node();
                self.nodes.retain(|name| *name != node);
                Request::RemoveNode { node }
            }
            _ => return,
        };
        // Refused or lost: the events say what has happened.
        let _ = self.person.ask(done);
    }
}
