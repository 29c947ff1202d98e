//! The book of what clients were told, written while it happens. What contradicts itself is noted at once.

use std::collections::BTreeMap;
use std::time::SystemTime;

use protocol::api::TaskView;
use protocol::event::{Event, What};
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::TaskState;
use protocol::time::UnixMillis;

use super::work::Work;

pub fn wall() -> u64 {
    UnixMillis::of(SystemTime::now()).0
}

/// What somebody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// Without an answer: it may have come about or not.
    Unanswered,
    Acknowledged,
}

/// The end of an attempt, as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub state: TaskState,
    pub code: Option<i32>,
    pub reason: String,
}

/// What `bramble run --wait` came to.
#[derive(Debug)]
pub struct Waited {
    pub tag: String,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// What `bramble logs -f` came to.
#[derive(Debug)]
pub struct Followed {
    pub task: TaskId,
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

#[derive(Debug, Default)]
pub struct Book {
    /// Every job that was acknowledged.
    pub jobs: BTreeMap<JobId, Work>,
    /// What was submitted without an answer: there at most once.
    pub unanswered: BTreeMap<String, Work>,
    pub stops: BTreeMap<JobId, Ask>,
    pub retries: BTreeMap<TaskId, Ask>,
    pub ends: BTreeMap<AttemptId, End>,
    pub events: BTreeMap<u64, Event>,
    pub waited: Vec<Waited>,
    pub followed: Vec<Followed>,
    pub wrongs: Vec<String>,
}

impl Book {
    pub fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }

    pub fn submitted(&mut self, job: JobId, tasks: u32, work: Work) {
        let wanted = work.indices().count() as u32;
        if tasks != wanted {
            self.wrong(format!("job {job} was submitted with {wanted} tasks and acknowledged with {tasks}"));
        }
        if let Some(other) = self.jobs.insert(job, work) {
            let work = &self.jobs[&job].tag;
            self.wrongs.push(format!("the number {job} was given to {} and to {work}", other.tag));
        }
    }

    /// An acknowledged wish is not forgotten for one that is not.
    pub fn asked<K: Ord>(asks: &mut BTreeMap<K, Ask>, what: K, how: Ask) {
        let known = asks.entry(what).or_insert(how);
        *known = how.max(*known);
    }

    /// What has been told as ended is so for good.
    pub fn ended(&mut self, attempt: AttemptId, end: End, by: &str) {
        match self.ends.get(&attempt) {
            None => drop(self.ends.insert(attempt, end)),
            Some(known) if *known == end => {}
            Some(known) => {
                self.wrongs.push(format!("{attempt} was told as {known:?}, and later, by {by}, as {end:?}"));
            }
        }
    }

    pub fn seen(&mut self, task: &TaskView, by: &str) {
        // One that was stopped in the queue is on no node, and its last attempt, if it ever had one, has an end of its own.
        if task.state.ended() && task.node.is_some() {
            let end = End { state: task.state, code: task.code, reason: task.reason.clone() };
            self.ended(task.id.attempt(task.attempt), end, by);
        }
    }

    /// Events come by number, each once, and stay as they are.
    pub fn happened(&mut self, event: Event) {
        if let What::TaskEnded { attempt, state, code, reason, .. } = &event.what {
            self.ended(*attempt, End { state: *state, code: *code, reason: reason.clone() }, "an event");
        }
        match self.events.get(&event.no) {
            None => drop(self.events.insert(event.no, event)),
            Some(known) if *known == event => {}
            Some(known) => self.wrongs.push(format!("event {} was {known:?} and became {event:?}", event.no)),
        }
    }
}
