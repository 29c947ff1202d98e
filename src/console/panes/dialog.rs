//! A dialog: one look for all of them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};

use super::paint;
use super::toasts::wrapped;
use crate::console::state::State;
use crate::console::state::dialog::Dialog;
use crate::text;

pub fn draw(state: &State, dialog: &Dialog, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let width = area.width.saturating_sub(4).min(72);
    let mut lines: Vec<String> = vec![];
    for paragraph in &dialog.text {
        lines.extend(wrapped(&text::clean(paragraph), width.saturating_sub(6)));
        lines.push(String::new());
    }
    let inside = width.saturating_sub(6);
    lines.extend(dialog.list.iter().map(|line| paint::cut(&text::clean(line), inside, state.theme.glyphs)));
    if !dialog.list.is_empty() {
        lines.push(String::new());
    }
    let height = (u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4)).min(area.height);
    let place = Rect::new(
        area.x + area.width.saturating_sub(width) / 2,
        area.y + area.height.saturating_sub(height) / 2,
        width,
        height,
    );
    Clear.render(place, buffer);
    buffer.set_style(place, styles.dialog);
    let look = if dialog.danger { styles.dialog_danger } else { styles.title_focused };
    let title = paint::cut(&text::clean(&dialog.title), width.saturating_sub(4), state.theme.glyphs);
    let inner = paint::frame(state, vec![Span::styled(format!(" {title} "), look)], true, place, buffer);
    for (nth, line) in lines.iter().take(inner.height.saturating_sub(2).into()).enumerate() {
        paint::text(buffer, inner.x + 2, inner.y + 1 + nth as u16, inner.width.saturating_sub(3), line, styles.dialog);
    }
    let cells: u16 = dialog.buttons.iter().map(|button| paint::width(&button.label) + 6).sum();
    let mut x = inner.right().saturating_sub(cells);
    for (nth, button) in dialog.buttons.iter().enumerate() {
        let style = if nth == dialog.focus { styles.button_focused } else { styles.button };
        // Seen without colour as well.
        let label = if nth == dialog.focus { format!("[ {} ]", button.label) } else { format!("  {}  ", button.label) };
        x += paint::text(buffer, x, inner.bottom().saturating_sub(1), inner.right().saturating_sub(x), &label, style)
            + 2;
    }
}
