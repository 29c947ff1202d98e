//! Jobs and their tasks. A task nothing has happened to costs nothing: a job keeps tasks only up to the last one
//! touched, and all beyond are queued.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{Counts, JobSpec, Outcome, TaskState};
use protocol::name::JobName;
use protocol::time::UnixMillis;

use super::compact::Moment;
use super::ids::{NodeIx, PersonIx};
use super::interpreters::Interpreters;
use super::recipe::Recipe;
use super::tally::Tally;
use super::task::{FRESH, Task};

#[derive(Debug)]
pub struct Job {
    pub owner: PersonIx,
    pub cpus: u32,
    pub first: u32,
    pub last: u32,
    pub pin: Option<NodeIx>,
    pub submitted_at: UnixMillis,
    /// The first start of any of its tasks.
    started_at: Moment,
    /// When its last task ended; never while one is unfinished.
    ended_at: Moment,
    pub name: Option<JobName>,
    pub recipe: Recipe,
    /// It is given some; which, is elsewhere.
    pub files: bool,
    pub interpreters: Interpreters,
    /// It is given some; which, is elsewhere.
    pub secrets: bool,
    /// Its last task waits for all others.
    reduces: bool,
    pub counts: Counts,
    /// Its place among the ended jobs.
    ended: u64,
    touched: Vec<Task>,
}

impl Job {
    pub fn new(spec: &JobSpec, owner: PersonIx, pin: Option<NodeIx>, submitted_at: UnixMillis) -> Self {
        let (first, last) = spec.indices().into_inner();
        let queued = (last - first).saturating_add(1);
        Self {
            owner,
            cpus: spec.cpus,
            first,
            last,
            pin,
            submitted_at,
            started_at: Moment::NEVER,
            ended_at: Moment::NEVER,
            name: spec.name.clone(),
            recipe: Recipe::new(spec),
            files: !spec.files.is_empty(),
            interpreters: Interpreters::of(spec.interpreters.iter().map(String::as_str)),
            secrets: !spec.secrets.is_empty(),
            reduces: spec.reduce.is_some(),
            counts: Counts { queued, ..Counts::default() },
            ended: 0,
            touched: vec![],
        }
    }

    pub fn started_at(&self) -> Option<UnixMillis> {
        self.started_at.get()
    }

    pub fn ended_at(&self) -> Option<UnixMillis> {
        self.ended_at.get()
    }

    pub fn tasks(&self) -> u32 {
        self.last - self.first + 1
    }

    pub fn has(&self, index: u32) -> bool {
        (self.first..=self.last).contains(&index)
    }

    /// The index of the task that waits for all others.
    pub fn reducer(&self) -> Option<u32> {
        self.reduces.then_some(self.last)
    }

    /// The indices of the others.
    pub fn maps(&self) -> RangeInclusive<u32> {
        self.first..=self.last - u32::from(self.reduces)
    }

    /// Whether this task waits for others of its job, and not for a place.
    pub fn waits(&self, index: u32) -> bool {
        self.reducer() == Some(index)
            && self.task(index).state == TaskState::Queued
            && self.counts.succeeded < self.tasks() - 1
    }

    pub fn task(&self, index: u32) -> &Task {
        self.touched.get(index.wrapping_sub(self.first) as usize).unwrap_or(&FRESH)
    }

    /// The first index from which on nothing has happened to any task; may lie beyond the last.
    pub fn untouched_from(&self) -> u64 {
        u64::from(self.first) + self.touched.len() as u64
    }

    pub fn unfinished(&self) -> bool {
        self.counts.ended() < self.tasks()
    }

    fn touch(&mut self, index: u32) -> &mut Task {
        let at = index.wrapping_sub(self.first) as usize;
        if at >= self.touched.len() {
            // One by one arrays grow by doubling; a single task takes just its own place.
            if self.tasks() == 1 {
                self.touched.reserve_exact(1);
            }
            self.touched.resize(at + 1, FRESH.clone());
        }
        &mut self.touched[at]
    }
}

/// What a change of a task came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    pub before: TaskState,
    pub after: TaskState,
}

impl Changed {
    pub fn ended(self) -> bool {
        self.after.ended() && !self.before.ended()
    }

    pub fn reopened(self) -> bool {
        self.before.ended() && !self.after.ended()
    }
}

/// An attempt that is over and is not (or not any more) what its task says.
#[derive(Debug, Clone)]
pub struct Past {
    pub node: Option<NodeIx>,
    pub started_at: Option<UnixMillis>,
    pub ended_at: Option<UnixMillis>,
    pub ran_ms: Option<u64>,
    pub outcome: Outcome,
    pub late: Option<Outcome>,
}

#[derive(Debug, Default)]
pub struct Jobs {
    all: BTreeMap<JobId, Box<Job>>,
    /// The tasks of all of them.
    tally: Tally,
    /// Jobs with unfinished tasks.
    pub active: BTreeSet<JobId>,
    /// All others, in the order they ended.
    ended: BTreeMap<u64, JobId>,
    /// Those of them that may be forgotten with age, and all that may not.
    spare: BTreeSet<u64>,
    kept_back: BTreeSet<JobId>,
    ended_tasks: u64,
    last_ended: u64,
    pub last: u32,
    pub past: BTreeMap<AttemptId, Past>,
    /// Stops that were asked and have not come true yet, with their reasons.
    pub stopping: BTreeMap<TaskId, String>,
}

impl Jobs {
    pub fn get(&self, id: JobId) -> Option<&Job> {
        self.all.get(&id).map(|job| &**job)
    }

    pub fn task(&self, id: TaskId) -> Option<(&Job, &Task)> {
        let job = self.get(id.job)?;
        job.has(id.index).then(|| (job, job.task(id.index)))
    }

    /// Newest first.
    pub fn newest(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.all.iter().rev().map(|(id, job)| (*id, &**job))
    }

    /// The tasks of all jobs.
    pub fn work(&self) -> Counts {
        self.tally.counts()
    }

    /// `None` once all four thousand million numbers are given.
    pub fn next_id(&self) -> Option<JobId> {
        self.last.checked_add(1).map(JobId)
    }

    /// This number is given, to a job or to a run.
    pub fn given(&mut self, id: JobId) {
        self.last = self.last.max(id.0);
    }

    pub fn add(&mut self, id: JobId, job: Job) {
        self.given(id);
        self.active.insert(id);
        self.tally.add(job.counts);
        if let Some(before) = self.all.insert(id, Box::new(job)) {
            self.tally.take(before.counts);
        }
    }

    /// The one way a task changes: counts and indexes follow. Nothing happens to a task that does not exist.
    pub fn change(&mut self, id: TaskId, now: UnixMillis, change: impl FnOnce(&mut Task)) -> Option<Changed> {
        let job = self.all.get_mut(&id.job).filter(|job| job.has(id.index))?;
        let task = job.touch(id.index);
        let before = task.state;
        change(task);
        let (after, started_at) = (task.state, task.started_at());
        if job.started_at == Moment::NEVER {
            job.started_at = started_at.into();
        }
        let changed = Changed { before, after };
        if before != after {
            *job.counts.of(before) -= 1;
            *job.counts.of(after) += 1;
            self.tally.change(before, after);
            if changed.ended() && !job.unfinished() {
                self.close(id.job, now);
            } else if changed.reopened() {
                self.reopen(id.job);
            }
        }
        Some(changed)
    }

    fn close(&mut self, id: JobId, now: UnixMillis) {
        let Some(job) = self.all.get_mut(&id) else { return };
        self.last_ended += 1;
        job.ended = self.last_ended;
        job.ended_at = Some(now).into();
        job.touched.shrink_to_fit();
        self.active.remove(&id);
        self.ended.insert(self.last_ended, id);
        if !self.kept_back.contains(&id) {
            self.spare.insert(self.last_ended);
        }
        self.ended_tasks += u64::from(job.tasks());
    }

    fn reopen(&mut self, id: JobId) {
        let Some(job) = self.all.get_mut(&id) else { return };
        self.spare.remove(&job.ended);
        if self.ended.remove(&job.ended).is_some() {
            job.ended_at = Moment::NEVER;
            self.active.insert(id);
            self.ended_tasks -= u64::from(job.tasks());
        }
    }

    /// The tasks of those that have ended.
    pub fn ended_tasks(&self) -> u64 {
        self.ended_tasks
    }

    /// The job that ended longest ago, if those that ended have more than `keep` tasks: of those that are not kept back, or
    /// of all where there is none and `any` may go. The last one to end is always kept, however many tasks it has: whoever
    /// waits for it wants to see it.
    pub fn surplus(&self, keep: u32, any: bool) -> Option<JobId> {
        let (last, _) = self.ended.last_key_value()?;
        if self.ended_tasks <= u64::from(keep) {
            return None;
        }
        let spare = self.spare.first().filter(|spare| *spare != last);
        let oldest = spare.or_else(|| self.ended.keys().next().filter(|oldest| any && *oldest != last))?;
        self.ended.get(oldest).copied()
    }

    /// Whether a job stays when those of its age are forgotten.
    pub fn keep_back(&mut self, id: JobId, on: bool) {
        let Some(job) = self.all.get(&id) else { return };
        let changed = if on { self.kept_back.insert(id) } else { self.kept_back.remove(&id) };
        if !changed || !self.ended.contains_key(&job.ended) {
            return;
        }
        if on {
            self.spare.remove(&job.ended);
        } else {
            self.spare.insert(job.ended);
        }
    }

    /// Newest first.
    pub fn newest_ended(&self) -> impl Iterator<Item = JobId> {
        self.ended.values().rev().copied()
    }

    pub fn forget(&mut self, id: JobId) {
        let Some(job) = self.all.remove(&id) else { return };
        self.tally.take(job.counts);
        self.active.remove(&id);
        self.kept_back.remove(&id);
        self.spare.remove(&job.ended);
        if self.ended.remove(&job.ended).is_some() {
            self.ended_tasks -= u64::from(job.tasks());
        }
        let attempts: Vec<AttemptId> = self.attempts_of(TaskId { job: id, index: job.first }, job.last);
        for attempt in attempts {
            self.past.remove(&attempt);
        }
    }

    fn attempts_of(&self, first: TaskId, last: u32) -> Vec<AttemptId> {
        let end = TaskId { job: first.job, index: last };
        self.past.range(first.attempt(0)..=end.attempt(u32::MAX)).map(|(id, _)| *id).collect()
    }

    pub fn past_of(&self, id: TaskId) -> impl Iterator<Item = (AttemptId, &Past)> {
        self.past.range(id.attempt(0)..=id.attempt(u32::MAX)).map(|(id, past)| (*id, past))
    }

    /// Puts a task back as the store has it.
    pub fn restore(&mut self, id: TaskId, task: Task) {
        let Some(job) = self.all.get_mut(&id.job).filter(|job| job.has(id.index)) else { return };
        let started_at = task.started_at();
        let own = job.touch(id.index);
        let before = std::mem::replace(own, task).state;
        let after = own.state;
        if before != after {
            *job.counts.of(before) -= 1;
            *job.counts.of(after) += 1;
            self.tally.change(before, after);
        }
        job.started_at = [job.started_at.get(), started_at].into_iter().flatten().min().into();
    }

    /// After all tasks were put back: jobs without unfinished tasks take their place among the ended ones.
    pub fn settle(&mut self) {
        let over = self.all.iter().filter(|(_, job)| !job.unfinished());
        let ended_at = |job: &Job| job.touched.iter().filter_map(Task::ended_at).max().unwrap_or_default();
        let mut over: Vec<_> = over.map(|(id, job)| (ended_at(job), *id)).collect();
        over.sort_unstable();
        for (at, id) in over {
            self.close(id, at);
        }
    }
}
