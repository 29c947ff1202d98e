//! Panes as text, for tests that compare what is seen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::console::sample;
use crate::console::state::State;

/// A part of the screen. Times are said the same wherever the test runs.
pub fn seen(state: &State, area: Rect) -> String {
    let buffer = sample::drawn(state);
    let line = |y| (area.left()..area.right()).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (area.top()..area.bottom()).map(|y| line(y).trim_end().to_owned() + "\n").collect()
}

/// The same with styles: a line for every run of cells that look alike, but for those in no style at all.
pub fn painted(state: &State, area: Rect) -> String {
    let buffer: Buffer = sample::drawn(state);
    let mut said = String::new();
    for y in area.top()..area.bottom() {
        let mut x = area.left();
        while x < area.right() {
            let look = buffer[(x, y)].style();
            let end = (x..area.right()).find(|end| buffer[(*end, y)].style() != look).unwrap_or(area.right());
            let text: String = (x..end).map(|x| buffer[(x, y)].symbol()).collect();
            if !text.trim().is_empty() {
                let words = [said_of(look.fg), said_of(look.bg), format!("{:?}", look.add_modifier)];
                said += &format!("{y:>2} {:<40} {}\n", text.trim(), words.join(" "));
            }
            x = end;
        }
    }
    said
}

fn said_of(color: Option<impl ToString>) -> String {
    color.map_or_else(String::new, |color| color.to_string())
}
