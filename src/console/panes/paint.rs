//! What all panes paint with: text that is cut in time, frames, bars.

use protocol::job::TaskState;
use protocol::node::NodeState;
use protocol::unit::{Celsius, Percent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::console::state::State;
use crate::console::theme::{Glyphs, Theme};

pub fn width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Cut to so many cells, with an ellipsis where something is missing.
pub fn cut(text: &str, cells: u16, glyphs: &Glyphs) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let room = cells.saturating_sub(1);
    let mut cut = String::new();
    for part in text.graphemes(true) {
        if width(&cut) + width(part) > room {
            break;
        }
        cut.push_str(part);
    }
    if cells > 0 {
        cut.push_str(glyphs.ellipsis);
    }
    cut
}

/// At most so many cells of text; returns how many it took. Outside of the buffer nothing is painted.
pub fn text(buffer: &mut Buffer, x: u16, y: u16, cells: u16, text: &str, style: Style) -> u16 {
    let room = cells.min(buffer.area.right().saturating_sub(x));
    if room == 0 || !(buffer.area.top()..buffer.area.bottom()).contains(&y) || x < buffer.area.left() {
        return 0;
    }
    let (end, _) = buffer.set_stringn(x, y, text, room.into(), style);
    end - x
}

/// Parts one after the other, as far as there is room; returns how many cells they took.
pub fn spans(buffer: &mut Buffer, x: u16, y: u16, cells: u16, parts: &[Span<'_>]) -> u16 {
    let mut taken = 0;
    for part in parts {
        taken += text(buffer, x.saturating_add(taken), y, cells - taken, &part.content, part.style);
    }
    taken
}

/// A border with a title, lit where the keys go; returns the area inside.
pub fn frame(state: &State, title: Vec<Span<'_>>, focused: bool, area: Rect, buffer: &mut Buffer) -> Rect {
    let styles = &state.theme.styles;
    let border = if focused { styles.border_focused } else { styles.border };
    let block = Block::bordered().border_set(state.theme.glyphs.border).border_style(border).title(Line::from(title));
    let inner = block.inner(area);
    block.render(area, buffer);
    inner
}

pub fn title(state: &State, focused: bool) -> Style {
    if focused { state.theme.styles.title_focused } else { state.theme.styles.title }
}

/// A share as a bar, to an eighth of a cell where the terminal can show it.
pub fn bar(buffer: &mut Buffer, area: Rect, share: Option<Percent>, theme: &Theme) {
    if area.is_empty() {
        return;
    }
    let Some(share) = share.map(Percent::value) else {
        text(buffer, area.x, area.y, area.width, &theme.glyphs.gap.repeat(area.width.into()), theme.styles.bar_empty);
        return;
    };
    let style = match share {
        90.0.. => theme.styles.bar_full,
        70.0.. => theme.styles.bar_warn,
        _ => theme.styles.bar,
    };
    let eighths = (share / 100.0 * f32::from(area.width) * 8.0).round() as u32;
    for cell in 0..u32::from(area.width) {
        let filled = eighths.saturating_sub(cell * 8).min(8);
        let (sign, style) = match filled {
            8 => (theme.glyphs.bar_full, style),
            0 => (theme.glyphs.bar_empty, theme.styles.bar_empty),
            part => (theme.glyphs.bar_parts[part as usize], style),
        };
        text(buffer, area.x + cell as u16, area.y, 1, sign, style);
    }
}

/// Heat in steps, so that noise does not repaint.
pub fn heat_step(temperature: Celsius) -> usize {
    const LIMITS: [f32; 6] = [40.0, 50.0, 58.0, 65.0, 72.0, 80.0];
    LIMITS.iter().take_while(|limit| temperature.value() >= **limit).count()
}

pub fn node_look(state: NodeState, theme: &Theme) -> (&'static str, Style) {
    match state {
        NodeState::Up => (theme.glyphs.up, theme.styles.up),
        NodeState::Reachable => (theme.glyphs.reachable, theme.styles.reachable),
        NodeState::Down => (theme.glyphs.down, theme.styles.down),
    }
}

pub fn task_look(state: TaskState, theme: &Theme) -> (&'static str, Style) {
    let (glyphs, styles) = (theme.glyphs, &theme.styles);
    match state {
        TaskState::Queued => (glyphs.queued, styles.queued),
        TaskState::Starting => (glyphs.starting, styles.starting),
        TaskState::Running => (glyphs.running, styles.running),
        TaskState::Succeeded => (glyphs.succeeded, styles.succeeded),
        TaskState::Failed => (glyphs.failed, styles.failed),
        TaskState::Stopped => (glyphs.stopped, styles.stopped),
        TaskState::Lost => (glyphs.lost, styles.lost),
    }
}

/// The cursor's row, and one that is marked.
pub fn row_look(buffer: &mut Buffer, area: Rect, under_cursor: bool, marked: bool, focused: bool, theme: &Theme) {
    if marked {
        buffer.set_style(area, theme.styles.marked);
    }
    if under_cursor {
        let style = if focused { theme.styles.selection } else { theme.styles.selection_idle };
        // Turned round, every colour would be a patch of its own.
        if style.add_modifier.contains(Modifier::REVERSED) {
            buffer.set_style(area, Style::reset());
        }
        buffer.set_style(area, style);
    }
}

/// Other people's words have letters that a terminal without UTF-8 cannot show.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in buffer.content.iter_mut().filter(|cell| !cell.symbol().is_ascii()) {
        let plain = match cell.symbol() {
            "“" | "”" | "„" => "\"",
            "‘" | "’" => "'",
            "–" | "—" | "·" => "-",
            "×" => "x",
            "…" => "~",
            _ => "?",
        };
        cell.set_symbol(plain);
    }
}

/// One sentence in the middle of an empty pane.
pub fn hollow(state: &State, area: Rect, buffer: &mut Buffer, sentence: &str) {
    let cut = cut(sentence, area.width.saturating_sub(2), state.theme.glyphs);
    let x = area.x + area.width.saturating_sub(width(&cut)) / 2;
    text(buffer, x, area.y + area.height / 2, area.width, &cut, state.theme.styles.dim);
}

/// How many are out of sight, on the lower border.
pub fn more(state: &State, above: usize, below: usize, area: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let said = match (above, below) {
        (0, 0) => return,
        (above, 0) => format!(" {} {above} ", glyphs.arrow_up),
        (0, below) => format!(" {} {below} ", glyphs.arrow_down),
        (above, below) => format!(" {} {above}  {} {below} ", glyphs.arrow_up, glyphs.arrow_down),
    };
    let cells = width(&said);
    if cells + 4 <= area.width && area.height > 1 {
        text(buffer, area.right() - cells - 2, area.bottom() - 1, cells, &said, styles.dim);
    }
}

/// A line across, with something to read at both ends; what is on the right goes first where there is no room.
pub fn rule(state: &State, area: Rect, left: Vec<Span<'_>>, right: Vec<Span<'_>>, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let glyph = state.theme.glyphs.horizontal;
    text(buffer, area.x, area.y, area.width, &glyph.repeat(area.width.into()), state.theme.styles.border);
    let taken = spans(buffer, area.x + 1, area.y, area.width.saturating_sub(2), &left);
    let cells = |parts: &[Span<'_>]| parts.iter().map(|part| width(&part.content)).fold(0, u16::saturating_add);
    let room = area.width.saturating_sub(taken + 3);
    // The last parts matter most.
    let first = (0..right.len()).find(|first| cells(&right[*first..]) <= room);
    if let Some(right) = first.map(|first| &right[first..]) {
        spans(buffer, area.right().saturating_sub(cells(right) + 1), area.y, area.width, right);
    }
}
