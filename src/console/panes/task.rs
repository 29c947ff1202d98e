//! A task's page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::State;
use crate::console::state::layout::inside;
use crate::console::state::task::TaskPage;

/// Rows of the log that are seen at once.
pub fn log_rows(_page: &TaskPage, body: Rect) -> usize {
    inside(body).height.into()
}

pub fn draw(state: &State, page: &TaskPage, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let title = vec![Span::styled(format!(" task {} ", page.id), styles.title_focused)];
    let inner = paint::frame(state, title, true, area, buffer);
    for (seen, line) in page.log.lines().skip(page.log.top()).take(inner.height.into()).enumerate() {
        let said = String::from_utf8_lossy(&line.bytes);
        paint::text(buffer, inner.x, inner.y + seen as u16, inner.width, &crate::text::clean(&said), styles.text);
    }
}
