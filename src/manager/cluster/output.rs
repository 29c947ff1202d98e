//! Where the output of a task is to be had, and telling those who follow it when that changes.

use std::collections::BTreeMap;

use protocol::api::Refusal;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::TaskState;
use protocol::run::Whence;

use super::Cluster;
use super::ids::NodeIx;
use super::port::{CallId, Caller, Place, Told};
use super::turn::Turn;

/// Calls to be answered once the place is another than the one they know.
#[derive(Debug, Default)]
pub struct Lookers {
    calls: BTreeMap<CallId, (Asked, Place)>,
    by_task: BTreeMap<TaskId, Vec<CallId>>,
}

#[derive(Debug, Clone, Copy)]
enum Asked {
    /// Whatever its latest attempt is.
    Task(TaskId),
    Attempt(AttemptId),
}

impl Asked {
    fn task(self) -> TaskId {
        match self {
            Asked::Task(task) => task,
            Asked::Attempt(attempt) => attempt.task,
        }
    }
}

impl Lookers {
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.by_task.is_empty()
    }

    pub fn tasks_of(&self, job: JobId) -> Vec<TaskId> {
        let (first, last) = (TaskId { job, index: 0 }, TaskId { job, index: u32::MAX });
        self.by_task.range(first..=last).map(|(task, _)| *task).collect()
    }

    pub fn forget(&mut self, call: CallId) {
        let Some((asked, _)) = self.calls.remove(&call) else { return };
        if let Some(calls) = self.by_task.get_mut(&asked.task()) {
            calls.retain(|other| *other != call);
            if calls.is_empty() {
                self.by_task.remove(&asked.task());
            }
        }
    }
}

impl Cluster {
    pub(super) fn find_output(
        &mut self,
        call: CallId,
        caller: &Caller,
        target: Target,
        unlike: Option<Place>,
        turn: &mut Turn<'_>,
    ) {
        let found = self.asked(caller, target).and_then(|asked| Ok((asked, self.place(asked)?)));
        match (found, unlike) {
            (Err(refusal), _) => turn.tell(call, Told::Refused(refusal)),
            (Ok((asked, place)), Some(known)) if place == known => {
                self.lookers.calls.insert(call, (asked, known));
                self.lookers.by_task.entry(asked.task()).or_default().push(call);
            }
            (Ok((_, place)), _) => turn.tell(call, Told::Place(place)),
        }
    }

    fn asked(&self, caller: &Caller, target: Target) -> Result<Asked, Refusal> {
        if self.runs.has(target.job()) {
            return self.asked_of_run(caller, target);
        }
        let job = self.known_job(target.job())?;
        let asked = match target {
            Target::Task(task) => Asked::Task(task),
            Target::Attempt(attempt) => Asked::Attempt(attempt),
            Target::Job(id) | Target::Range { job: id, .. } => {
                let (first, last) = match target {
                    Target::Range { first, last, .. } => (first.max(job.first), last.min(job.last)),
                    _ => (job.first, job.last),
                };
                if first < last {
                    return Err(Refusal::usage(format!("{target} is several tasks; name one, as in {id}.{first}")));
                }
                Asked::Task(TaskId { job: id, index: first })
            }
        };
        self.owned(caller, target.job(), "read the output of")?;
        Ok(asked)
    }

    /// Of a run each answer has one attempt.
    fn asked_of_run(&self, caller: &Caller, target: Target) -> Result<Asked, Refusal> {
        self.seen_run(caller, target.job())?;
        match target {
            Target::Task(task) => Ok(Asked::Task(task)),
            Target::Attempt(attempt) if attempt.number == 1 => Ok(Asked::Task(attempt.task)),
            _ => Err(Refusal::usage(format!(
                "{target} is several answers; bramble script result {} shows them",
                target.job()
            ))),
        }
    }

    fn place(&self, asked: Asked) -> Result<Place, Refusal> {
        let id = asked.task();
        if self.runs.has(id.job) {
            return self.place_of_answer(id);
        }
        let (_, task) = self.known_task(id)?;
        let latest = id.attempt(task.attempt);
        if let Asked::Attempt(attempt) = asked
            && attempt != latest
        {
            self.known_attempt(attempt)?;
            return Ok(self.place_of_past(attempt));
        }
        Ok(match task.state {
            TaskState::Starting => Place::Nowhere,
            TaskState::Running => self.on_node(latest, task.node),
            // A lost attempt left nothing here; another will follow.
            TaskState::Queued if task.end.is_lost() || matches!(asked, Asked::Attempt(_)) => self.place_of_past(latest),
            TaskState::Queued => Place::Nowhere,
            TaskState::Succeeded | TaskState::Failed | TaskState::Stopped | TaskState::Lost => {
                match self.place_of_past(latest) {
                    Place::Kept { attempt, .. } => Place::Kept { attempt, last: true },
                    late => late,
                }
            }
        })
    }

    /// Whose node it was, whatever became of it since.
    pub(super) fn node_of(&self, attempt: AttemptId) -> Result<Whence, Refusal> {
        let past = self.jobs.past.get(&attempt).and_then(|past| past.node);
        let latest = || {
            let (_, task) = self.jobs.task(attempt.task)?;
            task.node.filter(|_| task.attempt == attempt.number)
        };
        let node = past.or_else(latest).map(|ix| Whence::Node(self.nodes.name(ix).clone()));
        let node = node.or_else(|| self.node_of_answer(attempt));
        node.ok_or_else(|| Refusal::not_found(format!("attempt {attempt} never ran on a node")))
    }

    /// An attempt that is over, as far as its task is concerned.
    fn place_of_past(&self, attempt: AttemptId) -> Place {
        let past = self.jobs.past.get(&attempt).and_then(|past| past.node);
        let node = past.or_else(|| self.jobs.task(attempt.task).and_then(|(_, task)| task.node));
        match node.and_then(|ix| Some((ix, self.nodes.get(ix)?))) {
            Some((ix, node)) if node.late.contains(&attempt) => self.on_node(attempt, Some(ix)),
            _ => Place::Kept { attempt, last: false },
        }
    }

    pub(super) fn on_node(&self, attempt: AttemptId, node: Option<NodeIx>) -> Place {
        let Some(ix) = node else { return Place::Nowhere };
        let name = self.nodes.name(ix).clone();
        match self.nodes.get(ix).and_then(|node| node.link) {
            Some(link) => Place::Live { attempt, node: name, link },
            None => Place::Away { attempt, node: name },
        }
    }

    /// Something about a task changed: those who follow it may have to look elsewhere.
    pub(super) fn look_again(&mut self, id: TaskId, turn: &mut Turn<'_>) {
        let Some(calls) = self.lookers.by_task.get(&id).cloned() else { return };
        for call in calls {
            let Some((asked, known)) = self.lookers.calls.get(&call) else { continue };
            let told = match self.place(*asked) {
                Ok(place) if place == *known => continue,
                Ok(place) => Told::Place(place),
                Err(refusal) => Told::Refused(refusal),
            };
            self.lookers.forget(call);
            turn.tell(call, told);
        }
    }

    /// The node came or went: the same for all it has.
    pub(super) fn look_again_on(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        self.touch_answers_on(ix, turn);
        if self.lookers.calls.is_empty() {
            return;
        }
        let mut tasks: Vec<TaskId> = self.lookers.by_task.keys().copied().collect();
        tasks.retain(|id| {
            let latest = self.jobs.task(*id).and_then(|(_, task)| task.node);
            latest == Some(ix) || self.jobs.past_of(*id).any(|(_, past)| past.node == Some(ix))
        });
        for id in tasks {
            self.look_again(id, turn);
        }
    }
}
