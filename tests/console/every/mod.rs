//! Every action of the table, by its own key, through the whole program: what its sentence promises is then seen.
//!
//! Each test walks through some layers of the table and ends only when every row of theirs was pressed. What a key is
//! comes from the keymap, what rows there are from the table: a new row fails here until somebody shows it at work.

mod everywhere;
mod lists;
mod nodes;
mod work;

use std::collections::BTreeSet;

use bramble::console::actions::{self, Layer};
use bramble::console::keymap::{Keymap, Source};

use crate::common::screen::Terminal;

/// Which test walks through which layers.
const WALKS: [&[Layer]; 4] = [everywhere::LAYERS, lists::LAYERS, nodes::LAYERS, work::LAYERS];

#[test]
fn every_layer_is_walked_through_by_one_test() {
    let walked: Vec<Layer> = WALKS.into_iter().flatten().copied().collect();
    let all = Layer::ALL.into_iter().filter(|layer| !rows(&[*layer]).is_empty());
    assert_eq!(walked.iter().collect::<BTreeSet<_>>(), all.collect::<Vec<_>>().iter().collect());
    assert_eq!(walked.iter().collect::<BTreeSet<_>>().len(), walked.len(), "one of them is walked through twice");
}

type Row = (Layer, &'static str);

fn rows(layers: &[Layer]) -> BTreeSet<Row> {
    let of = |layer: Layer| {
        actions::table().filter(move |action| action.layers.contains(&layer)).map(move |action| (layer, action.name))
    };
    layers.iter().copied().flat_map(of).collect()
}

/// A console, and what of the table was not yet seen at work in it.
struct Walk {
    terminal: Terminal,
    keymap: Keymap,
    left: BTreeSet<Row>,
}

impl Walk {
    fn through(layers: &[Layer], terminal: Terminal) -> Walk {
        let keymap = actions::vocabulary(|words| Source::default().load("default", words)).unwrap();
        Walk { terminal, keymap, left: rows(layers) }
    }

    /// Presses the key of an action in a layer. What it does is for the caller to look at.
    #[track_caller]
    fn press(&mut self, layer: Layer, action: &'static str) {
        let bound = self.keymap.of(layer.word()).iter().find(|binding| binding.action == action);
        let bound = bound.unwrap_or_else(|| panic!("{action} has no key in {}", layer.word()));
        let keys: String = bound.on.iter().map(|chord| typed(&chord.to_string())).collect();
        self.terminal.keys(&keys);
        self.left.remove(&(layer, action));
    }

    /// Types what has no key into the palette.
    #[track_caller]
    fn types(&mut self, layer: Layer, action: &'static str, words: &str) {
        self.terminal.keys(&format!(":{action} {words}<enter>"));
        self.left.remove(&(layer, action));
    }

    /// A key, and what must then be on the screen.
    #[track_caller]
    fn shows(&mut self, layer: Layer, action: &'static str, text: &str) {
        assert!(
            !self.terminal.screen().contains(text),
            "{text:?} is there before {action}\n{}",
            self.terminal.screen()
        );
        self.press(layer, action);
        self.terminal.until_shows(text);
    }

    /// A key, and what must then be off the screen.
    #[track_caller]
    fn hides(&mut self, layer: Layer, action: &'static str, text: &str) {
        self.terminal.until_shows(text);
        self.press(layer, action);
        self.terminal.until_gone(text);
    }

    /// A key, and what must then be under the cursor, where it was not before.
    #[track_caller]
    fn lights(&mut self, layer: Layer, action: &'static str, text: &str) {
        let lit = |screen: &vt100::Screen| crate::desk::lit(screen, text);
        assert!(!self.terminal.with(lit), "{text:?} is lit before {action}\n{}", self.terminal.screen());
        self.press(layer, action);
        self.terminal.until(&format!("{text:?} under the cursor"), lit);
    }

    /// These keys end the program well, and nothing of the table is left.
    #[track_caller]
    fn ends_with(self, keys: &str) {
        self.terminal.keys(keys);
        assert_eq!(self.terminal.ends().1, Some(0));
        assert!(self.left.is_empty(), "nobody saw these at work: {:?}", self.left);
    }
}

/// As the kit writes a key that a keymap writes so.
fn typed(chord: &str) -> String {
    match chord {
        "<PageUp>" => "<page-up>".into(),
        "<PageDown>" => "<page-down>".into(),
        held if held.starts_with('<') => held.to_lowercase(),
        letter => letter.into(),
    }
}
