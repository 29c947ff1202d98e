//! Results as people ask for them: what there is, that it came home, and what is to go.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use protocol::api::{Refusal, Reply, Right};
use protocol::event::What;
use protocol::id::{AttemptId, JobId, Target};
use protocol::name::PersonName;
use protocol::result::{ResultList, ResultQuery, ResultView};

use super::Cluster;
use super::change::{Change, Collected};
use super::port::Caller;
use super::results::KeptResult;
use super::turn::Turn;

/// Rows in a list where nothing was said, and as many as fit into a frame with ease.
const USUAL: u32 = 1000;
const MOST: u32 = 3000;

impl Cluster {
    pub(super) fn list_results(&self, caller: &Caller, query: &ResultQuery) -> Result<Reply, Refusal> {
        let mut list = ResultList { total: 0, results: vec![], size: 0 };
        let limit = if query.limit == 0 { USUAL } else { query.limit.min(MOST) } as usize;
        let mut look = |attempt: AttemptId, kept: &KeptResult| {
            if query.waiting && kept.collected.is_some() {
                return;
            }
            if list.total >= query.skip && list.results.len() < limit {
                list.results.extend(self.view_of_result(attempt, kept));
            }
            list.total += 1;
            list.size = list.size.saturating_add(kept.left.size);
        };
        if query.targets.is_empty() {
            let owner = self.whose(caller, query.owner.as_ref())?;
            for (job, _) in self.results.lots().rev() {
                if owner.is_none_or(|owner| self.owner_of(job).as_ref() == Some(owner)) {
                    self.results.of_job(job).for_each(|(attempt, kept)| look(attempt, kept));
                }
            }
        } else {
            let mut meant: Vec<AttemptId> =
                self.results_meant(caller, &query.targets, "see the results of")?.into_iter().collect();
            meant.sort_by_key(|attempt| (Reverse(attempt.task.job), *attempt));
            let wanted = |job| query.owner.is_none() || self.owner_of(job) == query.owner;
            for attempt in meant.into_iter().filter(|attempt| wanted(attempt.task.job)) {
                if let Some(kept) = self.results.of(attempt) {
                    look(attempt, kept);
                }
            }
        }
        Ok(Reply::Results(list))
    }

    /// The one whose are meant; `None`: everybody.
    fn whose<'a>(&self, caller: &'a Caller, owner: Option<&'a PersonName>) -> Result<Option<&'a PersonName>, Refusal> {
        match owner {
            Some(owner) if caller.right != Right::Admin && *owner != caller.person => Err(Refusal::refused(format!(
                "{} may see the results of own jobs only, and not {owner}'s",
                caller.person
            ))),
            None if caller.right != Right::Admin => Ok(Some(&caller.person)),
            owner => Ok(owner),
        }
    }

    /// Those that are kept of what is meant: of a task, what each of its attempts left.
    fn results_meant(&self, caller: &Caller, targets: &[Target], to: &str) -> Result<BTreeSet<AttemptId>, Refusal> {
        let as_task = |target: &Target| match *target {
            Target::Attempt(attempt) => Target::Task(attempt.task),
            other => other,
        };
        let tasks: Vec<Target> = targets.iter().map(as_task).collect();
        for &job in self.meant(&tasks)?.keys() {
            self.owned(caller, job, to)?;
        }
        let mut found = BTreeSet::new();
        for &target in targets {
            match target {
                Target::Attempt(attempt) => {
                    self.known_attempt(attempt)?;
                    found.extend(self.results.of(attempt).map(|_| attempt));
                }
                Target::Job(job) => found.extend(self.results.of_job(job).map(|(attempt, _)| attempt)),
                Target::Task(task) => {
                    found.extend(self.results.of_tasks(task.job, task.index, task.index).map(|(attempt, _)| attempt));
                }
                Target::Range { job, first, last } => {
                    found.extend(self.results.of_tasks(job, first, last).map(|(attempt, _)| attempt));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn view_of_result(&self, attempt: AttemptId, kept: &KeptResult) -> Option<ResultView> {
        let job = self.jobs.get(attempt.task.job)?;
        let lot = self.results.lot(attempt.task.job)?;
        Some(ResultView {
            attempt,
            name: job.name.clone(),
            owner: self.people.name(job.owner).clone(),
            left: kept.left,
            hash: kept.hash,
            kept_at: kept.kept_at,
            collected_at: kept.collected.map(|collected| collected.at),
            hours_left: self.hours_left(kept, lot),
        })
    }

    /// It is at home now: from here on it may go. What an admin takes of somebody else's still waits for them.
    pub(super) fn collected(
        &mut self,
        caller: &Caller,
        attempt: AttemptId,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let job = attempt.task.job;
        self.known_attempt(attempt)?;
        self.owned(caller, job, "collect the results of")?;
        if self.results.of(attempt).is_none() {
            return Err(nothing_kept(&[Target::Attempt(attempt)]));
        }
        if self.owner_of(job).as_ref() == Some(&caller.person) {
            let collected = Collected { at: turn.now.wall, hour: self.results.hours };
            if let Some(kept) = self.results.collect(attempt, collected) {
                turn.persist(Change::Result(kept.row(attempt)));
            }
            self.keep_back(job);
            self.agenda.room = true;
        }
        Ok(Reply::End)
    }

    pub(super) fn remove_results(
        &mut self,
        caller: &Caller,
        targets: &[Target],
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let meant = self.results_meant(caller, targets, "remove the results of")?;
        if meant.is_empty() {
            return Err(nothing_kept(targets));
        }
        let live = |attempt: &&AttemptId| {
            self.jobs.task(attempt.task).is_some_and(|(_, task)| task.live() && task.attempt == attempt.number)
        };
        if let Some(attempt) = meant.iter().find(live) {
            let task = attempt.task;
            return Err(Refusal::refused(format!(
                "{attempt} has not ended, and its result comes with its end; wait for it, or stop it, with: bramble stop {task}"
            )));
        }
        if let Some((attempt, reducer)) = meant.iter().find_map(|&attempt| Some((attempt, self.needed_by(attempt)?))) {
            return Err(Refusal::refused(format!(
                "{reducer} needs what {attempt} left, and has not ended; wait for it, or stop it, with: bramble stop {reducer}"
            )));
        }
        let mut gone: BTreeMap<JobId, (u32, u64)> = BTreeMap::new();
        for attempt in meant {
            let size = self.remove_result(attempt, turn);
            let (count, all) = gone.entry(attempt.task.job).or_default();
            (*count, *all) = (*count + 1, all.saturating_add(size));
        }
        let (mut count, mut size) = (0, 0_u64);
        for (job, (results, bytes)) in gone {
            (count, size) = (count + results, size.saturating_add(bytes));
            let Some(owner) = self.owner_of(job) else { continue };
            let reason = format!("by {}", caller.person);
            let what = What::ResultsGone { job, owner, results, size: bytes, reason };
            turn.publish_of(Some(caller.person.clone()), what);
        }
        Ok(Reply::Removed { count, size })
    }
}

fn nothing_kept(targets: &[Target]) -> Refusal {
    let what = match targets {
        [one] => one.to_string(),
        _ => "these".into(),
    };
    Refusal::not_found(format!("nothing is kept of what {what} left; see what there is with: bramble result"))
}
