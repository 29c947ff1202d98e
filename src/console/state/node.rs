//! A node's page: its facts, how it has been doing, its tasks and its events.

mod sections;

use std::time::Duration;

use protocol::api::{History, NodeView, Reply, Request, Span, TaskQuery};
use protocol::event::Event;
use protocol::name::NodeName;
use ratatui::layout::Rect;

pub use sections::{Section, Sections};

use super::Now;
use super::events::Events;
use super::layout::inside;
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
    /// Of the tasks.
    pub scroll: Scroll,
    pub events_scroll: Scroll,
    /// The event under the cursor, so that newer ones do not push it away; `None`: the newest.
    event: Option<u64>,
    /// The first row of the facts, and the first graph, that is seen.
    pub facts_top: usize,
    pub graphs_top: usize,
    /// As chosen; `None`: as fits the size.
    section: Option<Section>,
}

/// What the page shows beside what it asks for, and where.
pub struct Around<'a> {
    pub events: &'a Events,
    pub body: Rect,
    /// Rows that all facts would take.
    pub facts: usize,
    /// How many graphs there are, and how many are seen at once.
    pub graphs: (usize, usize),
}

impl NodePage {
    /// `list` tells its tasks' answers from others'.
    pub fn new(no: u64, list: u64, name: NodeName) -> Self {
        let query = TaskQuery { node: Some(name.clone()), ..Default::default() };
        Self {
            no,
            name,
            span: Span::Hour,
            history: None,
            asked_at: None,
            tasks: Tasks::new(list, query),
            scroll: Scroll::default(),
            events_scroll: Scroll::default(),
            event: None,
            facts_top: 0,
            graphs_top: 0,
            section: None,
        }
    }

    pub fn node<'a>(&self, nodes: &'a [NodeView]) -> Option<&'a NodeView> {
        nodes.iter().find(|node| node.name == self.name)
    }

    /// The newest first.
    pub fn events<'a>(&self, events: &'a Events) -> impl Iterator<Item = &'a Event> + use<'a> {
        let name = self.name.clone();
        events.newest().filter(move |event| event.what.node() == Some(&name))
    }

    pub fn event<'a>(&self, events: &'a Events) -> Option<&'a Event> {
        self.events(events).nth(self.events_scroll.cursor)
    }

    /// Where everything is, and which part of it the keys go to.
    pub fn sections(&self, body: Rect) -> Sections {
        Sections::of(body, self.section)
    }

    pub fn next_section(&mut self, body: Rect, forward: bool) {
        self.section = Some(self.sections(body).next(forward));
    }

    /// Goes to what is there; returns whether it was there already and is a row, which opens it.
    pub fn click(&mut self, x: u16, y: u16, body: Rect, events: &Events) -> bool {
        let sections = self.sections(body);
        let Some(section) = sections.at(x, y) else { return false };
        let was_there = sections.chosen == section;
        self.section = Some(section);
        let Some(inner) = sections.place(section).map(inside).filter(|inner| inner.contains((x, y).into())) else {
            return false;
        };
        let known = self.events(events).count();
        let (scroll, rows) = match section {
            Section::Tasks => (&mut self.scroll, self.tasks.total().unwrap_or(0)),
            Section::Events => (&mut self.events_scroll, known),
            Section::Facts | Section::Graphs => return false,
        };
        let row = scroll.top + usize::from(y - inner.y);
        if row >= rows {
            return false;
        }
        let before = std::mem::replace(&mut scroll.cursor, row);
        if section == Section::Events {
            self.event = self.event(events).map(|event| event.no).filter(|_| row > 0);
        }
        was_there && before == row
    }

    pub fn step(&mut self, by: Move, around: &Around<'_>) {
        let sections = self.sections(around.body);
        let page = sections.rows(sections.chosen);
        match sections.chosen {
            Section::Facts => self.facts_top = glide(self.facts_top, by, around.facts, page),
            Section::Graphs => self.graphs_top = glide(self.graphs_top, by, around.graphs.0, around.graphs.1),
            Section::Tasks => self.scroll.step(by, self.tasks.total().unwrap_or(0), 1, page),
            Section::Events => {
                self.events_scroll.step(by, self.events(around.events).count(), 1, page);
                let no = self.event(around.events).map(|event| event.no);
                self.event = no.filter(|_| self.events_scroll.cursor > 0);
            }
        }
    }

    /// Asks for what is seen and not known: a new sample comes with every step of the history.
    pub fn settle(&mut self, around: &Around<'_>, now: Now) -> Vec<Effect> {
        let sections = self.sections(around.body);
        let rows = |section| sections.rows(section);
        self.facts_top = self.facts_top.min(around.facts.saturating_sub(rows(Section::Facts)));
        self.graphs_top = self.graphs_top.min(around.graphs.0.saturating_sub(around.graphs.1));
        if let Some(no) = self.event {
            self.events_scroll.cursor = self.events(around.events).position(|event| event.no <= no).unwrap_or(0);
        }
        let events = self.events(around.events).count();
        self.events_scroll.settle(events, 1, rows(Section::Events));
        let page = rows(Section::Tasks);
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

/// Moves through rows that have no cursor.
fn glide(top: usize, by: Move, rows: usize, page: usize) -> usize {
    let last = rows.saturating_sub(page);
    let half = (page / 2).max(1);
    match by {
        Move::Down => top + 1,
        Move::Up => top.saturating_sub(1),
        Move::Left | Move::Right => top,
        Move::First => 0,
        Move::Last => last,
        Move::PageDown => top + page.max(1),
        Move::PageUp => top.saturating_sub(page.max(1)),
        Move::HalfDown => top + half,
        Move::HalfUp => top.saturating_sub(half),
    }
    .min(last)
}

fn step(span: Span) -> Duration {
    Duration::from_millis(span.step_ms().into())
}

/// The rows inside a section's border.
fn inner_rows(area: Rect) -> usize {
    inside(area).height.into()
}
