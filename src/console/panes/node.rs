//! A node's page.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::State;
use crate::console::state::layout::inside;
use crate::console::state::node::NodePage;

/// Rows of its tasks that are seen at once.
pub fn task_rows(body: Rect) -> usize {
    inside(body).height.into()
}

pub fn draw(state: &State, page: &NodePage, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let title = vec![Span::styled(format!(" {} ", page.name), styles.title_focused)];
    let inner = paint::frame(state, title, true, area, buffer);
    for seen in 0..inner.height {
        let row = page.scroll.top + usize::from(seen);
        let Some(task) = page.tasks.get(row) else { break };
        let line = Rect { y: inner.y + seen, height: 1, ..inner };
        let said = format!("{} {} {}", task.id, task.state, task.reason);
        paint::text(buffer, line.x, line.y, line.width, &said, styles.text);
        paint::row_look(buffer, line, row == page.scroll.cursor, false, true, &state.theme);
    }
}
