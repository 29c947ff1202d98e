//! A node's page: its facts, how it has been doing, its tasks and its events.

use std::time::Duration;

use protocol::api::{History, Reply, Request, Span, TaskQuery};
use protocol::name::NodeName;

use super::Now;
use super::list::{Move, Scroll};
use super::tasks::Tasks;
use crate::console::event::{Effect, Purpose};

pub struct NodePage {
    /// Tells its answers from those for other pages.
    pub no: u64,
    pub name: NodeName,
    pub span: Span,
    pub history: Option<History>,
    asked_at: Option<(Span, Duration)>,
    pub tasks: Tasks,
    pub scroll: Scroll,
}

impl NodePage {
    /// `list` tells its tasks' answers from others'.
    pub fn new(no: u64, list: u64, name: NodeName) -> Self {
        let query = TaskQuery { node: Some(name.clone()), ..Default::default() };
        let (tasks, scroll) = (Tasks::new(list, query), Scroll::default());
        Self { no, name, span: Span::Hour, history: None, asked_at: None, tasks, scroll }
    }

    pub fn step(&mut self, by: Move, page: usize) {
        self.scroll.step(by, self.tasks.total().unwrap_or(0), 1, page);
    }

    /// Asks for what is seen and not known: a new sample comes with every step of the history.
    pub fn settle(&mut self, page: usize, now: Now) -> Vec<Effect> {
        self.scroll.settle(self.tasks.total().unwrap_or(0), 1, page);
        let mut effects = self.tasks.want(self.scroll.top..self.scroll.top + page, now);
        let old = self.asked_at.is_none_or(|(span, at)| span != self.span || now.mono >= at + step(span));
        if old {
            self.asked_at = Some((self.span, now.mono));
            let request = Request::History { node: self.name.clone(), span: self.span };
            effects.push(Effect::Ask(Purpose::History { page: self.no }, request));
        }
        effects
    }

    pub fn next_wakeup(&self) -> Option<Duration> {
        let history = self.asked_at.map(|(span, at)| at + step(span));
        history.into_iter().chain(self.tasks.next_wakeup()).min()
    }

    pub fn ask_again(&mut self) {
        self.asked_at = None;
        self.tasks.ask_again();
    }

    pub fn answered(&mut self, reply: Reply) {
        if let Reply::History(history) = reply
            && history.span == self.span
        {
            self.history = Some(*history);
        }
    }
}

fn step(span: Span) -> Duration {
    Duration::from_millis(span.step_ms().into())
}
