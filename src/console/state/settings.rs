//! What a person chose, kept from one time to the next.

use serde::{Deserialize, Serialize};

use super::nodes::{NodeColumn, NodesView};
use super::work::WorkColumn;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub theme: String,
    pub keymap: String,
    pub mouse: bool,
    /// The width of the nodes, in percent of the screen.
    pub nodes_width: u16,
    /// The height of the work, in percent of the screen.
    pub work_height: u16,
    pub nodes_view: Option<NodesView>,
    pub nodes_sort: NodeColumn,
    pub nodes_reverse: bool,
    pub work_sort: WorkColumn,
    pub work_reverse: bool,
    pub work_active: bool,
    pub wrap: bool,
}

/// A pane keeps at least this share of the screen, so that it can be seen and made larger again.
const LEAST: u16 = 20;
const MOST: u16 = 80;

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: "default".into(),
            keymap: "default".into(),
            mouse: true,
            nodes_width: 58,
            work_height: 62,
            nodes_view: None,
            nodes_sort: NodeColumn::Name,
            nodes_reverse: false,
            work_sort: WorkColumn::Newest,
            work_reverse: false,
            work_active: false,
            wrap: false,
        }
    }
}

impl Settings {
    /// Whatever was written there, panes that can be used.
    pub fn sane(mut self) -> Self {
        self.nodes_width = self.nodes_width.clamp(LEAST, MOST);
        self.work_height = self.work_height.clamp(LEAST, MOST);
        self
    }
}
