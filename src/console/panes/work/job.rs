//! A job on one line.

use protocol::api::JobView;
use protocol::job::{Counts, TaskState};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::columns::Columns;
use super::{bar, lit, paint, right};
use crate::console::state::State;
use crate::console::state::work::{only_task, title};
use crate::console::theme::Theme;
use crate::text;

pub fn draw(state: &State, job: &JobView, unfolded: bool, columns: &Columns, line: Rect, buffer: &mut Buffer) {
    let (glyphs, styles, now) = (state.theme.glyphs, &state.theme.styles, state.now.wall);
    let (glyph, style) = paint::task_look(job.state, &state.theme);
    let alone = only_task(job).is_some();
    let fold = match (alone, unfolded) {
        (true, _) => " ",
        (false, true) => glyphs.unfolded,
        (false, false) => glyphs.folded,
    };
    paint::text(buffer, line.x, line.y, line.width.min(1), fold, styles.dim);
    paint::text(buffer, line.x + 2, line.y, line.width.saturating_sub(2).min(1), glyph, style);
    let room = line.right().saturating_sub(columns.id.x);
    paint::text(buffer, columns.id.x, line.y, columns.id.cells.min(room), &job.id.0.to_string(), styles.strong);
    lit(state, buffer, columns.what.at(line.y), &title(job), styles.text);
    lit(state, buffer, columns.owner.at(line.y), &text::clean(job.owner.as_str()), styles.dim);
    if !alone {
        bar::draw(buffer, columns.bar.at(line.y), &job.counts, &state.theme);
        let wrong = job.counts.failed > 0 || job.counts.lost > 0;
        // Where there is no room for words, the numbers tell it.
        let style = if wrong && columns.note.cells == 0 { styles.failed } else { styles.text };
        let said = format!("{}/{}", job.counts.ended(), job.counts.total());
        right(buffer, columns.counts.at(line.y), &said, style);
    }
    let (note, style) = note(&job.counts, job.state, alone, &state.theme);
    paint::text(buffer, columns.note.x, line.y, columns.note.cells, &note, style);
    let ran = job.started_at.map(|start| text::took_roughly(job.ended_at.unwrap_or(now).since(start)));
    right(buffer, columns.ran.at(line.y), &ran.unwrap_or_default(), styles.text);
    right(buffer, columns.age.at(line.y), &text::age(now, job.submitted_at), styles.age);
}

/// In two words, what one should know of it: what went wrong before what goes on.
fn note(counts: &Counts, state: TaskState, alone: bool, theme: &Theme) -> (String, Style) {
    let (_, style) = paint::task_look(state, theme);
    if alone || counts.total() == 0 {
        return (state.word().into(), style);
    }
    let mut counts = *counts;
    let order = [TaskState::Lost, TaskState::Failed, TaskState::Stopped, TaskState::Running, TaskState::Starting];
    match order.into_iter().map(|state| (state, *counts.of(state))).find(|(_, count)| *count > 0) {
        Some((state, count)) => (format!("{} {}", short(count), state.word()), paint::task_look(state, theme).1),
        None => (state.word().into(), style),
    }
}

/// `27`, `12k`: never longer than three letters.
fn short(count: u32) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..1_000_000 => format!("{}k", count / 1000),
        _ => format!("{}M", count / 1_000_000),
    }
}
