//! What is promised, checked by somebody who knows only what was told to people and machines, what the machines
//! truly did, and what is on the disk; never what the core believes.
//!
//! - What was acknowledged is on the disk before that, and stays there until it has ended and is forgotten with age.
//! - Every row follows from the one before in one of the few ways a task goes; an attempt ends once.
//! - No attempt begins twice, none unbeknown to the disk, none beside another of its task that was not declared over.
//! - No node is given more than it has slots and backlog for; none that is drained or revoked is given anything.
//! - A job is given what its files were when it was submitted, and that stays for as long as the job does; no longer.
//! - It is given its owner's secrets and no others, as they were at some time since; they stay for as long as it has not
//!   ended, and what is told of them is so, and told to nobody else but admins ([`secrets`]).
//! - Who reduces what others leave begins when all of them have succeeded, with that, and waits for nobody in vain
//!   ([`super::reduces`]).
//! - What an attempt left is kept before its end is told, and stays until it is removed or its job forgotten ([`left`]).
//! - Every end of a job is told to whom it was to be told, of each by a notice that is kept with it, and goes only when it
//!   was told or given up ([`ends`]).
//! - Runs have promises of their own ([`runs`]).
//! - Nothing is given up for lost before its lease has lapsed or its machine was started anew, nor kept long after.

mod ends;
mod left;
mod runs;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use protocol::agent::{Finished, Order};
use protocol::api::{self, Request};
use protocol::event::What;
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::{Outcome, TaskState};
use protocol::name::{NodeName, PersonName};
use protocol::run::Whence;

use super::super::kept::Kept;
use super::agenda::Instant;
use super::machine::Machine;
use super::people::Ask;
use super::plan::Plan;
use super::reduces::{Reduces, reducer};
use crate::manager::cluster::{Caller, Change, ClusterConfig, JobRow, TaskRow, Told};

/// Tasks that wait for the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    pub cpus: u32,
    pub pin: Option<NodeName>,
    pub owner: PersonName,
    pub files: bool,
    pub results: bool,
    pub interpreters: BTreeSet<String>,
    pub secrets: bool,
}

pub use runs::Runs;

pub struct Promises {
    config: ClusterConfig,
    liars: BTreeSet<NodeName>,
    /// Where each attempt began that ever did.
    begun: BTreeMap<AttemptId, usize>,
    /// What runs just now, wherever.
    alive: BTreeMap<TaskId, BTreeMap<AttemptId, usize>>,
    /// What truly came of each attempt that ended.
    truth: BTreeMap<AttemptId, (usize, Outcome)>,
    truth_here: BTreeMap<AttemptId, Outcome>,
    /// Said to be over, for everybody to hear.
    declared: BTreeSet<AttemptId>,
    ended: BTreeSet<AttemptId>,
    late: BTreeSet<AttemptId>,
    promised: BTreeMap<JobId, u32>,
    submitted: BTreeMap<JobId, Instant>,
    forgotten: BTreeSet<JobId>,
    pub live_on: BTreeMap<NodeName, BTreeSet<TaskId>>,
    /// Since when each waits.
    pub queued: BTreeMap<Class, BTreeMap<TaskId, Instant>>,
    /// The most slots a node ever had.
    widest: BTreeMap<NodeName, u32>,
    pub unfinished: u64,
    /// Contents whose bytes are on the disk.
    contents: BTreeSet<ContentHash>,
    left: left::Left,
    secrets: secrets::Secrets,
    pub reduces: Reduces,
    pub ends: ends::Ends,
    pub runs: Runs,
}

impl Promises {
    pub fn new(plan: &Plan, machines: &[Machine]) -> Self {
        Self {
            config: plan.config.clone(),
            liars: machines.iter().filter(|machine| machine.liar).map(|machine| machine.name.clone()).collect(),
            begun: BTreeMap::new(),
            alive: BTreeMap::new(),
            truth: BTreeMap::new(),
            truth_here: BTreeMap::new(),
            declared: BTreeSet::new(),
            ended: BTreeSet::new(),
            late: BTreeSet::new(),
            promised: BTreeMap::new(),
            submitted: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            live_on: BTreeMap::new(),
            queued: BTreeMap::new(),
            widest: BTreeMap::new(),
            unfinished: 0,
            contents: BTreeSet::new(),
            left: Default::default(),
            secrets: Default::default(),
            reduces: Reduces::default(),
            ends: Default::default(),
            runs: Runs::default(),
        }
    }

    // What truly happens.

    pub fn begins(&mut self, disk: &Kept, machine: &Machine, at: usize, attempt: AttemptId) {
        let name = &machine.name;
        if let Some(before) = self.begun.insert(attempt, at) {
            panic!("promise broken: {attempt} begins on {name}, and has begun on pi-{before}");
        }
        let known = disk.tasks.get(&attempt.task).map_or(0, |row| row.attempt);
        let gone = !disk.jobs.contains_key(&attempt.task.job);
        assert!(
            known >= attempt.number || gone,
            "promise broken: {attempt} begins on {name}, and the disk knows only #{known}"
        );
        let alive = self.alive.entry(attempt.task).or_default();
        for (other, on) in alive.iter() {
            // One that was itself given up meanwhile begins late, and is discarded as soon as that is known there.
            assert!(
                self.declared.contains(other) || self.declared.contains(&attempt) || self.liars.contains(name),
                "promise broken: {attempt} begins on {name} while {other} runs on pi-{on}, which nobody gave up"
            );
        }
        alive.insert(attempt, at);
    }

    /// The same of a run, of which each answer is one by itself.
    pub fn run_begins(&mut self, disk: &Kept, on: &Whence, at: usize, attempt: AttemptId) {
        self.runs.begins(disk, on, attempt);
        self.alive.entry(attempt.task).or_default().insert(attempt, at);
    }

    pub fn stands_still(&mut self, attempt: AttemptId) {
        if let Some(alive) = self.alive.get_mut(&attempt.task) {
            alive.remove(&attempt);
            if alive.is_empty() {
                self.alive.remove(&attempt.task);
            }
        }
    }

    pub fn truly_ended(&mut self, at: usize, report: &Finished) {
        self.truth.insert(report.attempt, (at, report.outcome.clone()));
    }

    /// Of what the manager ran itself.
    pub fn truly_ended_here(&mut self, report: &Finished) {
        self.truth_here.insert(report.attempt, report.outcome.clone());
    }

    pub fn truly(&self, attempt: AttemptId) -> Option<TaskState> {
        self.truth.get(&attempt).map(|(_, outcome)| outcome.state())
    }

    pub fn truly_lost(&self, attempt: AttemptId) -> bool {
        matches!(self.truth.get(&attempt), Some((_, Outcome::Lost { again: true, .. })))
    }

    /// An admin lets several people share these.
    pub fn allow(&mut self, nodes: &BTreeSet<NodeName>) {
        self.config.allow_shared_uid.clone_from(nodes);
    }

    pub fn nothing_runs(&self) -> bool {
        self.alive.is_empty()
    }

    // What is written down.

    pub fn change(&mut self, disk: &Kept, change: &Change, events: &[What], now: Instant) {
        match change {
            Change::Job(row) => self.new_job(disk, row, now),
            Change::Task(row) => {
                self.ends.task(disk, row);
                self.task(disk, row, events, now);
            }
            Change::JobGone(job) => self.job_gone(disk, *job, events),
            Change::Attempt(row) => {
                if let Some(before) = disk.attempts.get(&row.id) {
                    let same = before.outcome == row.outcome && before.node == row.node && before.late.is_none();
                    assert!(same, "promise broken: {} is another now: {before:?}, {row:?}", row.id);
                }
            }
            Change::Node(row) => {
                let widest = self.widest.entry(row.name.clone()).or_default();
                *widest = row.slots.max(*widest);
            }
            Change::NodeGone(name) => {
                let live = self.live_on.get(name).map_or(0, BTreeSet::len);
                assert_eq!(live, 0, "promise broken: {name} is removed with what it runs");
            }
            Change::Person(_) | Change::Token(_) | Change::TokenGone(_) | Change::Output { .. } => {}
            Change::File(row) => drop(self.contents.insert(row.hash)),
            Change::FileGone(_) | Change::Age(..) | Change::Hours { .. } => {}
            Change::Result(row) => self.result(disk, row),
            Change::ResultGone(attempt) => self.result_gone(disk, *attempt, events),
            Change::Notice(row) => self.ends.notice(disk, row),
            Change::NoticeGone(no) => self.ends.notice_gone(disk, *no, events),
            Change::Secret(row) => self.secrets.set(row, now),
            Change::SecretGone(owner, name) => self.secrets.gone(disk, owner, name, now),
            Change::Run(row) => self.runs.run(disk, row),
            Change::RunGone(run) => self.runs.gone(disk, *run),
            Change::Answer(row) => self.runs.answer(disk, row),
            // What `Kept` looks at is enough.
            Change::Script(_) | Change::ScriptGone(_) | Change::Text(_) | Change::TextGone(_) | Change::Granted(_) => {}
            // That nobody refers to it is what `Kept` looks at.
            Change::ContentGone(hash) => {
                assert!(self.contents.remove(hash), "promise broken: a content goes twice");
            }
        }
    }

    fn new_job(&mut self, disk: &Kept, row: &JobRow, now: Instant) {
        assert!(row.id.0 > disk.last_job, "promise broken: the number of job {} was given before", row.id);
        self.given_what_was_named(disk, row);
        secrets::are_there(disk, row);
        self.submitted.insert(row.id, now);
        let (first, _) = row.spec.maps().into_inner();
        let tasks = self.queued.entry(class(row, first)).or_default();
        tasks.extend(row.spec.maps().map(|index| (TaskId { job: row.id, index }, now)));
        self.unfinished += row.spec.indices().count() as u64;
    }

    /// A job is given what its names stand for at that moment, and whoever submits it may see.
    fn given_what_was_named(&self, disk: &Kept, row: &JobRow) {
        assert_eq!(row.given.len(), row.spec.files.len(), "promise broken: job {} lacks files", row.id);
        for (wanted, given) in row.spec.files.iter().zip(row.given.iter()) {
            let owner = wanted.file.owner.as_ref().unwrap_or(&row.owner);
            let named = disk.files.values().find(|file| file.owner == *owner && file.name == wanted.file.name);
            let seen = named.filter(|file| file.owner == row.owner || file.shared_with.contains(&row.owner));
            let so = seen.is_some_and(|file| (file.hash, file.size) == (given.hash, given.size));
            assert!(so, "promise broken: job {} is given {given:?}, and {wanted:?} is {named:?}", row.id);
            assert_eq!((wanted.name(), wanted.writable), (&given.name, given.writable));
        }
    }

    /// An order arrives with what the job was given, at an agent that takes it.
    pub fn given(&self, disk: &Kept, machine: &Machine, order: &Order) {
        let (attempt, name) = (order.attempt, &machine.name);
        assert!(
            machine.takes_files || order.files.is_empty(),
            "promise broken: {attempt} has files, {name} takes none"
        );
        assert!(
            machine.takes_secrets || order.secrets.is_empty(),
            "promise broken: {attempt} has secrets, {name} takes none"
        );
        let Some(job) = disk.jobs.get(&attempt.task.job) else { return };
        self.secrets.told(job, order, self.submitted.get(&job.id).copied());
        let index = attempt.task.index;
        assert!(
            machine.gives_results || !class(job, index).results,
            "promise broken: {name} gives no results, and is given {attempt}"
        );
        let lacking = job.spec.interpreters.iter().find(|needed| !machine.interpreters.contains(&***needed));
        assert!(lacking.is_none(), "promise broken: {name} is given {attempt} and has no {lacking:?}");
        assert_eq!(*order.command, *job.spec.command_of(index), "promise broken: the command of {attempt}");
        assert_eq!(*order.env, job.spec.env_of(index), "promise broken: the environment of {attempt}");
        assert_eq!(*order.files, *self.reduces.given(job, attempt), "promise broken: the files of {attempt}");
        let there = order.files.iter().all(|given| self.contents.contains(&given.hash));
        assert!(there, "promise broken: contents of {attempt} are gone");
    }

    /// Each content is there that somebody refers to, and no other.
    pub fn contents_are_those(&self, disk: &Kept) {
        let named = disk.files.values().map(|file| file.hash);
        let given = disk.jobs.values().flat_map(|job| job.given.iter()).map(|given| given.hash);
        let left = disk.results.values().map(|result| result.hash);
        let referred: BTreeSet<ContentHash> = named.chain(given).chain(left).collect();
        assert_eq!(self.contents, referred, "promise broken: these contents are there, and those are referred to");
    }

    fn task(&mut self, disk: &Kept, row: &TaskRow, events: &[What], now: Instant) {
        let id = row.id;
        let Some(job) = disk.jobs.get(&id.job) else { panic!("promise broken: {id} belongs to no job") };
        let fresh = fresh(id);
        let old = disk.tasks.get(&id).unwrap_or(&fresh);
        let attempt = id.attempt(row.attempt);
        let step = (old.state, row.state);
        let same = old.attempt == row.attempt;
        let (queued, live) = (TaskState::Queued, |state| matches!(state, TaskState::Starting | TaskState::Running));
        let lost = |row: &TaskRow| matches!(row.outcome, Some(Outcome::Lost { again: true, .. }));
        let right = match step {
            _ if old.state.ended() && row.state.ended() => same && old.outcome == row.outcome,
            (before, TaskState::Queued) if before.ended() => {
                secrets::are_there(disk, job);
                same && row.outcome.is_none() && events.contains(&What::TaskRetried { task: id })
            }
            (TaskState::Queued, TaskState::Starting) => {
                self.may_begin(disk, job, row);
                let over = old.attempt == 0 || disk.attempts.contains_key(&id.attempt(old.attempt));
                row.attempt == old.attempt + 1 && over
            }
            // Its node came back with it.
            (TaskState::Queued, TaskState::Running) => {
                same && lost(old) && old.node == row.node && !disk.attempts.contains_key(&attempt)
            }
            (TaskState::Queued, TaskState::Queued) => same,
            (TaskState::Queued, TaskState::Stopped) => same,
            // Given back: it never began.
            (TaskState::Starting, TaskState::Queued) if row.attempt + 1 == old.attempt => {
                let given_back = id.attempt(old.attempt);
                let began = self.begun.contains_key(&given_back);
                assert!(!began, "promise broken: {given_back} began, and is said to have been given back");
                row.outcome.is_none()
            }
            (before, TaskState::Queued) if live(before) => same && lost(row) && row.losses >= old.losses,
            (before, after) if live(before) && live(after) => {
                let forth = !(before == TaskState::Running && after == TaskState::Starting);
                same && forth && old.node == row.node
            }
            (before, after) if live(before) && after.ended() => same && old.node == row.node,
            _ => false,
        };
        assert!(right, "promise broken: no task goes from {old:?} to {row:?}");
        let stays = old.stopping.is_none() || row.state.ended() || row.stopping.is_some();
        assert!(stays, "promise broken: {id} was to be stopped, and that is forgotten");
        self.reduces.changed(disk, job, old.state, row);
        if old.state == queued {
            self.waits(job, id, None);
        }
        if live(old.state)
            && let Some(node) = &old.node
        {
            self.live_on.entry(node.clone()).or_default().remove(&id);
        }
        let last = reducer(id.job, &job.spec);
        if row.state == queued && last != Some(id) {
            // What was given back without having begun has waited all the time.
            let given_back = row.attempt < old.attempt;
            let since = self.submitted.get(&id.job).copied().filter(|_| given_back).unwrap_or(now);
            self.waits(job, id, Some(since));
        }
        if let Some(last) = last {
            let own = if last == id { Some(row.state) } else { disk.tasks.get(&last).map(|row| row.state) };
            let ready = own.is_none_or(|state| state == queued) && self.reduces.all_succeeded(job);
            self.waits(job, last, ready.then_some(now));
        }
        if live(row.state)
            && let Some(node) = &row.node
        {
            self.live_on.entry(node.clone()).or_default().insert(id);
        }
        self.unfinished -= u64::from(!old.state.ended());
        self.unfinished += u64::from(!row.state.ended());
    }

    /// Since when a task is one of those that wait for a place; `None`: it is not.
    fn waits(&mut self, job: &JobRow, id: TaskId, since: Option<Instant>) {
        let key = class(job, id.index);
        let tasks = self.queued.entry(key.clone()).or_default();
        match since {
            Some(now) => drop(tasks.entry(id).or_insert(now)),
            None => drop(tasks.remove(&id)),
        }
        if tasks.is_empty() {
            self.queued.remove(&key);
        }
    }

    /// A node is given something new.
    fn may_begin(&self, disk: &Kept, job: &JobRow, row: &TaskRow) {
        let id = row.id;
        let Some(node) = row.node.as_ref().and_then(|name| disk.nodes.get(name)) else {
            panic!("promise broken: {id} is given to no node")
        };
        let name = &node.name;
        assert!(!node.draining && !node.revoked, "promise broken: {id} is given to {name}, which takes nothing");
        assert!(job.spec.node.as_ref().is_none_or(|pin| pin == name), "promise broken: {id} is given to {name}");
        let alone = node.shared_uid && !self.config.allow_shared_uid.contains(name);
        let others = self.live_on.get(name).into_iter().flatten().filter(|other| {
            let foreign = disk.jobs.get(&other.job).is_some_and(|other| other.owner != job.owner);
            alone && foreign && !self.has_ended(disk, **other)
        });
        let others: Vec<_> = others.collect();
        assert!(others.is_empty(), "promise broken: {id} of {} is to share {name} with {others:?}", job.owner);
        let slots = self.widest.get(name).copied().unwrap_or(0).max(node.slots);
        let cpus = |id: &TaskId| disk.jobs.get(&id.job).map_or(0, |job| job.spec.cpus.min(slots));
        let given = self.live_on.get(name).into_iter().flatten().filter(|id| !self.has_ended(disk, **id));
        let given: u32 = given.map(cpus).sum();
        let most = slots + self.config.backlog_of(slots);
        assert!(
            given + job.spec.cpus <= most || self.liars.contains(name),
            "promise broken: {id} takes {} CPUs of {name}, which has {given} of at most {most} to do",
            job.spec.cpus
        );
    }

    /// Its result is on the way, and its slots are free.
    fn has_ended(&self, disk: &Kept, id: TaskId) -> bool {
        disk.tasks.get(&id).is_some_and(|row| self.truth.contains_key(&id.attempt(row.attempt)))
    }

    fn job_gone(&mut self, disk: &Kept, id: JobId, events: &[What]) {
        let Some(job) = disk.jobs.get(&id) else { panic!("promise broken: job {id} is forgotten twice") };
        for index in job.spec.indices() {
            let state = disk.tasks.get(&TaskId { job: id, index }).map_or(TaskState::Queued, |row| row.state);
            assert!(state.ended(), "promise broken: job {id} is forgotten while {id}.{index} is {state}");
        }
        self.results_gone(disk, id, events);
        self.forgotten.insert(id);
    }

    pub fn event(&mut self, what: &What) {
        match what {
            What::TaskStarted { attempt, .. } => {
                let again = self.declared.remove(attempt) && self.ended.contains(attempt);
                assert!(!again, "promise broken: {attempt} starts after its end");
            }
            What::TaskEnded { attempt, .. } => {
                assert!(self.ended.insert(*attempt), "promise broken: {attempt} ends a second time");
                self.declared.insert(*attempt);
            }
            What::TaskRequeued { attempt, .. } => {
                assert!(!self.ended.contains(attempt), "promise broken: {attempt} is lost after its end");
                self.declared.insert(*attempt);
            }
            What::LateResult { attempt, .. } => {
                assert!(self.late.insert(*attempt), "promise broken: {attempt} has a second late result");
                assert!(self.declared.contains(attempt), "promise broken: {attempt} is late, and was never over");
            }
            _ => {}
        }
    }

    // What is told.

    /// What people are told is so, when it is told.
    pub fn told(&self, disk: &Kept, caller: &Caller, ask: &Ask, told: &Told) {
        secrets::answered(disk, caller, ask, told);
        let (Ask::Request(request), Told::Reply(reply)) = (ask, told) else { return };
        match (request, reply) {
            (Request::Submit(spec), api::Reply::Submitted { job, tasks }) => {
                let kept = disk.jobs.get(job).map(|row| &row.spec);
                assert_eq!(kept, Some(spec), "promise broken: job {job} is acknowledged");
                assert_eq!(spec.indices().count(), *tasks as usize);
            }
            (Request::Stop { targets, .. }, api::Reply::Done { .. }) => {
                for id in tasks_of(disk, targets) {
                    let row = disk.tasks.get(&id);
                    let so = row.is_some_and(|row| row.state.ended() || row.stopping.is_some());
                    assert!(so, "promise broken: {id} is to be stopped, and nothing says so: {row:?}");
                }
                for row in targets.iter().flat_map(|target| runs::meant(disk, *target)) {
                    let so = row.state.ended() || row.stopping.is_some();
                    assert!(so, "promise broken: {} is to be stopped, and nothing says so: {row:?}", row.id);
                }
            }
            (Request::Run(spec), api::Reply::Run(run)) => {
                let kept = disk.runs.get(&run.id).map(|row| (&row.spec.what, &row.stdin));
                let gone = self.runs.is_forgotten(run.id);
                assert!(
                    kept == Some((&spec.what, &spec.stdin)) || gone,
                    "promise broken: run {} is acknowledged",
                    run.id
                );
            }
            (Request::RunAgain { .. }, api::Reply::Run(run)) => self.runs.repeats(disk, run),
            (Request::RunShow { .. }, api::Reply::Run(run)) => self.runs.shown(disk, run),
            (Request::Wait { targets }, api::Reply::Waited(waited)) => {
                for row in targets.iter().flat_map(|target| runs::meant(disk, *target)) {
                    assert!(
                        row.state.ended(),
                        "promise broken: somebody is told that {} has ended, it has not",
                        row.id
                    );
                }
                let mut counts = protocol::job::Counts::default();
                for id in tasks_of(disk, targets) {
                    let state = disk.tasks.get(&id).map_or(TaskState::Queued, |row| row.state);
                    assert!(state.ended(), "promise broken: somebody is told that {id} has ended, it is {state}");
                    *counts.of(state) += 1;
                }
                let whole = targets.iter().all(|target| disk.jobs.contains_key(&target.job()));
                assert!(!whole || counts == waited.counts, "promise broken: {counts:?}, told {waited:?}");
            }
            (Request::Jobs(_), api::Reply::Jobs { total, .. }) => {
                assert_eq!(*total as usize, disk.jobs.len(), "promise broken: so many jobs are shown");
            }
            (Request::Task { id }, api::Reply::Task { task, .. }) => {
                let row = disk.tasks.get(id);
                let kept = row.map_or((TaskState::Queued, 0), |row| (row.state, row.attempt));
                assert_eq!((task.state, task.attempt), kept, "promise broken: {id} is shown");
            }
            (Request::Drain { node, on }, _) => {
                assert_eq!(disk.nodes.get(node).map(|row| row.draining), Some(*on), "promise broken: {node}");
            }
            (Request::JobRemove { jobs }, api::Reply::Removed { .. }) => {
                let gone = jobs.iter().all(|job| !disk.jobs.contains_key(job));
                assert!(gone, "promise broken: {jobs:?} are removed");
            }
            (Request::ResultRemove { targets }, api::Reply::Removed { .. }) => Self::are_gone(disk, targets),
            (Request::RevokeNode { node }, _) => {
                assert_eq!(disk.nodes.get(node).map(|row| row.revoked), Some(true), "promise broken: {node}");
            }
            (Request::RemoveNode { node }, _) => {
                assert!(!disk.nodes.contains_key(node), "promise broken: {node} is removed");
            }
            _ => {}
        }
    }

    /// The manager lets a machine forget these.
    pub fn acked(&self, disk: &Kept, attempts: &[AttemptId]) {
        for attempt in attempts {
            let row = disk.tasks.get(&attempt.task);
            let over = row.is_some_and(|row| {
                let latest = row.attempt == attempt.number && (row.state.ended() || row.state == TaskState::Queued);
                latest || row.attempt > attempt.number
            });
            let kept = over || disk.attempts.contains_key(attempt) || !disk.jobs.contains_key(&attempt.task.job);
            let kept = kept && Runs::acked(disk, *attempt);
            assert!(kept, "promise broken: the end of {attempt} is acknowledged, and kept nowhere");
        }
    }

    pub fn promised(&mut self, job: JobId, tasks: u32) {
        self.promised.insert(job, tasks);
    }

    pub fn nothing_is_forgotten(&self, disk: &Kept) {
        self.runs.nothing_is_forgotten(disk);
        for (job, tasks) in &self.promised {
            let kept = disk.jobs.get(job).map(|row| row.spec.indices().count());
            let so = kept == Some(*tasks as usize) || (kept.is_none() && self.forgotten.contains(job));
            assert!(so, "promise broken: job {job} was acknowledged with {tasks} tasks, and there are {kept:?}");
        }
    }

    /// At the end: every task has ended as the machine said that ran its last attempt, or as had to be said without.
    pub fn ended_truly(&self, disk: &Kept, machines: &[Machine]) {
        let truth = |attempt: AttemptId| {
            let there = self.truth.get(&attempt);
            let there = there.map(|(at, outcome)| (format!("{attempt} on {}", machines[*at].name), outcome.clone()));
            let here = || Some((format!("{attempt} on the manager"), self.truth_here.get(&attempt)?.clone()));
            there.or_else(here)
        };
        self.runs.ended_truly(disk, truth, |node| self.liars.contains(node));
        for (id, job) in &disk.jobs {
            for index in job.spec.indices() {
                let id = TaskId { job: *id, index };
                let Some(row) = disk.tasks.get(&id) else { panic!("promise broken: {id} never ran") };
                assert!(row.state.ended(), "promise broken: {id} is {}", row.state);
                let attempt = id.attempt(row.attempt);
                let own_verdict = matches!(row.state, TaskState::Lost | TaskState::Stopped);
                let told = self.truth.get(&attempt);
                let on = told.map(|(at, _)| &machines[*at].name);
                let so = row.node.as_ref() == on && told.map(|(_, outcome)| outcome) == row.outcome.as_ref();
                let liar = row.node.as_ref().is_some_and(|node| self.liars.contains(node));
                assert!(so || own_verdict || liar, "promise broken: {id} ended {:?}, truly {told:?}", row.outcome);
                if so && !liar && !own_verdict {
                    let printed = format!("{attempt} on {}", machines[told.map_or(0, |(at, _)| *at)].name);
                    let kept = disk.outputs.get(&attempt).and_then(|(stdout, _)| stdout.bytes.clone());
                    assert_eq!(kept.map(|bytes| bytes.0), Some(printed.into_bytes()), "promise broken: {attempt}");
                }
            }
        }
    }
}

fn fresh(id: TaskId) -> TaskRow {
    TaskRow {
        id,
        state: TaskState::Queued,
        attempt: 0,
        losses: 0,
        node: None,
        started_at: None,
        ended_at: None,
        ran_ms: None,
        outcome: None,
        stopping: None,
    }
}

pub fn class(row: &JobRow, index: u32) -> Class {
    let last = reducer(row.id, &row.spec);
    let reduces = last.is_some_and(|last| last.index == index);
    Class {
        cpus: row.spec.cpus,
        pin: row.spec.node.clone(),
        owner: row.owner.clone(),
        files: reduces || !row.given.is_empty(),
        results: last.is_some() && !reduces,
        interpreters: row.spec.interpreters.clone(),
        secrets: !row.spec.secrets.is_empty(),
    }
}

fn tasks_of(disk: &Kept, targets: &[Target]) -> BTreeSet<TaskId> {
    let mut tasks = BTreeSet::new();
    for target in targets {
        let Some(job) = disk.jobs.get(&target.job()) else { continue };
        let indices = job.spec.indices();
        tasks.extend(indices.map(|index| TaskId { job: target.job(), index }).filter(|id| match target {
            Target::Job(_) => true,
            Target::Task(task) => task == id,
            Target::Attempt(attempt) => attempt.task == *id,
            Target::Range { first, last, .. } => (*first..=*last).contains(&id.index),
        }));
    }
    tasks
}
