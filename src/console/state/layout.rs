//! Where everything is on a screen of this size. Drawing and the mouse ask the same question, so they agree.

use ratatui::layout::{Constraint, Layout as Split, Rect, Size};

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
        let heights = [1, banner, tabs].map(Constraint::Length);
        let [header, banner, tabs, body, footer] =
            Split::vertical(heights.into_iter().chain([Constraint::Min(0), Constraint::Length(1)]).collect::<Vec<_>>())
                .areas(area);
        let mut panes = [None; 3];
        if !at_home {
        } else if state.zoomed || !wide {
            panes[state.focus as usize] = Some(body);
        } else {
            let left = Constraint::Percentage(state.settings.nodes_width);
            let [nodes, right] = Split::horizontal([left, Constraint::Min(0)]).areas(body);
            let top = Constraint::Percentage(state.settings.work_height);
            let [work, events] = Split::vertical([top, Constraint::Min(0)]).areas(right);
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

/// The area inside a border of one cell.
pub fn inside(area: Rect) -> Rect {
    Rect::new(area.x + 1, area.y + 1, area.width.saturating_sub(2), area.height.saturating_sub(2)).intersection(area)
}
