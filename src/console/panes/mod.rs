//! What is seen. Every pane is a function of the state and an area: no clock, no I/O, and no size is too small.

mod dialog;
pub mod events;
pub mod footer;
mod graph;
mod header;
mod help;
#[cfg(test)]
pub mod looked;
pub mod node;
pub mod nodes;
mod number;
pub mod paint;
mod prompt;
pub mod tabs;
pub mod task;
mod toasts;
mod welcome;
pub mod work;

use ratatui::buffer::Buffer;

use super::state::layout::{LEAST, Layout};
use super::state::page::Page;
use super::state::{Link, Overlay, Pane, State};

/// The whole screen, and where the terminal's cursor is, if it is seen.
pub fn draw(state: &State, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let cursor = draw_all(state, buffer);
    if state.theme.glyphs.ascii() {
        paint::to_ascii(buffer);
    }
    cursor
}

fn draw_all(state: &State, buffer: &mut Buffer) -> Option<(u16, u16)> {
    let area = buffer.area;
    buffer.set_style(area, state.theme.styles.text);
    if area.width < LEAST.width || area.height < LEAST.height {
        let sentence = format!("Bramble needs {}×{} cells", LEAST.width, LEAST.height);
        paint::text(buffer, area.x, area.y, area.width, &sentence, state.theme.styles.text);
        return None;
    }
    let layout = Layout::of(state);
    match &state.link {
        Link::Connecting | Link::NeverMet { .. } => welcome::draw(state, area, buffer),
        Link::Live | Link::Lost { .. } => {
            header::draw(state, &layout, buffer);
            body(state, &layout, buffer);
            if !state.link.live() {
                buffer.set_style(layout.body, state.theme.styles.stale);
            }
            footer::draw(state, layout.footer, buffer);
        }
    }
    toasts::draw(state, layout.body, buffer);
    match &state.overlay {
        Some(Overlay::Prompt(prompt)) => prompt::draw(state, prompt, &layout, buffer),
        Some(Overlay::Help(help)) => help::draw(state, help, area, buffer),
        Some(Overlay::Dialog(dialog)) => {
            dialog::draw(state, dialog, area, buffer);
            None
        }
        None => None,
    }
}

fn body(state: &State, layout: &Layout, buffer: &mut Buffer) {
    match state.pages.current() {
        Page::Node(page) => node::draw(state, page, layout.body, buffer),
        Page::Task(page) => task::draw(state, page, layout.body, buffer),
        Page::Home => {
            tabs::draw(state, layout.tabs, buffer);
            for pane in Pane::ALL {
                let Some(area) = layout.pane(pane) else { continue };
                match pane {
                    Pane::Nodes => nodes::draw(state, area, buffer),
                    Pane::Work => work::draw(state, area, buffer),
                    Pane::Events => events::draw(state, area, buffer),
                }
            }
        }
    }
}
