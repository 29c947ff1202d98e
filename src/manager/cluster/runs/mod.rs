//! Runs: one command or script on some nodes, now. They wait for no slot and are tried once; each node's answer ends
//! exactly once. Agents run an answer as they run an attempt, and tell of it so; what has no agent, the shell runs.
//!
//! [`ask`] is who may ask for what, [`begin`] how answers are begun, [`answers`] how they end, [`hello`] what a link
//! that comes or goes means for them, [`show`] what people see.

mod answers;
mod ask;
mod begin;
#[cfg(test)]
mod checks;
mod hello;
mod show;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use protocol::agent::RunOrder;
use protocol::id::{JobId, TaskId};
use protocol::job::{Outcome, TaskState};
use protocol::run::Whence;
use protocol::time::UnixMillis;

use super::change::{AnswerRow, RunRow};
use super::ids::NodeIx;
use super::port::CallId;

/// So many runs are remembered, so many answers of them, and so many bytes that were sent to them.
const MOST: usize = 1_000;
const MOST_ANSWERS: usize = 100_000;
const MOST_STDIN: usize = 16 << 20;

#[derive(Debug, Default)]
pub struct Runs {
    all: BTreeMap<JobId, Run>,
    /// The answers that agents give and that have not ended.
    by_node: BTreeMap<NodeIx, BTreeSet<TaskId>>,
    /// Runs of which more answers may begin.
    fresh: BTreeSet<JobId>,
    /// All of this is from the disk, and was not looked at since.
    loaded: bool,
    /// Nodes that have not come back since, and on which answers wait that have not begun: they have as long as a lease.
    expected: BTreeSet<NodeIx>,
    watchers: BTreeMap<CallId, (JobId, u64)>,
    answers: usize,
    stdin: usize,
}

#[derive(Debug)]
struct Run {
    row: Arc<RunRow>,
    /// What its orders have in common, while it has not ended.
    orders: Option<Orders>,
    answers: Vec<Answer>,
    /// Those that have not begun, in order.
    waiting: VecDeque<u32>,
    under_way: u32,
    ended: u32,
    /// Grows with each change.
    revision: u64,
}

#[derive(Debug, Clone)]
struct Orders {
    command: Arc<[String]>,
    env: Arc<BTreeMap<String, String>>,
    run: Arc<RunOrder>,
}

#[derive(Debug)]
struct Answer {
    whence: Whence,
    state: TaskState,
    /// Who gives it, once it has begun.
    by: Option<By>,
    started_at: Option<UnixMillis>,
    ended_at: Option<UnixMillis>,
    ran_ms: Option<u64>,
    outcome: Option<Outcome>,
    stopping: Option<String>,
    /// The revision of its run in which it last changed.
    changed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Agent(NodeIx),
    /// The shell: on the manager, or by the node's own SSH.
    Shell,
}

impl Runs {
    pub fn has(&self, id: JobId) -> bool {
        self.all.contains_key(&id)
    }

    /// Whether an agent there owes an answer.
    pub fn has_any_on(&self, ix: NodeIx) -> bool {
        self.by_node.contains_key(&ix)
    }

    pub fn first_owed_by(&self, ix: NodeIx) -> Option<TaskId> {
        self.by_node.get(&ix)?.first().copied()
    }

    /// The nodes whose agents owe answers.
    pub fn owing(&self) -> impl Iterator<Item = NodeIx> {
        self.by_node.keys().copied()
    }

    pub fn expects_any(&self) -> bool {
        !self.expected.is_empty()
    }

    /// This one is back, or was long enough waited for.
    fn expect_no_more(&mut self, ix: NodeIx) {
        if self.expected.remove(&ix) {
            self.wake_all();
        }
    }

    fn wake_all(&mut self) {
        let waiting = self.all.iter().filter(|(_, run)| !run.waiting.is_empty());
        self.fresh.extend(waiting.map(|(id, _)| *id));
    }

    pub fn forget_call(&mut self, call: CallId) {
        self.watchers.remove(&call);
    }

    fn answer(&self, id: TaskId) -> Option<(&Run, &Answer)> {
        let run = self.all.get(&id.job)?;
        Some((run, run.answers.get(id.index as usize)?))
    }

    fn add(&mut self, run: Run) {
        self.answers += run.answers.len();
        self.stdin += run.row.stdin.0.len();
        self.fresh.insert(run.row.id);
        self.all.insert(run.row.id, run);
    }

    /// The oldest that is to go, while there are too many.
    fn surplus(&self) -> Option<JobId> {
        let many = self.all.len() > MOST || self.answers > MOST_ANSWERS || self.stdin > MOST_STDIN;
        if !many {
            return None;
        }
        self.all.iter().find(|(_, run)| run.over()).map(|(id, _)| *id)
    }

    fn remove(&mut self, id: JobId) -> Option<Run> {
        let run = self.all.remove(&id)?;
        self.answers -= run.answers.len();
        self.stdin -= run.row.stdin.0.len();
        self.fresh.remove(&id);
        Some(run)
    }

    fn owed(&mut self, ix: NodeIx, id: TaskId) {
        self.by_node.entry(ix).or_default().insert(id);
    }

    fn settled(&mut self, ix: NodeIx, id: TaskId) {
        if let Some(owed) = self.by_node.get_mut(&ix) {
            owed.remove(&id);
            if owed.is_empty() {
                self.by_node.remove(&ix);
            }
        }
    }
}

impl Run {
    fn new(row: Arc<RunRow>, orders: Option<Orders>, answers: Vec<Answer>) -> Self {
        let waits = |(index, answer): (u32, &Answer)| (answer.state == TaskState::Queued).then_some(index);
        let waiting: VecDeque<u32> = (0..).zip(&answers).filter_map(waits).collect();
        let count = |is: fn(TaskState) -> bool| answers.iter().filter(|answer| is(answer.state)).count() as u32;
        let under_way = count(|state| matches!(state, TaskState::Starting | TaskState::Running));
        let ended = count(TaskState::ended);
        Self { row, orders, answers, waiting, under_way, ended, revision: 1 }
    }

    fn over(&self) -> bool {
        self.ended as usize == self.answers.len()
    }
}

impl Answer {
    fn new(whence: Whence) -> Self {
        Self {
            whence,
            state: TaskState::Queued,
            by: None,
            started_at: None,
            ended_at: None,
            ran_ms: None,
            outcome: None,
            stopping: None,
            changed: 1,
        }
    }

    fn row(&self, id: TaskId) -> AnswerRow {
        AnswerRow {
            id,
            node: self.whence.clone(),
            own: self.by == Some(By::Shell),
            state: self.state,
            started_at: self.started_at,
            ended_at: self.ended_at,
            ran_ms: self.ran_ms,
            outcome: self.outcome.clone(),
            stopping: self.stopping.clone(),
        }
    }
}
