//! The work: jobs, the newest first, each of which unfolds into its tasks; or, where a filter names a node, the tasks
//! that are or were there.

mod order;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::api::{JobView, NodeView, TaskQuery, TaskView};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::TaskState;
use protocol::name::NodeName;
use protocol::node::Role;

use super::Now;
use super::filter::Filter;
use super::list::{Move, Scroll};
use super::settings::Settings;
use super::tasks::Tasks;
use crate::console::event::Effect;

pub use order::{WorkColumn, only_task, title};

/// No screen has more rows.
const MOST_SEEN: usize = 100;

#[derive(Debug)]
pub struct Work {
    pub sort: WorkColumn,
    pub reverse: bool,
    /// Only what has not ended.
    pub active: bool,
    pub filter: Filter,
    pub marks: BTreeSet<Target>,
    /// Indices into the picture's jobs.
    order: Vec<usize>,
    /// The row each job of the order, or each node's list, begins at, and the number of rows as its last.
    starts: Vec<usize>,
    unfolded: BTreeMap<JobId, Tasks>,
    /// The tasks of each node that the filter names, instead of jobs.
    on_nodes: Option<Vec<(NodeName, Tasks)>>,
    pub widths: Widths,
    pub scroll: Scroll,
    /// What is under the cursor, so that it stays there when others come or go.
    at: Option<At>,
    /// A job to go to as soon as it is in the picture.
    awaited: Option<JobId>,
}

/// Cells that the columns of all jobs need, so that nothing jumps while one scrolls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Widths {
    pub id: u16,
    pub owner: u16,
    pub counts: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    /// `None` in the list of a node.
    job: Option<JobId>,
    /// Below its job; `None` for the job itself.
    nth: Option<usize>,
    task: Option<TaskId>,
}

/// A line of the pane.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    Job {
        job: &'a JobView,
        unfolded: bool,
    },
    /// `task` is `None` until the manager has told it, `id` where it cannot be known before.
    Task {
        job: Option<JobId>,
        id: Option<TaskId>,
        task: Option<&'a TaskView>,
    },
}

impl Row<'_> {
    pub fn target(&self) -> Option<Target> {
        match self {
            Row::Job { job, .. } => Some(Target::Job(job.id)),
            Row::Task { id, .. } => id.map(Target::Task),
        }
    }

    /// The job it is, or is a part of, in the tree of jobs.
    pub fn job(&self) -> Option<JobId> {
        match self {
            Row::Job { job, .. } => Some(job.id),
            Row::Task { job, .. } => *job,
        }
    }
}

impl Work {
    pub fn new(settings: &Settings) -> Self {
        Self {
            sort: settings.work_sort,
            reverse: settings.work_reverse,
            active: settings.work_active,
            filter: Filter::default(),
            marks: BTreeSet::new(),
            order: vec![],
            starts: vec![0],
            unfolded: BTreeMap::new(),
            on_nodes: None,
            widths: Widths::default(),
            scroll: Scroll::default(),
            at: None,
            awaited: None,
        }
    }

    /// What was known and meant of another manager's jobs, which have the same numbers.
    pub fn forget(&mut self) {
        self.marks.clear();
        self.unfolded.clear();
        (self.on_nodes, self.at, self.awaited) = (None, None, None);
    }

    /// After anything that may have changed which jobs there are, their order, or how many tasks are unfolded.
    pub fn refresh(&mut self, jobs: &[JobView]) {
        let shown = |job: &JobView| (!self.active || job.counts.ended() < job.counts.total()) && self.filter.holds(job);
        self.order.clear();
        if self.on_nodes.is_none() {
            self.order.extend((0..jobs.len()).filter(|at| shown(&jobs[*at])));
            order::sort(&mut self.order, self.sort, jobs);
            if self.reverse {
                self.order.reverse();
            }
        }
        self.unfolded.retain(|id, _| find(jobs, *id).is_some());
        self.starts.clear();
        self.starts.push(0);
        let mut end = 0;
        let states = self.states();
        for at in &self.order {
            let job = &jobs[*at];
            end += 1 + if self.unfolded.contains_key(&job.id) { count(job, &states) } else { 0 };
            self.starts.push(end);
        }
        for (_, tasks) in self.on_nodes.iter().flatten() {
            end += tasks.total().unwrap_or(1);
            self.starts.push(end);
        }
        self.widths = widths(jobs);
        if let Some(job) = self.awaited.filter(|job| find(jobs, *job).is_some()) {
            (self.at, self.awaited) = (Some(At { job: Some(job), nth: None, task: None }), None);
        }
        self.keep_cursor(jobs);
    }

    /// The cursor stays on what it is on, and that where it is on the screen.
    fn keep_cursor(&mut self, jobs: &[JobView]) {
        let Some(at) = self.at else {
            self.scroll.cursor = self.scroll.cursor.min(self.len().saturating_sub(1));
            return;
        };
        let row = self.row_of(jobs, at);
        if let Some(row) = row {
            if self.scroll.top > 0 {
                self.scroll.top = (self.scroll.top + row).saturating_sub(self.scroll.cursor);
            }
            self.scroll.cursor = row;
        }
        self.scroll.cursor = self.scroll.cursor.min(self.len().saturating_sub(1));
        // What a filter hides comes back; what the manager has forgotten does not. And tasks become known.
        if row.is_some() && at.nth.is_some() || at.job.is_some_and(|job| find(jobs, job).is_none()) {
            self.at = self.spot(jobs, self.scroll.cursor).or(self.at);
        }
    }

    fn row_of(&self, jobs: &[JobView], at: At) -> Option<usize> {
        let Some(id) = at.job else {
            let lists = self.on_nodes.iter().flatten().zip(&self.starts);
            let found = at.task.and_then(|task| {
                lists.into_iter().find_map(|((_, tasks), start)| {
                    let near = self.scroll.cursor.saturating_sub(*start);
                    Some(start + tasks.find(task, near)?)
                })
            });
            return found.or(at.nth).filter(|_| self.on_nodes.is_some());
        };
        let place = self.order.iter().position(|at| jobs[*at].id == id)?;
        let below = self.starts[place + 1] - self.starts[place];
        let Some(nth) = at.nth else { return Some(self.starts[place]) };
        let found = at.task.and_then(|task| match self.narrowed() {
            false => (task.index.checked_sub(jobs[self.order[place]].first)).map(|nth| nth as usize),
            true => self.unfolded.get(&id)?.find(task, nth),
        });
        Some(self.starts[place] + (found.unwrap_or(nth) + 1).min(below - 1))
    }

    fn spot(&self, jobs: &[JobView], row: usize) -> Option<At> {
        let start = *self.starts.get(self.starts.partition_point(|start| *start <= row).checked_sub(1)?)?;
        Some(match self.get(jobs, row)? {
            Row::Job { job, .. } => At { job: Some(job.id), nth: None, task: None },
            Row::Task { job: Some(job), id, .. } => {
                At { job: Some(job), nth: Some((row - start).saturating_sub(1)), task: id }
            }
            Row::Task { job: None, id, .. } => At { job: None, nth: Some(row), task: id },
        })
    }

    pub fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many jobs are let through, folded or not.
    pub fn jobs(&self) -> usize {
        self.order.len()
    }

    /// The nodes whose tasks are shown instead of jobs.
    pub fn nodes(&self) -> Option<Vec<&NodeName>> {
        self.on_nodes.as_ref().map(|lists| lists.iter().map(|(node, _)| node).collect())
    }

    pub fn get<'a>(&'a self, jobs: &'a [JobView], row: usize) -> Option<Row<'a>> {
        if row >= self.len() {
            return None;
        }
        let at = self.starts.partition_point(|start| *start <= row) - 1;
        let within = row - self.starts[at];
        if let Some(lists) = &self.on_nodes {
            let task = lists.get(at)?.1.get(within);
            return Some(Row::Task { job: None, id: task.map(|task| task.id), task });
        }
        let job = jobs.get(*self.order.get(at)?)?;
        let tasks = self.unfolded.get(&job.id);
        let Some(nth) = within.checked_sub(1) else { return Some(Row::Job { job, unfolded: tasks.is_some() }) };
        let task = tasks.and_then(|tasks| tasks.get(nth));
        // Where nothing is left out, the place tells the number.
        let counted = || {
            let index = job.first.checked_add(u32::try_from(nth).ok()?)?;
            (!self.narrowed()).then_some(TaskId { job: job.id, index })
        };
        Some(Row::Task { job: Some(job.id), id: task.map(|task| task.id).or_else(counted), task })
    }

    pub fn current<'a>(&'a self, jobs: &'a [JobView]) -> Option<Row<'a>> {
        self.get(jobs, self.scroll.cursor)
    }

    pub fn step(&mut self, by: Move, jobs: &[JobView], page: usize) {
        self.scroll.step(by, self.len(), 1, page);
        self.go_to(self.scroll.cursor, jobs);
    }

    pub fn go_to(&mut self, row: usize, jobs: &[JobView]) {
        self.scroll.cursor = row.min(self.len().saturating_sub(1));
        self.at = self.spot(jobs, self.scroll.cursor);
    }

    /// As soon as it is told of, this job is under the cursor.
    pub fn show(&mut self, job: JobId) {
        self.awaited = Some(job);
    }

    /// The jobs that are let through, in their order.
    pub fn shown_jobs<'a>(&'a self, jobs: &'a [JobView]) -> impl Iterator<Item = Target> + 'a {
        self.order.iter().filter_map(|at| jobs.get(*at)).map(|job| Target::Job(job.id))
    }

    /// The first task of a job that the manager has told of; of a job that was never unfolded, none.
    pub fn first_known_task(&self, job: JobId) -> Option<TaskId> {
        self.unfolded.get(&job)?.get(0).map(|task| task.id)
    }

    pub fn is_unfolded(&self, job: JobId) -> bool {
        self.unfolded.contains_key(&job)
    }

    /// `no` tells its tasks' answers from others'. A job of one task has nothing to unfold.
    pub fn unfold(&mut self, job: JobId, no: u64, jobs: &[JobView]) {
        if find(jobs, job).is_some_and(|job| only_task(job).is_none()) {
            let query = self.query(vec![Target::Job(job)]);
            self.unfolded.entry(job).or_insert_with(|| Tasks::new(no, query));
            self.refresh(jobs);
        }
    }

    /// Every job that is shown and has several tasks.
    pub fn unfold_all(&mut self, jobs: &[JobView], mut number: impl FnMut() -> u64) {
        for job in self.order.iter().filter_map(|at| jobs.get(*at)).filter(|job| only_task(job).is_none()) {
            let query = self.query(vec![Target::Job(job.id)]);
            self.unfolded.entry(job.id).or_insert_with(|| Tasks::new(number(), query));
        }
        self.refresh(jobs);
    }

    pub fn fold_all(&mut self, jobs: &[JobView]) {
        self.unfolded.clear();
        if let Some(at) = self.at.as_mut().filter(|at| at.job.is_some()) {
            (at.nth, at.task) = (None, None);
        }
        self.refresh(jobs);
    }

    pub fn fold(&mut self, job: JobId, jobs: &[JobView]) {
        if self.unfolded.remove(&job).is_some() {
            if let Some(at) = self.at.as_mut().filter(|at| at.job == Some(job)) {
                (at.nth, at.task) = (None, None);
            }
            self.refresh(jobs);
        }
    }

    /// The states the filter lets through: `state:failed` shows failed tasks alone, also below their jobs.
    fn states(&self) -> Vec<TaskState> {
        TaskState::ALL.into_iter().filter(|state| self.filter.lets("state", state.word())).collect()
    }

    fn narrowed(&self) -> bool {
        self.states().len() < TaskState::ALL.len()
    }

    fn query(&self, targets: Vec<Target>) -> TaskQuery {
        let states = if self.narrowed() { self.states() } else { vec![] };
        TaskQuery { targets, states, ..Default::default() }
    }

    /// `number` tells answers to the new question from those to the old one.
    pub fn set_filter(&mut self, filter: Filter, jobs: &[JobView], mut number: impl FnMut() -> u64) {
        let before = self.states();
        self.filter = filter;
        if before != self.states() {
            for (job, _) in std::mem::take(&mut self.unfolded) {
                self.unfolded.insert(job, Tasks::new(number(), self.query(vec![Target::Job(job)])));
            }
        }
        self.refresh(jobs);
    }

    /// Shows tasks of nodes where the filter names one: of the one that is called so, else of all that could be.
    pub fn follow_nodes(&mut self, nodes: &[NodeView], jobs: &[JobView], mut number: impl FnMut() -> u64) {
        const FIELDS: [&str; 2] = ["node", "state"];
        if self.filter.values("node").next().is_none() {
            if self.on_nodes.take().is_some() {
                self.at = None;
            }
            return;
        }
        let states = self.states().into_iter().filter(|state| !self.active || !state.ended()).collect::<Vec<_>>();
        let targets = match self.filter.has_beside(&FIELDS) {
            true => jobs
                .iter()
                .filter(|job| self.filter.holds_beside(&FIELDS, *job))
                .map(|job| Target::Job(job.id))
                .collect(),
            false => vec![],
        };
        let nothing = states.is_empty() || self.filter.has_beside(&FIELDS) && targets.is_empty();
        let exact =
            |node: &&NodeView| self.filter.values("node").all(|word| node.name.as_str().eq_ignore_ascii_case(word));
        let could =
            nodes.iter().filter(|node| node.role == Role::Worker && self.filter.lets("node", node.name.as_str()));
        let meant: Vec<&NodeView> = match could.clone().find(exact) {
            _ if nothing => vec![],
            Some(node) => vec![node],
            None => could.collect(),
        };
        if self.on_nodes.is_none() {
            self.at = None;
            self.scroll = Scroll::default();
        }
        let mut known = self.on_nodes.take().unwrap_or_default();
        let states = if states.len() < TaskState::ALL.len() { states } else { vec![] };
        let lists = meant.into_iter().map(|node| {
            let query = TaskQuery {
                targets: targets.clone(),
                states: states.clone(),
                node: Some(node.name.clone()),
                ..Default::default()
            };
            let mut tasks = match known.iter().position(|(name, _)| *name == node.name) {
                Some(at) => known.swap_remove(at).1,
                None => Tasks::new(number(), query.clone()),
            };
            tasks.ask(query);
            (node.name.clone(), tasks)
        });
        self.on_nodes = Some(lists.collect());
    }

    pub fn changed(&mut self, job: JobId) {
        if let Some(tasks) = self.unfolded.get_mut(&job) {
            tasks.changed();
        }
        self.on_nodes.iter_mut().flatten().for_each(|(_, tasks)| tasks.changed());
    }

    pub fn ask_again(&mut self) {
        self.lists().for_each(Tasks::ask_again);
    }

    pub fn list_mut(&mut self, no: u64) -> Option<&mut Tasks> {
        self.lists().find(|tasks| tasks.no == no)
    }

    fn lists(&mut self) -> impl Iterator<Item = &mut Tasks> {
        self.unfolded.values_mut().chain(self.on_nodes.iter_mut().flatten().map(|(_, tasks)| tasks))
    }

    /// Keeps the cursor seen, and asks for the tasks that are.
    pub fn settle(&mut self, jobs: &[JobView], page: usize, now: Now) -> Vec<Effect> {
        self.scroll.settle(self.len(), 1, page);
        let seen = self.scroll.top..(self.scroll.top + page).min(self.len());
        let first = self.starts.partition_point(|start| *start <= seen.start).saturating_sub(1);
        let mut effects = vec![];
        self.unfolded.values_mut().for_each(Tasks::hide);
        self.on_nodes.iter_mut().flatten().for_each(|(_, tasks)| tasks.hide());
        for at in (first..self.starts.len() - 1).take_while(|at| self.starts[*at] < seen.end) {
            let (list, own) = match (&mut self.on_nodes, self.order.get(at)) {
                (Some(lists), _) => (lists.get_mut(at).map(|(_, tasks)| tasks), 0),
                (None, Some(job)) => (self.unfolded.get_mut(&jobs[*job].id), 1),
                (None, None) => (None, 0),
            };
            let tasks = self.starts[at] + own..self.starts[at + 1];
            let part = tasks.start.max(seen.start)..tasks.end.min(seen.end);
            if let Some(list) = list.filter(|_| !part.is_empty()) {
                effects.extend(list.want(part.start - tasks.start..part.end - tasks.start, now));
            }
        }
        // A list that had no rows may have some by now.
        for (_, tasks) in self.on_nodes.iter_mut().flatten().filter(|(_, tasks)| tasks.total() == Some(0)) {
            effects.extend(tasks.want(0..1, now));
        }
        effects
    }

    /// Whether a task is seen whose run time is told in seconds.
    pub fn shows_seconds(&self, jobs: &[JobView], now: Now) -> bool {
        let seen = self.scroll.top..self.len().min(self.scroll.top + MOST_SEEN);
        seen.filter_map(|row| self.get(jobs, row)).any(|row| match row {
            Row::Task { task: Some(task), .. } if !task.state.ended() => {
                task.started_at.is_some_and(|start| now.wall.since(start) < 60_000)
            }
            _ => false,
        })
    }

    pub fn next_wakeup(&self) -> Option<Duration> {
        let lists = self.unfolded.values().chain(self.on_nodes.iter().flatten().map(|(_, tasks)| tasks));
        lists.filter_map(Tasks::next_wakeup).min()
    }
}

fn find(jobs: &[JobView], id: JobId) -> Option<&JobView> {
    jobs.binary_search_by(|job| id.cmp(&job.id)).ok().map(|at| &jobs[at])
}

fn count(job: &JobView, states: &[TaskState]) -> usize {
    let mut counts = job.counts;
    states.iter().map(|state| *counts.of(*state) as usize).sum()
}

fn widths(jobs: &[JobView]) -> Widths {
    let digits = |number: u32| number.checked_ilog10().unwrap_or(0) as u16 + 1;
    let most = jobs.iter().map(|job| job.counts.total()).max().unwrap_or(0);
    Widths {
        id: jobs.first().map_or(1, |job| digits(job.id.0)).max(4),
        owner: jobs.iter().map(|job| job.owner.as_str().len()).max().unwrap_or(0).clamp(5, 12) as u16,
        counts: (digits(most) * 2 + 1).max(5),
    }
}
