//! Where only one pane is seen at a time: which there are, and which it is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use crate::console::state::{Pane, State};

const GAP: u16 = 3;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let mut x = area.x + 1;
    for (pane, label) in Pane::ALL.into_iter().map(|pane| (pane, label(pane))) {
        let style = if state.focus == pane { state.theme.styles.title_focused } else { state.theme.styles.dim };
        x += paint::text(buffer, x, area.y, area.right().saturating_sub(x), &label, style) + GAP;
    }
}

/// The pane whose tab is in this column.
pub fn at(area: Rect, x: u16) -> Option<Pane> {
    let mut start = area.x + 1;
    for pane in Pane::ALL {
        let end = start + paint::width(&label(pane));
        if (start..end).contains(&x) {
            return Some(pane);
        }
        start = end + GAP;
    }
    None
}

fn label(pane: Pane) -> String {
    format!("{} {}", pane as usize + 1, pane.word())
}
