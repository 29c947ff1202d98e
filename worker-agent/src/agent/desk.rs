//! What this node has been told to run and how far it is. Decides, and does nothing itself: no files, no sockets.
//!
//! Waiting orders live here alone. They may be lost at any moment, because the manager sends them again to whoever
//! does not list them in its hello; everything that has started is in the keeper's journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use protocol::agent::{Given, Held, Order};
use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::keeper::{Ended, Kept};
use protocol::time::UnixMillis;

use super::content::Content;

#[derive(Debug)]
pub struct Desk {
    slots: u32,
    used: u32,
    tasks: BTreeMap<AttemptId, Task>,
    /// Oldest first. Nobody overtakes: a small order behind a large one waits, or the large one would for ever. Only
    /// one that lacks files is passed by, and keeps its place.
    waiting: VecDeque<Waiting>,
    /// How many of them lack files.
    fetching: usize,
    /// Runs, which take no slot.
    runs: VecDeque<Order>,
    /// How many of them are under way.
    running_runs: usize,
}

/// Runs under way at a time. A node is asked for one now and then; more are somebody's mistake, and wait.
const MOST_RUNS: usize = 16;

#[derive(Debug)]
struct Waiting {
    order: Order,
    /// What this node does not have yet.
    missing: BTreeSet<Content>,
}

impl Waiting {
    /// What it lacks, with the size that each has.
    fn lacks(&self) -> impl Iterator<Item = (Content, u64)> {
        let files = self.order.files.iter().map(|given| (Content::of(given), given.size));
        files.filter(|(content, _)| self.missing.contains(content))
    }
}

#[derive(Debug)]
struct Task {
    /// The slots it takes, or will take: none where it is a run's.
    cpus: u32,
    run: bool,
    /// Until it has ended; not known of what ran before this agent.
    files: Arc<[Given]>,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    /// Its files are being brought into its folder.
    Placing {
        instead: Option<Instead>,
    },
    /// Handed to the keeper.
    Starting,
    Running {
        since: UnixMillis,
    },
    /// The manager no longer wants it: being killed, reported to nobody.
    Discarded,
    Ended {
        ended: Ended,
        kept: bool,
    },
}

/// What is to become of a task that is not wanted any more before it could start.
#[derive(Debug)]
enum Instead {
    Stopped(String),
    Forgotten,
}

/// What is to be done with a task whose files are in its folder.
#[derive(Debug, PartialEq, Eq)]
pub enum Placed {
    Start,
    /// It was stopped meanwhile.
    Report,
    Forget,
}

/// What a message about an attempt comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    /// The keeper is to end it.
    Stop,
    /// It ended here, without the keeper; to be reported.
    Report,
    /// It has ended, and at most its result is on its way. `came_true`: it was a stop that ended it.
    Settle {
        came_true: bool,
    },
}

impl Desk {
    pub fn new(slots: u32) -> Self {
        Self {
            slots: slots.max(1),
            used: 0,
            tasks: BTreeMap::new(),
            waiting: VecDeque::new(),
            fetching: 0,
            runs: VecDeque::new(),
            running_runs: 0,
        }
    }

    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// What the keeper has from before this agent.
    pub fn adopt(&mut self, kept: Kept) {
        let run = kept.note["run"].as_bool().unwrap_or_default();
        let cpus = u32::try_from(kept.note["cpus"].as_u64().unwrap_or(1)).unwrap_or(u32::MAX);
        let cpus = if run { 0 } else { self.fitting(cpus) };
        let state = match kept.ended {
            Some(ended) => State::Ended { ended, kept: true },
            None => {
                self.used += cpus;
                self.running_runs += usize::from(run);
                State::Running { since: kept.started_at }
            }
        };
        self.tasks.insert(kept.attempt, Task { cpus, run, files: Arc::default(), state });
    }

    /// An order larger than the node takes all of it, rather than waiting for ever.
    fn fitting(&self, cpus: u32) -> u32 {
        cpus.clamp(1, self.slots)
    }

    /// `has`: whether this node has that content.
    pub fn order(&mut self, order: Order, has: impl Fn(Content) -> bool) {
        if order.run.is_some() {
            if let std::collections::btree_map::Entry::Vacant(place) = self.tasks.entry(order.attempt) {
                place.insert(Task { cpus: 0, run: true, files: Arc::default(), state: State::Waiting });
                self.runs.push_back(order);
            }
            return;
        }
        let cpus = self.fitting(order.cpus);
        if let Some(Task { state: State::Placing { instead: instead @ Some(Instead::Forgotten) }, .. }) =
            self.tasks.get_mut(&order.attempt)
        {
            // After a link that broke meanwhile: it goes on.
            *instead = None;
        }
        if let std::collections::btree_map::Entry::Vacant(place) = self.tasks.entry(order.attempt) {
            place.insert(Task { cpus, run: false, files: order.files.clone(), state: State::Waiting });
            let missing: BTreeSet<Content> = order.files.iter().map(Content::of).filter(|one| !has(*one)).collect();
            self.fetching += usize::from(!missing.is_empty());
            self.waiting.push_back(Waiting { order, missing });
        }
    }

    /// The next order that has its files and that there is room for. It holds its slots from now on; one with files is
    /// to be [placed](Self::placed) first.
    pub fn next(&mut self) -> Option<Order> {
        if self.running_runs < MOST_RUNS
            && let Some(order) = self.runs.pop_front()
        {
            self.running_runs += 1;
            if let Some(task) = self.tasks.get_mut(&order.attempt) {
                task.state = State::Starting;
            }
            return Some(order);
        }
        if self.ready() == 0 {
            return None;
        }
        let at = self.waiting.iter().position(|waiting| waiting.missing.is_empty())?;
        let order = &self.waiting.get(at)?.order;
        let task = self.tasks.get_mut(&order.attempt)?;
        if self.used + task.cpus > self.slots {
            return None;
        }
        self.used += task.cpus;
        task.state = if order.files.is_empty() { State::Starting } else { State::Placing { instead: None } };
        self.waiting.remove(at).map(|waiting| waiting.order)
    }

    /// Its files are in its folder, or could not be brought there.
    pub fn placed(&mut self, attempt: AttemptId, now: UnixMillis) -> Placed {
        let Some(Task { state: State::Placing { instead }, .. }) = self.tasks.get_mut(&attempt) else {
            return Placed::Forget;
        };
        match instead.take() {
            None => {
                if let Some(task) = self.tasks.get_mut(&attempt) {
                    task.state = State::Starting;
                }
                Placed::Start
            }
            Some(Instead::Stopped(reason)) => {
                self.end(never_ran(attempt, Outcome::Stopped { reason }, now), false);
                Placed::Report
            }
            Some(Instead::Forgotten) => {
                self.release(attempt);
                self.tasks.remove(&attempt);
                Placed::Forget
            }
        }
    }

    /// It could not even be handed to the keeper.
    pub fn failed(&mut self, attempt: AttemptId, outcome: Outcome, now: UnixMillis) {
        self.end(never_ran(attempt, outcome, now), false);
    }

    /// Whether the manager is to hear of it.
    pub fn started(&mut self, attempt: AttemptId, since: UnixMillis) -> bool {
        match self.tasks.get_mut(&attempt) {
            Some(task) if matches!(task.state, State::Starting) => {
                task.state = State::Running { since };
                true
            }
            _ => false,
        }
    }

    /// Whether the manager is to hear of it; otherwise it is to be forgotten.
    pub fn ended(&mut self, ended: Ended) -> bool {
        let attempt = ended.attempt;
        if matches!(self.tasks.get(&attempt), Some(Task { state: State::Discarded, .. })) {
            self.release(attempt);
            self.tasks.remove(&attempt);
            return false;
        }
        self.end(ended, true);
        true
    }

    fn end(&mut self, ended: Ended, kept: bool) {
        let attempt = ended.attempt;
        self.release(attempt);
        let task = self.tasks.entry(attempt).or_insert(Task {
            cpus: 1,
            run: false,
            files: Arc::default(),
            state: State::Waiting,
        });
        task.files = Arc::default();
        task.state = State::Ended { ended, kept };
    }

    fn release(&mut self, attempt: AttemptId) {
        if let Some(Task {
            cpus,
            run,
            state: State::Placing { .. } | State::Starting | State::Running { .. } | State::Discarded,
            ..
        }) = self.tasks.get(&attempt)
        {
            self.used -= cpus;
            self.running_runs -= usize::from(*run);
        }
    }

    pub fn stop(&mut self, attempt: AttemptId, reason: String, now: UnixMillis) -> Act {
        match self.tasks.get_mut(&attempt).map(|task| &mut task.state) {
            Some(State::Waiting) => {
                self.leave(attempt);
                self.end(never_ran(attempt, Outcome::Stopped { reason }, now), false);
                Act::Report
            }
            Some(State::Placing { instead }) => {
                instead.get_or_insert(Instead::Stopped(reason));
                Act::Nothing
            }
            Some(State::Starting | State::Running { .. }) => Act::Stop,
            Some(State::Ended { ended, .. }) => {
                Act::Settle { came_true: matches!(ended.outcome, Outcome::Stopped { .. }) }
            }
            Some(State::Discarded) | None => Act::Nothing,
        }
    }

    /// Whether it is not here (any more) and never ran, so that it may run elsewhere.
    pub fn recall(&mut self, attempt: AttemptId) -> bool {
        match self.tasks.get(&attempt).map(|task| &task.state) {
            None => true,
            Some(State::Waiting) => {
                self.leave(attempt);
                self.tasks.remove(&attempt);
                true
            }
            Some(_) => false,
        }
    }

    /// Whether there is something to forget. What has not ended is left alone: an ack is no order to kill.
    pub fn ack(&mut self, attempt: AttemptId) -> Option<Forget> {
        let Some(Task { state: State::Ended { kept, .. }, .. }) = self.tasks.get(&attempt) else { return None };
        let keeper = *kept;
        self.tasks.remove(&attempt);
        Some(Forget { keeper })
    }

    pub fn discard(&mut self, attempt: AttemptId) -> Discard {
        let Some(task) = self.tasks.get_mut(&attempt) else { return Discard::Nothing };
        match &mut task.state {
            State::Waiting => {
                self.leave(attempt);
                self.tasks.remove(&attempt);
                Discard::Nothing
            }
            State::Placing { instead } => {
                *instead = Some(Instead::Forgotten);
                Discard::Nothing
            }
            State::Starting | State::Running { .. } => {
                task.state = State::Discarded;
                Discard::Kill
            }
            State::Discarded => Discard::Nothing,
            State::Ended { kept, .. } => {
                let keeper = *kept;
                self.tasks.remove(&attempt);
                Discard::Forget(Forget { keeper })
            }
        }
    }

    /// The manager will send them again after the next hello.
    pub fn unlinked(&mut self) {
        for waiting in self.waiting.drain(..) {
            self.tasks.remove(&waiting.order.attempt);
        }
        self.fetching = 0;
        for run in self.runs.drain(..) {
            self.tasks.remove(&run.attempt);
        }
        // Nor is it told that these are here, as nobody but us knows of them: if we die now they have never been.
        for task in self.tasks.values_mut() {
            if let State::Placing { instead } = &mut task.state {
                instead.get_or_insert(Instead::Forgotten);
            }
        }
    }

    fn leave(&mut self, attempt: AttemptId) {
        self.runs.retain(|run| run.attempt != attempt);
        if let Some(at) = self.waiting.iter().position(|waiting| waiting.order.attempt == attempt)
            && let Some(waiting) = self.waiting.remove(at)
        {
            self.fetching -= usize::from(!waiting.missing.is_empty());
        }
    }

    /// What is to be fetched, for whom; first what was ordered first.
    pub fn missing(&self) -> impl Iterator<Item = (Content, u64, AttemptId)> {
        let some = if self.fetching == 0 { 0 } else { self.waiting.len() };
        self.waiting
            .iter()
            .take(some)
            .flat_map(|waiting| waiting.lacks().map(|(content, size)| (content, size, waiting.order.attempt)))
    }

    pub fn is_missed(&self, content: Content) -> bool {
        self.fetching > 0 && self.waiting.iter().any(|waiting| waiting.missing.contains(&content))
    }

    /// This node has it now.
    pub fn arrived(&mut self, content: Content) {
        for waiting in &mut self.waiting {
            if waiting.missing.remove(&content) && waiting.missing.is_empty() {
                self.fetching -= 1;
            }
        }
    }

    /// One order cannot have its files. Whether the manager is to hear of it.
    pub fn cannot_have(&mut self, attempt: AttemptId, outcome: Outcome, now: UnixMillis) -> bool {
        let waits = matches!(self.tasks.get(&attempt), Some(Task { state: State::Waiting, .. }));
        if waits {
            self.leave(attempt);
            self.failed(attempt, outcome, now);
        }
        waits
    }

    /// What somebody who waits for a content calls it.
    pub fn name_of(&self, attempt: AttemptId, content: Content) -> Option<String> {
        let files = &self.tasks.get(&attempt)?.files;
        files.iter().find(|given| Content::of(given) == content).map(|given| given.name.to_string())
    }

    /// Nobody can have this content here: who waits for it. All of them are to be told that they
    /// [cannot](Self::cannot_have).
    pub fn missed_by(&self, content: Content) -> Vec<AttemptId> {
        let waits = self.waiting.iter().filter(|waiting| waiting.missing.contains(&content));
        waits.map(|waiting| waiting.order.attempt).collect()
    }

    /// What must stay in the cache: what somebody waits for, is about to get, or runs with.
    pub fn needed(&self) -> BTreeSet<Content> {
        self.tasks.values().flat_map(|task| task.files.iter().map(Content::of)).collect()
    }

    /// For the hello: everything but what waits (and there is nothing waiting without a link) or is not with the keeper yet.
    pub fn held(&self, now: UnixMillis) -> Vec<Held> {
        let held = |(&attempt, task): (&AttemptId, &Task)| match &task.state {
            State::Waiting | State::Placing { .. } => None,
            State::Starting | State::Discarded => Some(Held { attempt, started_at: now, ended: false }),
            State::Running { since } => Some(Held { attempt, started_at: *since, ended: false }),
            State::Ended { ended, .. } => {
                Some(Held { attempt, started_at: ended.started_at.unwrap_or(ended.ended_at), ended: true })
            }
        };
        self.tasks.iter().filter_map(held).collect()
    }

    pub fn ended_ones(&self) -> Vec<AttemptId> {
        let ended = self.tasks.iter().filter(|(_, task)| matches!(task.state, State::Ended { .. }));
        ended.map(|(&attempt, _)| attempt).collect()
    }

    pub fn end_of(&self, attempt: AttemptId) -> Option<&Ended> {
        match &self.tasks.get(&attempt)?.state {
            State::Ended { ended, .. } => Some(ended),
            _ => None,
        }
    }

    /// Those whose output may be growing.
    pub fn running(&self) -> impl Iterator<Item = AttemptId> {
        let runs = |task: &Task| matches!(task.state, State::Starting | State::Running { .. });
        self.tasks.iter().filter(move |(_, task)| runs(task)).map(|(&attempt, _)| attempt)
    }

    /// On its way to the keeper, or there and not answered yet.
    pub fn is_starting(&self, attempt: AttemptId) -> bool {
        let starts = |state: &State| match state {
            State::Starting => true,
            State::Placing { instead } => !matches!(instead, Some(Instead::Forgotten)),
            _ => false,
        };
        self.tasks.get(&attempt).is_some_and(|task| starts(&task.state))
    }

    /// Whether it has, or is about to have, output files here.
    pub fn prints(&self, attempt: AttemptId) -> bool {
        let none = |state: &State| matches!(state, State::Waiting | State::Placing { .. } | State::Discarded);
        self.tasks.get(&attempt).is_some_and(|task| !none(&task.state))
    }

    /// Whether it is a run's, which leaves no result.
    pub fn is_run(&self, attempt: AttemptId) -> bool {
        self.tasks.get(&attempt).is_some_and(|task| task.run)
    }

    pub fn holds(&self, attempt: AttemptId) -> bool {
        self.tasks.contains_key(&attempt)
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many of those wait for nothing but a slot.
    pub fn ready(&self) -> usize {
        self.waiting.len() - self.fetching
    }

    pub fn is_idle(&self) -> bool {
        self.used == 0 && self.running_runs == 0
    }
}

fn never_ran(attempt: AttemptId, outcome: Outcome, now: UnixMillis) -> Ended {
    Ended { attempt, outcome, started_at: None, ended_at: now, ran_ms: None, out_of_memory: false }
}

/// Its folder and output go; `keeper`: and its journal entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Forget {
    pub keeper: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Discard {
    Nothing,
    /// End it at once; it is forgotten when it has ended.
    Kill,
    Forget(Forget),
}

#[cfg(test)]
mod tests;
