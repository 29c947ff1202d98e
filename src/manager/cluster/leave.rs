//! What attempts leave: whether a node may bring it, and who holds it then. It is kept before the end of its attempt is
//! told, and counts for the owner of the job like what the job was given.

use protocol::api::{Refusal, RefusalKind};
use protocol::event::What;
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId};
use protocol::name::{NodeName, PersonName};
use protocol::result::Left;

use super::Cluster;
use super::change::{Age, Change, ResultRow};
use super::ids::NodeIx;
use super::orders::Phase;
use super::port::{Mono, Told};
use super::results::KeptResult;
use super::sane;
use super::turn::Turn;

/// For each slot of a node.
const MOST_ENDING: usize = 16;

impl Cluster {
    pub(super) fn load_results(&mut self, rows: Vec<ResultRow>, ages: Vec<(JobId, Age)>, up: (u64, u64), now: Mono) {
        let (hours, minutes) = up;
        (self.results.hours, self.results.minutes) = (hours, minutes);
        for row in rows {
            let attempt = row.attempt;
            let Some(owner) = self.owner_of(attempt.task.job) else { continue };
            self.files.hold(&owner, row.hash, row.left.size);
            self.results.put(attempt, row.into());
        }
        let ended = |cluster: &Self, job| cluster.jobs.get(job).is_some_and(|job| !job.unfinished());
        let jobs: Vec<JobId> = self.results.lots().map(|(job, _)| job).collect();
        for job in jobs {
            self.keep_back(job);
            if ended(self, job) {
                self.results.set_age(job, Some(Age { since: hours, warned: None }));
            }
        }
        for (job, age) in ages {
            if ended(self, job) {
                self.results.set_age(job, Some(age));
            }
        }
        self.count_hours(now);
    }

    /// Whose it would be; [`Told::Kept`] where there is nothing more to do.
    pub(super) fn plan_result(
        &mut self,
        node: &NodeName,
        attempt: AttemptId,
        turn: &mut Turn<'_>,
    ) -> Result<Told, Refusal> {
        let owner = self.may_leave(node, attempt)?;
        self.is_ending(node, attempt, turn);
        Ok(if self.results.of(attempt).is_some() { Told::Kept } else { Told::Owner(owner) })
    }

    /// Taken whatever the owner's quota says: what a task has done is not thrown away. Repeated, it changes nothing.
    pub(super) fn keep_result(
        &mut self,
        node: &NodeName,
        attempt: AttemptId,
        mut left: Left,
        hash: ContentHash,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let owner = self.may_leave(node, attempt)?;
        self.is_ending(node, attempt, turn);
        if self.results.of(attempt).is_some() {
            return Ok(());
        }
        sane::left(&mut left);
        self.files.hold(&owner, hash, left.size);
        let kept = KeptResult { left, hash, kept_at: turn.now.wall, collected: None };
        turn.persist(Change::Result(kept.row(attempt)));
        self.results.put(attempt, kept);
        let job = attempt.task.job;
        self.keep_back(job);
        self.count_hours(turn.now.mono);
        // What comes late, when its job has ended, is not to go with what has been there for long.
        if self.jobs.get(job).is_some_and(|job| !job.unfinished()) {
            self.begin_to_age(job, turn);
        }
        self.agenda.room = true;
        Ok(())
    }

    /// Who brings what an attempt left has its slots free, though its end may not be told for long: the manager may lack the
    /// room to keep it. Only so many of one node, or it would take on more and more and nothing would ever end; a further
    /// one keeps its slots until it is brought again. A node that lies has more waiting for it than it can run, as one that
    /// tells ends that never were; its next hello puts it right.
    fn is_ending(&mut self, node: &NodeName, attempt: AttemptId, turn: &mut Turn<'_>) {
        let Some(on) = self.nodes.find(node).filter(|on| self.is_live(attempt, *on)) else { return };
        let Some(orders) = self.nodes.get(on).map(|node| &node.orders) else { return };
        let begun = orders.get(attempt.task).is_some_and(|order| order.phase != Phase::Ending);
        if !begun || orders.ending() >= MOST_ENDING * orders.slots() as usize {
            return;
        }
        self.end_recall(on, attempt.task);
        if let Some(node) = self.nodes.get_mut(on) {
            node.orders.set_phase(attempt.task, Phase::Ending);
        }
        self.room_on(on);
        turn.touch_metrics(node);
    }

    /// The owner, where this node may bring what that attempt left: it runs there, or it did, and nobody has heard its end
    /// from there. What was heard of before comes too late; that and no more is `refused`, the rest is what no honest
    /// node brings.
    fn may_leave(&self, node: &NodeName, attempt: AttemptId) -> Result<PersonName, Refusal> {
        let never = |what: String| Refusal { kind: RefusalKind::NotFound, message: what };
        // It was removed a moment ago, and may come back with what it has.
        let Some(on) = self.nodes.find(node) else {
            return Err(Refusal::unavailable(format!("{node} is not known here")));
        };
        let Some(owner) = self.owner_of(attempt.task.job) else {
            return Err(Refusal::refused(format!("{attempt} is not remembered here any more")));
        };
        let open = self.is_live(attempt, on) || self.may_take_back(attempt, on) || self.may_be_late(attempt, on);
        if open {
            return Ok(owner);
        }
        match self.was_its_own(attempt, on) {
            true if self.results.of(attempt).is_some() => Ok(owner),
            true => Err(Refusal::refused(format!("the end of {attempt} was told before"))),
            false => Err(never(format!("{attempt} was not given to {node}"))),
        }
    }

    /// Whether this node has yet to bring what that attempt left: it said that it holds it, or is away and may say so when
    /// it is back.
    pub(super) fn will_bring(&self, node: &NodeName, attempt: AttemptId) -> bool {
        let Some((on, there)) = self.nodes.find(node).and_then(|on| Some((on, self.nodes.get(on)?))) else {
            return false;
        };
        let away = there.link.is_none();
        let late = || (away || there.late.contains(&attempt)) && self.may_be_late(attempt, on);
        let open = self.is_live(attempt, on) || away && self.may_take_back(attempt, on) || late();
        open && self.results.of(attempt).is_none()
    }

    fn was_its_own(&self, attempt: AttemptId, on: NodeIx) -> bool {
        let latest = || {
            let task = self.jobs.task(attempt.task);
            task.is_some_and(|(_, task)| task.attempt == attempt.number && task.node == Some(on))
        };
        self.jobs.past.get(&attempt).map_or_else(latest, |past| past.node == Some(on))
    }

    pub(super) fn owner_of(&self, job: JobId) -> Option<PersonName> {
        self.jobs.get(job).map(|job| self.people.name(job.owner).clone())
    }

    /// It left something that could not be had. Given up on its way, it may have arrived all the same.
    pub(super) fn tell_result_lost(&self, attempt: AttemptId, on: NodeIx, reason: Option<String>, turn: &mut Turn<'_>) {
        if let Some(reason) = reason.filter(|_| self.results.of(attempt).is_none()) {
            turn.publish(What::ResultLost { attempt, node: self.nodes.name(on).clone(), reason });
        }
    }

    /// Returns what it took. The content goes where nobody else refers to it.
    pub(super) fn remove_result(&mut self, attempt: AttemptId, turn: &mut Turn<'_>) -> u64 {
        let job = attempt.task.job;
        if self.results.of(attempt).is_none() {
            return 0;
        }
        let aged = self.results.lot(job).is_some_and(|lot| lot.age.is_some());
        let Some(kept) = self.results.take(attempt) else { return 0 };
        turn.persist(Change::ResultGone(attempt));
        if aged && self.results.lot(job).is_none() {
            turn.persist(Change::Age(job, None));
        }
        self.let_go_of(job, kept.hash, turn);
        self.keep_back(job);
        kept.left.size
    }

    /// The job is being forgotten, and what its attempts left goes with it. Returns what that took.
    pub(super) fn end_results(&mut self, job: JobId, owner: &PersonName, turn: &mut Turn<'_>) -> u64 {
        let gone: Vec<AttemptId> = self.results.of_job(job).map(|(attempt, _)| attempt).collect();
        let mut size = 0_u64;
        for attempt in gone {
            let Some(kept) = self.results.take(attempt) else { continue };
            size = size.saturating_add(kept.left.size);
            self.files.release(owner, &kept.hash);
            self.let_go_unless_referred(kept.hash, turn);
        }
        size
    }

    fn let_go_of(&mut self, job: JobId, hash: ContentHash, turn: &mut Turn<'_>) {
        if let Some(owner) = self.owner_of(job) {
            self.files.release(&owner, &hash);
        }
        self.let_go_unless_referred(hash, turn);
    }

    /// A job with results is not forgotten with age: what nobody has collected waits for that, and the rest for the end of
    /// its own time.
    pub(super) fn keep_back(&mut self, job: JobId) {
        let has_any = self.results.lot(job).is_some();
        self.jobs.keep_back(job, has_any);
        self.agenda.trim |= !has_any;
    }
}
