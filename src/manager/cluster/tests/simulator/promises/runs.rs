//! What is promised of runs.
//!
//! - One that was acknowledged is kept until it has ended, and longer; it has an answer from each of its nodes, and each
//!   answer goes forth, never back, and ends once, as its node said where that said anything.
//! - No command begins twice, none unbeknown to the disk, none of an answer that is over but where its node was given up.
//! - Never more are under way than the run allows. Who is not there is said to be so at once.
//! - An end is told once, with what came of it.
//! - What is to stop is told so: in the end nothing runs that only a stop can end.

use std::collections::{BTreeMap, BTreeSet};

use protocol::agent::Order;
use protocol::event::What;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::{Counts, NotStarted, Outcome, TaskState};
use protocol::name::NodeName;
use protocol::run::{RunAs, RunView, RunWhat, Whence};

use super::super::super::kept::Kept;
use super::super::machine::Machine;
use crate::manager::cluster::{AnswerRow, ClusterConfig, RunRow};

#[derive(Default)]
pub struct Runs {
    promised: BTreeMap<JobId, usize>,
    forgotten: BTreeSet<JobId>,
    over: BTreeSet<JobId>,
    /// Asked for, and changed, in this turn.
    fresh: BTreeSet<JobId>,
    changed: BTreeSet<JobId>,
    /// Orders that were sent to machines, and not only decided.
    sent: BTreeSet<AttemptId>,
    given_up: BTreeSet<AttemptId>,
    begun: BTreeSet<AttemptId>,
    pub live_on: BTreeMap<NodeName, BTreeSet<TaskId>>,
}

impl Runs {
    // What truly happens.

    pub fn sent(&mut self, attempt: AttemptId) {
        self.sent.insert(attempt);
    }

    /// Whether its node may have begun it.
    pub fn was_sent(&self, attempt: AttemptId) -> bool {
        self.sent.contains(&attempt)
    }

    pub fn has_begun(&self, attempt: AttemptId) -> bool {
        self.begun.contains(&attempt)
    }

    /// Its node may still have it, and nobody waits for that any longer.
    pub fn give_up(&mut self, attempt: AttemptId) {
        self.given_up.insert(attempt);
    }

    /// On a machine, or with the manager itself.
    pub fn begins(&mut self, disk: &Kept, on: &Whence, attempt: AttemptId) {
        assert!(self.begun.insert(attempt), "promise broken: {attempt} of a run begins twice, now on {on}");
        assert_eq!(attempt.number, 1, "promise broken: {attempt} is another try at what is tried once");
        let row = disk.answers.get(&attempt.task);
        let known =
            row.is_some_and(|row| row.node == *on && matches!(row.state, TaskState::Starting | TaskState::Running));
        assert!(
            known || self.given_up.contains(&attempt),
            "promise broken: {attempt} of a run begins on {on}, and the disk says {row:?}"
        );
    }

    /// An order arrives with what was asked for, at an agent that takes it.
    pub fn given(&self, disk: &Kept, config: &ClusterConfig, machine: &Machine, order: &Order) {
        let (attempt, name) = (order.attempt, &machine.name);
        let Some(run) = &order.run else { return };
        assert!(machine.takes_runs, "promise broken: {name} takes no runs, and is given {attempt}");
        let Some(row) = disk.runs.get(&attempt.task.job) else { return };
        let on = disk.answers.get(&attempt.task).map(|answer| &answer.node);
        assert_eq!(on, Some(&Whence::Node(name.clone())), "promise broken: {attempt} is sent to {name}");
        let serial = disk.people.get(&row.owner).map(|person| person.serial);
        let uid = serial.map(|serial| config.task_uid_base + serial);
        assert_eq!(Some(order.uid), uid, "promise broken: {attempt} is not to be run as its person");
        assert_eq!(run.root, row.spec.run_as == RunAs::Root, "promise broken: whom {attempt} is run as");
        assert_eq!((&run.stdin, run.timeout_ms), (&row.stdin, row.spec.timeout_ms), "promise broken: {attempt}");
        let text = row.text.and_then(|hash| disk.texts.get(&hash)).map(|row| row.text.text.to_string());
        assert_eq!(run.script.as_ref().map(|script| script.text.clone()), text, "promise broken: {attempt}'s script");
        if let RunWhat::Command(command) = &row.spec.what {
            assert_eq!(*order.command, **command, "promise broken: the command of {attempt}");
        }
    }

    // What is written down.

    pub fn run(&mut self, disk: &Kept, row: &RunRow) {
        let id = row.id;
        assert!(id.0 > disk.last_job, "promise broken: the number of run {id} was given before");
        let text = row.text.is_none_or(|hash| disk.texts.contains_key(&hash));
        assert!(text, "promise broken: the script of run {id} is not kept");
        self.fresh.insert(id);
        self.changed.insert(id);
    }

    pub fn answer(&mut self, disk: &Kept, row: &AnswerRow) {
        use TaskState::{Queued, Running, Starting};
        let (id, run) = (row.id, row.id.job);
        assert!(disk.runs.contains_key(&run), "promise broken: {id} answers no run");
        self.changed.insert(run);
        assert_eq!(row.outcome.as_ref().map(Outcome::state), Some(row.state).filter(|state| state.ended()), "{id}");
        let Some(old) = disk.answers.get(&id) else {
            assert!(self.fresh.contains(&run), "promise broken: run {run} has one answer more");
            assert!(row.state != Running, "promise broken: {id} runs before it was kept");
            return self.is_live(row);
        };
        let right = match (old.state, row.state) {
            _ if old.state.ended() => old == row,
            (Queued, Running) => false,
            (Queued, after) if after.ended() => {
                matches!(row.outcome, Some(Outcome::Stopped { .. } | Outcome::NotStarted { .. } | Outcome::Lost { .. }))
            }
            (Running, after) => after == Running || after.ended(),
            (Starting, after) => after != Queued,
            (_, _) => true,
        };
        assert!(right && old.node == row.node, "promise broken: no answer goes from {old:?} to {row:?}");
        let stays = old.stopping.is_none() || row.state.ended() || row.stopping.is_some();
        assert!(stays, "promise broken: {id} was to be stopped, and that is forgotten");
        if let (Queued, Starting, Some(name)) = (old.state, row.state, row.node.node()) {
            let welcome = disk.nodes.get(name).is_some_and(|node| !node.revoked);
            assert!(welcome, "promise broken: {id} is given to {name}, which is none of ours");
        }
        self.is_live(row);
    }

    fn is_live(&mut self, row: &AnswerRow) {
        if let Whence::Node(name) = &row.node {
            let live = self.live_on.entry(name.clone()).or_default();
            match row.state {
                TaskState::Starting | TaskState::Running => live.insert(row.id),
                _ => live.remove(&row.id),
            };
        }
    }

    pub fn gone(&mut self, disk: &Kept, id: JobId) {
        assert!(disk.runs.contains_key(&id), "promise broken: run {id} is forgotten twice");
        let active = answers(disk, id).find(|row| !row.state.ended());
        assert!(active.is_none(), "promise broken: run {id} is forgotten, and {active:?}");
        self.forgotten.insert(id);
    }

    /// All that one turn wrote down is there.
    pub fn turn_is_over(&mut self, disk: &Kept, events: &[What]) {
        let fresh = std::mem::take(&mut self.fresh);
        for id in std::mem::take(&mut self.changed) {
            let Some(run) = disk.runs.get(&id) else { continue };
            let states: Vec<TaskState> = answers(disk, id).map(|row| row.state).collect();
            let total = states.len();
            let asked = events.iter().find_map(|what| match what {
                What::RunAsked { run, nodes, .. } if *run == id => Some(*nodes as usize),
                _ => None,
            });
            assert_eq!(asked, fresh.contains(&id).then_some(total), "promise broken: run {id} is told to be asked");
            assert!(total > 0, "promise broken: nobody answers run {id}");
            let live = states.iter().filter(|state| matches!(state, TaskState::Starting | TaskState::Running)).count();
            let most = run.spec.at_once.map_or(usize::MAX, |most| most as usize);
            assert!(live <= most, "promise broken: {live} answers of run {id} are under way, at most {most} may be");
            let mut counts = Counts::default();
            states.iter().for_each(|state| *counts.of(*state) += 1);
            let ended = states.iter().all(|state| state.ended());
            let told: Vec<(TaskState, Counts)> = events
                .iter()
                .filter_map(|what| match what {
                    What::RunEnded { run, state, counts } if *run == id => Some((*state, *counts)),
                    _ => None,
                })
                .collect();
            let now_over = ended && self.over.insert(id);
            assert_eq!(told.len(), usize::from(now_over), "promise broken: the end of run {id} is told {told:?}");
            if let Some((state, said)) = told.first() {
                let well = *state == TaskState::Succeeded;
                assert_eq!((*said, well), (counts, counts.succeeded as usize == total), "promise broken: run {id}");
            }
        }
    }

    // What is told.

    pub fn promised(&mut self, run: &RunView) {
        self.promised.insert(run.id, run.counts.total() as usize);
    }

    /// What a run repeats is what went wrong in the other, with the same bytes.
    pub fn repeats(&self, disk: &Kept, run: &RunView) {
        let (Some(row), Some(before)) = (disk.runs.get(&run.id), run.again.and_then(|id| disk.runs.get(&id))) else {
            return;
        };
        assert_eq!((row.text, &row.stdin), (before.text, &before.stdin), "promise broken: run {} is another", run.id);
        let wrong: BTreeSet<&Whence> = answers(disk, before.id)
            .filter(|row| row.state.ended() && row.state != TaskState::Succeeded)
            .map(|row| &row.node)
            .collect();
        let again: BTreeSet<&Whence> = answers(disk, run.id).map(|row| &row.node).collect();
        assert!(again.is_subset(&wrong), "promise broken: run {} repeats {again:?} of {wrong:?}", run.id);
    }

    pub fn shown(&self, disk: &Kept, run: &RunView) {
        let told: Vec<_> = run.answers.iter().map(|answer| (answer.index, answer.state)).collect();
        let kept: Vec<_> = answers(disk, run.id).map(|row| (row.id.index, row.state)).collect();
        assert!(told == kept || self.is_forgotten(run.id), "promise broken: run {} is shown {told:?}", run.id);
    }

    pub fn is_forgotten(&self, run: JobId) -> bool {
        self.forgotten.contains(&run)
    }

    pub fn acked(disk: &Kept, attempt: AttemptId) -> bool {
        disk.answers.get(&attempt.task).is_none_or(|row| row.state.ended())
    }

    pub fn nothing_is_forgotten(&self, disk: &Kept) {
        for (run, total) in &self.promised {
            let kept = answers(disk, *run).count();
            let so = kept == *total || (kept == 0 && self.forgotten.contains(run));
            assert!(so, "promise broken: run {run} was acknowledged with {total} answers, and there are {kept}");
        }
    }

    pub fn unfinished(disk: &Kept) -> impl Iterator<Item = &AnswerRow> {
        disk.answers.values().filter(|row| !row.state.ended())
    }

    /// At the end: every answer is as the machine said that gave it, or as had to be said without.
    pub fn ended_truly(
        &self,
        disk: &Kept,
        truth: impl Fn(AttemptId) -> Option<(String, Outcome)>,
        liar: impl Fn(&NodeName) -> bool,
    ) {
        for row in disk.answers.values().filter(|row| !row.node.node().is_some_and(&liar)) {
            let attempt = row.id.attempt(1);
            let own_verdict = match &row.outcome {
                Some(Outcome::Stopped { .. } | Outcome::Lost { .. }) => true,
                Some(Outcome::NotStarted { kind, .. }) => matches!(kind, NotStarted::NotReached | NotStarted::Fault),
                _ => false,
            };
            let told = truth(attempt);
            let so = told.as_ref().map(|(_, outcome)| outcome) == row.outcome.as_ref();
            assert!(so || own_verdict, "promise broken: {} ended {:?}, truly {told:?}", row.id, row.outcome);
            if let Some((printed, _)) = told.filter(|_| !own_verdict) {
                let kept = disk.outputs.get(&attempt).and_then(|(stdout, _)| stdout.bytes.clone());
                assert_eq!(kept.map(|bytes| bytes.0), Some(printed.into_bytes()), "promise broken: {attempt}");
            }
        }
    }
}

/// Which answers are meant, of those that there are.
pub fn meant(disk: &Kept, target: Target) -> impl Iterator<Item = &AnswerRow> {
    answers(disk, target.job()).filter(move |row| match target {
        Target::Job(_) => true,
        Target::Task(task) => task == row.id,
        Target::Attempt(attempt) => attempt.task == row.id,
        Target::Range { first, last, .. } => (first..=last).contains(&row.id.index),
    })
}

fn answers(disk: &Kept, run: JobId) -> impl Iterator<Item = &AnswerRow> {
    disk.answers.range(TaskId { job: run, index: 0 }..=TaskId { job: run, index: u32::MAX }).map(|(_, row)| row)
}
