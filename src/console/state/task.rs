//! A task's page: its state with times, its attempts, why it waits, and what it prints.

use std::time::Duration;

use protocol::api::{AttemptView, LogQuery, Reply, Request, TaskView, Why};
use protocol::id::{Target, TaskId};
use protocol::job::{Stream, TaskState};
use protocol::result::ResultView;

use super::Now;
use super::list::Move;
use super::log::Log;
use crate::console::event::{Effect, Purpose};
use crate::console::panes::task::Parts;
use crate::text;

pub struct TaskPage {
    /// Tells its answers from those for other pages.
    pub no: u64,
    pub id: TaskId,
    pub task: Option<TaskView>,
    pub attempts: Vec<AttemptView>,
    /// What is kept of what they left.
    pub results: Vec<ResultView>,
    /// While it waits, or because a person asked.
    pub why: Option<Why>,
    why_asked: bool,
    /// The first line of the reasons that is seen, where they have the page for themselves.
    pub why_top: usize,
    pub log: Log,
    /// The attempt whose log is shown; `None`: the latest.
    pub attempt: Option<u32>,
    /// Only this one of its two outputs.
    pub stream: Option<Stream>,
    /// What is followed now, by its number.
    followed: Option<(u64, LogQuery)>,
    /// Something has changed since it was asked for.
    old: bool,
    /// Something else has changed that may be why it waits.
    why_old: bool,
    asked_at: Option<Duration>,
}

/// The same is not asked for again sooner: what changes about the task itself ...
const PAUSE: Duration = Duration::from_millis(100);
/// ... and what changes about others, which is all the time.
const WHY_PAUSE: Duration = Duration::from_secs(1);

impl TaskPage {
    pub fn new(no: u64, id: TaskId) -> Self {
        Self {
            no,
            id,
            task: None,
            attempts: vec![],
            results: vec![],
            why: None,
            why_asked: false,
            why_top: 0,
            log: Log::default(),
            attempt: None,
            stream: None,
            followed: None,
            old: true,
            why_old: false,
            asked_at: None,
        }
    }

    pub fn step(&mut self, by: Move, parts: &Parts) {
        if parts.view.rows > 0 {
            self.log.step(by, parts.view);
            return;
        }
        let page = usize::from(parts.why.height).max(1);
        self.why_top = match by {
            Move::Left | Move::Right => self.why_top,
            Move::First => 0,
            Move::Last => usize::MAX,
            Move::Down => self.why_top + 1,
            Move::Up => self.why_top.saturating_sub(1),
            Move::PageDown => self.why_top + page,
            Move::PageUp => self.why_top.saturating_sub(page),
            Move::HalfDown => self.why_top + page / 2,
            Move::HalfUp => self.why_top.saturating_sub(page / 2),
        };
        self.keep_why_seen(parts);
    }

    fn keep_why_seen(&mut self, parts: &Parts) {
        let lines = self.why.as_ref().map_or(0, |why| why.nodes.len() + 2);
        self.why_top = self.why_top.min(lines.saturating_sub(parts.why.height.into()));
    }

    pub fn changed(&mut self) {
        self.old = true;
    }

    /// Other jobs or nodes are not as they were: a task that waits may wait for another reason.
    pub fn others_changed(&mut self) {
        self.why_old = self.waits();
    }

    pub fn waits(&self) -> bool {
        self.task.as_ref().is_some_and(|task| task.state == TaskState::Queued)
    }

    /// The page is left, or the link is gone: nothing is followed any more.
    pub fn ask_again(&mut self) {
        (self.old, self.asked_at, self.followed) = (true, None, None);
    }

    /// Why it waits, or what became of it, whether or not it would be shown by itself.
    pub fn ask_why(&mut self) -> Effect {
        self.why_asked = true;
        Effect::Ask(Purpose::Why { page: self.no }, Request::Why { id: self.id })
    }

    /// Puts away what was asked for; `false`: there was nothing.
    pub fn put_why_away(&mut self) -> bool {
        let there = self.why.is_some() && !self.waits();
        if there {
            (self.why, self.why_asked) = (None, false);
        }
        there
    }

    /// The attempt before the one that is shown; after the first, the latest again.
    pub fn older_attempt(&mut self) {
        let shown = self.shown_attempt();
        self.attempt = shown.checked_sub(1).filter(|older| *older > 0);
    }

    /// The number of the attempt whose log is shown; 0 before the first.
    pub fn shown_attempt(&self) -> u32 {
        self.attempt.unwrap_or(self.task.as_ref().map_or(0, |task| task.attempt))
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
    pub fn settle(&mut self, parts: Parts, now: Now, number: impl FnOnce() -> u64) -> Vec<Effect> {
        self.log.settle(parts.view);
        self.keep_why_seen(&parts);
        let mut effects = vec![];
        if self.due().is_some_and(|at| now.mono >= at) {
            (self.old, self.why_old, self.asked_at) = (false, false, Some(now.mono));
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

    /// When it may be asked for again, if there is a reason to.
    fn due(&self) -> Option<Duration> {
        let pause = if self.old { PAUSE } else { WHY_PAUSE };
        (self.old || self.why_old).then(|| self.asked_at.map_or(Duration::ZERO, |at| at + pause))
    }

    pub fn next_wakeup(&self) -> Option<Duration> {
        self.due()
    }

    pub fn answered(&mut self, reply: Reply) -> Vec<Effect> {
        match reply {
            Reply::Task { task, attempts, results } => {
                let before = self.task.as_ref().map(|task| task.state);
                let state = task.state;
                (self.task, self.attempts, self.results) = (Some(task), attempts, results);
                if self.waits() {
                    return vec![Effect::Ask(Purpose::Why { page: self.no }, Request::Why { id: self.id })];
                }
                if before != Some(state) {
                    // What was said of it then is not so any more.
                    (self.why, self.why_asked) = (None, false);
                }
            }
            Reply::Why(why) if self.waits() || self.why_asked => self.why = Some(why),
            _ => {}
        }
        vec![]
    }

    /// What a person means who copies here: the line that was found, else all that is seen; and what to call it.
    pub fn copied(&self) -> (String, String) {
        let found = self.log.current_match().and_then(|line| Some((line, self.log.text_of(line)?)));
        if let Some((line, text)) = found {
            return (text, format!("line {} of the log", line + 1));
        }
        let lines = self.log.seen_text();
        match lines.len() {
            0 => (self.id.to_string(), self.id.to_string()),
            count => (lines.join("\n"), format!("what is seen of the log: {}", text::count(count as u64, "line"))),
        }
    }
}
