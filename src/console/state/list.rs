//! A cursor in a list, and the part of the list that is seen.

/// The moves of lists and grids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Down,
    Up,
    Left,
    Right,
    First,
    Last,
    PageDown,
    PageUp,
    HalfDown,
    HalfUp,
}

/// Rows of `columns` items each; a plain list has one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scroll {
    pub cursor: usize,
    /// The first row that is seen.
    pub top: usize,
}

impl Scroll {
    /// Moves the cursor among so many items; `page` is the number of rows seen at once.
    pub fn step(&mut self, by: Move, items: usize, columns: usize, page: usize) {
        let columns = columns.max(1);
        let last = items.saturating_sub(1);
        let rows = |n: usize| n.max(1) * columns;
        let at = self.cursor.min(last);
        self.cursor = match by {
            Move::Down if at + columns <= last => at + columns,
            // A last row that is shorter is reached all the same.
            Move::Down if at / columns < last / columns => last,
            Move::Down => at,
            Move::Up => at.checked_sub(columns).unwrap_or(at),
            Move::Left => at.saturating_sub(usize::from(columns > 1)),
            Move::Right => at + usize::from(columns > 1),
            Move::First => 0,
            Move::Last => last,
            Move::PageDown => at + rows(page),
            Move::PageUp => at.saturating_sub(rows(page)),
            Move::HalfDown => at + rows(page / 2),
            Move::HalfUp => at.saturating_sub(rows(page / 2)),
        }
        .min(last);
    }

    /// The cursor is seen, and no row is wasted below the last one.
    pub fn settle(&mut self, items: usize, columns: usize, page: usize) {
        let columns = columns.max(1);
        self.cursor = self.cursor.min(items.saturating_sub(1));
        let (row, rows) = (self.cursor / columns, items.div_ceil(columns));
        if row < self.top {
            self.top = row;
        } else if row >= self.top + page {
            self.top = (row + 1).saturating_sub(page);
        }
        self.top = self.top.min(rows.saturating_sub(page));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_move_stays_in_the_list_and_is_seen() {
        let moves = [
            Move::Down,
            Move::Right,
            Move::PageDown,
            Move::Last,
            Move::Up,
            Move::Left,
            Move::HalfUp,
            Move::HalfDown,
            Move::PageUp,
            Move::First,
        ];
        for (items, columns, page) in [(0, 1, 5), (1, 1, 0), (7, 3, 2), (100, 1, 10), (5, 0, 1)] {
            let mut scroll = Scroll::default();
            for by in moves.iter().cycle().take(60) {
                scroll.step(*by, items, columns, page);
                scroll.settle(items, columns, page);
                assert!(scroll.cursor < items.max(1));
                let row = scroll.cursor / columns.max(1);
                assert!(page == 0 || (scroll.top..scroll.top + page).contains(&row), "{items} {columns} {page} {by:?}");
            }
        }
    }

    #[test]
    fn in_a_grid_down_reaches_a_shorter_last_row() {
        let mut scroll = Scroll { cursor: 5, top: 0 };
        scroll.step(Move::Down, 7, 3, 9);
        assert_eq!(scroll.cursor, 6);
        scroll.step(Move::Down, 7, 3, 9);
        assert_eq!(scroll.cursor, 6);
    }
}
