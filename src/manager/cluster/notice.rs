//! How a job ended, in as many words as are told to whoever asked for that: as it was at that moment, whatever becomes of
//! the job, its name, its tasks or its results afterwards.

use protocol::id::{JobId, TaskId};
use protocol::job::TaskState;
use protocol::notify::{Ended, JobEnd};

use super::Cluster;
use super::jobs::Job;
use super::sane;

/// Of so many tasks it is told how they ended.
const MOST_TASKS: usize = 5;
/// Of a command as much as this, in bytes.
const MOST_COMMAND: usize = 500;

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
