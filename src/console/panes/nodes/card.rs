//! A node as a card: as much as its size has room for, the most needed first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use ratatui::widgets::{Block, Widget};

use protocol::node::NodeState;
use protocol::unit::Percent;

use super::{Item, flags, heat_look, remarks, trend, works};
use crate::console::panes::{number, paint};
use crate::console::state::State;
use crate::text;

/// Rows inside the border from which on heat, network and counts have rows of their own.
const ROOMY: u16 = 5;
/// Cells inside the border from which on there is a margin.
const MARGIN: u16 = 24;

pub fn draw(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let glyphs = state.theme.glyphs;
    let border = match (item.node.state, item.node.draining) {
        _ if item.cursor && item.focused => styles.border_focused,
        (NodeState::Up, false) if item.node.revoked => styles.down,
        (NodeState::Up, false) => styles.border,
        (NodeState::Up, true) => styles.draining,
        (NodeState::Reachable, _) => styles.reachable,
        (NodeState::Down, _) => styles.down,
    };
    let set = if item.cursor && item.focused { glyphs.border_cursor } else { glyphs.border };
    let block = Block::bordered().border_set(set).border_style(border);
    let inner = block.inner(area);
    block.render(area, buffer);
    top(state, item, area, buffer);
    let margin = u16::from(inner.width >= MARGIN);
    let inner = Rect { x: inner.x + margin, width: inner.width.saturating_sub(2 * margin), ..inner };
    if inner.is_empty() {
        return;
    }
    if item.node.state == NodeState::Up {
        numbers(state, item, inner, buffer)
    } else {
        away(state, item, inner, buffer)
    }
}

/// Name and state to the left, what else there is to know to the right.
fn top(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let glyphs = state.theme.glyphs;
    let room = area.width.saturating_sub(4);
    let (glyph, style) = paint::node_look(item.node.state, &state.theme);
    let name_style = match (item.cursor, item.focused) {
        (true, true) => styles.strong.patch(styles.selection),
        (true, false) => styles.strong.patch(styles.selection_idle),
        _ if item.marked => styles.marked,
        _ => styles.strong,
    };
    let mark = if item.marked { glyphs.marked } else { " " };
    let name = paint::cut(item.node.name.as_str(), room.saturating_sub(4), glyphs);
    let parts = [
        Span::styled(mark, styles.marked),
        Span::styled(glyph, style),
        Span::styled(" ", styles.text),
        Span::styled(name, name_style),
        Span::styled(" ", styles.text),
    ];
    let taken = paint::spans(buffer, area.x.saturating_add(2), area.y, room, &parts);
    let remarks = remarks(item.node, &state.theme);
    let full: Vec<(String, Style)> = remarks
        .iter()
        .map(|(word, short, style)| {
            let glyph = if paint::width(short) == 1 { format!("{short} ") } else { String::new() };
            (format!("{glyph}{word}"), *style)
        })
        .collect();
    let short: Vec<(String, Style)> = remarks
        .iter()
        .filter(|(_, short, _)| !short.is_empty())
        .map(|(_, short, style)| ((*short).to_owned(), *style))
        .collect();
    for said in [full, short] {
        let width: u16 = said.iter().map(|(word, _)| paint::width(word) + 1).sum();
        if said.is_empty() || taken + width + 1 > room {
            continue;
        }
        let mut x = area.right().saturating_sub(width + 3);
        x += paint::text(buffer, x, area.y, 1, " ", styles.text);
        for (word, style) in said {
            x += paint::text(buffer, x, area.y, room, &word, style);
            x += paint::text(buffer, x, area.y, 1, " ", styles.text);
        }
        return;
    }
}

fn numbers(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    let row = |nth: u16| Rect { y: area.y + nth, height: 1, ..area }.intersection(area);
    meter(state, "cpu", item.shown.cpu, row(0), buffer);
    meter(state, "ram", item.shown.memory, row(1), buffer);
    if area.height < ROOMY {
        let (line, heat) = (row(2), 7);
        trend(state, item.node, Rect { width: line.width.saturating_sub(heat), ..line }, buffer);
        let x = line.right().saturating_sub(heat).max(line.x);
        if item.node.metrics.is_some() {
            heat_and_flag(state, item, "", Rect { x, width: line.right() - x, ..line }, buffer);
        }
        let counted = counts(state, item, false, row(3), buffer);
        network(state, item, false, Rect { width: area.width.saturating_sub(counted), ..row(3) }, buffer);
        return;
    }
    let high = area.height - (ROOMY - 1);
    trend(state, item.node, Rect { y: area.y + 2, height: high, ..area }, buffer);
    let below = row(2 + high);
    heat_and_flag(state, item, "C", Rect { width: 9.min(below.width), ..below }, buffer);
    let x = (below.x + 9).min(below.right());
    network(state, item, true, Rect { x, width: below.right() - x, ..below }, buffer);
    let last = row(3 + high);
    let counted = counts(state, item, true, last, buffer);
    let gap = if counted > 0 { counted + 2 } else { 0 };
    let x = last.x.saturating_add(gap).min(last.right());
    words_of_flags(state, item, Rect { x, width: last.right() - x, ..last }, buffer);
}

fn meter(state: &State, label: &str, share: Option<Percent>, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    paint::text(buffer, area.x, area.y, area.width, label, styles.dim);
    let bar = Rect { x: area.x.saturating_add(4), width: area.width.saturating_sub(9), ..area }.intersection(area);
    paint::bar(buffer, bar, share, &state.theme);
    let said = format!("{:>5}", number::percent(share));
    paint::text(buffer, area.right().saturating_sub(5).max(area.x), area.y, area.width, &said, styles.text);
}

/// ` 54°▅ ▲`: bright where something is wrong now, dim where it was.
fn heat_and_flag(state: &State, item: &Item<'_>, unit: &str, area: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let room = |x: u16| area.right().saturating_sub(x);
    let sign = format!("{}{unit}", glyphs.degree);
    let number = format!("{:>width$}", number::degrees(item.shown.temperature, &sign), width = 4 + unit.len());
    let (glyph, style) = heat_look(item.shown, &state.theme).unwrap_or((" ", styles.dim));
    let mut x = area.x;
    x += paint::text(buffer, x, area.y, room(x), &number, style);
    x += paint::text(buffer, x, area.y, room(x), glyph, style);
    let throttle = item.node.metrics.as_ref().and_then(|metrics| metrics.throttle);
    if !flags::now(throttle).is_empty() {
        paint::text(buffer, x + 1, area.y, room(x + 1), glyphs.flag, styles.flag);
    } else if !flags::since_boot(throttle).is_empty() {
        paint::text(buffer, x + 1, area.y, room(x + 1), glyphs.flag, styles.dim);
    }
}

/// In words as far as there is room; the sign is above.
fn words_of_flags(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let throttle = item.node.metrics.as_ref().and_then(|metrics| metrics.throttle);
    let (mut words, style) = match flags::now(throttle) {
        words if words.is_empty() => (flags::since_boot(throttle), styles.dim),
        words => (words, styles.flag),
    };
    while !words.is_empty() && paint::width(&words.join(", ")) > area.width {
        words.pop();
    }
    let said = words.join(", ");
    let x = area.right().saturating_sub(paint::width(&said)).max(area.x);
    paint::text(buffer, x, area.y, area.width, &said, style);
}

fn network(state: &State, item: &Item<'_>, loose: bool, area: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let gap = if loose { " " } else { "" };
    let mut x = area.x;
    for (arrow, bytes) in [(glyphs.arrow_down, item.shown.net_in), (glyphs.arrow_up, item.shown.net_out)] {
        let parts = [
            Span::styled(format!("{arrow}{gap}"), styles.dim),
            Span::styled(format!("{:<5}{gap}", number::bytes(bytes)), styles.text),
        ];
        x += paint::spans(buffer, x, area.y, area.right().saturating_sub(x), &parts);
    }
}

/// Returns how many cells it took: at the left in words, else at the right.
fn counts(state: &State, item: &Item<'_>, words: bool, area: Rect, buffer: &mut Buffer) -> u16 {
    if !works(item.node) || area.is_empty() {
        return 0;
    }
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let node = item.node;
    let quiet = |busy: bool, style: Style| if busy { style } else { styles.dim };
    let (gap, word) = if words { (" ", " running ") } else { ("", "") };
    let parts = [
        Span::styled(glyphs.running, quiet(node.running > 0, styles.running)),
        Span::styled(
            format!("{gap}{}{word} ", number::count(node.running.into())),
            quiet(node.running > 0, styles.text),
        ),
        Span::styled(glyphs.succeeded, quiet(node.finished > 0, styles.succeeded)),
        Span::styled(format!("{gap}{}", number::count(node.finished)), quiet(node.finished > 0, styles.text)),
    ];
    let width: u16 = parts.iter().map(|part| paint::width(&part.content)).sum();
    let x = if words { area.x } else { area.right().saturating_sub(width).max(area.x) };
    paint::spans(buffer, x, area.y, area.width, &parts)
}

/// Of a node without an agent there are no numbers, but when it was last heard of.
fn away(state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let node = item.node;
    let (_, style) = paint::node_look(node.state, &state.theme);
    let since = node.seen_at.map(|at| text::age(state.now.wall, at));
    let first = match (node.state, &since) {
        (NodeState::Reachable, _) => "reachable, no agent".to_owned(),
        (state, Some(since)) => format!("{state} for {since}"),
        (state, None) => format!("{state}, never seen"),
    };
    let second = match (node.state, node.seen_at, &since) {
        (NodeState::Reachable, Some(_), Some(since)) => format!("agent seen {since} ago"),
        (_, Some(at), _) => format!("last seen {}", text::clock(at, &state.zone)),
        _ => String::new(),
    };
    let third = node.facts.model.as_deref().map(text::clean).unwrap_or_default();
    let rows = [(first.as_str(), style), (second.as_str(), styles.text), (&third, styles.dim)];
    for ((said, style), y) in rows.into_iter().zip(area.y..area.bottom()) {
        paint::text(buffer, area.x, y, area.width, &paint::cut(said, area.width, glyphs), style);
    }
    if area.height > 3 {
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        counts(state, item, area.height >= ROOMY, last, buffer);
    }
}
