//! The work: jobs, and the tasks they unfold into.

use protocol::unit::Percent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::work::{Row, WorkColumn, title};
use crate::console::state::{Pane, State};
use crate::text;

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let focused = state.focus == Pane::Work && state.overlay.is_none();
    let (work, glyphs, styles) = (&state.work, state.theme.glyphs, &state.theme.styles);
    let mut heading = vec![Span::styled(format!(" work {} ", work.jobs()), paint::title(state, focused))];
    if work.active {
        heading.push(Span::styled("active ", styles.dim));
    }
    if !work.filter.is_empty() {
        heading.push(Span::styled(format!("/{} ", work.filter), styles.matched));
    }
    if work.sort != WorkColumn::Newest || work.reverse {
        let arrow = if work.reverse { glyphs.arrow_up } else { glyphs.arrow_down };
        heading.push(Span::styled(format!("{} {arrow} ", work.sort.word()), styles.dim));
    }
    if !work.marks.is_empty() {
        heading.push(Span::styled(format!("{} marked ", work.marks.len()), styles.marked));
    }
    let inner = paint::frame(state, heading, focused, area, buffer);
    if work.is_empty() {
        let why = if work.filter.is_empty() { "no jobs; try :run hostname" } else { "no job has these words" };
        return paint::hollow(state, inner, buffer, why);
    }
    paint::text(buffer, inner.x + 2, inner.y, inner.width, "job   what", styles.dim);
    for seen in 0..inner.height.saturating_sub(1) {
        let at = work.scroll.top + usize::from(seen);
        let Some(row) = work.get(&state.picture.jobs, at) else { break };
        let line = Rect { y: inner.y + 1 + seen, height: 1, ..inner };
        draw_row(state, &row, line, buffer);
        let marked = row.target().is_some_and(|target| work.marks.contains(&target));
        paint::row_look(buffer, line, at == work.scroll.cursor && focused, marked, focused, &state.theme);
    }
}

fn draw_row(state: &State, row: &Row<'_>, line: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let room = |x: u16| line.right().saturating_sub(x);
    match row {
        Row::Job { job, unfolded } => {
            let (glyph, style) = paint::task_look(job.state, &state.theme);
            let fold = if *unfolded { glyphs.unfolded } else { glyphs.folded };
            let mut x = line.x;
            x += paint::text(buffer, x, line.y, room(x), &format!("{fold} "), styles.dim);
            x += paint::text(buffer, x, line.y, room(x), &format!("{glyph} "), style);
            x += paint::text(buffer, x, line.y, room(x), &format!("{:<5}", job.id.0), styles.strong);
            let wide = room(x).saturating_sub(24);
            paint::text(buffer, x, line.y, wide, &paint::cut(&title(job), wide, glyphs), styles.text);
            x = line.right().saturating_sub(23);
            let done = Percent::of(job.counts.ended().into(), job.counts.total().into());
            paint::bar(buffer, Rect::new(x, line.y, 8, 1).intersection(line), done, &state.theme);
            let said = format!("{}/{}", job.counts.ended(), job.counts.total());
            paint::text(buffer, x + 9, line.y, 9, &said, styles.text);
            paint::text(buffer, x + 19, line.y, 4, &text::age(state.now.wall, job.submitted_at), styles.dim);
        }
        Row::Task { job, nth, task } => {
            let Some(task) = task else {
                paint::text(buffer, line.x + 4, line.y, room(line.x + 4), &format!("{}.{nth} …", job.id.0), styles.dim);
                return;
            };
            let (glyph, style) = paint::task_look(task.state, &state.theme);
            let mut x = line.x + 4;
            x += paint::text(buffer, x, line.y, room(x), &format!("{glyph} "), style);
            x += paint::text(
                buffer,
                x,
                line.y,
                room(x),
                &format!("{:<8} {:<9} ", task.id.to_string(), task.state.word()),
                styles.text,
            );
            let node = task.node.as_ref().map_or("", |node| node.as_str());
            x += paint::text(buffer, x, line.y, room(x), &format!("{node:<10} "), styles.text);
            paint::text(buffer, x, line.y, room(x), &text::clean(&task.reason), styles.dim);
        }
    }
}
