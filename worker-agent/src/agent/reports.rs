//! What is to be said to the manager, in order, as soon as the link takes it.
//!
//! Ends are queued by number alone and their output is read when it can be sent: a manager that does not read costs
//! no memory here. While other orders wait for a slot the news of an end waits for a moment too: several of them make one
//! packet, one commit and one answer.

use std::collections::VecDeque;
use std::time::Duration;

use protocol::agent::{Finished, FromAgent, Output};
use protocol::bytes::Blob;
use protocol::id::AttemptId;
use tokio::time::Instant;

use super::bulk;
use super::life::{Agent, Errand};
use super::results::Settled;
use super::spool::{self, Extent, Outputs};

#[derive(Default)]
pub struct Reports {
    queue: VecDeque<Report>,
    /// When the first of them was to be said; `None` after all were.
    since: Option<Instant>,
    /// Until when all of them wait for more.
    held_until: Option<Instant>,
}

enum Report {
    Say(FromAgent),
    Finished(AttemptId),
}

/// What a manager that never reads, and sends nonsense to be answered, can make us remember.
const MOST: usize = 100_000;

/// The longest an end waits for others.
const COMPANY: Duration = Duration::from_millis(2);

impl Reports {
    /// Whether all of it may wait for more, given how many orders wait for a slot here: of those there must be enough to
    /// go on with while the manager hears and answers.
    fn may_wait(&mut self, orders: usize, has_ended: impl Fn(AttemptId) -> bool, now: Instant) -> bool {
        if self.queue.is_empty() {
            (self.since, self.held_until) = (None, None);
            return false;
        }
        let ends = |report: &Report| match report {
            Report::Finished(_) => true,
            // Left out when it is its turn.
            Report::Say(FromAgent::Started { attempt, .. }) => has_ended(*attempt),
            Report::Say(_) => false,
        };
        let may = self.queue.len() <= orders && self.queue.iter().all(ends);
        let until = *self.since.get_or_insert(now) + COMPANY;
        self.held_until = (may && now < until).then_some(until);
        self.held_until.is_some()
    }

    /// When what waits is to be said.
    pub fn due(&self) -> Option<Instant> {
        self.held_until
    }

    pub fn say(&mut self, message: FromAgent) {
        if self.queue.len() < MOST {
            self.queue.push_back(Report::Say(message));
        }
    }

    /// Never left out: the manager would wait for it. There are no more of them than tasks here.
    pub fn finished(&mut self, attempt: AttemptId) {
        self.queue.push_back(Report::Finished(attempt));
    }

    /// Before all of them are said anew.
    pub fn drop_ends(&mut self) {
        self.queue.retain(|report| matches!(report, Report::Say(_)));
    }

    /// The link these were meant for is gone; the next hello says it all anew.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Agent {
    pub(super) fn say_reports(&mut self) {
        let (desk, reports) = (&self.desk, &mut self.reports);
        if reports.may_wait(desk.ready(), |attempt| desk.end_of(attempt).is_some(), Instant::now()) {
            return;
        }
        while self.control.is_welcome() && self.control.has_room() {
            match self.reports.queue.pop_front() {
                // Its end, which is next, says when it began.
                Some(Report::Say(FromAgent::Started { attempt, .. })) if self.desk.end_of(attempt).is_some() => {}
                Some(Report::Say(message)) => self.control.say(&message),
                Some(Report::Finished(attempt)) => {
                    if let Some(finished) = self.finished(attempt) {
                        self.control.say(&FromAgent::Finished(finished));
                    }
                }
                None => {
                    self.reports.since = None;
                    break;
                }
            }
        }
    }

    /// `None` where its output or its result has to go ahead, or it was forgotten meanwhile.
    fn finished(&mut self, attempt: AttemptId) -> Option<Finished> {
        let ended = self.desk.end_of(attempt)?.clone();
        let outputs = match self.bulk.kept(attempt) {
            Some([stdout, stderr]) => [sent_ahead(stdout), sent_ahead(stderr)],
            None => match spool::outputs(&self.config.layout, attempt, self.output_limit()) {
                Ok(Outputs::Inline { stdout, stderr }) => [stdout, stderr],
                Ok(Outputs::Large { .. }) => {
                    self.bulk.enqueue(attempt);
                    self.put_next();
                    return None;
                }
                Err(error) => {
                    // The end of a task is worth more than its words.
                    tracing::error!("the output of {attempt} cannot be read: {error}");
                    [nothing(), nothing()]
                }
            },
        };
        let [stdout, stderr] = outputs;
        // What never began left nothing.
        let may_have = ended.started_at.is_some() && !self.desk.is_run(attempt);
        let result = if may_have { self.result_of(attempt)? } else { Settled::Well };
        Some(Finished {
            attempt,
            outcome: ended.outcome,
            started_at: ended.started_at,
            ended_at: ended.ended_at,
            ran_ms: ended.ran_ms,
            out_of_memory: ended.out_of_memory,
            result_lost: result.lost(),
            stdout,
            stderr,
        })
    }

    pub(super) fn put_next(&mut self) {
        if !self.control.is_welcome() {
            return;
        }
        let limit = self.output_limit();
        if let Some(job) = self.bulk.next(&self.config.layout, limit) {
            let (dial, errands) = (self.control.dial(), self.errands.clone());
            tokio::spawn(async move {
                let _ = errands.send(Errand::Put(bulk::put(job, dial).await)).await;
            });
        }
    }
}

/// An empty stream has nothing to send ahead.
fn sent_ahead(extent: Extent) -> Output {
    let bytes = (extent.kept() == 0).then(Blob::default);
    Output { length: extent.length, dropped: extent.dropped, bytes }
}

fn nothing() -> Output {
    Output { bytes: Some(Blob::default()), ..Output::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(reports: &mut Reports, index: u32) {
        reports.finished(protocol::id::TaskId::new(1, index).attempt(1));
    }

    #[test]
    fn ends_wait_for_company_only_while_there_is_other_work_and_never_long() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        let none = |_| false;
        assert!(!reports.may_wait(8, none, now), "nothing waits");
        ended(&mut reports, 0);
        assert!(!reports.may_wait(0, none, now), "nobody else comes");
        assert!(reports.may_wait(8, none, now));
        assert_eq!(reports.due(), Some(now + COMPANY));
        assert!(reports.may_wait(8, none, now + COMPANY / 2));
        assert_eq!(reports.due(), Some(now + COMPANY), "from the first of them on");
        assert!(!reports.may_wait(8, none, now + COMPANY), "long enough");
        assert_eq!(reports.due(), None);
        assert!(!reports.may_wait(8, none, now + COMPANY * 2), "and it is not made to wait again");

        reports.since = None;
        for index in 1..4 {
            ended(&mut reports, index);
        }
        assert!(reports.may_wait(8, none, now));
        assert!(!reports.may_wait(3, none, now), "a slot could run dry before the answer comes");
        assert!(reports.may_wait(8, none, now));
        reports.say(FromAgent::Started { attempt: protocol::id::TaskId::new(1, 9).attempt(1), at: Default::default() });
        assert!(reports.may_wait(8, |_| true, now), "its end is among them, so it is not said");
        assert!(!reports.may_wait(8, none, now), "other news waits for nothing");
    }
}
