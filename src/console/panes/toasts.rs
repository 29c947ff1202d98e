//! Messages in the lower right corner.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::paint;
use crate::console::state::State;
use crate::console::state::toast::Kind;
use crate::text;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let widest = area.width.saturating_sub(2).min(100);
    let mut bottom = area.bottom();
    for toast in state.toasts.iter().rev() {
        let (sign, style) = match toast.kind {
            Kind::Plain => (glyphs.bullet, styles.toast),
            Kind::Good => (glyphs.check, styles.toast_good),
            Kind::Bad => (glyphs.cross, styles.toast_bad),
        };
        let lines = wrapped(&text::clean(&toast.text), widest.saturating_sub(4));
        let cells = lines.iter().map(|line| paint::width(line)).max().unwrap_or(0) + 4;
        let height = lines.len() as u16;
        if bottom < area.y + height || cells > widest + 4 {
            break;
        }
        bottom -= height;
        let place = Rect::new(area.right().saturating_sub(cells + 1), bottom, cells, height).intersection(area);
        Clear.render(place, buffer);
        buffer.set_style(place, style);
        for (nth, line) in lines.iter().enumerate() {
            let sign = if nth == 0 { sign } else { " " };
            paint::text(buffer, place.x, place.y + nth as u16, place.width, &format!(" {sign} {line}"), style);
        }
    }
}

/// At blanks, as far as that goes.
pub fn wrapped(text: &str, width: u16) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().map_or(0, |line| paint::width(line));
            let gap = u16::from(line > 0);
            let fits = start_of(word, width);
            if fits == word.len() && line.saturating_add(gap).saturating_add(paint::width(word)) <= width {
                if let Some(line) = lines.last_mut() {
                    line.push_str(&" ".repeat(gap.into()));
                    line.push_str(word);
                }
                break;
            }
            if line > 0 {
                lines.push(String::new());
                continue;
            }
            // Longer than a whole line.
            let (start, rest) = word.split_at(fits);
            if let Some(line) = lines.last_mut() {
                line.push_str(start);
            }
            lines.push(String::new());
            word = rest;
        }
    }
    lines
}

/// How many bytes of a word go into so many cells; one letter does in any case.
fn start_of(word: &str, width: u16) -> usize {
    let mut cells = 0;
    let mut parts = word.grapheme_indices(true);
    let over = parts.find(|(at, part)| {
        cells += part.width();
        *at > 0 && cells > width.into()
    });
    over.map_or(word.len(), |(at, _)| at)
}
