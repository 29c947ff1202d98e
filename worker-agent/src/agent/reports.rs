//! What is to be said to the manager, in order, as soon as the link takes it.
//!
//! Ends are queued by number alone and their output is read when it can be sent: a manager that does not read costs
//! no memory here.

use std::collections::VecDeque;

use protocol::agent::{Finished, FromAgent, Output};
use protocol::bytes::Blob;
use protocol::id::AttemptId;

use super::bulk;
use super::life::{Agent, Errand};
use super::spool::{self, Extent, Outputs};

#[derive(Default)]
pub struct Reports {
    queue: VecDeque<Report>,
}

enum Report {
    Say(FromAgent),
    Finished(AttemptId),
}

/// What a manager that never reads, and sends nonsense to be answered, can make us remember.
const MOST: usize = 100_000;

impl Reports {
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
        self.queue.clear();
    }
}

impl Agent {
    pub(super) fn say_reports(&mut self) {
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
                None => break,
            }
        }
    }

    /// `None` where its output has to go ahead, or it was forgotten meanwhile.
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
        Some(Finished {
            attempt,
            outcome: ended.outcome,
            started_at: ended.started_at,
            ended_at: ended.ended_at,
            ran_ms: ended.ran_ms,
            out_of_memory: ended.out_of_memory,
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
