//! Before there is a manager: what to do about it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use super::toasts::wrapped;
use crate::console::state::{Link, State};

const WAYS: [(&str, &str); 3] = [
    ("bramble demo", "a manager and three workers on this machine, to look around"),
    ("bramble install manager", "make this machine a manager, for good"),
    ("bramble --manager ADDRESS", "the manager that runs elsewhere"),
];

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let width = area.width.saturating_sub(4).min(84);
    let x = area.x + area.width.saturating_sub(width) / 2;
    let mut y = area.y + area.height.saturating_sub(12) / 2;
    let mut say = |text: &str, indent: u16, style| {
        for line in wrapped(text, width.saturating_sub(indent)) {
            if y < area.bottom() {
                paint::text(buffer, x + indent, y, width.saturating_sub(indent), &line, style);
            }
            y += 1;
        }
    };
    say("Bramble", 0, styles.strong);
    say("", 0, styles.text);
    match &state.link {
        Link::NeverMet { why, .. } => {
            say(why, 0, styles.text);
            say("", 0, styles.text);
            for (command, about) in WAYS {
                say(command, 2, styles.hint_key);
                say(about, 4, styles.dim);
            }
            say("", 0, styles.text);
            say("As soon as a manager answers, it is shown here. q leaves.", 0, styles.dim);
        }
        _ => say("reaching the manager …", 0, styles.dim),
    }
}
