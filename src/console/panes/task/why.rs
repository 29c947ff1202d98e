//! Why a task waits: a sentence for the whole, and one for every node.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::panes::toasts::wrapped;
use crate::console::state::State;
use crate::console::state::task::TaskPage;
use crate::text;

/// Lines it fills, where the sentence fits into one.
pub fn height(page: &TaskPage) -> u16 {
    page.why.as_ref().map_or(0, |why| u16::try_from(why.nodes.len() + 1).unwrap_or(u16::MAX))
}

pub fn draw(state: &State, page: &TaskPage, area: Rect, buffer: &mut Buffer) {
    let Some(why) = &page.why else { return };
    let styles = &state.theme.styles;
    let width = area.width.saturating_sub(2);
    let summary = text::clean(&text::reason(&why.summary)).into_owned();
    let mut lines: Vec<Vec<Span<'_>>> =
        wrapped(&summary, width).into_iter().map(|line| vec![Span::styled(line, styles.strong)]).collect();
    let longest = why.nodes.iter().map(|node| node.node.as_str().len()).max().unwrap_or(0);
    lines.extend(why.nodes.iter().map(|node| {
        let reason = text::clean(&node.reason).into_owned();
        let room = width.saturating_sub(longest as u16 + 4);
        vec![
            Span::styled(format!("  {:<longest$}  ", node.node.as_str()), styles.text),
            Span::styled(paint::cut(&reason, room, state.theme.glyphs), styles.dim),
        ]
    }));
    let page_of = usize::from(area.height);
    let (top, count) = (page.why_top, lines.len());
    for (line, y) in lines.iter().skip(top).zip(area.top()..area.bottom()) {
        paint::spans(buffer, area.x + 1, y, width, line);
    }
    if top + page_of < count && area.height > 0 {
        let left = count + 1 - top - page_of;
        let said = format!("  {} {}", state.theme.glyphs.ellipsis, text::count(left as u64, "more node"));
        let last = Rect { y: area.bottom() - 1, height: 1, ..area };
        paint::text(buffer, last.x + 1, last.y, width, &" ".repeat(width.into()), styles.text);
        paint::text(buffer, last.x + 1, last.y, width, &said, styles.dim);
    }
}
