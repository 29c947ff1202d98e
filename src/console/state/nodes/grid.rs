//! How the nodes lie in their area. What is drawn, and what keys and mouse mean, follow from the same answer.

use ratatui::layout::Rect;

use super::NodesView;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub view: NodesView,
    pub columns: usize,
    /// Of one item, in cells.
    pub width: u16,
    pub height: u16,
    /// Rows of items seen at once.
    pub rows: usize,
    /// Rows kept free for a heading.
    pub head: u16,
    /// Rows kept free for what is told about the node under the cursor.
    pub foot: u16,
}

/// Cards with their borders, the roomiest first.
const CARDS: [(u16, u16); 3] = [(38, 8), (29, 7), (22, 6)];
/// Cells of the map of heat, below one with a name: a number, a sign, a sign side by side.
const CELLS: [u16; 3] = [4, 2, 1];
/// What a cell of the map has beside the name.
const BESIDE_NAME: u16 = 7;
/// So many screens of lines are looked through; more are better seen at once.
const SCREENS: usize = 4;

impl Grid {
    /// `name` is the width of the longest name.
    pub fn of(view: Option<NodesView>, items: usize, name: u16, area: Rect) -> Grid {
        let cards = roomiest(&CARDS, items, |(width, height)| Grid::cells(NodesView::Cards, width, height, 0, area));
        let head = u16::from(area.height > 1);
        let lines = Grid { head, ..Grid::cells(NodesView::Lines, area.width.max(1), 1, head, area) };
        let foot = u16::from(area.height > 2);
        let named = CELLS.map(|width| (width, 1));
        let sizes = [(name.saturating_add(BESIDE_NAME), 1), named[0], named[1], named[2]];
        let heat = roomiest(&sizes, items, |(width, height)| Grid {
            foot,
            ..Grid::cells(NodesView::Heat, width, height, foot, area)
        });
        match view {
            Some(NodesView::Cards) => cards,
            Some(NodesView::Lines) => lines,
            Some(NodesView::Heat) => heat,
            None if items <= cards.columns * cards.rows => cards,
            None if items <= SCREENS * lines.rows => lines,
            None => heat,
        }
    }

    fn cells(view: NodesView, width: u16, height: u16, taken: u16, area: Rect) -> Grid {
        let columns = (area.width / width).max(1);
        let rows = usize::from(area.height.saturating_sub(taken) / height).max(1);
        // What is left over makes each card a little wider; in the map, signs stay close together.
        let width = if view == NodesView::Heat { width.min(area.width) } else { area.width / columns };
        Grid { view, columns: columns.into(), width, height, rows, head: 0, foot: 0 }
    }

    /// Where the items are.
    pub fn items(&self, area: Rect) -> Rect {
        let height = area.height.saturating_sub(self.head + self.foot);
        Rect { y: area.y.saturating_add(self.head), height, ..area }.intersection(area)
    }

    pub fn heading(&self, area: Rect) -> Rect {
        Rect { height: self.head.min(area.height), ..area }
    }

    pub fn footing(&self, area: Rect) -> Rect {
        let height = self.foot.min(area.height);
        Rect { y: area.bottom() - height, height, ..area }
    }

    /// Where an item is, counted from the first that is seen.
    pub fn place(&self, seen: usize, area: Rect) -> Rect {
        let area = self.items(area);
        let column = u16::try_from(seen % self.columns).unwrap_or(u16::MAX);
        let row = u16::try_from(seen / self.columns).unwrap_or(u16::MAX);
        let x = area.x.saturating_add(column.saturating_mul(self.width));
        let y = area.y.saturating_add(row.saturating_mul(self.height));
        Rect::new(x, y, self.width, self.height).intersection(area)
    }

    /// The item at a cell of the area, counted from the first that is seen.
    pub fn item_at(&self, x: u16, y: u16, area: Rect) -> Option<usize> {
        let area = self.items(area);
        if !area.contains((x, y).into()) || self.width == 0 || self.height == 0 {
            return None;
        }
        let (column, row) = (usize::from((x - area.x) / self.width), usize::from((y - area.y) / self.height));
        (column < self.columns && row < self.rows).then_some(row * self.columns + column)
    }
}

/// The first size at which all items are seen, else the last.
fn roomiest(sizes: &[(u16, u16)], items: usize, grid: impl Fn((u16, u16)) -> Grid) -> Grid {
    let grids = sizes.iter().map(|size| grid(*size));
    let mut last = None;
    for grid in grids {
        last = Some(grid);
        if items <= grid.columns * grid.rows {
            break;
        }
    }
    last.expect("there are sizes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PANE: Rect = Rect::new(1, 2, 67, 36);

    #[test]
    fn few_nodes_are_cards_many_are_lines_and_thousands_a_map() {
        let view = |items| Grid::of(None, items, 7, PANE).view;
        assert_eq!([1, 17, 18].map(view), [NodesView::Cards; 3]);
        assert_eq!([19, 140].map(view), [NodesView::Lines; 2]);
        assert_eq!([141, 1_000, 10_000].map(view), [NodesView::Heat; 3]);
    }

    #[test]
    fn cards_are_as_roomy_as_all_of_them_allow() {
        let size = |items| {
            let grid = Grid::of(Some(NodesView::Cards), items, 7, PANE);
            (grid.columns, grid.width, grid.height)
        };
        assert_eq!(size(3), (1, 67, 8));
        assert_eq!(size(10), (2, 33, 7));
        assert_eq!(size(17), (3, 22, 6));
        assert_eq!(size(400), (3, 22, 6));
    }

    #[test]
    fn the_mouse_finds_each_item_where_it_is_drawn() {
        for view in [NodesView::Cards, NodesView::Lines, NodesView::Heat] {
            let grid = Grid::of(Some(view), 300, 7, PANE);
            for seen in 0..grid.columns * grid.rows {
                let place = grid.place(seen, PANE);
                assert!(!place.is_empty(), "{view:?} {seen}");
                for (x, y) in [(place.x, place.y), (place.right() - 1, place.bottom() - 1)] {
                    assert_eq!(grid.item_at(x, y, PANE), Some(seen), "{view:?} at {x} {y}");
                }
            }
        }
    }

    #[test]
    fn a_heading_is_no_item() {
        let grid = Grid::of(Some(NodesView::Lines), 300, 7, PANE);
        assert_eq!(grid.item_at(PANE.x, PANE.y, PANE), None);
        assert_eq!(grid.item_at(PANE.x, PANE.y + 1, PANE), Some(0));
        let grid = Grid::of(Some(NodesView::Heat), 300, 7, PANE);
        assert_eq!(grid.item_at(PANE.x, PANE.bottom() - 1, PANE), None);
    }

    #[test]
    fn no_area_is_too_small() {
        for view in [None, Some(NodesView::Cards), Some(NodesView::Lines), Some(NodesView::Heat)] {
            for (width, height) in [(0, 0), (1, 1), (0, 5), (5, 0), (3, 2)] {
                let area = Rect::new(0, 0, width, height);
                let grid = Grid::of(view, 50, 200, area);
                assert!(grid.columns > 0 && grid.rows > 0);
                assert_eq!(grid.place(49, area).intersection(area), grid.place(49, area));
                grid.item_at(0, 0, area);
            }
        }
    }
}
