//! Nodes as a map of heat: a sign each, with its number and its name where there is room.

use protocol::node::NodeState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Item, flags, heat_look, look, works};
use crate::console::panes::{number, paint};
use crate::console::state::State;
use crate::console::theme::Theme;
use crate::text;

/// From this width on a cell has a number, from the next on a name.
const NUMBER: u16 = 4;
const NAME: u16 = 8;

pub fn draw(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let styles = &state.theme.styles;
    let (glyph, style) = sign(item, &state.theme);
    let heat = item.shown.temperature.map(|degrees| (degrees.value(), state.theme.glyphs.degree));
    // How busy it is says so by its sign: it is no heat.
    let (known, unit) = match heat.or_else(|| item.shown.cpu.map(|cpu| (cpu.value(), "%"))) {
        Some((value, unit)) => (format!("{value:.0}"), unit),
        None => (String::new(), ""),
    };
    let mut cell = area;
    if area.width >= NAME {
        let name = area.width.saturating_sub(7);
        paint::text(buffer, area.x, area.y, 1, glyph, style);
        let said = paint::cut(item.node.name.as_str(), name, state.theme.glyphs);
        paint::text(buffer, area.x + 2, area.y, name, &said, styles.text);
        let said = format!("{known:>3}{unit}");
        paint::text(buffer, area.x + 2 + name, area.y, 4, &said, style);
        cell.width -= 1;
    } else if area.width >= NUMBER {
        paint::text(buffer, area.x, area.y, 3, &format!("{glyph}{known:<2}"), style);
        cell.width -= 1;
    } else {
        paint::text(buffer, area.x, area.y, 1, glyph, style);
        cell.width = 1;
    }
    paint::row_look(buffer, cell, item.cursor, item.marked, item.focused, &state.theme);
}

/// What is not up shows its state; the others how hot they are, or how busy where there is no thermometer.
fn sign(item: &Item<'_>, theme: &Theme) -> (&'static str, Style) {
    if item.node.state != NodeState::Up {
        return look(item.node, theme);
    }
    heat_look(item.shown, theme)
        .or_else(|| {
            let step = (item.shown.cpu?.value() / 12.5).round() as usize;
            Some((theme.glyphs.spark[step.min(8)], theme.styles.spark))
        })
        .unwrap_or((theme.glyphs.dot, theme.styles.dim))
}

/// One line about the node under the cursor, and what the signs mean.
pub fn about(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let (node, shown) = (item.node, item.shown);
    let (glyph, style) = look(node, &state.theme);
    let mut parts = vec![
        (format!("{glyph} "), style),
        (node.name.to_string(), styles.strong),
        (format!(" {}", if node.draining { "draining" } else { node.state.word() }), style),
    ];
    if node.state == NodeState::Up {
        let said = format!("  cpu {}  ram {}  ", number::percent(shown.cpu), number::percent(shown.memory));
        parts.push((said, styles.text));
        let heat = heat_look(shown, &state.theme).map_or(styles.dim, |(_, style)| style);
        parts.push((number::degrees(shown.temperature, &format!("{}C", glyphs.degree)), heat));
    } else if let Some(at) = node.seen_at {
        parts.push((format!(", seen {} ago", text::age(state.now.wall, at)), styles.text));
    }
    if works(node) {
        parts.push((format!("  {} running", number::count(node.running.into())), styles.text));
    }
    let throttle = node.metrics.as_ref().and_then(|metrics| metrics.throttle);
    if let Some(word) = flags::now(throttle).first() {
        parts.push((format!("  {} {word}", glyphs.flag), styles.flag));
    }
    let mut x = area.x;
    for (said, style) in parts {
        let room = area.right().saturating_sub(x);
        x += paint::text(buffer, x, area.y, room, &paint::cut(&text::clean(&said), room, glyphs), style);
    }
    legend(state, Rect { x, width: area.right().saturating_sub(x), ..area }, buffer);
}

fn legend(state: &State, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let width = 5 + styles.heat.len() as u16 + 5;
    if area.width < width + 3 {
        return;
    }
    let mut x = area.right() - width;
    x += paint::text(buffer, x, area.y, 5, "cool ", styles.dim);
    for (step, style) in styles.heat.iter().enumerate() {
        x += paint::text(buffer, x, area.y, 1, state.theme.glyphs.spark[step + 2], *style);
    }
    paint::text(buffer, x, area.y, 5, "  hot", styles.dim);
}
