//! Ends that count after a power cut, too: see [`safety`].

use std::os::fd::BorrowedFd;

use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::keeper::{Ended, Record};
use protocol::time::UnixMillis;
use serde_json::Value;

use super::super::clock::Moment;
use super::super::safety::{self, PATIENCE, Safety};
use super::{Over, Tasks};

impl Tasks {
    /// When one has waited for so long that it is made safe.
    pub(super) fn save_at(&self) -> Option<Moment> {
        let torn = self.over.values().filter(|over| over.safety == Safety::Torn);
        torn.map(|over| over.since + PATIENCE).min().filter(|_| !self.saver.is_busy())
    }

    pub(super) fn save_what_waits(&mut self, now: Moment) {
        if self.save_at().is_none_or(|at| at > now) {
            return;
        }
        let torn = self.torn();
        if let Err(error) = self.saver.save(&self.layout, torn) {
            tracing::warn!("what waits to be told cannot be brought to disk: {error}");
        }
    }

    /// Those that nobody has tried to make safe. They are not tried again: what a disk refused once, it may seem to take
    /// the next time.
    fn torn(&mut self) -> Vec<AttemptId> {
        let torn = self.over.values_mut().filter(|over| over.safety == Safety::Torn);
        let tried = torn.map(|over| {
            over.safety = Safety::Tried;
            over.ended.attempt
        });
        tried.collect()
    }

    /// To be watched while somebody is at it.
    pub fn saving(&self) -> Option<BorrowedFd<'_>> {
        self.saver.is_busy().then(|| self.saver.fd())
    }

    pub fn saved(&mut self) {
        let saved = self.saver.take();
        self.are_safe(saved);
    }

    fn are_safe(&mut self, mut attempts: Vec<AttemptId>) {
        // Some have been forgotten meanwhile.
        attempts.retain(|attempt| self.over.get_mut(attempt).map(|over| over.safety = Safety::Safe).is_some());
        if !attempts.is_empty() {
            self.journal.note(&Record::Safe { attempts });
        }
    }

    /// Before the machine is switched off, perhaps.
    pub(super) fn save_all(&mut self) {
        if self.saver.is_busy() {
            self.saved();
        }
        let torn = self.torn();
        if !torn.is_empty() {
            let saved = safety::save(&self.layout, &torn);
            self.are_safe(saved);
        }
        self.flush();
        if let Err(error) = self.journal.sync() {
            tracing::warn!("the journal {} cannot be brought to disk: {error}", self.layout.journal().display());
        }
    }
}

impl Over {
    pub(super) fn new(started_at: UnixMillis, note: Value, ended: Ended) -> Self {
        let safety = if has_output(&ended.outcome) { Safety::Torn } else { Safety::Safe };
        Self { started_at, note, ended, since: Moment::now(), safety }
    }

    pub(super) fn records(&self, boot_id: &str) -> impl Iterator<Item = Record> {
        let (attempt, boot_id) = (self.ended.attempt, boot_id.to_owned());
        let starting = Record::Starting { attempt, boot_id, at: self.started_at, limit: None, note: self.note.clone() };
        let safe = (self.safety == Safety::Safe).then(|| Record::Safe { attempts: vec![attempt] });
        [starting, Record::Ended(self.ended.clone())].into_iter().chain(safe)
    }
}

/// Output that is worth the task's whole run: nobody would run it again for what one that was stopped or lost printed.
pub(super) fn has_output(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Exited(_) | Outcome::Signaled(_) | Outcome::OutOfMemory)
}
