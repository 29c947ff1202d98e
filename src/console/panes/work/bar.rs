//! How far a job is, in parts: what went well, what went wrong, what goes on, what waits.

use protocol::job::Counts;
use ratatui::buffer::Buffer;

use super::paint;
use crate::console::theme::Theme;

pub fn draw(buffer: &mut Buffer, (x, y, cells): (u16, u16, u16), counts: &Counts, theme: &Theme) {
    let (glyphs, styles) = (theme.glyphs, &theme.styles);
    let looks = [
        (glyphs.bar_full, styles.bar),
        (glyphs.bar_bad, styles.failed),
        (glyphs.bar_bad, styles.stopped),
        (glyphs.bar_live, styles.running),
        (glyphs.bar_empty, styles.bar_empty),
    ];
    let mut at = x;
    for ((glyph, style), part) in looks.into_iter().zip(parts(counts, cells)) {
        at += paint::text(buffer, at, y, part, &glyph.repeat(part.into()), style);
    }
}

/// Cells for each part. Whatever there is has one at least, as long as there are enough: one failed task of a
/// thousand is seen, and a bar is full only when all has ended.
fn parts(counts: &Counts, cells: u16) -> [u16; 5] {
    let tasks = [
        u64::from(counts.succeeded),
        u64::from(counts.failed) + u64::from(counts.lost),
        u64::from(counts.stopped),
        u64::from(counts.running) + u64::from(counts.starting),
        u64::from(counts.queued),
    ];
    let (total, cells) = (tasks.iter().sum::<u64>(), u64::from(cells));
    if total == 0 {
        return [0, 0, 0, 0, cells as u16];
    }
    let mut parts = tasks.map(|part| if part == 0 { 0 } else { (part * cells / total).max(1) });
    while parts.iter().sum::<u64>() != cells {
        let more = parts.iter().sum::<u64>() < cells;
        // The part that is the furthest from its share gives, or takes.
        let error = |at: usize| (tasks[at] * cells) as i128 - (parts[at] * total) as i128;
        let those = (0..parts.len()).filter(|at| if more { tasks[*at] > 0 } else { parts[*at] > 0 });
        let chosen =
            if more { those.max_by_key(|at| error(*at)) } else { those.min_by_key(|at| (parts[*at] == 1, error(*at))) };
        let Some(at) = chosen else { break };
        parts[at] = if more { parts[at] + 1 } else { parts[at] - 1 };
    }
    parts.map(|part| part as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(succeeded: u32, failed: u32, running: u32, queued: u32) -> Counts {
        Counts { succeeded, failed, running, queued, ..Default::default() }
    }

    #[test]
    fn every_part_is_seen_and_together_they_fill_the_bar() {
        assert_eq!(parts(&counts(50, 0, 0, 50), 10), [5, 0, 0, 0, 5]);
        assert_eq!(parts(&counts(9_999, 1, 0, 0), 10), [9, 1, 0, 0, 0]);
        assert_eq!(parts(&counts(99_999, 0, 0, 1), 10), [9, 0, 0, 0, 1], "not full before the end");
        assert_eq!(parts(&counts(0, 0, 0, 0), 8), [0, 0, 0, 0, 8]);
        let huge = Counts { succeeded: u32::MAX, queued: u32::MAX, ..Default::default() };
        assert_eq!(parts(&huge, 8), [4, 0, 0, 0, 4]);
        for cells in 0..20 {
            for tasks in [[1, 1, 1, 1], [7, 0, 2, 90], [1000, 3, 0, 1], [0, 0, 0, 1]] {
                let [succeeded, failed, running, queued] = tasks;
                let parts = parts(&counts(succeeded, failed, running, queued), cells);
                assert_eq!(parts.iter().sum::<u16>(), cells, "{tasks:?} in {cells}");
            }
        }
    }
}
