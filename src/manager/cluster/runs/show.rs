//! What people see of runs, how they are loaded, and which are forgotten.

use std::collections::BTreeMap;

use protocol::api::{Refusal, Reply, Right};
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{Counts, TaskState};
use protocol::run::{AnswerView, RunQuery, RunView, TextView, Whence};

use super::super::Cluster;
use super::super::change::{AnswerRow, Change, RunRow};
use super::super::port::{Caller, Place, Told};
use super::super::turn::Turn;
use super::{Answer, By, Run, ask};

impl Run {
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.answers.iter().for_each(|answer| *counts.of(answer.state) += 1);
        counts
    }

    fn ended_at(&self) -> Option<protocol::time::UnixMillis> {
        if self.over() { self.answers.iter().filter_map(|answer| answer.ended_at).max() } else { None }
    }
}

impl Cluster {
    /// One that the caller may see.
    pub(super) fn known_run(&self, caller: &Caller, id: JobId) -> Result<&Run, Refusal> {
        let run = self.runs.all.get(&id).ok_or_else(|| {
            Refusal::not_found(if self.jobs.get(id).is_some() {
                format!("{id} is a job and no run; bramble job {id} shows it")
            } else if id.0 > 0 && id.0 <= self.jobs.last {
                format!("run {id} is not remembered any more: it ended long ago")
            } else {
                format!("there is no run {id}")
            })
        })?;
        if caller.right != Right::Admin && run.row.owner != caller.person {
            let whose = format!("run {id} is {}'s: {} may see own runs only", run.row.owner, caller.person);
            return Err(Refusal::refused(whose));
        }
        Ok(run)
    }

    pub(in super::super) fn seen_run(&self, caller: &Caller, id: JobId) -> Result<(), Refusal> {
        self.known_run(caller, id).map(|_| ())
    }

    pub(in super::super) fn list_runs(&self, caller: &Caller, query: &RunQuery) -> Result<Reply, Refusal> {
        let all = caller.right == Right::Admin;
        let meant = |run: &&Run| {
            (all || run.row.owner == caller.person)
                && query.owner.as_ref().is_none_or(|owner| *owner == run.row.owner)
                && !(query.active && run.over())
        };
        let found: Vec<&Run> = self.runs.all.values().rev().filter(meant).collect();
        let limit = if query.limit == 0 { 1000 } else { query.limit.min(1000) };
        let page = found.iter().skip(query.skip as usize).take(limit as usize);
        let total = u32::try_from(found.len()).unwrap_or(u32::MAX);
        Ok(Reply::Runs { total, runs: page.map(|run| self.view_of_run(run, false)).collect() })
    }

    pub(in super::super) fn show_run(&self, caller: &Caller, id: JobId) -> Result<Reply, Refusal> {
        let run = self.known_run(caller, id)?;
        Ok(Reply::Run(Box::new(self.view_of_run(run, true))))
    }

    pub(in super::super) fn run_text(&self, caller: &Caller, id: JobId) -> Result<Reply, Refusal> {
        let run = self.known_run(caller, id)?;
        let Some(hash) = &run.row.text else {
            return Err(Refusal::refused(format!("run {id} was a command and no script")));
        };
        let text = self.script_text(hash);
        let text = text.ok_or_else(|| Refusal::not_found(format!("the script of run {id} is not there any more")))?;
        Ok(Reply::Text { text: text.to_string() })
    }

    fn view_of_run(&self, run: &Run, answers: bool) -> RunView {
        let (row, counts) = (&run.row, run.counts());
        let text = row.text.zip(row.spec.language).map(|(hash, language)| {
            let size = self.script_text(&hash).map_or(0, |text| text.len() as u64);
            TextView { language, hash, size }
        });
        RunView {
            id: row.id,
            owner: row.owner.clone(),
            what: row.spec.what.clone(),
            text,
            on: row.spec.on.clone(),
            run_as: row.spec.run_as,
            stdin: row.stdin.0.len() as u64,
            timeout_ms: row.spec.timeout_ms,
            at_once: row.spec.at_once,
            again: row.spec.again,
            asked_at: row.asked_at,
            ended_at: run.ended_at(),
            state: counts.state(),
            counts,
            answers: if answers { self.views_of_answers(run, 0) } else { vec![] },
        }
    }

    fn views_of_answers(&self, run: &Run, after: u64) -> Vec<AnswerView> {
        let changed = (0..).zip(&run.answers).filter(|(_, answer)| answer.changed > after);
        changed.map(|(index, answer)| self.view_of_answer(index, answer)).collect()
    }

    fn view_of_answer(&self, index: u32, answer: &Answer) -> AnswerView {
        let link_of = |ix| self.nodes.get(ix).and_then(|node| node.link);
        let away = matches!(answer.by, Some(By::Agent(ix)) if !answer.state.ended() && link_of(ix).is_none());
        AnswerView {
            index,
            node: answer.whence.clone(),
            state: answer.state,
            stopping: answer.stopping.is_some(),
            away,
            started_at: answer.started_at,
            ended_at: answer.ended_at,
            ran_ms: answer.ran_ms,
            outcome: answer.outcome.clone(),
            code: answer.outcome.as_ref().and_then(|outcome| outcome.code()),
            reason: answer.outcome.as_ref().map(|outcome| outcome.reason()).unwrap_or_default(),
        }
    }

    pub(super) fn told_of_run(&self, id: JobId, after: u64) -> Told {
        match self.runs.all.get(&id) {
            Some(run) => {
                let (revision, over) = (run.revision, run.over());
                Told::Answers { revision, answers: self.views_of_answers(run, after), over }
            }
            None => Told::Refused(Refusal::not_found(format!("run {id} is not remembered any more"))),
        }
    }

    /// Where the output of an answer is to be had.
    pub(in super::super) fn place_of_answer(&self, id: TaskId) -> Result<Place, Refusal> {
        let Some((_, answer)) = self.runs.answer(id) else {
            return Err(Refusal::not_found(format!("there is no answer {id}")));
        };
        let attempt = id.attempt(1);
        Ok(match (answer.state, answer.by) {
            (TaskState::Running, Some(By::Agent(ix))) => self.on_node(attempt, Some(ix)),
            (TaskState::Running, _) => Place::Here { attempt },
            (TaskState::Queued | TaskState::Starting, _) => Place::Nowhere,
            _ => Place::Kept { attempt, last: true },
        })
    }

    /// The node whose agent was to give this answer.
    pub(in super::super) fn node_of_answer(&self, attempt: AttemptId) -> Option<Whence> {
        let (_, answer) = self.runs.answer(attempt.task).filter(|_| attempt.number == 1)?;
        match answer.by? {
            By::Agent(ix) => Some(Whence::Node(self.nodes.name(ix).clone())),
            By::Shell => Some(answer.whence.clone()),
        }
    }

    pub(in super::super) fn load_runs(&mut self, runs: Vec<RunRow>, answers: Vec<AnswerRow>) {
        let mut by_run: BTreeMap<JobId, Vec<AnswerRow>> = BTreeMap::new();
        for row in answers {
            by_run.entry(row.id.job).or_default().push(row);
        }
        self.runs.loaded = true;
        for row in runs {
            let mut rows = by_run.remove(&row.id).unwrap_or_default();
            rows.sort_unstable_by_key(|answer| answer.id.index);
            self.jobs.given(row.id);
            self.load_run(row, rows);
        }
    }

    fn load_run(&mut self, row: RunRow, rows: Vec<AnswerRow>) {
        let mut answers = Vec::with_capacity(rows.len());
        for row in rows {
            let ix = row.node.node().map(|name| self.nodes.intern(name));
            let begun = row.state != TaskState::Queued && (row.own || ix.is_some());
            let by = match ix {
                Some(ix) if !row.own => By::Agent(ix),
                _ => By::Shell,
            };
            let live = matches!(row.state, TaskState::Starting | TaskState::Running);
            if live && let By::Agent(ix) = by {
                self.runs.owed(ix, row.id);
            }
            answers.push(Answer {
                whence: row.node,
                state: row.state,
                by: begun.then_some(by),
                started_at: row.started_at,
                ended_at: row.ended_at,
                ran_ms: row.ran_ms,
                outcome: row.outcome,
                stopping: row.stopping,
                changed: 1,
            });
        }
        self.scripts.load_run(&row);
        let text = row.text.and_then(|hash| self.script_text(&hash));
        let orders = ask::orders(&row, text);
        let mut run = Run::new(std::sync::Arc::new(row), None, answers);
        // No node is linked yet; that is no reason not to ask it.
        for index in &run.waiting {
            let name = run.answers.get(*index as usize).and_then(|answer| answer.whence.node());
            self.runs.expected.extend(name.and_then(|name| self.nodes.find(name)));
        }
        if !run.over() {
            run.orders = Some(orders);
        }
        self.runs.add(run);
    }

    /// The oldest that have ended go, where there are too many.
    pub(in super::super) fn trim_runs(&mut self, turn: &mut Turn<'_>) {
        while let Some(id) = self.runs.surplus() {
            let Some(run) = self.runs.remove(id) else { return };
            turn.persist(Change::RunGone(id));
            if let Some(hash) = &run.row.text {
                self.let_go_of_text(hash, turn);
            }
            self.tell_watchers(id, turn);
            for index in 0..run.answers.len() as u32 {
                self.look_again(TaskId { job: id, index }, turn);
            }
        }
    }
}
