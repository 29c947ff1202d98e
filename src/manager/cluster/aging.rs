//! Results that go by themselves: those that somebody has collected some time ago, those that nobody did for long, and the
//! oldest, where all of them take too much. What nobody has collected does not go without a warning.
//!
//! Ages are counted in hours that the manager is up and has any results: clocks on the wall jump. Every ten minutes of them are
//! written down, so that one that is never up for long lets results go too, and an SD card hardly notices. Nothing grows
//! older before its job has ended.

use std::collections::BTreeMap;

use protocol::event::What;
use protocol::id::{AttemptId, JobId};

use super::Cluster;
use super::change::{Age, Change};
use super::port::Mono;
use super::results::{KeptResult, Lot};
use super::timers::Timer;
use super::turn::Turn;

/// Of an hour: what is counted at once.
const MINUTES: u64 = 10;
const MINUTES_MS: u64 = MINUTES * 60_000;
/// Between the warning and what it warns of, where so much is kept twice as long at least.
const WARNING: u64 = 24;
/// The most warnings and removals of one turn; the rest follows in the next.
const MOST: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    Collected,
    CollectedAndRoom,
    Age,
    Room,
}

/// What went in this turn, to be told once for each job.
#[derive(Default)]
struct Gone {
    by_job: BTreeMap<(JobId, Why), (u32, u64)>,
    done: usize,
}

impl Gone {
    fn full(&self) -> bool {
        self.done >= MOST
    }

    fn add(&mut self, job: JobId, why: Why, size: u64) {
        let (count, all) = self.by_job.entry((job, why)).or_default();
        (*count, *all) = (*count + 1, all.saturating_add(size));
        self.done += 1;
    }
}

impl Cluster {
    /// From now on, where there is anything to count for.
    pub(super) fn count_hours(&mut self, now: Mono) {
        if !self.results.counting && !self.results.is_empty() {
            self.results.counting = true;
            self.timers.set(now.plus(MINUTES_MS), Timer::PartOfHour);
        }
    }

    pub(super) fn part_of_hour_due(&mut self, turn: &mut Turn<'_>) {
        self.results.counting = false;
        if self.results.is_empty() {
            return;
        }
        self.results.minutes += MINUTES;
        if self.results.minutes >= 60 {
            self.results.minutes = 0;
            self.results.hours += 1;
            self.agenda.age = true;
        }
        let (hours, minutes) = (self.results.hours, self.results.minutes);
        turn.persist(Change::Hours { hours, minutes });
        self.count_hours(turn.now.mono);
    }

    /// Its job has ended.
    pub(super) fn begin_to_age(&mut self, job: JobId, turn: &mut Turn<'_>) {
        let age = Age { since: self.results.hours, warned: None };
        self.set_age(job, Some(age), turn);
        self.agenda.room = true;
    }

    /// It has begun again.
    pub(super) fn stop_aging(&mut self, job: JobId, turn: &mut Turn<'_>) {
        self.set_age(job, None, turn);
    }

    fn set_age(&mut self, job: JobId, age: Option<Age>, turn: &mut Turn<'_>) {
        if self.results.lot(job).is_some_and(|lot| lot.age != age) {
            self.results.set_age(job, age);
            turn.persist(Change::Age(job, age));
        }
    }

    /// How many hours are left to it; `None` while its job has not ended.
    pub(super) fn hours_left(&self, kept: &KeptResult, lot: &Lot) -> Option<u64> {
        let (age, config) = (lot.age?, &self.config);
        let until = match (kept.collected, age.warned) {
            (Some(collected), _) => collected.hour.max(age.since).saturating_add(config.results_collected_hours),
            (None, Some(warned)) => warned + self.warning(),
            (None, None) => {
                age.since.saturating_add(config.results_keep_hours).max(self.results.hours + self.warning())
            }
        };
        Some(until.saturating_sub(self.results.hours))
    }

    fn warning(&self) -> u64 {
        (self.config.results_keep_hours / 2).clamp(1, WARNING)
    }

    fn over(&self) -> u64 {
        self.config.results_limit.map_or(0, |limit| self.results.size().saturating_sub(limit))
    }

    /// What was collected makes room at once, where all take too much.
    pub(super) fn make_room(&mut self, turn: &mut Turn<'_>) {
        self.agenda.room = false;
        if self.over() > 0 {
            let mut gone = Gone::default();
            self.drop_collected(&mut gone, turn);
            self.tell_gone(gone, turn);
        }
    }

    pub(super) fn age_results(&mut self, turn: &mut Turn<'_>) {
        (self.agenda.age, self.agenda.room) = (false, false);
        let mut gone = Gone::default();
        self.drop_collected(&mut gone, turn);
        self.drop_uncollected(&mut gone, turn);
        self.tell_gone(gone, turn);
    }

    fn drop_collected(&mut self, gone: &mut Gone, turn: &mut Turn<'_>) {
        while !gone.full()
            && let Some((since, attempt)) = self.results.first_collected()
        {
            let old = since.saturating_add(self.config.results_collected_hours) <= self.results.hours;
            let why = match old {
                true => Why::Collected,
                false if self.over() > 0 => Why::CollectedAndRoom,
                false => return,
            };
            let size = self.remove_result(attempt, turn);
            gone.add(attempt.task.job, why, size);
        }
    }

    /// Oldest first.
    fn drop_uncollected(&mut self, gone: &mut Gone, turn: &mut Turn<'_>) {
        let waiting = self.results.lots().filter(|(_, lot)| lot.waiting > 0);
        let mut waiting: Vec<(Age, JobId, u64)> =
            waiting.filter_map(|(job, lot)| Some((lot.age?, job, lot.waiting_size))).collect();
        waiting.sort_unstable_by_key(|(age, job, _)| (age.since, *job));
        let (hours, warning) = (self.results.hours, self.warning());
        let mut over = self.over();
        for (age, job, size) in waiting {
            if gone.full() {
                return;
            }
            let due = age.since.saturating_add(self.config.results_keep_hours);
            let (near, in_the_way) = (hours + warning >= due, over > 0);
            over = over.saturating_sub(size);
            match age.warned {
                None if near || in_the_way => {
                    self.warn(job, age, turn);
                    gone.done += 1;
                }
                Some(_) if !(near || in_the_way) => {
                    self.set_age(job, Some(Age { warned: None, ..age }), turn);
                    gone.done += 1;
                }
                Some(warned) if warned + warning <= hours && hours >= due => self.drop_of(job, Why::Age, gone, turn),
                Some(warned) if warned + warning <= hours => self.drop_of(job, Why::Room, gone, turn),
                _ => {}
            }
        }
    }

    fn warn(&mut self, job: JobId, age: Age, turn: &mut Turn<'_>) {
        let (Some(owner), Some(lot)) = (self.owner_of(job), self.results.lot(job)) else { return };
        let (results, size, hours) = (lot.waiting, lot.waiting_size, self.warning());
        self.set_age(job, Some(Age { warned: Some(self.results.hours), ..age }), turn);
        turn.publish(What::ResultsToGo { job, owner, results, size, hours });
    }

    /// What nobody has collected of it: all, or as much as there is too much.
    fn drop_of(&mut self, job: JobId, why: Why, gone: &mut Gone, turn: &mut Turn<'_>) {
        let waiting = self.results.of_job(job).filter(|(_, kept)| kept.collected.is_none());
        let waiting: Vec<AttemptId> = waiting.map(|(attempt, _)| attempt).collect();
        for attempt in waiting {
            if gone.full() || why == Why::Room && self.over() == 0 {
                return;
            }
            let size = self.remove_result(attempt, turn);
            gone.add(job, why, size);
        }
    }

    fn tell_gone(&mut self, gone: Gone, turn: &mut Turn<'_>) {
        if gone.full() {
            self.timers.set(turn.now.mono, Timer::Results);
        }
        for ((job, why), (results, size)) in gone.by_job {
            let Some(owner) = self.owner_of(job) else { continue };
            let reason = match why {
                Why::Collected => {
                    format!("collected, and kept for {} since", hours(self.config.results_collected_hours))
                }
                Why::CollectedAndRoom => "collected, and room was needed".into(),
                Why::Age => format!("kept for {}", hours(self.config.results_keep_hours)),
                Why::Room => "the oldest, and room was needed".into(),
            };
            turn.publish(What::ResultsGone { job, owner, results, size, reason });
        }
    }
}

fn hours(count: u64) -> String {
    match count {
        1 => "an hour".into(),
        24 => "a day".into(),
        days if days.is_multiple_of(24) => format!("{} days", days / 24),
        hours => format!("{hours} hours"),
    }
}
