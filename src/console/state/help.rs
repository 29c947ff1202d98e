//! The help: every action that there is, searched by words or by key, and run from where it is read.

use tui_input::Input;

use super::State;
use super::filter::contains;
use super::list::Scroll;
use crate::console::actions::{self, Action, Layer};

#[derive(Debug, Default)]
pub struct Help {
    pub input: Input,
    pub scroll: Scroll,
}

/// A row of the help.
pub struct Entry {
    pub layer: Layer,
    pub action: &'static Action,
    /// As they are pressed; empty for what is only in the palette.
    pub keys: Vec<String>,
}

impl State {
    /// What the help shows for this text: the layers here first.
    pub fn help_entries(&self, text: &str) -> Vec<Entry> {
        let here = [self.pane_layer(), Layer::List, Layer::Global];
        let elsewhere = Layer::ALL.into_iter().filter(|layer| !here.contains(layer));
        let rows = here.into_iter().chain(elsewhere).flat_map(|layer| {
            let held = actions::table().filter(move |action| action.layers.contains(&layer));
            held.filter(|action| action.looks() || !self.read_only).map(move |action| (layer, action))
        });
        let entries = rows.map(|(layer, action)| {
            let bound = self.keymap.of(layer.word()).iter().filter(|binding| binding.action == action.name);
            let keys = bound.filter(|binding| binding.args.is_empty()).map(|binding| binding.shown()).collect();
            Entry { layer, action, keys }
        });
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        // A single sign is a key before it is a word.
        let by_key = |entry: &Entry| entry.keys.iter().any(|key| key == text.trim());
        let found = |entry: &Entry| {
            words.iter().all(|word| {
                contains(entry.action.name, word)
                    || contains(entry.action.sentence, word)
                    || contains(entry.layer.title(), word)
                    || entry.keys.iter().any(|key| contains(key, word))
            })
        };
        let entries: Vec<Entry> = entries.collect();
        match entries.iter().any(by_key) {
            true => entries.into_iter().filter(by_key).collect(),
            false => {
                let mut entries: Vec<Entry> = entries.into_iter().filter(found).collect();
                // What is called so comes before what only speaks of it.
                entries.sort_by_key(|entry| !words.iter().all(|word| contains(entry.action.name, word)));
                entries
            }
        }
    }

    pub fn step_help(&mut self, by: super::Move) {
        let Some(super::Overlay::Help(help)) = &self.overlay else { return };
        let count = self.help_entries(help.input.value()).len();
        if let Some(super::Overlay::Help(help)) = &mut self.overlay {
            // What stands around the rows is nine lines high; a line of what was seen stays.
            let page = usize::from(self.size.height).saturating_sub(10);
            help.scroll.step(by, count, 1, page);
        }
    }
}
