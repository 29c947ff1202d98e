//! What a task prints, and the line over it that tells where in it one is.

use std::ops::Range;

use protocol::job::Stream;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::{MARGIN, Parts, paint};
use crate::console::state::State;
use crate::console::state::log::Line;
use crate::console::state::log::shown::{Shown, find_all};
use crate::console::state::task::TaskPage;

pub fn rule(state: &State, page: &TaskPage, area: Rect, buffer: &mut Buffer) {
    let (log, styles) = (&page.log, &state.theme.styles);
    let mut left = vec![Span::styled(" log ", styles.title)];
    match page.stream {
        Some(Stream::Stdout) => left.push(Span::styled("stdout alone ", styles.matched)),
        Some(Stream::Stderr) => left.push(Span::styled("stderr alone ", styles.matched)),
        None => {}
    }
    let seen = log.seen();
    let key = |action: &str| state.key_of(action).unwrap_or_else(|| format!(":{action}"));
    if log.follow && !log.ended {
        left.push(Span::styled(format!("{} following ", state.theme.glyphs.running), styles.running));
    } else if !log.follow && !log.ended {
        left.push(Span::styled(format!("at rest, {} follows ", key("follow")), styles.dim));
    }
    if !log.searched().is_empty() {
        let said = match log.matches() {
            (_, 0) => format!("/{} nowhere ", log.searched()),
            (0, all) => format!("/{} in {all} ", log.searched()),
            (nth, all) => format!("/{} {nth} of {all} ", log.searched()),
        };
        left.push(Span::styled(said, styles.matched));
    }
    if state.settings.wrap {
        left.push(Span::styled("wrapped ", styles.dim));
    }
    let mut right = vec![];
    if log.dropped() > 0 && seen.start <= log.dropped() {
        let said = format!(" older lines: bramble logs {} ", page.id.attempt(page.shown_attempt()));
        right.push(Span::styled(said, styles.dim));
    }
    if !log.is_empty() {
        let all = log.dropped() + log.len() as u64;
        let column =
            if log.left() > 0 { format!("column {}, ", grouped(log.left() as u64 + 1)) } else { String::new() };
        let said = format!(" {column}{}–{} of {} ", grouped(seen.start + 1), grouped(seen.end), grouped(all));
        right.push(Span::styled(said, styles.dim));
    }
    paint::rule(state, area, left, right, buffer);
}

pub fn draw(state: &State, page: &TaskPage, parts: &Parts, buffer: &mut Buffer) {
    let (log, area) = (&page.log, parts.log);
    if log.is_empty() {
        let said = match (page.task.as_ref(), page.stream) {
            (Some(task), _) if task.attempt == 0 && task.state.ended() => "it never started, so it printed nothing",
            (Some(task), _) if task.attempt == 0 => "it has not started yet",
            (_, Some(_)) => "nothing on this output",
            _ if log.ended => "it printed nothing",
            _ => "nothing printed yet",
        };
        return paint::hollow(state, area, buffer, said);
    }
    let seen = log.seen();
    let (mut y, mut skip) = (area.y, log.first_row());
    for (no, line) in seen.filter_map(|no| Some((no, log.line(no)?))) {
        let (sign, sign_style, style) = look(state, line, log.current_match() == Some(no));
        let cells = if parts.view.wrap { usize::MAX } else { log.left() + parts.view.width + 1 };
        let shown = Shown::of(&line.bytes, cells);
        let found = find_all(&shown.text, log.searched());
        let rest = shown.cells_from(log.left())..shown.text.len();
        let rows = if parts.view.wrap { shown.rows(parts.view.width) } else { Vec::from([rest]) };
        for row in rows.into_iter().skip(std::mem::take(&mut skip)) {
            if y >= area.bottom() {
                return;
            }
            paint::text(buffer, area.x, y, 1, sign, sign_style);
            let place = Rect::new(area.x + MARGIN, y, area.width.saturating_sub(MARGIN), 1);
            draw_row(state, &shown, row, &found, style, place, buffer);
            y += 1;
        }
    }
}

/// Its sign, the sign's style, and the style of what has none of its own.
fn look(state: &State, line: &Line, current: bool) -> (&'static str, Style, Style) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let (sign, style) = match line.stream {
        Some(Stream::Stdout) => (" ", styles.text),
        Some(Stream::Stderr) => (glyphs.marked, styles.stderr),
        None => (glyphs.bullet, styles.age),
    };
    if current { (glyphs.arrow_right, styles.matched, style) } else { (sign, style, style) }
}

fn draw_row(
    state: &State,
    shown: &Shown,
    row: Range<usize>,
    found: &[Range<usize>],
    base: Style,
    place: Rect,
    buffer: &mut Buffer,
) {
    let (mut at, mut x) = (row.start, place.x);
    if place.is_empty() {
        return;
    }
    while at < row.end && x < place.right() {
        let (style, next) = shown.style_at(at);
        let mut style = base.patch(state.theme.depth.adapt(style));
        let mut end = next.min(row.end);
        match found.get(found.partition_point(|words| words.end <= at)) {
            Some(words) if words.start <= at => {
                style = style.patch(state.theme.styles.matched);
                end = end.min(words.end);
            }
            Some(words) => end = end.min(words.start),
            None => {}
        }
        x += paint::text(buffer, x, place.y, place.right() - x, &shown.text[at..end], style);
        at = end;
    }
    if !state.settings.wrap && paint::width(&shown.text[row]) > place.width {
        let last = place.right().saturating_sub(1);
        paint::text(buffer, last, place.y, 1, state.theme.glyphs.ellipsis, state.theme.styles.dim);
    }
}

/// `50000` as `50,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}
