//! The nodes: as cards, as lines, as a map of heat.

mod card;
pub mod flags;
mod heat;
mod line;
#[cfg(test)]
mod tests;

use protocol::api::{NodeView, Trend};
use protocol::node::{NodeState, Role};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::{graph, paint};
use crate::console::state::nodes::{NodeColumn, NodesView, Shown};
use crate::console::state::{Pane, State};
use crate::console::theme::Theme;

/// A node, and how it is to be drawn.
struct Item<'a> {
    node: &'a NodeView,
    shown: &'a Shown,
    cursor: bool,
    marked: bool,
    focused: bool,
}

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
        let filtered = || nodes.filter.nothing::<NodeView>("node");
        let why = if nodes.filter.is_empty() { "no node has joined yet".into() } else { filtered() };
        return paint::hollow(state, inner, buffer, &why);
    }
    let grid = nodes.grid(inner);
    let first = nodes.scroll.top * grid.columns;
    let lines = (grid.view == NodesView::Lines).then(|| line::Plan::of(inner.width, nodes.name_width()));
    if let Some(plan) = &lines {
        plan.heading(state, grid.heading(inner), buffer);
    }
    for seen in 0..grid.rows * grid.columns {
        let at = first + seen;
        let Some((node, shown)) = nodes.get(&state.picture.nodes, at).zip(nodes.shown(at)) else { break };
        let place = grid.place(seen, inner);
        let marked = nodes.marks.contains(&node.name);
        let item = Item { node, shown, cursor: at == nodes.scroll.cursor, marked, focused };
        match &lines {
            Some(plan) => plan.draw(state, &item, place, buffer),
            None if grid.view == NodesView::Cards => card::draw(state, &item, place, buffer),
            None => heat::draw(state, &item, place, buffer),
        }
        if item.cursor && grid.view == NodesView::Heat {
            heat::about(state, &item, grid.footing(inner), buffer);
        }
    }
    let below = state.nodes.len().saturating_sub(first + grid.rows * grid.columns);
    paint::more(state, first, below, area, buffer);
}

/// The last minutes of its CPU as small bars.
fn trend(state: &State, node: &NodeView, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let samples = graph::Samples {
        known: state.nodes.trend(&node.name),
        most: Trend::SAMPLES,
        last: state.nodes.trends_end().0 / u64::from(Trend::STEP_MS),
    };
    let shares = graph::cells(&samples, |cpu| cpu.value() / 100.0, graph::Of::Mean, area.width);
    graph::area(buffer, area, &shares, |_| state.theme.styles.spark, state.theme.glyphs);
}

/// Its state at a glance; that it is draining says more than that it is up.
fn look(node: &NodeView, theme: &Theme) -> (&'static str, Style) {
    match node.state {
        NodeState::Up if node.revoked => (theme.glyphs.cross, theme.styles.down),
        NodeState::Up if node.draining => (theme.glyphs.draining, theme.styles.draining),
        state => paint::node_look(state, theme),
    }
}

/// A temperature as a sign that can be read without colour, and its style.
fn heat_look(shown: &Shown, theme: &Theme) -> Option<(&'static str, Style)> {
    let step = paint::heat_step(shown.temperature?);
    Some((theme.glyphs.spark[step + 2], theme.styles.heat[step]))
}

/// Whether tasks can run there; the manager's own have no counts to show.
fn works(node: &NodeView) -> bool {
    node.role == Role::Worker
}

pub fn disk_full(node: &NodeView) -> bool {
    node.metrics.as_ref().is_some_and(|metrics| metrics.disk_full)
}

/// What else there is to know, in full and as short as can be.
fn remarks(node: &NodeView, theme: &Theme) -> Vec<(&'static str, &'static str, Style)> {
    let (glyphs, styles) = (theme.glyphs, &theme.styles);
    let mut remarks = vec![];
    if node.revoked {
        remarks.push(("revoked", glyphs.cross, styles.down));
    }
    if node.draining {
        remarks.push(("draining", glyphs.draining, styles.draining));
    }
    if disk_full(node) {
        remarks.push(("disk full", "disk", styles.flag));
    }
    if node.shared_uid {
        remarks.push(("shared uid", "uid", styles.flag));
    }
    if node.facts.simulated {
        remarks.push(("simulated", "sim", styles.dim));
    }
    if node.role != Role::Worker {
        remarks.push((node.role.word(), "", styles.dim));
    }
    remarks
}
