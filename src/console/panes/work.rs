//! The work: jobs, and the tasks they unfold into.

mod bar;
mod columns;
mod job;
mod task;
#[cfg(test)]
mod tests;

use protocol::api::JobView;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::paint;
use crate::console::state::log::shown::find_all;
use crate::console::state::work::{Row, WorkColumn};
use crate::console::state::{Pane, State};
use crate::text;

use columns::Columns;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let focused = state.focus == Pane::Work && state.overlay.is_none();
    let work = &state.work;
    let inner = paint::frame(state, title(state, focused), focused, area, buffer);
    if work.is_empty() {
        return paint::hollow(state, inner, buffer, &nothing(state));
    }
    let columns = Columns::of(work, inner);
    columns.draw_heading(state, Rect { height: inner.height.min(1), ..inner }, buffer);
    for seen in 0..inner.height.saturating_sub(1) {
        let at = work.scroll.top + usize::from(seen);
        let Some(row) = work.get(&state.picture.jobs, at) else { break };
        let line = Rect { y: inner.y + 1 + seen, height: 1, ..inner };
        match &row {
            Row::Job { job, unfolded } => job::draw(state, job, *unfolded, &columns, line, buffer),
            Row::Task { job, id, task } => task::draw(state, job.is_some(), *id, *task, &columns, line, buffer),
        }
        let marked = row.target().is_some_and(|target| work.marks.contains(&target));
        if marked {
            paint::text(buffer, line.x + 1, line.y, 1, state.theme.glyphs.marked, state.theme.styles.marked);
        }
        paint::row_look(buffer, line, at == work.scroll.cursor && focused, marked, focused, &state.theme);
    }
    older(state, area, buffer);
}

fn title(state: &State, focused: bool) -> Vec<Span<'static>> {
    let (work, glyphs, styles) = (&state.work, state.theme.glyphs, &state.theme.styles);
    let said = match work.nodes() {
        Some(nodes) if !nodes.is_empty() => format!(" tasks on {} ", crate::console::actions::listed(&nodes)),
        Some(_) => " tasks on no node ".into(),
        None => format!(" work {} ", work.jobs()),
    };
    let mut parts = vec![Span::styled(said, paint::title(state, focused))];
    if work.active {
        parts.push(Span::styled("active ", styles.dim));
    }
    if !work.filter.is_empty() {
        parts.push(Span::styled(format!("/{} ", text::clean(work.filter.text())), styles.matched));
    }
    if (work.sort != WorkColumn::Newest || work.reverse) && work.nodes().is_none() {
        let arrow = if work.reverse { glyphs.arrow_up } else { glyphs.arrow_down };
        parts.push(Span::styled(format!("{} {arrow} ", work.sort.word()), styles.dim));
    }
    if !work.marks.is_empty() {
        parts.push(Span::styled(format!("{} marked ", work.marks.len()), styles.marked));
    }
    parts
}

/// Why there is nothing to see.
fn nothing(state: &State) -> String {
    let work = &state.work;
    match work.nodes() {
        Some(nodes) if nodes.is_empty() => "no worker is called so, or no work has these words".into(),
        Some(nodes) => format!("no such task on {}", crate::console::actions::listed(&nodes)),
        None if !work.filter.is_empty() => work.filter.nothing::<JobView>("job"),
        None if work.active && !state.picture.jobs.is_empty() => "all has ended; active shows it again".into(),
        None => "no jobs; try :run hostname".into(),
    }
}

/// At the list's end: what the manager knows beyond what it tells a screen.
fn older(state: &State, area: Rect, buffer: &mut Buffer) {
    let work = &state.work;
    let page = usize::from(area.height.saturating_sub(3));
    if work.nodes().is_some() || work.scroll.top + page < work.len() {
        return;
    }
    let shown: u64 = state.picture.jobs.iter().map(|job| u64::from(job.counts.total())).sum();
    let beyond = u64::from(state.picture.work.total()).saturating_sub(shown);
    if beyond > 0 {
        let said = format!(" {} of older jobs: bramble job ", text::count(beyond, "task"));
        let cut = paint::cut(&said, area.width.saturating_sub(4), state.theme.glyphs);
        paint::text(buffer, area.x + 2, area.bottom().saturating_sub(1), area.width, &cut, state.theme.styles.dim);
    }
}

/// Text with the words of the filter lit.
fn lit(state: &State, buffer: &mut Buffer, (x, y, cells): (u16, u16, u16), said: &str, style: Style) {
    let said = paint::cut(said, cells, state.theme.glyphs);
    paint::text(buffer, x, y, cells, &said, style);
    for word in state.work.filter.words() {
        for found in find_all(&said, word) {
            let before = paint::width(&said[..found.start]);
            let lit = style.patch(state.theme.styles.matched);
            paint::text(buffer, x + before, y, cells.saturating_sub(before), &said[found], lit);
        }
    }
}

/// At the right end of its column.
fn right(buffer: &mut Buffer, (x, y, cells): (u16, u16, u16), said: &str, style: Style) {
    let blank = cells.saturating_sub(paint::width(said));
    paint::text(buffer, x + blank, y, cells - blank, said, style);
}
