//! Colours as a theme's file writes them.

use ratatui::style::Color;

/// The terminal's own, in its order. What is called white here is the seventh, as on every terminal.
const NAMED: [(&str, Color); 17] = [
    ("default", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("white", Color::Gray),
    ("bright-black", Color::DarkGray),
    ("bright-red", Color::LightRed),
    ("bright-green", Color::LightGreen),
    ("bright-yellow", Color::LightYellow),
    ("bright-blue", Color::LightBlue),
    ("bright-magenta", Color::LightMagenta),
    ("bright-cyan", Color::LightCyan),
    ("bright-white", Color::White),
];

pub const ALLOWED: &str = "a colour is a name of the palette, one of the terminal's (red, bright-red, default, ...), a number up to 255, or #rrggbb";

pub fn names<'n>() -> impl Iterator<Item = &'n str> {
    NAMED.iter().map(|(name, _)| *name)
}

pub fn parse(said: &str) -> Option<Color> {
    if let Some((_, color)) = NAMED.iter().find(|(name, _)| *name == said) {
        return Some(*color);
    }
    if let Some(hex) = said.strip_prefix('#') {
        let digits = hex.len() == 6 && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        let rgb = digits.then(|| u32::from_str_radix(hex, 16).ok()).flatten()?;
        return Some(Color::from_u32(rgb));
    }
    said.parse().ok().map(Color::Indexed)
}
