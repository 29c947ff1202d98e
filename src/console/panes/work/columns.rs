//! Where the columns are: the narrower the pane, the fewer there are.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use crate::console::state::State;
use crate::console::state::work::{Work, WorkColumn};

/// Where a column begins, and how wide it is: no cells where there is no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Column {
    pub x: u16,
    pub cells: u16,
}

impl Column {
    pub fn at(self, y: u16) -> (u16, u16, u16) {
        (self.x, y, self.cells)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Columns {
    pub id: Column,
    pub what: Column,
    pub owner: Column,
    pub bar: Column,
    pub counts: Column,
    /// What stands out among the tasks: `2 failed`.
    pub note: Column,
    pub ran: Column,
    pub age: Column,
}

/// The signs of folding and of the state.
pub const SIGNS: u16 = 4;
pub const TIME: u16 = 4;
const NOTE: u16 = 10;

impl Columns {
    pub fn of(work: &Work, area: Rect) -> Columns {
        let (widths, wide) = (work.widths, area.width);
        let from = |least: u16, cells: u16| if wide >= least { cells } else { 0 };
        let bar = match wide {
            ..56 => 0,
            56..84 => 8,
            84..120 => 10,
            _ => 16,
        };
        // From the right end on, with a blank between them.
        let mut end = area.right();
        let mut take = |cells: u16| {
            let x = end.saturating_sub(cells).max(area.x);
            if cells > 0 {
                end = x.saturating_sub(1);
            }
            Column { x, cells }
        };
        let age = take(from(34, TIME));
        let ran = take(from(72, TIME));
        let note = take(from(64, NOTE));
        let counts = take(from(28, widths.counts));
        let bar = take(bar);
        let owner = take(from(84, widths.owner));
        let id = Column { x: area.x + SIGNS, cells: widths.id };
        let what = id.x + id.cells + 1;
        let what = Column { x: what, cells: end.saturating_sub(what) };
        Columns { id, what, owner, bar, counts, note, ran, age }
    }

    pub fn draw_heading(&self, state: &State, line: Rect, buffer: &mut Buffer) {
        if line.is_empty() {
            return;
        }
        let (styles, glyphs, work) = (&state.theme.styles, state.theme.glyphs, &state.work);
        let tasks = work.nodes().is_some();
        let headings = [
            (self.id, if tasks { "task" } else { "job" }, Some(WorkColumn::Newest), false),
            (self.what, "what", Some(WorkColumn::Name), false),
            (self.owner, "owner", Some(WorkColumn::Owner), false),
            (self.bar, "done", Some(WorkColumn::Done), false),
            (self.counts, "tasks", Some(WorkColumn::Size), true),
            (self.note, "state", Some(WorkColumn::State), false),
            (self.ran, "ran", None, true),
            (self.age, "age", None, true),
        ];
        for (column, word, sorts, at_right) in headings {
            if column.cells == 0 || tasks && matches!(word, "owner" | "done" | "tasks" | "state" | "what" | "age") {
                continue;
            }
            let sorted = sorts == Some(work.sort) && !tasks;
            let arrow = if work.reverse { glyphs.arrow_up } else { glyphs.arrow_down };
            let mark = if sorted { arrow } else { "" };
            let style = if sorted { styles.strong } else { styles.dim };
            let said = format!("{word}{mark}");
            let (x, y, cells) = column.at(line.y);
            if at_right {
                super::right(buffer, (x, y, cells), &said, style);
            } else {
                paint::text(buffer, x, y, cells.max(paint::width(&said)), &said, style);
            }
        }
    }
}
