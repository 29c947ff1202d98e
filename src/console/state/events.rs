//! The events, the newest first: those of before the console was opened, then as they come.

use std::collections::VecDeque;

use protocol::event::{Event, What};

use super::filter::{Filter, Filtered, contains};
use super::list::{Move, Scroll};

/// Older ones are in `bramble event`.
const MOST: usize = 2000;

#[derive(Debug, Default)]
pub struct Events {
    /// The oldest first.
    kept: VecDeque<Event>,
    pub filter: Filter,
    /// Indices into `kept` of what the filter lets through, the newest first.
    order: Vec<usize>,
    pub scroll: Scroll,
    /// The event under the cursor, so that newer ones do not push it away; `None`: the newest, whichever that is.
    at: Option<u64>,
}

impl Events {
    /// In any order, twice or not.
    pub fn add(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            match self.kept.binary_search_by_key(&event.no, |known| known.no) {
                Ok(_) => {}
                Err(at) => self.kept.insert(at, event),
            }
        }
        let surplus = self.kept.len().saturating_sub(MOST);
        self.kept.drain(..surplus);
        self.refresh();
    }

    /// Another manager's events have numbers of their own.
    pub fn clear(&mut self) {
        self.kept.clear();
        self.at = None;
        self.refresh();
    }

    pub fn refresh(&mut self) {
        let (kept, filter) = (&self.kept, &self.filter);
        self.order = (0..kept.len()).rev().filter(|at| filter.holds(&kept[*at])).collect();
        self.scroll.cursor = match self.at {
            Some(no) => self.order.iter().position(|at| self.kept[*at].no <= no).unwrap_or(0),
            None => 0,
        };
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn get(&self, row: usize) -> Option<&Event> {
        self.order.get(row).map(|at| &self.kept[*at])
    }

    pub fn current(&self) -> Option<&Event> {
        self.get(self.scroll.cursor)
    }

    pub fn step(&mut self, by: Move, page: usize) {
        self.scroll.step(by, self.order.len(), 1, page);
        self.go_to(self.scroll.cursor);
    }

    pub fn go_to(&mut self, row: usize) {
        self.scroll.cursor = row.min(self.order.len().saturating_sub(1));
        self.at = if self.scroll.cursor == 0 { None } else { self.current().map(|event| event.no) };
    }

    pub fn settle(&mut self, page: usize) {
        self.scroll.settle(self.order.len(), 1, page);
    }

    /// All that are kept, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter().rev()
    }
}

impl Filtered for Event {
    const FIELDS: &'static [&'static str] = &["node", "job", "person", "state"];

    fn texts(&self, found: &mut dyn FnMut(&str)) {
        found(&self.what.sentence());
        if let Some(person) = &self.person {
            found(person.as_str());
        }
    }

    fn field(&self, name: &str, value: &str) -> Option<bool> {
        match name {
            "node" => Some(self.what.node().is_some_and(|node| contains(node.as_str(), value))),
            "job" => Some(self.what.job().is_some_and(|job| job.0.to_string() == value)),
            "person" => Some(self.person.as_ref().is_some_and(|person| contains(person.as_str(), value))),
            "state" => match &self.what {
                What::TaskEnded { state, .. } | What::LateResult { state, .. } => Some(contains(state.word(), value)),
                _ => None,
            },
            _ => None,
        }
    }
}
