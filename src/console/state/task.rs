//! A task's page: its state with times, its attempts, why it waits, and what it prints.

use std::time::Duration;

use protocol::api::{AttemptView, LogQuery, Reply, Request, TaskView, Why};
use protocol::id::{Target, TaskId};
use protocol::job::Stream;

use super::Now;
use super::list::Move;
use super::log::Log;
use crate::console::event::{Effect, Purpose};

pub struct TaskPage {
    /// Tells its answers from those for other pages.
    pub no: u64,
    pub id: TaskId,
    pub task: Option<TaskView>,
    pub attempts: Vec<AttemptView>,
    /// Only while it waits.
    pub why: Option<Why>,
    pub log: Log,
    /// The attempt whose log is shown; `None`: the latest.
    pub attempt: Option<u32>,
    /// Only this one of its two outputs.
    pub stream: Option<Stream>,
    /// What is followed now, by its number.
    followed: Option<(u64, LogQuery)>,
    /// Something has changed since it was asked for.
    old: bool,
    asked_at: Option<Duration>,
}

/// The same is not asked for again sooner.
const PAUSE: Duration = Duration::from_millis(100);

impl TaskPage {
    pub fn new(no: u64, id: TaskId) -> Self {
        Self {
            no,
            id,
            task: None,
            attempts: vec![],
            why: None,
            log: Log::default(),
            attempt: None,
            stream: None,
            followed: None,
            old: true,
            asked_at: None,
        }
    }

    pub fn step(&mut self, by: Move, page: usize) {
        self.log.step(by, page);
    }

    pub fn changed(&mut self) {
        self.old = true;
    }

    /// The page is left, or the link is gone: nothing is followed any more.
    pub fn ask_again(&mut self) {
        (self.old, self.asked_at, self.followed) = (true, None, None);
    }

    /// The attempt before the one that is shown; after the first, the latest again.
    pub fn older_attempt(&mut self) {
        let latest = self.task.as_ref().map_or(0, |task| task.attempt);
        let shown = self.attempt.unwrap_or(latest);
        self.attempt = (shown > 1).then(|| shown - 1);
    }

    pub fn follows(&self, no: u64) -> bool {
        self.followed.as_ref().is_some_and(|(known, _)| *known == no)
    }

    /// What is shown of which attempt; there is nothing to follow before the first.
    fn wanted(&self) -> Option<LogQuery> {
        let task = self.task.as_ref().filter(|task| task.attempt > 0)?;
        let number = self.attempt.unwrap_or(task.attempt);
        let target = Target::Attempt(self.id.attempt(number));
        Some(LogQuery { target, follow: true, stream: self.stream })
    }

    /// Asks for what is seen and not known. `number` tells one following from another.
    pub fn settle(&mut self, page: usize, now: Now, number: impl FnOnce() -> u64) -> Vec<Effect> {
        self.log.settle(page);
        let mut effects = vec![];
        let rested = self.asked_at.is_none_or(|at| now.mono >= at + PAUSE);
        if self.old && rested {
            (self.old, self.asked_at) = (false, Some(now.mono));
            effects.push(Effect::Ask(Purpose::Task { page: self.no }, Request::Task { id: self.id }));
        }
        let wanted = self.wanted();
        if self.followed.as_ref().map(|(_, query)| query) != wanted.as_ref()
            && let Some(query) = wanted
        {
            let no = number();
            self.log.begin(&query);
            self.followed = Some((no, query.clone()));
            effects.push(Effect::Follow(no, query));
        }
        effects
    }

    pub fn next_wakeup(&self) -> Option<Duration> {
        self.old.then(|| self.asked_at.map(|at| at + PAUSE)).flatten()
    }

    pub fn answered(&mut self, reply: Reply) -> Vec<Effect> {
        match reply {
            Reply::Task { task, attempts } => {
                let waits = !task.state.ended() && task.node.is_none();
                (self.task, self.attempts) = (Some(task), attempts);
                if waits {
                    return vec![Effect::Ask(Purpose::Why { page: self.no }, Request::Why { id: self.id })];
                }
                self.why = None;
            }
            Reply::Why(why) => self.why = Some(why),
            _ => {}
        }
        vec![]
    }
}
