//! Which part of a log is seen. Lines that are wrapped have several rows, and it is rows that are scrolled by.

use std::ops::Range;

use unicode_width::UnicodeWidthStr;

use super::{Log, shown};
use crate::console::state::list::Move;

/// What there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct View {
    pub rows: usize,
    pub width: usize,
    pub wrap: bool,
}

/// A line, and one of the rows it is wrapped into.
type Place = (u64, usize);

impl Log {
    /// Keeps the newest line in view where it is followed, and wastes no row below it.
    pub fn settle(&mut self, view: View) {
        if view.width != self.view.width || view.wrap != self.view.wrap {
            self.row = 0;
        }
        self.view = view;
        self.look_through();
        if self.view.wrap {
            self.left = 0;
        }
        let last = self.last_place();
        let at = self.place();
        (self.top, self.row) = if self.follow { last } else { at.min(last) };
    }

    pub fn step(&mut self, by: Move, view: View) {
        self.view = view;
        let (at, page) = (self.place(), view.rows.max(1));
        let last = self.last_place();
        let to = match by {
            Move::Left => {
                self.left = self.left.saturating_sub(self.sideways());
                return;
            }
            Move::Right => {
                self.left = if view.wrap { 0 } else { (self.left + self.sideways()).min(self.most_left()) };
                return;
            }
            Move::First => (self.dropped, 0),
            Move::Last => last,
            Move::Down => self.down(at, 1),
            Move::Up => self.up(at, 1),
            // A line of the screen before is seen again.
            Move::PageDown => self.down(at, page.saturating_sub(1).max(1)),
            Move::PageUp => self.up(at, page.saturating_sub(1).max(1)),
            Move::HalfDown => self.down(at, (page / 2).max(1)),
            Move::HalfUp => self.up(at, (page / 2).max(1)),
        };
        let to = to.min(last);
        self.follow = to == last && (to > at || self.follow && to == at || by == Move::Last);
        (self.top, self.row) = to;
    }

    /// Follows from now on, or rests here.
    pub fn toggle_follow(&mut self) {
        self.follow = !self.follow;
        if self.follow {
            self.left = 0;
        }
    }

    /// Brings a line into view, if it is not.
    pub(super) fn show(&mut self, line: u64) {
        self.follow = false;
        if !self.seen().contains(&line) {
            (self.top, self.row) = self.up((line, 0), self.view.rows / 3);
        }
        if self.view.wrap {
            // Of a very long line, the row with the words.
            if let Some((text, at)) = self.first_words(line) {
                let row = text.rows(self.view.width).iter().take_while(|row| row.end <= at).count();
                let (first, end) = (self.place(), self.down(self.place(), self.view.rows));
                if !(first..end).contains(&(line, row)) {
                    (self.top, self.row) = self.up((line, row), self.view.rows / 3);
                }
            }
        } else if let Some((text, at)) = self.first_words(line) {
            let cells = text.text[..at].width();
            if !(self.left..self.left + self.view.width.max(8) - 4).contains(&cells) {
                self.left = cells.saturating_sub(self.view.width / 2);
            }
        }
    }

    fn first_words(&self, line: u64) -> Option<(shown::Shown, usize)> {
        let text = shown::Shown::whole(&self.line(line)?.bytes);
        let at = shown::find_all(&text.text, self.searched()).first()?.start;
        Some((text, at))
    }

    /// The lines of which something is seen, by their numbers.
    pub fn seen(&self) -> Range<u64> {
        let top = self.place();
        let (line, row) = self.down(top, self.view.rows);
        top.0..(line + u64::from(row > 0)).min(self.end())
    }

    /// The row of its first line that what is seen begins with.
    pub fn first_row(&self) -> usize {
        self.place().1
    }

    /// Cells that are left out on the left.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The lines that are seen, as text.
    pub fn seen_text(&self) -> Vec<String> {
        self.seen().filter_map(|line| self.text_of(line)).collect()
    }

    pub fn text_of(&self, line: u64) -> Option<String> {
        self.line(line).map(|line| shown::text(&line.bytes).into_owned())
    }

    fn place(&self) -> Place {
        if self.top < self.dropped { (self.dropped, 0) } else { (self.top.min(self.end()), self.row) }
    }

    /// The place from which the very last row is the last one seen.
    fn last_place(&self) -> Place {
        self.up((self.end(), 0), self.view.rows)
    }

    fn rows_of(&self, line: u64) -> usize {
        match self.line(line) {
            Some(line) if self.view.wrap => shown::height(&line.bytes, self.view.width),
            _ => 1,
        }
    }

    fn up(&self, (mut line, mut row): Place, mut rows: usize) -> Place {
        while rows > row {
            if line <= self.dropped {
                return (self.dropped, 0);
            }
            rows -= row + 1;
            line -= 1;
            row = self.rows_of(line) - 1;
        }
        (line, row - rows)
    }

    fn down(&self, (mut line, row): Place, rows: usize) -> Place {
        let mut rows = rows + row;
        while line < self.end() {
            let here = self.rows_of(line);
            if rows < here {
                return (line, rows);
            }
            rows -= here;
            line += 1;
        }
        (line, 0)
    }

    fn sideways(&self) -> usize {
        (self.view.width / 4).max(1)
    }

    /// The end of the longest line in view is still seen.
    fn most_left(&self) -> usize {
        let cells = |line: u64| self.line(line).map_or(0, |line| shown::text(&line.bytes).width());
        self.seen().map(cells).max().unwrap_or(0).saturating_sub(self.view.width)
    }
}
