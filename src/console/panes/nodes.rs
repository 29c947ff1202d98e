//! The nodes: as cards, as lines, as a map of heat.

mod card;
mod heat;
mod line;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::nodes::{NodeColumn, NodesView};
use crate::console::state::{Pane, State};

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let focused = state.focus == Pane::Nodes && state.overlay.is_none();
    let (nodes, glyphs, styles) = (&state.nodes, state.theme.glyphs, &state.theme.styles);
    let mut title = vec![Span::styled(format!(" nodes {} ", nodes.len()), paint::title(state, focused))];
    if !nodes.filter.is_empty() {
        title.push(Span::styled(format!("/{} ", nodes.filter), styles.matched));
    }
    if nodes.sort != NodeColumn::Name || nodes.reverse {
        let arrow = if nodes.reverse { glyphs.arrow_up } else { glyphs.arrow_down };
        title.push(Span::styled(format!("{} {arrow} ", nodes.sort.word()), styles.dim));
    }
    if !nodes.marks.is_empty() {
        title.push(Span::styled(format!("{} marked ", nodes.marks.len()), styles.marked));
    }
    let inner = paint::frame(state, title, focused, area, buffer);
    if nodes.is_empty() {
        let why = if nodes.filter.is_empty() { "no node has joined yet" } else { "no node has these words" };
        return paint::hollow(state, inner, buffer, why);
    }
    let grid = nodes.grid(inner);
    for seen in 0..grid.rows * grid.columns {
        let item = nodes.scroll.top * grid.columns + seen;
        let Some(node) = nodes.get(&state.picture.nodes, item) else { break };
        let place = grid.place(seen, inner);
        let marked = nodes.marks.contains(&node.name);
        let cursor = item == nodes.scroll.cursor;
        match grid.view {
            NodesView::Cards => card::draw(state, node, place, cursor, marked, focused, buffer),
            NodesView::Lines => line::draw(state, node, place, cursor, marked, focused, buffer),
            NodesView::Heat => heat::draw(state, node, place, cursor, marked, focused, buffer),
        }
    }
}
