//! How a job ended, in as many words as are told to whoever asked for that: as it was at that moment, whatever becomes of
//! the job, its name, its tasks or its results afterwards.

use std::sync::Arc;

use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{Counts, TaskState};
use protocol::name::{JobName, NodeName, PersonName};
use protocol::notify::Notify;
use protocol::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::Cluster;
use super::jobs::Job;
use super::sane;

/// Of so many tasks it is told how they ended.
const MOST_TASKS: usize = 5;
/// Of a command as much as this, in bytes.
const MOST_COMMAND: usize = 500;

/// One place that is told of one end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub to: Notify,
    pub end: Arc<JobEnd>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEnd {
    pub job: JobId,
    pub name: Option<JobName>,
    pub owner: PersonName,
    /// Its first words.
    pub command: Vec<String>,
    pub state: TaskState,
    pub counts: Counts,
    pub submitted_at: UnixMillis,
    pub started_at: Option<UnixMillis>,
    pub ended_at: UnixMillis,
    /// Of its one task, or from the first start of any to the last end.
    pub ran_ms: Option<u64>,
    /// Its one task, or the first few of those that did not succeed, the worst of them first.
    pub tasks: Vec<Ended>,
    /// Results that nobody has collected, and what they take.
    pub results: u32,
    pub results_size: u64,
}

/// How one task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub task: TaskId,
    /// The latest attempt, 0 where none ever began.
    pub attempt: u32,
    pub state: TaskState,
    pub node: Option<NodeName>,
    pub code: Option<i32>,
    pub reason: String,
}

impl JobEnd {
    /// The attempt whose stderr is worth quoting, and where it ran.
    pub fn quoted(&self) -> Option<(AttemptId, &NodeName)> {
        let ran = self.tasks.iter().filter(|ended| ended.attempt > 0);
        ran.filter_map(|ended| Some((ended.task.attempt(ended.attempt), ended.node.as_ref()?))).next()
    }
}

impl Cluster {
    /// `None` where it has not ended.
    pub(super) fn how_it_ended(&self, id: JobId) -> Option<JobEnd> {
        let job = self.jobs.get(id)?;
        let ended_at = job.ended_at()?;
        let single = job.tasks() == 1;
        let took = || job.started_at().map(|started_at| ended_at.since(started_at));
        let lot = self.results.lot(id).copied().unwrap_or_default();
        let words = if single { job.recipe.words_of(job.first) } else { job.recipe.command().words() };
        Some(JobEnd {
            job: id,
            name: job.name.clone(),
            owner: self.people.name(job.owner).clone(),
            command: first_of(words),
            state: job.counts.state(),
            counts: job.counts,
            submitted_at: job.submitted_at,
            started_at: job.started_at(),
            ended_at,
            ran_ms: if single { job.task(job.first).ran_ms() } else { took() },
            tasks: if single { vec![self.how_task_ended(id, job, job.first)] } else { self.worst_of(id, job) },
            results: lot.waiting,
            results_size: lot.waiting_size,
        })
    }

    fn worst_of(&self, id: JobId, job: &Job) -> Vec<Ended> {
        let mut counts = job.counts;
        let worst_first = [TaskState::Lost, TaskState::Failed, TaskState::Stopped].into_iter();
        let there = worst_first.filter(|state| *counts.of(*state) > 0);
        let those = there.flat_map(|state| {
            let indices = (job.first..=job.last).filter(move |index| job.task(*index).state == state);
            indices.map(|index| self.how_task_ended(id, job, index))
        });
        those.take(MOST_TASKS).collect()
    }

    fn how_task_ended(&self, job: JobId, of: &Job, index: u32) -> Ended {
        let task = of.task(index);
        Ended {
            task: TaskId { job, index },
            attempt: task.attempt,
            state: task.state,
            node: task.node.map(|ix| self.nodes.name(ix).clone()),
            code: task.end.code(),
            reason: sane::line(&task.end.reason()),
        }
    }
}

/// The first words, the last of them not whole where they are many.
fn first_of(words: Vec<String>) -> Vec<String> {
    let mut room = MOST_COMMAND;
    let mut first = vec![];
    for mut word in words {
        if room == 0 {
            break;
        }
        let cut = word.floor_char_boundary(room);
        if cut < word.len() {
            word.truncate(cut);
            word.push('…');
        }
        room = room.saturating_sub(word.len() + 1);
        first.push(word);
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_command_the_first_words_are_told() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(first_of(words(&["echo", "", "a b"])), ["echo", "", "a b"]);
        let long = first_of(words(&["echo", &"ü".repeat(1000), "more"]));
        assert_eq!((long.len(), &*long[0]), (2, "echo"));
        assert!(long[1].ends_with("ü…") && long[1].len() <= MOST_COMMAND + 3, "{}", long[1].len());
        let many = first_of(vec!["x".into(); 10_000]);
        assert_eq!(many.len(), MOST_COMMAND / 2);
    }
}
