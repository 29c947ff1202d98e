//! `run_follow`: what comes of a run, from all its nodes at once. Each answer's output is told the way a task's log is,
//! live from its node or from the store; its end is told after all of that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::api::More;
use protocol::id::{AttemptId, TaskId};
use protocol::run::{AnswerView, Had, RunFollow, WhichOutput};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::Door;
use super::connection::{Ended, Outlet};
use super::logs::{self, Answer};
use crate::manager::cluster::Caller;

/// Most answers are there sooner than a node could dial for them.
const NOT_YET: Duration = Duration::from_millis(50);
/// Nodes that are followed live at a time, for one follower; what others print is told when one of those has ended, or
/// they have.
const MOST_LIVE: usize = 64;
/// Ended answers whose output is read at a time.
const MOST_READ: usize = 4;
/// In one frame.
const MOST_ANSWERS: usize = 256;

pub async fn stream(door: &Arc<Door>, caller: Caller, follow: RunFollow, out: &Outlet) -> Ended {
    let had = follow.had.iter().map(|had| (had.index, *had)).collect();
    let following = Following {
        door,
        caller,
        follow,
        out,
        had,
        tellings: JoinSet::new(),
        ends: BTreeMap::new(),
        told: BTreeSet::new(),
        ended: BTreeMap::new(),
        live: Arc::new(Semaphore::new(MOST_LIVE)),
        reading: Arc::new(Semaphore::new(MOST_READ)),
    };
    match following.tell().await {
        Ok(()) => Ended::Well,
        Err(ended) => ended,
    }
}

struct Following<'a> {
    door: &'a Arc<Door>,
    caller: Caller,
    follow: RunFollow,
    out: &'a Outlet,
    had: BTreeMap<u32, Had>,
    /// One for each answer whose output is being told; `None` where the other side has gone.
    tellings: JoinSet<Option<u32>>,
    /// For those: it has ended.
    ends: BTreeMap<u32, Arc<Notify>>,
    /// All of their output is told.
    told: BTreeSet<u32>,
    /// Ended, and to be told when their output is.
    ended: BTreeMap<u32, AnswerView>,
    live: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

impl Following<'_> {
    async fn tell(mut self) -> Result<(), Ended> {
        let (run, heart, caller) = (self.follow.run, self.door.heart.clone(), self.caller.clone());
        let watch = |after| {
            let (heart, caller) = (heart.clone(), caller.clone());
            Box::pin(async move { heart.watch_run(&caller, run, after).await })
        };
        let mut watching = watch(0);
        let mut over = false;
        while !(over && self.tellings.is_empty()) {
            tokio::select! {
                changed = &mut watching, if !over => {
                    let (revision, answers, all) = changed?;
                    self.changed(answers).await?;
                    over = all;
                    watching = watch(revision);
                }
                Some(done) = self.tellings.join_next() => {
                    // One that failed has nothing more to tell.
                    let Some(index) = done.unwrap_or(None) else { return Err(Ended::Gone) };
                    self.told.insert(index);
                    self.ends.remove(&index);
                    if let Some(answer) = self.ended.remove(&index) {
                        self.answers(vec![answer]).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn changed(&mut self, answers: Vec<AnswerView>) -> Result<(), Ended> {
        let mut news = vec![];
        for answer in answers {
            let index = answer.index;
            if self.had.get(&index).is_some_and(|had| had.ended) {
                continue;
            }
            let ended = answer.state.ended();
            let has_output = answer.started_at.is_some() || !ended;
            let wants = match self.follow.output {
                WhichOutput::Live => has_output && (ended || answer.started_at.is_some() || is_starting(&answer)),
                WhichOutput::Ended => has_output && ended,
                WhichOutput::None => false,
            };
            if wants && !self.told.contains(&index) {
                if let Some(end) = self.ends.get(&index) {
                    if ended {
                        end.notify_one();
                    }
                } else {
                    self.begin(index, ended);
                }
                if ended {
                    self.ended.insert(index, answer);
                    continue;
                }
            }
            news.push(answer);
        }
        self.answers(news).await
    }

    async fn answers(&self, mut answers: Vec<AnswerView>) -> Result<(), Ended> {
        while !answers.is_empty() {
            let rest = answers.split_off(answers.len().min(MOST_ANSWERS));
            self.out.more(More::Answers(answers)).await?;
            answers = rest;
        }
        Ok(())
    }

    /// Begins to tell what it prints.
    fn begin(&mut self, index: u32, ended: bool) {
        let (door, caller, out) = (self.door.clone(), self.caller.clone(), self.out.clone());
        let (live, reading) = (self.live.clone(), self.reading.clone());
        let end = Arc::new(Notify::new());
        if ended {
            end.notify_one();
        }
        self.ends.insert(index, end.clone());
        let reached = self.had.get(&index).map_or([0; 2], |had| [had.stdout, had.stderr]);
        let attempt: AttemptId = TaskId { job: self.follow.run, index }.attempt(1);
        self.tellings.spawn(async move {
            let has_ended = tokio::time::timeout(NOT_YET, end.notified()).await.is_ok();
            let permit = if has_ended {
                reading.acquire_owned().await
            } else {
                tokio::select! {
                    permit = live.acquire_owned() => permit,
                    () = end.notified() => reading.acquire_owned().await,
                }
            };
            let gone = logs::answer(&door, &caller, Answer { attempt, index, reached }, &out).await;
            // Never closed while anybody waits.
            drop(permit);
            (!gone).then_some(index)
        });
    }
}

fn is_starting(answer: &AnswerView) -> bool {
    answer.state == protocol::job::TaskState::Starting
}
