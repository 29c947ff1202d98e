//! The bottom line: what keys do here, from the one table. The hint at the help is the last to go.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use crate::console::actions::Action;
use crate::console::state::{Overlay, State};

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    buffer.set_style(area, styles.hint);
    if !state.pending.is_empty() {
        let keys: Vec<String> = state.pending.iter().map(ToString::to_string).collect();
        paint::text(buffer, area.x + 1, area.y, area.width, &format!("{} …", keys.join(" ")), styles.hint_key);
        return;
    }
    let mut x = area.x + 1;
    for (key, hint) in fitting(hints(state), area.width.saturating_sub(1)) {
        x += paint::text(buffer, x, area.y, area.right().saturating_sub(x), &key, styles.hint_key) + 1;
        x += paint::text(buffer, x, area.y, area.right().saturating_sub(x), hint, styles.hint) + 2;
    }
}

/// Who is lost needs these two, however narrow it is.
const FIRST: [&str; 2] = ["help", "close"];

/// The help and the way out, then the most local.
fn hints(state: &State) -> Vec<(String, &'static str)> {
    let layers = state.layers();
    let words: Vec<&str> = layers.iter().map(|layer| layer.word()).collect();
    let rows: Vec<&'static Action> = match state.overlay {
        None => state.here().collect(),
        Some(Overlay::Prompt(_)) => vec![],
        Some(_) => {
            crate::console::actions::table().filter(|row| layers.iter().any(|l| row.layers.contains(l))).collect()
        }
    };
    let mut shown: Vec<_> = rows.into_iter().map(|row| (row, (row.hint)(state))).collect();
    shown.retain(|(_, hint)| !hint.is_empty());
    // Stable: the rest stays in the order of the table.
    shown.sort_by_key(|(row, _)| FIRST.iter().position(|name| *name == row.name).unwrap_or(FIRST.len()));
    let keyed = shown.into_iter().filter_map(|(row, hint)| Some((state.keymap.keys_of(&words, row.name)?, hint)));
    keyed.collect()
}

fn fitting(hints: Vec<(String, &'static str)>, width: u16) -> Vec<(String, &'static str)> {
    let mut left = width;
    let fits = |(key, hint): &(String, &'static str)| {
        let cells = paint::width(key) + 1 + paint::width(hint);
        let fits = cells <= left;
        left = left.saturating_sub(cells + 2);
        fits
    };
    hints.into_iter().take_while(fits).collect()
}
