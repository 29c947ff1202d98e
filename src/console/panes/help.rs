//! The help, made from the table of actions and the keymap in force.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use ratatui::widgets::{Clear, Widget};

use super::paint;
use crate::console::state::State;
use crate::console::state::help::{Entry, Help};

const KEYS: u16 = 16;
const NAME: u16 = 16;

enum Line<'a> {
    Title(&'static str),
    Entry(usize, &'a Entry),
}

pub fn draw(state: &State, help: &Help, area: Rect, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let styles = &state.theme.styles;
    let width = area.width.saturating_sub(4).min(122);
    let height = area.height.saturating_sub(2);
    let place = Rect::new(area.x + (area.width - width) / 2, area.y + 1, width, height).intersection(area);
    Clear.render(place, buffer);
    buffer.set_style(place, styles.dialog);
    let inner = paint::frame(state, vec![Span::styled(" help ", styles.title_focused)], true, place, buffer);
    if inner.height < 3 {
        return None;
    }
    let text = help.input.value();
    let entries = state.help_entries(text);
    paint::text(buffer, inner.x + 1, inner.y, inner.width, "/", styles.prompt);
    let taken = paint::text(buffer, inner.x + 3, inner.y, inner.width.saturating_sub(4), text, styles.prompt_text);
    if text.is_empty() {
        let said = "type words or a key; Enter runs the row";
        paint::text(buffer, inner.x + 3, inner.y, inner.width.saturating_sub(4), said, styles.dim);
    }
    let list = Rect { y: inner.y + 2, height: inner.height - 2, ..inner };
    let lines = lines(&entries);
    if lines.is_empty() {
        paint::hollow(state, list, buffer, "no action has these words");
    }
    let lit =
        lines.iter().position(|line| matches!(line, Line::Entry(nth, _) if *nth == help.scroll.cursor)).unwrap_or(0);
    let top = lit.saturating_sub(usize::from(list.height) * 2 / 3).min(lines.len().saturating_sub(list.height.into()));
    paint::more(state, top, lines.len().saturating_sub(top + usize::from(list.height)), place, buffer);
    for (seen, line) in lines.iter().skip(top).take(list.height.into()).enumerate() {
        let row = Rect::new(list.x, list.y + seen as u16, list.width, 1);
        match line {
            Line::Title(title) => {
                paint::text(buffer, row.x + 1, row.y, row.width, title, styles.strong);
            }
            Line::Entry(nth, entry) => {
                let keys = entry.keys.join(" ");
                let keys = if keys.is_empty() { format!(":{}", entry.action.name) } else { keys };
                let room = row.width.saturating_sub(2);
                paint::text(buffer, row.x + 2, row.y, KEYS.min(room), &keys, styles.hint_key);
                let x = row.x + 2 + KEYS + 1;
                paint::text(buffer, x, row.y, row.right().saturating_sub(x).min(NAME), entry.action.name, styles.text);
                let x = x + NAME + 1;
                let said = paint::cut(entry.action.sentence, row.right().saturating_sub(x + 1), state.theme.glyphs);
                paint::text(buffer, x, row.y, row.right().saturating_sub(x), &said, styles.dim);
                paint::row_look(buffer, row, *nth == help.scroll.cursor, false, true, &state.theme);
            }
        }
    }
    Some((inner.x + 3 + taken.min(inner.width.saturating_sub(4)), inner.y))
}

fn lines(entries: &[Entry]) -> Vec<Line<'_>> {
    let mut lines = vec![];
    let mut layer = None;
    for (nth, entry) in entries.iter().enumerate() {
        if layer != Some(entry.layer) {
            layer = Some(entry.layer);
            lines.push(Line::Title(entry.layer.title()));
        }
        lines.push(Line::Entry(nth, entry));
    }
    lines
}
