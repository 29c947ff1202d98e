//! What tasks are given: fetched when it is missing, placed before they start, and removed when there is too much.

use std::collections::BTreeSet;
use std::path::PathBuf;

use protocol::agent::Order;
use protocol::id::AttemptId;
use protocol::job::{NotStarted, Outcome};

use super::cache::place::{self, PlaceError};
use super::content::Content;
use super::desk::{Forget, Placed};
use super::fetch::{self, After};
use super::folder;
use super::life::{Agent, Errand, wall};

/// How the files of an order came into its folder.
pub struct PlacedFiles {
    order: Order,
    result: Result<PathBuf, PlaceError>,
}

impl Agent {
    pub(super) fn take(&mut self, order: Order) {
        self.desk.order(order, |content| self.cache.has(content));
    }

    /// Fetches what is missing, a few contents at a time.
    pub(super) fn fetch_next(&mut self) {
        self.fetches.keep_only(|content| self.desk.is_missed(content));
        if !self.control.is_welcome() {
            return;
        }
        let layout = &self.config.layout;
        while let Some(job) = self.fetches.next(self.desk.missing(), layout, || self.bulk.take_idle()) {
            if self.cache.is_over(job.size) && self.cache.make_room(layout, job.size, &self.desk.needed()) {
                self.more_to_empty = true;
            }
            let (dial, errands) = (self.control.dial(), self.errands.clone());
            tokio::spawn(async move {
                let _ = errands.send(Errand::Fetched(fetch::fetch(job, dial).await)).await;
            });
        }
    }

    pub(super) fn fetched(&mut self, mut done: fetch::Done) {
        if let Some(connection) = done.connection.take() {
            self.bulk.give_idle(connection);
        }
        let content = done.content;
        match self.fetches.done(&done) {
            After::Arrived => {
                self.cache.know(content);
                self.desk.arrived(content);
            }
            After::Nothing { drop_part } => {
                if drop_part {
                    self.cache.drop_part(content);
                }
                // Of a folder, some may have been unpacked.
                self.has_gone();
            }
            After::Gone(reason) => {
                self.cannot_have(done.attempt, content, NotStarted::Fault, &reason);
                if !self.desk.is_missed(content) {
                    self.cache.drop_part(content);
                }
            }
            After::NoRoom { lack, reason } => {
                // What is being removed makes room, and so does what nobody needs.
                if self.cache.give_back(&self.config.layout, lack, &self.desk.needed()) {
                    self.more_to_empty = true;
                }
                if self.more_to_empty || self.emptying {
                    self.fetches.retry(content);
                } else {
                    self.nobody_can_have(content, NotStarted::NoRoom, &reason);
                }
            }
            After::Hopeless(reason) => self.nobody_can_have(content, NotStarted::Fault, &reason),
        }
    }

    fn nobody_can_have(&mut self, content: Content, kind: NotStarted, reason: &str) {
        // Before what has come of it is removed: whether the disk is full is said before its end is.
        self.look_at_disk();
        for attempt in self.desk.missed_by(content) {
            self.cannot_have(attempt, content, kind, reason);
        }
        self.cache.drop_part(content);
        // Of a folder, some may have been unpacked.
        self.has_gone();
    }

    fn cannot_have(&mut self, attempt: AttemptId, content: Content, kind: NotStarted, reason: &str) {
        let name = self.desk.name_of(attempt, content).unwrap_or_default();
        let message =
            format!("{attempt} could not be started on this node: its file {name:?} could not be had: {reason}");
        if self.desk.cannot_have(attempt, Outcome::NotStarted { kind, message }, wall()) {
            self.reports.finished(attempt);
        }
    }

    /// Brings the files of an order that has its slots into its folder, which may take a while.
    pub(super) fn place(&mut self, order: Order) {
        order.files.iter().for_each(|given| self.cache.used(Content::of(given)));
        let (layout, uid, errands) = (self.config.layout.clone(), self.root.then_some(order.uid), self.errands.clone());
        tokio::task::spawn_blocking(move || {
            let result = place::place(&layout, order.attempt, uid, &order.files);
            let _ = errands.blocking_send(Errand::Placed(PlacedFiles { order, result }));
        });
    }

    pub(super) fn placed(&mut self, placed: PlacedFiles) {
        let PlacedFiles { order, result } = placed;
        let attempt = order.attempt;
        order.files.iter().filter(|given| given.executable).for_each(|given| self.cache.know(Content::of(given)));
        if let Err(PlaceError::Lost(_, content)) = &result {
            self.cache.forget(*content);
        }
        match (self.desk.placed(attempt, wall()), result) {
            (Placed::Start, Ok(home)) => {
                if let Err(why) = self.spawn(&order, &home) {
                    self.not_started(attempt, &why);
                }
            }
            (Placed::Start, Err(why)) => {
                let reason = format!("{attempt} could not be started on this node: {why}");
                self.never_started(
                    attempt,
                    match why {
                        // The next try fetches it.
                        PlaceError::Lost(..) => Outcome::Lost { reason, again: true },
                        PlaceError::NoRoom(_) => Outcome::NotStarted { kind: NotStarted::NoRoom, message: reason },
                        _ => Outcome::NotStarted { kind: NotStarted::Fault, message: reason },
                    },
                );
                // What did find room is in the way of others.
                if folder::remove(&self.config.layout, attempt) {
                    self.has_gone();
                }
            }
            (Placed::Report, _) => {
                self.reports.finished(attempt);
                self.follow_early_ones(attempt);
            }
            (Placed::Forget, _) => self.forget(vec![(attempt, Forget { keeper: false })]),
        }
    }

    /// Now and then: the cache is no larger than it may be, and empty where the disk is full.
    pub(super) fn tidy_cache(&mut self) {
        let layout = &self.config.layout;
        let full = self.pulse.is_disk_full();
        if !full && !self.cache.is_over(0) {
            return;
        }
        let needed: BTreeSet<Content> = self.desk.needed();
        if full {
            self.cache.empty(layout, &needed);
            self.cache.drop_parts(|content| self.fetches.is_under_way(content));
            // Whatever else is to be removed is in the way now.
            self.has_gone();
        } else if self.cache.make_room(layout, 0, &needed) {
            self.has_gone();
        }
    }
}
