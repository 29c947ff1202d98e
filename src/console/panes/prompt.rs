//! The line that is typed, in the place of the footer; above it what the palette offers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};

use super::paint;
use crate::console::state::State;
use crate::console::state::layout::Layout;
use crate::console::state::prompt::{Kind, Prompt};

/// More are found by typing on.
const MOST: u16 = 12;

pub fn draw(state: &State, prompt: &Prompt, layout: &Layout, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let styles = &state.theme.styles;
    let area = layout.footer;
    Clear.render(area, buffer);
    buffer.set_style(area, styles.prompt_text);
    paint::text(buffer, area.x + 1, area.y, area.width, prompt.sign(), styles.prompt);
    let room = area.width.saturating_sub(4);
    let scroll = prompt.input.visual_scroll(room.into());
    let shown: String = prompt.input.value().chars().skip(scroll).collect();
    let taken = paint::text(buffer, area.x + 3, area.y, room, &shown, styles.prompt_text);
    let wants = paint::cut(prompt.wants(), room.saturating_sub(taken), state.theme.glyphs);
    paint::text(buffer, area.x + 3 + taken, area.y, room.saturating_sub(taken), &wants, styles.dim);
    if let Kind::Palette = prompt.kind {
        offers(state, prompt, layout.body, buffer);
    }
    let cursor = prompt.input.visual_cursor().saturating_sub(scroll);
    Some((area.x + 3 + u16::try_from(cursor).unwrap_or(room).min(room), area.y))
}

fn offers(state: &State, prompt: &Prompt, body: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    if prompt.offers.is_empty() || body.height < 3 {
        return;
    }
    let rows = u16::try_from(prompt.offers.len()).unwrap_or(MOST).min(MOST).min(body.height - 2);
    let place = Rect::new(body.x, body.bottom() - rows - 2, body.width.min(100), rows + 2);
    Clear.render(place, buffer);
    buffer.set_style(place, styles.dialog);
    let title = vec![Span::styled(" commands ", styles.title_focused)];
    let inner = paint::frame(state, title, true, place, buffer);
    let top = prompt.choice.saturating_sub(usize::from(rows) - 1);
    let names = prompt.offers.iter().map(|offer| paint::width(&offer.line)).max().unwrap_or(0).min(inner.width / 2);
    for (seen, (nth, offer)) in prompt.offers.iter().enumerate().skip(top).take(rows.into()).enumerate() {
        let line = Rect::new(inner.x, inner.y + seen as u16, inner.width, 1);
        paint::text(buffer, line.x + 1, line.y, names, &offer.line, styles.strong);
        let about = paint::cut(&offer.about, inner.width.saturating_sub(names + 14), state.theme.glyphs);
        paint::text(buffer, line.x + names + 3, line.y, inner.width.saturating_sub(names + 3), &about, styles.dim);
        if let Some(key) = &offer.key {
            let cells = paint::width(key);
            paint::text(buffer, line.right().saturating_sub(cells + 1), line.y, cells, key, styles.hint_key);
        }
        paint::row_look(buffer, line, nth == prompt.choice, false, true, &state.theme);
    }
}
