//! Before there is a manager: what to do about it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::paint;
use super::toasts::wrapped;
use crate::console::state::{Link, State, Way};

pub fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let width = area.width.saturating_sub(4).min(76);
    let why = match &state.link {
        // What to do about it is said below.
        Link::NeverMet { why, .. } => wrapped(why.split_once("; ").map_or(why.as_str(), |(why, _)| why), width),
        _ => vec!["reaching the manager …".to_owned()],
    };
    let ways = if matches!(state.link, Link::NeverMet { .. }) { Way::ALL.len() as u16 * 3 + 2 } else { 0 };
    let height = 2 + why.len() as u16 + 1 + ways;
    let x = area.x + area.width.saturating_sub(width) / 2;
    let mut y = area.y + area.height.saturating_sub(height) / 2;
    let mut line = |text: &str, style, lit: bool| {
        if y < area.bottom() {
            paint::text(buffer, x, y, width, text, style);
            paint::row_look(buffer, Rect::new(x, y, width, 1), lit, false, true, &state.theme);
        }
        y += 1;
    };
    line("Bramble, the console for clusters of Raspberry Pis", styles.strong, false);
    line("", styles.text, false);
    why.iter().for_each(|said| line(said, styles.text, false));
    line("", styles.text, false);
    if ways == 0 {
        return;
    }
    for (nth, way) in Way::ALL.into_iter().enumerate() {
        let (title, about) = words(way);
        line(&format!(" {title}"), styles.hint_key, nth == state.way);
        line(&format!("   {about}"), styles.dim, false);
        line("", styles.text, false);
    }
    let keys = [("open", "takes it"), ("help", "help"), ("close", "leaves")];
    let keys = keys.into_iter().filter_map(|(action, does)| Some(format!("{} {does}", state.key_of(action)?)));
    line(&keys.collect::<Vec<_>>().join("   "), styles.dim, false);
    line("As soon as a manager answers here, it is shown.", styles.dim, false);
}

fn words(way: Way) -> (&'static str, &'static str) {
    match way {
        Way::Demo => ("Try it", "a manager and three workers on this machine: bramble demo"),
        Way::Install => ("Make this machine a manager", "shows first what it would write: bramble install manager"),
        Way::Connect => ("Connect to another manager", "by its address: bramble --manager unix://PATH"),
    }
}
