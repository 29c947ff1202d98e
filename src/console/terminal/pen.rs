//! What the terminal writes with, and the fewest bytes to change that.
//!
//! The one place outside the theme that names colours: it spells them, and chooses none.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};

/// What shows even where nothing is written.
pub const SEEN_ON_BLANK: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::SLOW_BLINK)
    .union(Modifier::RAPID_BLINK)
    .union(Modifier::CROSSED_OUT);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pen {
    pub fg: Color,
    pub bg: Color,
    pub modifier: Modifier,
}

impl Pen {
    pub const PLAIN: Self = Self { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

    /// What this cell needs. A blank cell does not care what letters would look like.
    pub fn for_cell(self, cell: &Cell) -> Self {
        if cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANK) {
            return Self { fg: self.fg, bg: cell.bg, modifier: self.modifier - SEEN_ON_BLANK };
        }
        Self { fg: cell.fg, bg: cell.bg, modifier: cell.modifier }
    }

    pub fn change(self, to: Self, bytes: &mut Vec<u8>) {
        if self == to {
            return;
        }
        let (mut little, mut anew) = (vec![], vec![]);
        self.step(to, &mut little);
        if to != Self::PLAIN {
            anew.push(0);
            Self::PLAIN.step(to, &mut anew);
        }
        let codes = if spelled(&anew).len() < spelled(&little).len() { anew } else { little };
        bytes.extend_from_slice(b"\x1b[");
        bytes.extend_from_slice(spelled(&codes).as_bytes());
        bytes.push(b'm');
    }

    /// The codes for what differs.
    fn step(self, to: Self, codes: &mut Vec<u8>) {
        let mut off = self.modifier - to.modifier;
        let mut on = to.modifier - self.modifier;
        // One code ends both of a pair, so the other one may have to be begun again.
        for (pair, end) in PAIRS {
            if off.intersects(pair) {
                codes.push(end);
                on |= to.modifier & pair;
                off -= pair;
            }
        }
        codes.extend(MODIFIERS.iter().filter(|(modifier, ..)| off.contains(*modifier)).map(|(.., end)| *end));
        codes.extend(MODIFIERS.iter().filter(|(modifier, ..)| on.contains(*modifier)).map(|(_, begin, _)| *begin));
        if self.fg != to.fg {
            color(to.fg, 30, codes);
        }
        if self.bg != to.bg {
            color(to.bg, 40, codes);
        }
    }
}

const PAIRS: [(Modifier, u8); 2] =
    [(Modifier::BOLD.union(Modifier::DIM), 22), (Modifier::SLOW_BLINK.union(Modifier::RAPID_BLINK), 25)];

const MODIFIERS: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// `base`: 30 for letters, 40 for what is behind them. The sixteen are spelled as a terminal of sixteen knows them.
fn color(color: Color, base: u8, codes: &mut Vec<u8>) {
    let bright = base + 60;
    match color {
        Color::Reset => codes.push(base + 9),
        Color::Black => codes.push(base),
        Color::Red => codes.push(base + 1),
        Color::Green => codes.push(base + 2),
        Color::Yellow => codes.push(base + 3),
        Color::Blue => codes.push(base + 4),
        Color::Magenta => codes.push(base + 5),
        Color::Cyan => codes.push(base + 6),
        Color::Gray => codes.push(base + 7),
        Color::DarkGray => codes.push(bright),
        Color::LightRed => codes.push(bright + 1),
        Color::LightGreen => codes.push(bright + 2),
        Color::LightYellow => codes.push(bright + 3),
        Color::LightBlue => codes.push(bright + 4),
        Color::LightMagenta => codes.push(bright + 5),
        Color::LightCyan => codes.push(bright + 6),
        Color::White => codes.push(bright + 7),
        Color::Indexed(index) => codes.extend([base + 8, 5, index]),
        Color::Rgb(red, green, blue) => codes.extend([base + 8, 2, red, green, blue]),
    }
}

fn spelled(codes: &[u8]) -> String {
    codes.iter().map(u8::to_string).collect::<Vec<_>>().join(";")
}
