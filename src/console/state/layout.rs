//! Where everything is on a screen of this size. Drawing and the mouse ask the same question, so they agree.

use ratatui::layout::{Rect, Size};

use super::{Pane, State};

/// From this size on, the panes stand side by side.
const WIDE: Size = Size { width: 100, height: 30 };
/// Below this, one sentence is all there is room for.
pub const LEAST: Size = Size { width: 30, height: 8 };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    pub header: Rect,
    /// The line of a lost link, where there is one.
    pub banner: Rect,
    /// The names of the panes, where only one is seen at a time.
    pub tabs: Rect,
    /// All between head and foot.
    pub body: Rect,
    pub panes: [Option<Rect>; 3],
    /// Where a filter or a command is typed: in the place of the footer.
    pub footer: Rect,
}

impl Layout {
    pub fn of(state: &State) -> Layout {
        let area = Rect::new(0, 0, state.size.width, state.size.height);
        let banner = u16::from(!state.link.live() && state.link.seen());
        let wide = state.size.width >= WIDE.width && state.size.height >= WIDE.height;
        let at_home = state.pages.current().is_home();
        let tabs = u16::from(!wide && at_home);
        // Plain sums: a solver of constraints took a third of each frame.
        let (header, rest) = upper(area, 1);
        let (banner, rest) = upper(rest, banner);
        let (tabs, rest) = upper(rest, tabs);
        let (body, footer) = upper(rest, rest.height.saturating_sub(1));
        let mut panes = [None; 3];
        if !at_home {
        } else if state.zoomed || !wide {
            panes[state.focus as usize] = Some(body);
        } else {
            let (nodes, right) = left(body, share(body.width, state.settings.nodes_width));
            let (work, events) = upper(right, share(right.height, state.settings.work_height));
            panes = [Some(nodes), Some(work), Some(events)];
        }
        Layout { header, banner, tabs, body, panes, footer }
    }

    pub fn pane(&self, pane: Pane) -> Option<Rect> {
        self.panes[pane as usize]
    }

    /// Inside the border of a pane.
    pub fn inner(&self, pane: Pane) -> Rect {
        self.pane(pane).map_or(Rect::ZERO, inside)
    }

    pub fn pane_at(&self, x: u16, y: u16) -> Option<Pane> {
        Pane::ALL.into_iter().find(|pane| self.pane(*pane).is_some_and(|area| area.contains((x, y).into())))
    }
}

/// So many lines of an area, and what is left of it below.
fn upper(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

/// So many columns of an area, and what is left of it beside them.
fn left(area: Rect, width: u16) -> (Rect, Rect) {
    let width = width.min(area.width);
    (Rect { width, ..area }, Rect { x: area.x + width, width: area.width - width, ..area })
}

/// So many percent, to the nearest cell.
fn share(cells: u16, percent: u16) -> u16 {
    u16::try_from((u32::from(cells) * u32::from(percent) + 50) / 100).unwrap_or(cells)
}

/// The area inside a border of one cell.
pub fn inside(area: Rect) -> Rect {
    Rect::new(area.x + 1, area.y + 1, area.width.saturating_sub(2), area.height.saturating_sub(2)).intersection(area)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn every_cell_between_head_and_foot_belongs_to_one_pane() {
        for (width, height) in [(120, 40), (100, 30), (157, 53), (300, 100)] {
            for (nodes_width, work_height) in [(20, 80), (58, 62), (33, 51)] {
                let mut state = sample::state((width, height), sample::picture(3, 2));
                (state.settings.nodes_width, state.settings.work_height) = (nodes_width, work_height);
                let layout = Layout::of(&state);
                assert_eq!((layout.header.height, layout.body.height, layout.footer.height), (1, height - 2, 1));
                for at in layout.body.positions() {
                    let panes = layout.panes.iter().flatten().filter(|pane| pane.contains(at)).count();
                    assert_eq!(panes, 1, "{at} of {width}×{height}");
                }
            }
        }
    }

    #[test]
    fn a_screen_without_room_has_no_part_outside_of_it() {
        for (width, height) in [(0, 0), (1, 1), (30, 2), (5, 40)] {
            let state = sample::state((width, height), sample::picture(3, 2));
            let layout = Layout::of(&state);
            let area = Rect::new(0, 0, width, height);
            for part in [layout.header, layout.banner, layout.tabs, layout.body, layout.footer] {
                assert_eq!(part.intersection(area).area(), part.area(), "{part} of {width}×{height}");
            }
        }
    }
}
