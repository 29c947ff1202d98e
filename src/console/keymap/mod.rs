//! Which keys run which action, layer by layer, as the keymap's files say it.
//!
//! The actions themselves are not known here: whoever loads a keymap brings the vocabulary it is checked against.

mod chord;
mod read;
mod shown;
mod source;

pub use chord::Chord;
pub use source::Source;

use std::collections::BTreeMap;

/// `FILE:LINE: what is wrong and what is allowed.`
pub type KeymapError = crate::document::Mistake;

/// Of a layer, an action and its arguments.
type Check<'a> = dyn Fn(&str, &str, &[String]) -> Result<(), String> + 'a;

/// What a keymap may speak of.
pub struct Vocabulary<'a> {
    pub layers: &'a [&'a str],
    /// Whether this layer has that action with those arguments; if not, the sentence that says so.
    pub action: &'a Check<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub on: Vec<Chord>,
    pub action: String,
    pub args: Vec<String>,
    pub desc: Option<String>,
}

impl Binding {
    /// The keys as hints and help show them.
    pub fn shown(&self) -> String {
        shown::keys(&self.on)
    }
}

#[derive(Clone, Debug)]
pub struct Keymap {
    pub name: String,
    layers: BTreeMap<String, Layer>,
}

#[derive(Clone, Debug, Default)]
struct Layer {
    bindings: Vec<Binding>,
    /// Bound to `noop`: nothing happens, whatever an outer layer does with these keys.
    silent: Vec<Vec<Chord>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    Bound(&'a Binding),
    /// More keys may make it an action.
    Prefix,
    Nothing,
}

impl Keymap {
    /// What these keys do, asked of the most inner layer first.
    pub fn find(&self, layers: &[&str], keys: &[Chord]) -> Found<'_> {
        for layer in layers.iter().filter_map(|name| self.layers.get(*name)) {
            if let Some(binding) = layer.bindings.iter().find(|binding| binding.on == keys) {
                return Found::Bound(binding);
            }
            if layer.silent.iter().any(|on| on == keys) {
                return Found::Nothing;
            }
            if layer.bindings.iter().any(|binding| binding.on.starts_with(keys)) {
                return Found::Prefix;
            }
        }
        Found::Nothing
    }

    /// All that is bound in this layer itself, in the order of the file.
    pub fn of(&self, layer: &str) -> &[Binding] {
        self.layers.get(layer).map_or(&[], |layer| &layer.bindings)
    }

    /// How a person is told to press this action: the first binding that no inner layer hides.
    pub fn keys_of(&self, layers: &[&str], action: &str) -> Option<String> {
        let bindings = layers.iter().flat_map(|layer| self.of(layer));
        let mut of_action: Vec<&Binding> = bindings.filter(|binding| binding.action == action).collect();
        // One that says more than the action alone says less about it.
        of_action.sort_by_key(|binding| !binding.args.is_empty());
        let reached = of_action.into_iter().find(|binding| self.reaches(layers, binding))?;
        Some(shown::keys(&reached.on))
    }

    fn reaches(&self, layers: &[&str], binding: &Binding) -> bool {
        let whole = matches!(self.find(layers, &binding.on), Found::Bound(found) if std::ptr::eq(found, binding));
        whole && (1..binding.on.len()).all(|keys| self.find(layers, &binding.on[..keys]) == Found::Prefix)
    }
}

#[cfg(test)]
mod tests;
