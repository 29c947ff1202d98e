//! The parts of a node's page: all at once where there is room, else one after the other.

use ratatui::layout::{Constraint, Layout as Split, Rect};

use super::inner_rows;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    Facts,
    Graphs,
    Tasks,
    Events,
}

impl Section {
    pub const ALL: [Section; 4] = [Section::Facts, Section::Graphs, Section::Tasks, Section::Events];

    pub fn word(self) -> &'static str {
        match self {
            Section::Facts => "facts",
            Section::Graphs => "graphs",
            Section::Tasks => "tasks",
            Section::Events => "events",
        }
    }
}

/// From this size on everything is seen at once, and from the next on facts stand beside graphs.
const WIDE: (u16, u16) = (100, 28);
const MEDIUM: (u16, u16) = (70, 10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sections {
    /// Which one the keys go to.
    pub chosen: Section,
    /// The names of the sections, where not all are seen.
    pub tabs: Rect,
    places: [Option<Rect>; 4],
    order: &'static [Section],
}

impl Sections {
    pub fn of(body: Rect, chosen: Option<Section>) -> Sections {
        if body.width >= WIDE.0 && body.height >= WIDE.1 {
            let chosen = chosen.filter(|section| *section != Section::Graphs).unwrap_or(Section::Tasks);
            return Sections::wide(body, chosen);
        }
        let [tabs, rest] = Split::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(body);
        let chosen = chosen.unwrap_or(Section::Facts);
        let mut places = [None; 4];
        if body.width >= MEDIUM.0 && body.height >= MEDIUM.1 {
            let chosen = if chosen == Section::Graphs { Section::Facts } else { chosen };
            places[chosen as usize] = Some(rest);
            if chosen == Section::Facts {
                let [facts, graphs] = Split::horizontal([Constraint::Percentage(50), Constraint::Min(0)]).areas(rest);
                places[Section::Facts as usize] = Some(facts);
                places[Section::Graphs as usize] = Some(graphs);
            }
            return Sections { chosen, tabs, places, order: &[Section::Facts, Section::Tasks, Section::Events] };
        }
        places[chosen as usize] = Some(rest);
        Sections { chosen, tabs, places, order: &Section::ALL }
    }

    fn wide(body: Rect, chosen: Section) -> Sections {
        let below = (body.height * 2 / 5).clamp(8, 20);
        let [top, bottom] = Split::vertical([Constraint::Min(0), Constraint::Length(below)]).areas(body);
        let [facts, graphs] = Split::horizontal([Constraint::Percentage(40), Constraint::Min(0)]).areas(top);
        let [tasks, events] = Split::horizontal([Constraint::Percentage(55), Constraint::Min(0)]).areas(bottom);
        let places = [Some(facts), Some(graphs), Some(tasks), Some(events)];
        let order = &[Section::Facts, Section::Tasks, Section::Events];
        Sections { chosen, tabs: Rect::ZERO, places, order }
    }

    /// With its border.
    pub fn place(&self, section: Section) -> Option<Rect> {
        self.places[section as usize]
    }

    /// The section at a cell.
    pub fn at(&self, x: u16, y: u16) -> Option<Section> {
        Section::ALL.into_iter().find(|section| self.place(*section).is_some_and(|area| area.contains((x, y).into())))
    }

    /// Rows of it that are seen at once.
    pub fn rows(&self, section: Section) -> usize {
        self.place(section).map_or(0, inner_rows)
    }

    /// Those that can be gone to.
    pub fn order(&self) -> &'static [Section] {
        self.order
    }

    pub fn next(&self, forward: bool) -> Section {
        let at = self.order.iter().position(|section| *section == self.chosen).unwrap_or(0);
        let by = if forward { 1 } else { self.order.len() - 1 };
        self.order[(at + by) % self.order.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_size_every_section_can_be_reached_and_is_seen_then() {
        for (width, height) in [(160, 48), (120, 38), (80, 22), (40, 10), (30, 6), (0, 0)] {
            let body = Rect::new(0, 1, width, height);
            let mut sections = Sections::of(body, None);
            let mut seen = vec![];
            for _ in 0..4 {
                seen.extend(Section::ALL.into_iter().filter(|section| sections.place(*section).is_some()));
                assert!(sections.place(sections.chosen).is_some());
                let next = Sections::of(body, Some(sections.next(true)));
                assert_eq!(next.next(false), sections.chosen, "and back again");
                sections = next;
            }
            assert!(Section::ALL.iter().all(|section| seen.contains(section)), "{width}×{height}");
        }
    }
}
