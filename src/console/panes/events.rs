//! The events, the newest on top.

use protocol::event::{Event, What};
use protocol::job::TaskState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::paint;
use crate::console::state::{Pane, State};
use crate::text;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let focused = state.focus == Pane::Events && state.overlay.is_none();
    let mut title = vec![Span::styled(" events ", paint::title(state, focused))];
    if !state.events.filter.is_empty() {
        title.push(Span::styled(format!("/{} ", state.events.filter), state.theme.styles.matched));
    }
    let inner = paint::frame(state, title, focused, area, buffer);
    if state.events.is_empty() {
        let filter = &state.events.filter;
        let why = if filter.is_empty() { "nothing has happened yet".into() } else { filter.nothing::<Event>("event") };
        return paint::hollow(state, inner, buffer, &why);
    }
    for seen in 0..inner.height {
        let row = state.events.scroll.top + usize::from(seen);
        let Some(event) = state.events.get(row) else { break };
        let line = Rect { y: inner.y + seen, height: 1, ..inner };
        event_line(state, event, line, buffer);
        paint::row_look(buffer, line, focused && row == state.events.scroll.cursor, false, focused, &state.theme);
    }
}

/// One event on one line, also on a node's page.
pub fn event_line(state: &State, event: &Event, area: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let (glyph, style) = look(state, &event.what);
    let mut x = area.x;
    let right = area.right();
    x += paint::text(buffer, x, area.y, right.saturating_sub(x), &text::clock(event.at, &state.zone), styles.dim) + 1;
    x += paint::text(buffer, x, area.y, right.saturating_sub(x), glyph, style) + 1;
    let by = event.person.as_ref().map(|person| format!(" {} {person}", glyphs.dot)).unwrap_or_default();
    let said = format!("{}{by}", text::reason(&event.what.sentence()));
    let cut = paint::cut(&text::clean(&said), right.saturating_sub(x), glyphs);
    paint::text(buffer, x, area.y, right.saturating_sub(x), &cut, styles.text);
}

fn look(state: &State, what: &What) -> (&'static str, Style) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    match what {
        What::TaskEnded { state: ended, .. } | What::LateResult { state: ended, .. } => {
            paint::task_look(*ended, &state.theme)
        }
        What::TaskStarted { .. } => paint::task_look(TaskState::Running, &state.theme),
        What::JobSubmitted { .. } | What::TaskRetried { .. } => paint::task_look(TaskState::Queued, &state.theme),
        What::TaskRequeued { .. } => paint::task_look(TaskState::Lost, &state.theme),
        What::NodeUp { .. } | What::NodeJoined { .. } | What::NodeUndrained { .. } => (glyphs.up, styles.up),
        What::NodeDown { .. } => (glyphs.down, styles.down),
        What::NodeDraining { .. } => (glyphs.draining, styles.draining),
        What::OrderRefused { .. } | What::ReportRefused { .. } | What::JoinRefused { .. } => (glyphs.flag, styles.flag),
        _ => (glyphs.bullet, styles.dim),
    }
}
