//! The work: jobs, the newest first, each of which unfolds into its tasks.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::api::{JobView, TaskQuery, TaskView};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::TaskState;
use serde::{Deserialize, Serialize};

use super::Now;
use super::filter::{Filter, Filtered, contains};
use super::list::{Move, Scroll};
use super::settings::Settings;
use super::tasks::Tasks;
use crate::console::event::Effect;
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkColumn {
    #[default]
    Newest,
    Name,
    State,
    Owner,
    Done,
    Size,
}

impl WorkColumn {
    pub const ALL: [WorkColumn; 6] = [
        WorkColumn::Newest,
        WorkColumn::Name,
        WorkColumn::State,
        WorkColumn::Owner,
        WorkColumn::Done,
        WorkColumn::Size,
    ];

    pub fn word(self) -> &'static str {
        match self {
            WorkColumn::Newest => "newest",
            WorkColumn::Name => "name",
            WorkColumn::State => "state",
            WorkColumn::Owner => "owner",
            WorkColumn::Done => "done",
            WorkColumn::Size => "size",
        }
    }
}

#[derive(Debug)]
pub struct Work {
    pub sort: WorkColumn,
    pub reverse: bool,
    /// Only jobs with unfinished tasks.
    pub active: bool,
    pub filter: Filter,
    pub marks: BTreeSet<Target>,
    /// Indices into the picture's jobs.
    order: Vec<usize>,
    /// The row each job of the order begins at, and the number of rows as its last.
    starts: Vec<usize>,
    unfolded: BTreeMap<JobId, Tasks>,
    pub scroll: Scroll,
    /// What is under the cursor, so that it stays there when other jobs come or go.
    at: Option<(JobId, Option<usize>)>,
    /// A job to go to as soon as it is in the picture.
    awaited: Option<JobId>,
}

/// A line of the pane.
#[derive(Debug, Clone, Copy)]
pub enum Row<'a> {
    Job {
        job: &'a JobView,
        unfolded: bool,
    },
    /// `task` is `None` until the manager has told it.
    Task {
        job: &'a JobView,
        nth: usize,
        task: Option<&'a TaskView>,
    },
}

impl Row<'_> {
    pub fn target(&self) -> Option<Target> {
        match self {
            Row::Job { job, .. } => Some(Target::Job(job.id)),
            Row::Task { task, .. } => task.map(|task| Target::Task(task.id)),
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
            scroll: Scroll::default(),
            at: None,
            awaited: None,
        }
    }

    /// After anything that may have changed which jobs there are, their order, or how many tasks are unfolded.
    pub fn refresh(&mut self, jobs: &[JobView]) {
        let shown = |job: &JobView| (!self.active || job.counts.ended() < job.counts.total()) && self.filter.holds(job);
        let mut order: Vec<usize> = (0..jobs.len()).filter(|at| shown(&jobs[*at])).collect();
        order.sort_by(|one, other| compare(self.sort, &jobs[*one], &jobs[*other]));
        if self.reverse {
            order.reverse();
        }
        self.order = order;
        self.unfolded.retain(|id, _| jobs.binary_search_by(|job| id.cmp(&job.id)).is_ok());
        self.starts = vec![0];
        for at in &self.order {
            let start = self.len();
            self.starts.push(start + 1 + self.tasks_of(&jobs[*at]));
        }
        if let Some(job) = self.awaited
            && jobs.binary_search_by(|known| job.cmp(&known.id)).is_ok()
        {
            (self.at, self.awaited) = (Some((job, None)), None);
        }
        if let Some(cursor) = self.at.and_then(|at| self.row_of(jobs, at)) {
            self.scroll.cursor = cursor;
        }
        self.scroll.cursor = self.scroll.cursor.min(self.len().saturating_sub(1));
    }

    /// Rows below a job's own.
    fn tasks_of(&self, job: &JobView) -> usize {
        let Some(tasks) = self.unfolded.get(&job.id) else { return 0 };
        tasks.total().unwrap_or(job.counts.total() as usize)
    }

    fn row_of(&self, jobs: &[JobView], (id, nth): (JobId, Option<usize>)) -> Option<usize> {
        let at = self.order.iter().position(|at| jobs[*at].id == id)?;
        let below = self.starts[at + 1] - self.starts[at];
        Some(self.starts[at] + nth.map_or(0, |nth| nth + 1).min(below - 1))
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

    pub fn get<'a>(&'a self, jobs: &'a [JobView], row: usize) -> Option<Row<'a>> {
        if row >= self.len() {
            return None;
        }
        let at = self.starts.partition_point(|start| *start <= row) - 1;
        let job = jobs.get(*self.order.get(at)?)?;
        let tasks = self.unfolded.get(&job.id);
        Some(match row - self.starts[at] {
            0 => Row::Job { job, unfolded: tasks.is_some() },
            nth => Row::Task { job, nth: nth - 1, task: tasks.and_then(|tasks| tasks.get(nth - 1)) },
        })
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
        self.at = self.current(jobs).map(|row| match row {
            Row::Job { job, .. } => (job.id, None),
            Row::Task { job, nth, .. } => (job.id, Some(nth)),
        });
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

    /// `no` tells its tasks' answers from others'.
    pub fn unfold(&mut self, job: JobId, no: u64, jobs: &[JobView]) {
        let query = TaskQuery { targets: vec![Target::Job(job)], states: self.wanted_states(), ..Default::default() };
        self.unfolded.entry(job).or_insert_with(|| Tasks::new(no, query));
        self.refresh(jobs);
    }

    pub fn fold(&mut self, job: JobId, jobs: &[JobView]) {
        if self.unfolded.remove(&job).is_some() {
            self.at = self.at.map(|(at, nth)| (at, nth.filter(|_| at != job)));
            self.refresh(jobs);
        }
    }

    /// `state:failed` shows failed tasks alone, also below their jobs.
    fn wanted_states(&self) -> Vec<TaskState> {
        let words: Vec<&str> = self.filter.values("state").collect();
        let wanted = |state: &TaskState| words.iter().all(|word| contains(state.word(), word));
        if words.is_empty() { vec![] } else { TaskState::ALL.into_iter().filter(wanted).collect() }
    }

    pub fn set_filter(&mut self, filter: Filter, jobs: &[JobView], mut number: impl FnMut() -> u64) {
        self.filter = filter;
        for job in self.unfolded.keys().copied().collect::<Vec<_>>() {
            self.unfolded.remove(&job);
            self.unfold(job, number(), jobs);
        }
        self.refresh(jobs);
    }

    pub fn changed(&mut self, job: JobId) {
        if let Some(tasks) = self.unfolded.get_mut(&job) {
            tasks.changed();
        }
    }

    pub fn ask_again(&mut self) {
        self.unfolded.values_mut().for_each(Tasks::ask_again);
    }

    pub fn list_mut(&mut self, no: u64) -> Option<&mut Tasks> {
        self.unfolded.values_mut().find(|tasks| tasks.no == no)
    }

    /// Keeps the cursor seen, and asks for the tasks that are.
    pub fn settle(&mut self, jobs: &[JobView], page: usize, now: Now) -> Vec<Effect> {
        self.scroll.settle(self.len(), 1, page);
        let seen = self.scroll.top..(self.scroll.top + page).min(self.len());
        let mut effects = vec![];
        self.unfolded.values_mut().for_each(Tasks::hide);
        for (at, start) in self.starts.iter().take(self.order.len()).enumerate() {
            let tasks = (start + 1)..self.starts[at + 1];
            let part = tasks.start.max(seen.start)..tasks.end.min(seen.end);
            if part.is_empty() {
                continue;
            }
            if let Some(list) = self.unfolded.get_mut(&jobs[self.order[at]].id) {
                effects.extend(list.want(part.start - tasks.start..part.end - tasks.start, now));
            }
        }
        effects
    }

    pub fn next_wakeup(&self) -> Option<Duration> {
        self.unfolded.values().filter_map(Tasks::next_wakeup).min()
    }
}

fn compare(by: WorkColumn, one: &JobView, other: &JobView) -> Ordering {
    let share = |job: &JobView| u64::from(job.counts.ended()) * 1000 / u64::from(job.counts.total().max(1));
    match by {
        // As the picture has them.
        WorkColumn::Newest => Ordering::Equal,
        WorkColumn::Name => title(one).cmp(&title(other)),
        WorkColumn::State => one.state.cmp(&other.state),
        WorkColumn::Owner => one.owner.cmp(&other.owner),
        WorkColumn::Done => share(other).cmp(&share(one)),
        WorkColumn::Size => other.counts.total().cmp(&one.counts.total()),
    }
}

/// What a job is called by: its name, else its command.
pub fn title(job: &JobView) -> String {
    match &job.name {
        Some(name) => text::clean(name.as_str()).into_owned(),
        None => text::command(&job.command),
    }
}

/// The task of a job that is but one.
pub fn only_task(job: &JobView) -> Option<TaskId> {
    (job.counts.total() == 1).then_some(TaskId { job: job.id, index: job.first })
}

impl Filtered for JobView {
    fn texts(&self, found: &mut dyn FnMut(&str)) {
        found(&self.id.0.to_string());
        found(self.owner.as_str());
        if let Some(name) = &self.name {
            found(name.as_str());
        }
        found(&text::command(&self.command));
        found(self.state.word());
    }

    fn field(&self, name: &str, value: &str) -> Option<bool> {
        match name {
            "state" => {
                let mut counts = self.counts;
                Some(TaskState::ALL.into_iter().any(|state| *counts.of(state) > 0 && contains(state.word(), value)))
            }
            "node" => Some(self.node.as_ref().is_some_and(|node| contains(node.as_str(), value))),
            "owner" | "person" => Some(contains(self.owner.as_str(), value)),
            "name" => Some(self.name.as_ref().is_some_and(|name| contains(name.as_str(), value))),
            "job" => Some(self.id.0.to_string() == value),
            _ => None,
        }
    }
}
