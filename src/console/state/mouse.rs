//! The mouse: a click goes where it points, a second one opens it, the wheel scrolls what is below it.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::layout::Layout;
use super::list::Move;
use super::page::Page;
use super::{Overlay, Pane, State};
use crate::console::actions;
use crate::console::event::Effect;

/// Rows a notch of the wheel moves by.
const NOTCH: usize = 3;

impl State {
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Vec<Effect> {
        if self.overlay.is_some() {
            return self.wheel_overlay(mouse.kind);
        }
        let layout = Layout::of(self);
        match mouse.kind {
            MouseEventKind::ScrollDown | MouseEventKind::ScrollUp => {
                if let Some(pane) = layout.pane_at(mouse.column, mouse.row) {
                    self.focus = pane;
                }
                let by = if mouse.kind == MouseEventKind::ScrollDown { Move::Down } else { Move::Up };
                (0..NOTCH).for_each(|_| self.step(by));
                vec![]
            }
            MouseEventKind::Down(MouseButton::Left) => self.click(mouse.column, mouse.row, &layout),
            _ => vec![],
        }
    }

    fn click(&mut self, x: u16, y: u16, layout: &Layout) -> Vec<Effect> {
        if layout.tabs.contains((x, y).into()) {
            if let Some(pane) = crate::console::panes::tabs::at(layout.tabs, x) {
                self.focus = pane;
            }
            return vec![];
        }
        if let Page::Node(page) = self.pages.current_mut() {
            let opens = page.click(x, y, layout.body, &self.events);
            return if opens { self.open_current() } else { vec![] };
        }
        let Some(pane) = layout.pane_at(x, y) else { return vec![] };
        let had_focus = std::mem::replace(&mut self.focus, pane) == pane;
        let inner = layout.inner(pane);
        if !inner.contains((x, y).into()) {
            return vec![];
        }
        let row = usize::from(y - inner.y);
        let before = self.cursor();
        match pane {
            Pane::Nodes => {
                let grid = self.nodes.grid(inner);
                let item = grid.item_at(x, y, inner).map(|seen| seen + self.nodes.scroll.top * grid.columns);
                let Some(item) = item.filter(|item| *item < self.nodes.len()) else { return vec![] };
                self.nodes.go_to(item, &self.picture.nodes);
            }
            Pane::Work => {
                let Some(row) = row.checked_sub(1).map(|row| row + self.work.scroll.top) else { return vec![] };
                if row >= self.work.len() {
                    return vec![];
                }
                self.work.go_to(row, &self.picture.jobs);
            }
            Pane::Events => {
                let row = row + self.events.scroll.top;
                if row >= self.events.len() {
                    return vec![];
                }
                self.events.go_to(row);
            }
        }
        if had_focus && before == self.cursor() { self.open_current() } else { vec![] }
    }

    fn cursor(&self) -> usize {
        match self.focus {
            Pane::Nodes => self.nodes.scroll.cursor,
            Pane::Work => self.work.scroll.cursor,
            Pane::Events => self.events.scroll.cursor,
        }
    }

    fn open_current(&mut self) -> Vec<Effect> {
        actions::find("open").map_or_else(Vec::new, |action| self.act(action, &[]))
    }

    fn wheel_overlay(&mut self, kind: MouseEventKind) -> Vec<Effect> {
        let forward = match kind {
            MouseEventKind::ScrollDown => true,
            MouseEventKind::ScrollUp => false,
            _ => return vec![],
        };
        match &mut self.overlay {
            Some(Overlay::Prompt(prompt)) => prompt.step(forward),
            Some(Overlay::Help(_)) => self.step_help(if forward { Move::Down } else { Move::Up }),
            _ => {}
        }
        vec![]
    }
}
