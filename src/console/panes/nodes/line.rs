//! A node on one line.

use protocol::api::NodeView;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use crate::console::state::State;
use crate::console::state::nodes::memory;

pub fn draw(
    state: &State,
    node: &NodeView,
    area: Rect,
    cursor: bool,
    marked: bool,
    focused: bool,
    buffer: &mut Buffer,
) {
    let styles = &state.theme.styles;
    let (glyph, style) = paint::node_look(node.state, &state.theme);
    let mut x = area.x;
    let room = |x: u16| area.right().saturating_sub(x);
    x += paint::text(buffer, x, area.y, room(x), &format!("{glyph} "), style);
    paint::text(buffer, x, area.y, 14.min(room(x)), node.name.as_str(), styles.text);
    x = (x + 15).min(area.right());
    let metrics = node.metrics.as_ref();
    for share in [metrics.and_then(|m| m.cpu), memory(node)] {
        paint::bar(buffer, Rect::new(x, area.y, 8, 1).intersection(area), share, &state.theme);
        x = (x + 9).min(area.right());
        let said = share.map_or_else(|| "   –".into(), |share| format!("{:>3.0}%", share.value()));
        x += paint::text(buffer, x, area.y, room(x), &said, styles.text) + 1;
    }
    if let Some(temperature) = metrics.and_then(|m| m.temperature) {
        let said = format!("{:>3.0}{}", temperature.value(), state.theme.glyphs.degree);
        x += paint::text(buffer, x, area.y, room(x), &said, styles.heat[paint::heat_step(temperature)]) + 1;
    }
    paint::text(buffer, x, area.y, room(x), &format!("{} running", node.running), styles.dim);
    paint::row_look(buffer, area, cursor && focused, marked, focused, &state.theme);
}
