//! The one table of all that a person can do. Keys, palette, footer, help and `docs/keys.md` are made from it; a row
//! belongs to the file of its layer.

mod dialog;
mod events;
mod everywhere;
mod help;
mod list;
mod node;
mod nodes;
mod prompt;
pub mod targets;
mod task;
#[cfg(test)]
mod tests;
mod work;

use protocol::api::Right;

use super::event::Effect;
use super::keymap::Vocabulary;
use super::state::State;
use crate::document::did_you_mean;

pub use targets::listed;

/// Where a row of the table holds. Which layers are in force is computed from the state, never kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Global,
    List,
    Nodes,
    Work,
    Events,
    Node,
    Task,
    Prompt,
    Dialog,
    Help,
}

impl Layer {
    pub const ALL: [Layer; 10] = [
        Layer::Global,
        Layer::List,
        Layer::Nodes,
        Layer::Work,
        Layer::Events,
        Layer::Node,
        Layer::Task,
        Layer::Prompt,
        Layer::Dialog,
        Layer::Help,
    ];

    /// As keymaps call it.
    pub fn word(self) -> &'static str {
        match self {
            Layer::Global => "global",
            Layer::List => "list",
            Layer::Nodes => "nodes",
            Layer::Work => "work",
            Layer::Events => "events",
            Layer::Node => "node",
            Layer::Task => "task",
            Layer::Prompt => "prompt",
            Layer::Dialog => "dialog",
            Layer::Help => "help",
        }
    }

    /// As people read it, over a part of the help.
    pub fn title(self) -> &'static str {
        match self {
            Layer::Global => "Everywhere",
            Layer::List => "In every list",
            Layer::Nodes => "Nodes",
            Layer::Work => "Work",
            Layer::Events => "Events",
            Layer::Node => "A node's page",
            Layer::Task => "A task's page",
            Layer::Prompt => "Where you type",
            Layer::Dialog => "In a dialog",
            Layer::Help => "In this help",
        }
    }
}

/// What may stand after an action's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    Nothing,
    Theme,
    Keymap,
    /// Nodes; those marked or under the cursor where none is named.
    Nodes,
    /// Jobs, tasks, ranges; those marked or under the cursor where none is named.
    Targets,
    /// A column to sort by.
    Column,
    /// A filter.
    Filter,
    /// A command for a worker.
    Command,
    /// Where a manager is.
    Address,
}

/// What came of an action: what is still to be done, or a sentence why not.
pub type Acted = Result<Vec<Effect>, String>;

pub struct Action {
    /// The same in keymaps, in the palette and in the docs.
    pub name: &'static str,
    pub layers: &'static [Layer],
    /// One sentence for help and docs, without a full stop.
    pub sentence: &'static str,
    /// One word or two for the footer; empty: not shown there.
    pub hint: fn(&State) -> &'static str,
    pub takes: Takes,
    /// What the manager must allow.
    pub needs: Right,
    /// Whether it changes something that cannot be brought back; then a dialog asks first.
    pub dangerous: bool,
    /// Whether it makes sense now: hints and palette leave it out otherwise.
    pub applies: fn(&State) -> bool,
    pub act: fn(&mut State, &[String]) -> Acted,
}

impl Action {
    /// What most rows have in common.
    const fn new(
        name: &'static str,
        layers: &'static [Layer],
        sentence: &'static str,
        act: fn(&mut State, &[String]) -> Acted,
    ) -> Action {
        Action {
            name,
            layers,
            sentence,
            hint: |_| "",
            takes: Takes::Nothing,
            needs: Right::Viewer,
            dangerous: false,
            applies: |_| true,
            act,
        }
    }

    const fn hint(self, hint: fn(&State) -> &'static str) -> Action {
        Action { hint, ..self }
    }

    const fn takes(self, takes: Takes) -> Action {
        Action { takes, ..self }
    }

    const fn needs(self, needs: Right) -> Action {
        Action { needs, ..self }
    }

    const fn dangerous(self) -> Action {
        Action { dangerous: true, ..self }
    }

    const fn applies(self, applies: fn(&State) -> bool) -> Action {
        Action { applies, ..self }
    }

    /// Whether it can be called by its name, in the palette: not a move, and not of what lies over the panes.
    pub fn commands(&self) -> bool {
        !list::moves(self.name)
            && !self.layers.iter().any(|layer| matches!(layer, Layer::Prompt | Layer::Dialog | Layer::Help))
    }

    /// Whether it makes sense to do it again by one key.
    pub fn repeats(&self) -> bool {
        const ONCE: [&str; 12] = [
            "repeat",
            "undo",
            "help",
            "palette",
            "filter",
            "close",
            "cancel",
            "quit",
            "back",
            "forward",
            "show-command",
            "suspend",
        ];
        self.commands() && !ONCE.contains(&self.name)
    }

    /// Whether it only looks: all that is left in a read-only console.
    pub fn looks(&self) -> bool {
        self.needs == Right::Viewer
    }
}

/// Every row, in the order in which help and docs show them.
pub fn table() -> impl Iterator<Item = &'static Action> + Clone {
    let parts: [&'static [Action]; 10] = [
        everywhere::ACTIONS,
        list::ACTIONS,
        nodes::ACTIONS,
        work::ACTIONS,
        events::ACTIONS,
        node::ACTIONS,
        task::ACTIONS,
        prompt::ACTIONS,
        dialog::ACTIONS,
        help::ACTIONS,
    ];
    parts.into_iter().flatten()
}

pub fn find(name: &str) -> Option<&'static Action> {
    table().find(|action| action.name == name)
}

/// The row of this name that holds in one of these layers, the innermost first.
pub fn find_in(layers: &[Layer], name: &str) -> Option<&'static Action> {
    layers.iter().find_map(|layer| table().find(|action| action.name == name && action.layers.contains(layer)))
}

/// Loads a keymap against the table: what it may speak of is what there is.
pub fn vocabulary<T>(load: impl FnOnce(&Vocabulary<'_>) -> T) -> T {
    let layers = Layer::ALL.map(Layer::word);
    let known = |layer: &str, name: &str, args: &[String]| {
        let held = table().filter(|action| action.layers.iter().any(|held| held.word() == layer));
        let Some(action) = held.clone().find(|action| action.name == name) else {
            let near = did_you_mean(name, held.map(|action| action.name));
            return Err(format!("There is no action {name} in {layer}.{near}"));
        };
        if action.takes == Takes::Nothing && !args.is_empty() {
            return Err(format!("{name} takes no arguments."));
        }
        Ok(())
    };
    load(&Vocabulary { layers: &layers, action: &known })
}
