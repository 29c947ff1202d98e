//! A node's page: what it is, how it has been doing, its tasks and its events.

mod facts;
mod graphs;
#[cfg(test)]
mod tests;

use protocol::api::{NodeView, TaskView};
use protocol::node::Role;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::{events, paint};
use crate::console::state::events::Events;
use crate::console::state::layout::inside;
use crate::console::state::node::{Around, NodePage, Section, Sections};
use crate::console::state::nodes::Nodes;
use crate::console::state::{Now, State};
use crate::text;

/// What the page is about and how much of it there is: what keys do follows from it.
pub fn around<'a>(
    page: &NodePage,
    (picture, nodes): (&[NodeView], &Nodes),
    events: &'a Events,
    body: Rect,
    now: Now,
) -> Around<'a> {
    let sections = page.sections(body);
    let place = |section| sections.place(section).map_or(Rect::ZERO, inside);
    let width = place(Section::Facts).width;
    let shown = nodes.shown_of(&page.name);
    let facts = page.node(picture).map_or(0, |node| facts::lines(page, node, shown, events, now.wall, width).len());
    Around { events, body, facts, graphs: graphs::fitting(place(Section::Graphs)) }
}

pub fn draw(state: &State, page: &NodePage, area: Rect, buffer: &mut Buffer) {
    let sections = page.sections(area);
    tabs(state, page, &sections, buffer);
    for section in Section::ALL {
        let Some(place) = sections.place(section) else { continue };
        let focused = sections.chosen == section && state.overlay.is_none();
        let part = Part { state, page, node: page.node(&state.picture.nodes), focused };
        match section {
            Section::Facts => draw_facts(&part, place, buffer),
            Section::Graphs => draw_graphs(&part, place, buffer),
            Section::Tasks => draw_tasks(&part, place, buffer),
            Section::Events => draw_events(&part, place, buffer),
        }
    }
}

struct Part<'a> {
    state: &'a State,
    page: &'a NodePage,
    /// `None`: it is gone, or not known.
    node: Option<&'a NodeView>,
    focused: bool,
}

impl Part<'_> {
    fn frame(&self, title: &str, more: Vec<Span<'static>>, area: Rect, buffer: &mut Buffer) -> Rect {
        let mut title = vec![Span::styled(format!(" {title} "), paint::title(self.state, self.focused))];
        title.extend(more);
        paint::frame(self.state, title, self.focused, area, buffer)
    }
}

/// The names of the sections where one is seen at a time.
fn tabs(state: &State, page: &NodePage, sections: &Sections, buffer: &mut Buffer) {
    let (area, styles) = (sections.tabs, &state.theme.styles);
    let mut x = area.x.saturating_add(1);
    for section in sections.order() {
        let chosen = *section == sections.chosen;
        let count = match section {
            Section::Tasks => page.tasks.total().map(|total| format!(" {total}")).unwrap_or_default(),
            _ => String::new(),
        };
        let said = format!("{}{count}", section.word());
        let style = if chosen { styles.title_focused } else { styles.dim };
        x += paint::text(buffer, x, area.y, area.right().saturating_sub(x), &said, style) + 3;
    }
}

fn draw_facts(part: &Part<'_>, area: Rect, buffer: &mut Buffer) {
    let (state, page) = (part.state, part.page);
    let styles = &state.theme.styles;
    let mut more = vec![];
    if let Some(node) = part.node {
        for (word, style) in facts::remarks(node, &state.theme) {
            more.push(Span::styled(format!("{word} "), style));
        }
    }
    let inner = part.frame(page.name.as_str(), more, area, buffer);
    let Some(node) = part.node else {
        return paint::hollow(state, inner, buffer, "this node is not known any more");
    };
    let shown = state.nodes.shown_of(&page.name);
    let lines = facts::lines(page, node, shown, &state.events, state.now.wall, inner.width);
    for (line, y) in lines.iter().skip(page.facts_top).zip(inner.y..inner.bottom()) {
        let label = facts::LABEL.min(inner.width);
        paint::text(buffer, inner.x, y, label, line.label, styles.dim);
        let style = line.tone.style(node, &state.theme);
        paint::text(buffer, inner.x + label, y, inner.width - label, &line.said, style);
    }
    let below = lines.len().saturating_sub(page.facts_top + usize::from(inner.height));
    if below > 0 && area.width > 12 {
        let said = format!(" {} {below} ", state.theme.glyphs.arrow_down);
        let width = paint::width(&said);
        paint::text(buffer, area.right() - width - 2, area.bottom() - 1, width, &said, styles.dim);
    }
}

fn draw_graphs(part: &Part<'_>, area: Rect, buffer: &mut Buffer) {
    let (state, page) = (part.state, part.page);
    let styles = &state.theme.styles;
    let simulated = part.node.is_some_and(|node| node.facts.simulated);
    let more = if simulated { vec![Span::styled("simulated board ", styles.dim)] } else { vec![] };
    let inner = part.frame(graphs::title(page.span), more, area, buffer);
    match &page.history {
        Some(history) => graphs::draw(state, page, part.node, history, inner, buffer),
        None => paint::hollow(state, inner, buffer, "asking the manager"),
    }
}

fn draw_tasks(part: &Part<'_>, area: Rect, buffer: &mut Buffer) {
    let (state, page) = (part.state, part.page);
    let total = page.tasks.total().map(|total| format!(" {total}")).unwrap_or_default();
    let inner = part.frame(&format!("tasks{total}"), vec![], area, buffer);
    if part.node.is_some_and(|node| node.role == Role::Manager) {
        return paint::hollow(state, inner, buffer, "the manager itself runs no tasks");
    }
    if page.tasks.total() == Some(0) {
        return paint::hollow(state, inner, buffer, "no task has run here");
    }
    for (y, row) in (inner.y..inner.bottom()).zip(page.scroll.top..) {
        let Some(task) = page.tasks.get(row) else { break };
        let line = Rect { y, height: 1, ..inner };
        task_line(state, task, line, buffer);
        let cursor = row == page.scroll.cursor;
        paint::row_look(buffer, line, cursor, false, part.focused, &state.theme);
    }
}

fn task_line(state: &State, task: &TaskView, line: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let room = |x: u16| line.right().saturating_sub(x);
    let (glyph, style) = paint::task_look(task.state, &state.theme);
    let ran = match (task.ran_ms, task.started_at) {
        (Some(ms), _) => text::took_roughly(ms),
        (None, Some(at)) if !task.state.ended() => text::age(state.now.wall, at),
        _ => String::new(),
    };
    let mut x = line.x;
    x += paint::text(buffer, x, line.y, room(x), &format!("{glyph} "), style);
    x += paint::text(buffer, x, line.y, room(x), &format!("{:<9} ", task.id.to_string()), styles.strong);
    x += paint::text(buffer, x, line.y, room(x), &format!("{:<9} ", task.state.word()), style);
    x += paint::text(buffer, x, line.y, room(x), &format!("{ran:>4}  "), styles.dim);
    let what = task.name.as_ref().map_or_else(|| text::command(&task.command), ToString::to_string);
    let said = if task.reason.is_empty() { what } else { format!("{what}: {}", text::reason(&task.reason)) };
    let said = paint::cut(&text::clean(&said), room(x), state.theme.glyphs);
    paint::text(buffer, x, line.y, room(x), &said, styles.text);
}

fn draw_events(part: &Part<'_>, area: Rect, buffer: &mut Buffer) {
    let (state, page) = (part.state, part.page);
    let inner = part.frame("events", vec![], area, buffer);
    let mut seen = page.events(&state.events).enumerate().skip(page.events_scroll.top).peekable();
    if seen.peek().is_none() {
        return paint::hollow(state, inner, buffer, "nothing is known to have happened here");
    }
    for ((row, event), y) in seen.zip(inner.y..inner.bottom()) {
        let line = Rect { y, height: 1, ..inner };
        events::event_line(state, event, line, buffer);
        let cursor = part.focused && row == page.events_scroll.cursor;
        paint::row_look(buffer, line, cursor, false, part.focused, &state.theme);
    }
}
