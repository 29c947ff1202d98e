//! A line that is typed into: a filter, a search, or the palette with what it offers.

use tui_input::Input;

use super::filter::Filter;
use super::palette::Offer;
use crate::console::actions::{self, Takes};

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

    /// The name of the action whose command is typed here: it is read as a shell would.
    pub fn runs(&self) -> Option<&'static str> {
        let name = self.input.value().trim_start().split_once(char::is_whitespace)?.0;
        let action = actions::find(name).filter(|action| action.takes == Takes::Command)?;
        (self.kind == Kind::Palette).then_some(action.name)
    }

    /// Said in its place while nothing is typed.
    pub fn wants(&self) -> &'static str {
        let typed = self.input.value();
        match self.kind {
            Kind::Palette if self.runs().is_some_and(|name| typed.trim() == name) => {
                "a command, as in: ./sweep.sh 4   or: sh -c 'date; hostname'"
            }
            Kind::Filter { .. } if typed.is_empty() => "words, !not, state:failed, node:pi-2; Enter keeps it",
            Kind::Search { .. } if typed.is_empty() => "words to find in the log; n and N go from one to the next",
            _ => "",
        }
    }

    pub fn step(&mut self, forward: bool) {
        let count = self.offers.len().max(1);
        self.choice = if forward { self.choice + 1 } else { self.choice + count - 1 } % count;
    }
}
