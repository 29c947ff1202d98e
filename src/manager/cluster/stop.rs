//! Stopping tasks. What waits has ended at once; what runs is asked to, and ends when its node says so.

use protocol::agent::ToAgent;
use protocol::api::{Refusal, Reply};
use protocol::event::What;
use protocol::id::{Target, TaskId};
use protocol::job::TaskState;

use super::Cluster;
use super::port::Caller;
use super::sane;
use super::targets::Meant;
use super::turn::Turn;

impl Cluster {
    pub(super) fn stop(
        &mut self,
        caller: &Caller,
        targets: &[Target],
        reason: Option<&str>,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let (runs, jobs): (Vec<Target>, Vec<Target>) =
            targets.iter().copied().partition(|target| self.runs.has(target.job()));
        let meant = if runs.is_empty() || !jobs.is_empty() { self.meant(&jobs)? } else { Meant::new() };
        for &job in meant.keys() {
            self.owned(caller, job, "stop")?;
        }
        let unfinished = self.unfinished(&meant);
        if unfinished.is_empty() && !meant.is_empty() {
            return Err(self.all_over(&meant));
        }
        let given = reason.map(sane::line).filter(|reason| !reason.is_empty());
        let reason = given.unwrap_or_else(|| format!("by {}", caller.person));
        let stopped = if runs.is_empty() { 0 } else { self.stop_runs(caller, &runs, &reason, turn)? };
        for &target in &jobs {
            let what = What::StopAsked { target, reason: reason.clone() };
            turn.publish_of(Some(caller.person.clone()), what);
        }
        // The youngest first: the queue's heads stay where they are until the last.
        for &task in unfinished.iter().rev() {
            self.stop_one(task, &reason, turn);
        }
        let tasks = u32::try_from(unfinished.len()).unwrap_or(u32::MAX);
        Ok(Reply::Done { tasks: tasks.saturating_add(stopped) })
    }

    fn unfinished(&self, meant: &Meant) -> Vec<TaskId> {
        let mut found = vec![];
        for (&id, ranges) in meant {
            let Some(job) = self.jobs.get(id) else { continue };
            let indices = ranges.iter().flat_map(|&(first, last)| first..=last);
            let unfinished = indices.filter(|&index| !job.task(index).state.ended());
            found.extend(unfinished.map(|index| TaskId { job: id, index }));
        }
        found
    }

    fn all_over(&self, meant: &Meant) -> Refusal {
        let mut one = meant.iter().flat_map(|(&job, ranges)| ranges.iter().map(move |&range| (job, range)));
        let sentence = match (one.next(), one.next()) {
            (Some((job, (first, last))), None) if first == last => {
                let id = TaskId { job, index: first };
                let state = self.jobs.task(id).map_or(TaskState::Lost, |(_, task)| task.state);
                format!("{id} has ended already: {state}")
            }
            (Some((job, _)), None) => format!("all these tasks of job {job} have ended already"),
            _ => "all these tasks have ended already".to_owned(),
        };
        Refusal::refused(sentence)
    }

    fn stop_one(&mut self, id: TaskId, reason: &str, turn: &mut Turn<'_>) {
        let Some((_, task)) = self.jobs.task(id) else { return };
        let (state, attempt, node) = (task.state, id.attempt(task.attempt), task.node);
        match state {
            TaskState::Queued => self.stop_queued(id, reason, turn),
            TaskState::Starting | TaskState::Running => {
                // Asked again, it is sent again; the first reason stands.
                let reason = self.jobs.stopping.entry(id).or_insert_with(|| reason.to_owned()).clone();
                self.persist_task(id, turn);
                turn.touch_job(id.job);
                if let Some(link) = node.and_then(|ix| self.nodes.get(ix)).and_then(|node| node.link) {
                    turn.send(link, ToAgent::Stop { attempt, reason });
                }
            }
            TaskState::Succeeded | TaskState::Failed | TaskState::Stopped | TaskState::Lost => {}
        }
    }
}
