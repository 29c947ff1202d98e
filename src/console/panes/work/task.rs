//! A task on one line: below its job, or in the list of a node.

use protocol::api::TaskView;
use protocol::id::TaskId;
use protocol::job::TaskState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::columns::{Columns, SIGNS, TIME};
use super::{lit, paint, right};
use crate::console::state::State;
use crate::text;

/// The longest word of a state.
const STATE: u16 = 9;
const NODE: u16 = 10;
/// Less of a reason says nothing.
const LEAST_REASON: u16 = 8;

pub fn draw(
    state: &State,
    below: bool,
    id: Option<TaskId>,
    task: Option<&TaskView>,
    columns: &Columns,
    line: Rect,
    buffer: &mut Buffer,
) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let end = line.right();
    let mut x = line.x + if below { SIGNS } else { SIGNS - 2 };
    let Some(task) = task else {
        let said = id.map_or_else(|| glyphs.ellipsis.to_owned(), |id| format!("{id} {}", glyphs.ellipsis));
        paint::text(buffer, x + 2, line.y, end.saturating_sub(x + 2), &said, styles.dim);
        return;
    };
    let (glyph, style) = paint::task_look(task.state, &state.theme);
    paint::text(buffer, x, line.y, end.saturating_sub(x).min(1), glyph, style);
    x += 2;
    // The time stands where that of jobs does, or in the last column.
    let time = if columns.ran.cells > 0 { columns.ran.at(line.y) } else { (end.saturating_sub(TIME), line.y, TIME) };
    let until = time.0.saturating_sub(1);
    let mut column = |said: &str, cells: u16, style, buffer: &mut Buffer| {
        let taken = paint::text(buffer, x, line.y, until.saturating_sub(x), said, style);
        x += taken.max(cells) + 1;
    };
    let digits = state.work.widths.counts / 2;
    column(&task.id.to_string(), state.work.widths.id + 1 + digits, styles.text, buffer);
    let (word, word_style) = if task.stopping { ("stopping", styles.stopped) } else { (task.state.word(), style) };
    column(word, STATE, word_style, buffer);
    column(task.node.as_ref().map_or("", |node| node.as_str()), NODE, styles.text, buffer);
    if task.attempt > 1 {
        column(&format!("#{}", task.attempt), 2, styles.lost, buffer);
    }
    let room = until.saturating_sub(x);
    let mut said = text::clean(&text::reason(&task.reason)).into_owned();
    if !below && (said.is_empty() || task.state == TaskState::Succeeded) {
        said =
            task.name.as_ref().map_or_else(|| text::command(&task.command), |name| text::clean(name.as_str()).into());
    }
    if room >= LEAST_REASON || paint::width(&said) <= room {
        lit(state, buffer, (x, line.y, room), &said, styles.dim);
    }
    let ran = match (task.ran_ms, task.started_at) {
        (Some(ms), _) => Some(text::took_roughly(ms)),
        (None, Some(start)) if !task.state.ended() => Some(text::took_roughly(state.now.wall.since(start))),
        _ => None,
    };
    right(buffer, time, &ran.unwrap_or_default(), styles.text);
}
