//! Windows into long lists: whoever asks gets a part, and how many there are.

use std::collections::BTreeSet;

use protocol::api::{JobQuery, JobView, Refusal, Reply, TaskQuery, TaskView};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::TaskState;

use super::Cluster;
use super::ids::{NodeIx, PersonIx};
use super::jobs::Job;
use super::task::{FRESH, Task};

/// Rows in a window where nothing was said.
const USUAL: u32 = 1000;
/// The most bytes of commands in one answer, so that it fits into a frame: a window may be shorter than asked for,
/// but has at least one row.
const MOST_BYTES: usize = 2 << 20;
/// About what a row takes beside its command.
const ROW_BYTES: usize = 400;

/// How much of an answer is filled.
#[derive(Debug, Default)]
pub struct Room {
    used: usize,
}

impl Room {
    /// A row whose command has so many bytes.
    pub fn takes(&mut self, bytes: usize) -> bool {
        let first = self.used == 0;
        self.used += ROW_BYTES + bytes;
        first || self.used <= MOST_BYTES
    }
}

/// Which of a list's rows are wanted.
struct Window {
    skip: u64,
    left: u32,
    room: Room,
}

impl Window {
    fn new(skip: u32, limit: u32) -> Self {
        Self { skip: skip.into(), left: if limit == 0 { USUAL } else { limit }, room: Room::default() }
    }

    /// Whether the next row is in it, with a command of so many bytes.
    fn takes(&mut self, bytes: impl FnOnce() -> usize) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.left == 0 {
            return false;
        }
        if !self.room.takes(bytes()) {
            self.left = 0;
            return false;
        }
        self.left -= 1;
        true
    }

    /// Passes over so many rows at once, if none of them is in it.
    fn passes(&mut self, rows: u64) -> bool {
        if self.left == 0 {
            return true;
        }
        let passes = rows <= self.skip;
        if passes {
            self.skip -= rows;
        }
        passes
    }
}

impl Cluster {
    pub(super) fn list_jobs(&self, query: &JobQuery) -> Reply {
        let owner = match &query.owner {
            None => None,
            Some(name) => match self.people.find(name) {
                Some(ix) => Some(ix),
                None => return Reply::Jobs { total: 0, jobs: vec![] },
            },
        };
        let wanted =
            |job: &Job| owner.is_none_or(|by: PersonIx| job.owner == by) && (!query.active || job.unfinished());
        let mut window = Window::new(query.skip, query.limit);
        let mut total = 0;
        let mut jobs: Vec<JobView> = vec![];
        let mut look = |id: JobId, job: &Job| {
            if wanted(job) {
                total += 1;
                if window.takes(|| job.recipe.command().bytes()) {
                    jobs.push(self.view_of_job(id, job));
                }
            }
        };
        let mut look_up = |id: JobId| {
            if let Some(job) = self.jobs.get(id) {
                look(id, job);
            }
        };
        if !query.ids.is_empty() {
            let ids: BTreeSet<JobId> = query.ids.iter().copied().collect();
            ids.into_iter().rev().for_each(look_up);
        } else if query.active {
            self.jobs.active.iter().rev().for_each(|id| look_up(*id));
        } else {
            self.jobs.newest().for_each(|(id, job)| look(id, job));
        }
        // Of many jobs they would not fit.
        if let ([id], [job]) = (&query.ids[..], &mut jobs[..]) {
            job.files = self.supplies.of(*id).to_vec();
            job.secrets = self.secrets.of(*id).to_vec();
        }
        Reply::Jobs { total, jobs }
    }

    pub(super) fn list_tasks(&self, query: &TaskQuery) -> Result<Reply, Refusal> {
        let mut list = TaskList {
            cluster: self,
            states: if query.states.is_empty() { TaskState::ALL.to_vec() } else { query.states.clone() },
            on: query.node.as_ref().map(|name| self.nodes.find(name).ok_or_else(|| self.unknown(name))).transpose()?,
            window: Window::new(query.skip, query.limit),
            total: 0,
            tasks: vec![],
        };
        list.states.sort_unstable();
        list.states.dedup();
        if query.targets.is_empty() {
            self.jobs.newest().for_each(|(id, job)| list.look(id, job, &[(job.first, job.last)]));
        } else {
            // To look, any attempt will do: its task is shown.
            let as_task = |target: &Target| match *target {
                Target::Attempt(attempt) => Target::Task(attempt.task),
                other => other,
            };
            let targets: Vec<Target> = query.targets.iter().map(as_task).collect();
            for (&id, ranges) in self.meant(&targets)?.iter().rev() {
                if let Some(job) = self.jobs.get(id) {
                    list.look(id, job, ranges);
                }
            }
        }
        Ok(Reply::Tasks { total: u32::try_from(list.total).unwrap_or(u32::MAX), tasks: list.tasks })
    }
}

struct TaskList<'a> {
    cluster: &'a Cluster,
    states: Vec<TaskState>,
    on: Option<NodeIx>,
    window: Window,
    total: u64,
    tasks: Vec<TaskView>,
}

impl TaskList<'_> {
    fn look(&mut self, id: JobId, job: &Job, ranges: &[(u32, u32)]) {
        // A whole job that lies outside the window is only counted.
        if self.on.is_none() && *ranges == [(job.first, job.last)] {
            let matching: u64 = self.states.iter().map(|state| u64::from(*job.counts.clone().of(*state))).sum();
            if self.window.passes(matching) {
                self.total += matching;
                return;
            }
        }
        for &(first, last) in ranges {
            self.range(id, job, first, last);
        }
    }

    fn range(&mut self, id: JobId, job: &Job, first: u32, last: u32) {
        let untouched = job.untouched_from();
        for index in (first..=last).take_while(|index| u64::from(*index) < untouched) {
            self.task(TaskId { job: id, index }, job, job.task(index));
        }
        // The rest are all alike.
        let Ok(from) = u32::try_from(untouched.max(first.into())) else { return };
        if from > last || self.on.is_some() || !self.states.contains(&TaskState::Queued) {
            return;
        }
        for index in from..=last {
            let left = u64::from(last - index) + 1;
            if self.window.passes(left) {
                self.total += left;
                return;
            }
            self.task(TaskId { job: id, index }, job, &FRESH);
        }
    }

    fn task(&mut self, id: TaskId, job: &Job, task: &Task) {
        let there = self.on.is_none_or(|on| task.node == Some(on) && task.state != TaskState::Queued);
        if there && self.states.contains(&task.state) {
            self.total += 1;
            if self.window.takes(|| job.recipe.bytes_of(id.index)) {
                self.tasks.push(self.cluster.view_of_task(id, job, task));
            }
        }
    }
}
