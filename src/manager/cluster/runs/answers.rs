//! How answers go and end, and telling those who follow.

use protocol::agent::{Finished, Output, ToAgent};
use protocol::api::Refusal;
use protocol::event::What;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::{Outcome, TaskState};
use protocol::time::UnixMillis;

use super::super::Cluster;
use super::super::change::Change;
use super::super::ids::NodeIx;
use super::super::port::{CallId, Caller, LinkId, Told};
use super::super::sane;
use super::super::turn::Turn;
use super::{Answer, By};

/// How an answer ended.
pub(super) struct Over {
    pub outcome: Outcome,
    pub started_at: Option<UnixMillis>,
    pub ended_at: UnixMillis,
    pub ran_ms: Option<u64>,
    pub output: Option<(Output, Output)>,
}

impl Cluster {
    /// The one way an answer changes: it is kept, and told to whoever follows.
    pub(super) fn change_answer(&mut self, id: TaskId, turn: &mut Turn<'_>, change: impl FnOnce(&mut Answer)) {
        let Some(run) = self.runs.all.get_mut(&id.job) else { return };
        let Some(answer) = run.answers.get_mut(id.index as usize) else { return };
        run.revision += 1;
        answer.changed = run.revision;
        change(answer);
        turn.persist(Change::Answer(answer.row(id)));
        self.look_again(id, turn);
        self.tell_watchers(id.job, turn);
    }

    pub(super) fn end_answer(&mut self, id: TaskId, over: Over, turn: &mut Turn<'_>) {
        let Some(run) = self.runs.all.get_mut(&id.job) else { return };
        let Some(answer) = run.answers.get_mut(id.index as usize).filter(|answer| !answer.state.ended()) else {
            return;
        };
        let by = answer.by;
        if by.is_some() {
            run.under_way -= 1;
        }
        run.ended += 1;
        let all = run.over();
        if all {
            run.orders = None;
        }
        self.runs.fresh.insert(id.job);
        if let Some(By::Agent(ix)) = by {
            self.runs.settled(ix, id);
        }
        if let Some((stdout, stderr)) = over.output {
            turn.persist(Change::Output { attempt: id.attempt(1), stdout, stderr });
        }
        self.change_answer(id, turn, |answer| {
            answer.state = over.outcome.state();
            answer.started_at = over.started_at.or(answer.started_at);
            answer.ended_at = Some(over.ended_at);
            answer.ran_ms = over.ran_ms;
            answer.outcome = Some(over.outcome);
            answer.stopping = None;
        });
        if all && let Some(run) = self.runs.all.get(&id.job) {
            let counts = run.counts();
            turn.publish(What::RunEnded { run: id.job, state: counts.state(), counts });
        }
    }

    /// An agent says that it has begun.
    pub(in super::super) fn answer_started(
        &mut self,
        on: NodeIx,
        link: LinkId,
        attempt: AttemptId,
        at: UnixMillis,
        turn: &mut Turn<'_>,
    ) {
        if self.owes(on, attempt) {
            self.note_answer_start(attempt.task, at, turn);
        } else if !self.gave(on, attempt) {
            self.never_its_own(on, link, attempt, "the start", turn);
        }
    }

    pub(super) fn note_answer_start(&mut self, id: TaskId, at: UnixMillis, turn: &mut Turn<'_>) {
        let Some((run, answer)) = self.runs.answer(id) else { return };
        if answer.state != TaskState::Starting {
            return;
        }
        let at = sane::time(at, run.row.asked_at, turn.now.wall);
        self.change_answer(id, turn, |answer| {
            answer.state = TaskState::Running;
            answer.started_at = Some(at);
        });
    }

    /// An agent says how it ended, perhaps once more.
    pub(in super::super) fn answer_finished(
        &mut self,
        on: NodeIx,
        link: LinkId,
        report: Finished,
        turn: &mut Turn<'_>,
    ) {
        let attempt = report.attempt;
        if self.owes(on, attempt) {
            self.finish_answer(report, turn);
        } else if !self.gave(on, attempt) {
            return self.never_its_own(on, link, attempt, "the end", turn);
        }
        turn.send(link, ToAgent::Ack { attempts: vec![attempt] });
    }

    fn finish_answer(&mut self, report: Finished, turn: &mut Turn<'_>) {
        let id = report.attempt.task;
        let Some((run, answer)) = self.runs.answer(id) else { return };
        let told = report.started_at.map(|at| sane::time(at, run.row.asked_at, turn.now.wall));
        let started_at = answer.started_at.or(told);
        let earliest = started_at.unwrap_or(run.row.asked_at);
        let over = Over {
            outcome: report.outcome,
            started_at,
            ended_at: sane::time(report.ended_at, earliest, turn.now.wall),
            ran_ms: report.ran_ms,
            output: Some((report.stdout, report.stderr)),
        };
        self.end_answer(id, over, turn);
    }

    /// Whether this node's agent is to give that answer, and has not.
    fn owes(&self, on: NodeIx, attempt: AttemptId) -> bool {
        attempt.number == 1 && self.runs.by_node.get(&on).is_some_and(|owed| owed.contains(&attempt.task))
    }

    /// Whether it was this node's to give.
    fn gave(&self, on: NodeIx, attempt: AttemptId) -> bool {
        let answer = self.runs.answer(attempt.task).map(|(_, answer)| answer);
        attempt.number == 1 && answer.is_some_and(|answer| answer.by == Some(By::Agent(on)))
    }

    pub(in super::super) fn own_run_started(&mut self, attempt: AttemptId, at: UnixMillis, turn: &mut Turn<'_>) {
        if self.is_own(attempt) {
            self.note_answer_start(attempt.task, at, turn);
        }
    }

    pub(in super::super) fn own_run_ended(&mut self, mut report: Finished, turn: &mut Turn<'_>) {
        sane::finished(&mut report);
        if self.is_own(report.attempt) {
            self.finish_answer(report, turn);
        }
    }

    fn is_own(&self, attempt: AttemptId) -> bool {
        self.runs.answer(attempt.task).is_some_and(|(_, answer)| answer.by == Some(By::Shell))
    }

    /// What the manager ran itself when it wrote down what was loaded now has ended with it. Where only the state was loaded
    /// anew it runs on, and nobody knows what was said of it meanwhile.
    pub(in super::super) fn lose_own_runs(&mut self, turn: &mut Turn<'_>) {
        if !std::mem::take(&mut self.runs.loaded) {
            return;
        }
        let runs = self.runs.all.iter();
        let own = runs.flat_map(|(id, run)| {
            let live = |(_, answer): &(u32, &Answer)| answer.by == Some(By::Shell) && !answer.state.ended();
            (0..).zip(&run.answers).filter(live).map(|(index, _)| TaskId { job: *id, index })
        });
        let own: Vec<TaskId> = own.collect();
        for id in own {
            let reason = "the manager, which ran it, was started anew";
            turn.end_own_run(id.attempt(1), reason.to_owned());
            self.lose_answer(id, reason, turn);
        }
    }

    pub(super) fn lose_answer(&mut self, id: TaskId, reason: &str, turn: &mut Turn<'_>) {
        let outcome = Outcome::Lost { reason: reason.to_owned(), again: false };
        self.end_answer(
            id,
            Over { outcome, started_at: None, ended_at: turn.now.wall, ran_ms: None, output: None },
            turn,
        );
    }

    /// Returns how many answers it reached.
    pub(in super::super) fn stop_runs(
        &mut self,
        caller: &Caller,
        targets: &[Target],
        reason: &str,
        turn: &mut Turn<'_>,
    ) -> Result<u32, Refusal> {
        let mut meant: Vec<TaskId> = vec![];
        for target in targets {
            let run = self.known_run(caller, target.job())?;
            let all = (0..run.answers.len() as u32).map(|index| TaskId { job: target.job(), index });
            let before = meant.len();
            meant.extend(all.filter(|id| target.covers(*id)));
            if meant.len() == before {
                let (id, last) = (target.job(), run.answers.len().saturating_sub(1));
                return Err(Refusal::not_found(format!(
                    "there is no {target}: the answers of run {id} are {id}.0 to {id}.{last}"
                )));
            }
        }
        meant.sort_unstable();
        meant.dedup();
        meant.retain(|id| self.runs.answer(*id).is_some_and(|(_, answer)| !answer.state.ended()));
        if meant.is_empty() {
            return Err(Refusal::refused("it has ended already"));
        }
        for target in targets {
            let what = What::StopAsked { target: *target, reason: reason.to_owned() };
            turn.publish_of(Some(caller.person.clone()), what);
        }
        for id in &meant {
            self.stop_answer(*id, reason, turn);
        }
        Ok(meant.len() as u32)
    }

    fn stop_answer(&mut self, id: TaskId, reason: &str, turn: &mut Turn<'_>) {
        let Some((_, answer)) = self.runs.answer(id) else { return };
        let Some(by) = answer.by else {
            if let Some(run) = self.runs.all.get_mut(&id.job) {
                run.waiting.retain(|index| *index != id.index);
            }
            return self.end_stopped_answer(id, reason.to_owned(), turn);
        };
        // Asked again, it is sent again; the first reason stands.
        let reason = answer.stopping.clone().unwrap_or_else(|| reason.to_owned());
        if answer.stopping.is_none() {
            let reason = reason.clone();
            self.change_answer(id, turn, |answer| answer.stopping = Some(reason));
        }
        let attempt = id.attempt(1);
        match by {
            By::Agent(ix) => {
                if let Some(link) = self.nodes.get(ix).and_then(|node| node.link) {
                    turn.send(link, ToAgent::Stop { attempt, reason });
                }
            }
            By::Shell => turn.end_own_run(attempt, reason),
        }
    }

    pub(super) fn end_stopped_answer(&mut self, id: TaskId, reason: String, turn: &mut Turn<'_>) {
        let outcome = Outcome::Stopped { reason };
        self.end_answer(
            id,
            Over { outcome, started_at: None, ended_at: turn.now.wall, ran_ms: None, output: None },
            turn,
        );
    }

    /// Answered when something of the run has changed since that revision.
    pub(in super::super) fn watch_run(
        &mut self,
        call: CallId,
        caller: &Caller,
        id: JobId,
        after: u64,
        turn: &mut Turn<'_>,
    ) {
        match self.known_run(caller, id) {
            Err(refusal) => turn.tell(call, Told::Refused(refusal)),
            Ok(run) if run.revision > after => {
                let told = self.told_of_run(id, after);
                turn.tell(call, told);
            }
            Ok(_) => drop(self.runs.watchers.insert(call, (id, after))),
        }
    }

    pub(super) fn tell_watchers(&mut self, id: JobId, turn: &mut Turn<'_>) {
        let watching = self.runs.watchers.iter().filter(|(_, (run, _))| *run == id);
        let watching: Vec<(CallId, u64)> = watching.map(|(call, (_, after))| (*call, *after)).collect();
        for (call, after) in watching {
            self.runs.watchers.remove(&call);
            let told = self.told_of_run(id, after);
            turn.tell(call, told);
        }
    }

    /// Who follows an answer on that node has to look elsewhere, as it came or went.
    pub(in super::super) fn touch_answers_on(&mut self, ix: NodeIx, turn: &mut Turn<'_>) {
        let owed: Vec<TaskId> = self.runs.by_node.get(&ix).into_iter().flatten().copied().collect();
        for id in owed {
            self.look_again(id, turn);
            if let Some(run) = self.runs.all.get_mut(&id.job)
                && let Some(answer) = run.answers.get_mut(id.index as usize)
            {
                run.revision += 1;
                answer.changed = run.revision;
            }
            self.tell_watchers(id.job, turn);
        }
    }
}
