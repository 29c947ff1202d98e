//! A line that is typed into: a filter, a search, or the palette with what it offers.

use tui_input::Input;

use super::filter::Filter;
use super::palette::Offer;

#[derive(Debug)]
pub struct Prompt {
    pub kind: Kind,
    pub input: Input,
    /// The palette's, the best first.
    pub offers: Vec<Offer>,
    /// Which of the offers is meant.
    pub choice: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Palette,
    /// Where another manager is.
    Connect,
    /// Holds while it is typed; Esc brings back what there was.
    Filter {
        before: Filter,
    },
    Search {
        before: String,
    },
}

impl Prompt {
    pub fn new(kind: Kind, text: &str) -> Self {
        Self { kind, input: Input::new(text.to_owned()), offers: vec![], choice: 0 }
    }

    /// What stands before the text.
    pub fn sign(&self) -> &'static str {
        match self.kind {
            Kind::Palette => ":",
            Kind::Connect => ">",
            Kind::Filter { .. } | Kind::Search { .. } => "/",
        }
    }

    pub fn step(&mut self, forward: bool) {
        let count = self.offers.len().max(1);
        self.choice = if forward { self.choice + 1 } else { self.choice + count - 1 } % count;
    }
}
