//! What the palette offers for what was typed: actions by a fuzzy match, then the arguments of the one that is named.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use protocol::node::Role;

use super::State;
use super::nodes::NodeColumn;
use super::work::{WorkColumn, title};
use crate::console::actions::{self, Action, Layer, Takes};

/// More than fit on any screen are of no use.
const MOST: usize = 50;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What Enter makes of the line.
    pub line: String,
    /// What it does, or what the argument is.
    pub about: String,
    /// The key that does the same.
    pub key: Option<String>,
}

impl State {
    pub fn offers(&self, typed: &str) -> Vec<Offer> {
        let typed = typed.trim_start();
        match typed.split_once(char::is_whitespace) {
            Some((name, rest)) => match self.action_named(name) {
                Some(action) => self.arguments(action, rest),
                None => vec![],
            },
            None => self.actions_like(typed),
        }
    }

    /// The row of this name that holds here, else wherever it holds.
    pub fn action_named(&self, name: &str) -> Option<&'static Action> {
        let here = self.here().find(|action| action.name == name);
        here.or_else(|| actions::find(name).filter(|action| self.can(action) && action.commands()))
    }

    fn actions_like(&self, typed: &str) -> Vec<Offer> {
        let mut rows: Vec<&'static Action> = self.here().filter(|action| action.commands()).collect();
        // What belongs to a page can only be done there.
        let of_page = |action: &&Action| action.layers.iter().all(|layer| matches!(layer, Layer::Node | Layer::Task));
        let elsewhere = actions::table().filter(|action| action.commands() && !of_page(action) && self.can(action));
        for action in elsewhere {
            if !rows.iter().any(|row| row.name == action.name) {
                rows.push(action);
            }
        }
        let texts: Vec<(String, &'static Action)> =
            rows.into_iter().map(|action| (format!("{} {}", action.name, action.sentence), action)).collect();
        let best = matching(typed, texts, |action| action.name);
        let offers = best.into_iter().map(|action| Offer {
            line: action.name.to_owned(),
            about: action.sentence.to_owned(),
            key: self.key_of(action.name),
        });
        offers.take(MOST).collect()
    }

    /// The last word is being typed; those before it stand.
    fn arguments(&self, action: &'static Action, rest: &str) -> Vec<Offer> {
        let (stands, typed) = rest.rsplit_once(char::is_whitespace).unwrap_or(("", rest));
        let before = if stands.is_empty() { format!("{} ", action.name) } else { format!("{} {stands} ", action.name) };
        let known = self.candidates(action.takes);
        let best =
            matching(typed, known.into_iter().map(|known| (format!("{} {}", known.0, known.1), known)), |known| {
                &known.0
            });
        let offers = best.into_iter().map(|(word, about)| Offer { line: format!("{before}{word}"), about, key: None });
        offers.take(MOST).collect()
    }

    /// What may be said there, each with what it is.
    fn candidates(&self, takes: Takes) -> Vec<(String, String)> {
        let plain = |words: Vec<&str>| words.into_iter().map(|word| (word.to_owned(), String::new())).collect();
        match takes {
            Takes::Nothing | Takes::Filter | Takes::Command | Takes::Address => vec![],
            Takes::Theme => plain(self.themes.iter().map(String::as_str).collect()),
            Takes::Keymap => plain(self.keymaps.iter().map(String::as_str).collect()),
            Takes::Nodes => {
                let nodes = self.picture.nodes.iter().filter(|node| node.role != Role::Manager);
                nodes.map(|node| (node.name.to_string(), node.state.to_string())).collect()
            }
            Takes::Targets => {
                let jobs = self.picture.jobs.iter();
                jobs.map(|job| (job.id.0.to_string(), format!("{} · {}", title(job), job.state))).collect()
            }
            Takes::Column => match self.focus {
                super::Pane::Nodes => plain(NodeColumn::ALL.map(NodeColumn::word).to_vec()),
                super::Pane::Work => plain(WorkColumn::ALL.map(WorkColumn::word).to_vec()),
                super::Pane::Events => vec![],
            },
        }
    }
}

/// The best first; all of them, as they came, where nothing was typed. What a text is called by counts for more than
/// what is said about it.
fn matching<T>(typed: &str, texts: impl IntoIterator<Item = (String, T)>, name: impl Fn(&T) -> &str) -> Vec<T> {
    if typed.trim().is_empty() {
        return texts.into_iter().map(|(_, value)| value).collect();
    }
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = vec![];
    let mut scored: Vec<(u32, T)> = vec![];
    for (text, value) in texts {
        let by_name =
            pattern.score(Utf32Str::new(name(&value), &mut buffer), &mut matcher).map(|score| score * 2 + 100);
        let score = by_name.or_else(|| pattern.score(Utf32Str::new(&text, &mut buffer), &mut matcher));
        let exact = u32::from(name(&value) == typed) * 10_000 + u32::from(name(&value).starts_with(typed)) * 1000;
        scored.extend(score.map(|score| (score + exact, value)));
    }
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, value)| value).collect()
}
