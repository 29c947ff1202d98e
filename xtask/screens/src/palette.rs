//! What the sixteen names of a terminal look like.

use ratatui::style::Color;

/// One opaque colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// This colour with `percent` of `other` in it.
    pub fn mixed(self, other: Rgb, percent: u16) -> Rgb {
        let part = |a: u8, b: u8| {
            let sum = u16::from(a) * (100 - percent) + u16::from(b) * percent;
            ((sum + 50) / 100) as u8
        };
        Rgb(part(self.0, other.0), part(self.1, other.1), part(self.2, other.2))
    }
}

impl std::fmt::Display for Rgb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    pub foreground: Rgb,
    pub background: Rgb,
    /// In the order of the ANSI codes: black to white, then the bright ones.
    pub named: [Rgb; 16],
    /// The bar above the screen.
    pub bar: Rgb,
    /// The line around everything.
    pub edge: Rgb,
    /// The title in the bar.
    pub title: Rgb,
}

pub const DARK: Palette = Palette {
    foreground: Rgb(0xd5, 0xd9, 0xe2),
    background: Rgb(0x14, 0x17, 0x1c),
    named: [
        Rgb(0x2b, 0x30, 0x3a),
        Rgb(0xee, 0x6d, 0x75),
        Rgb(0x8c, 0xc8, 0x7a),
        Rgb(0xe2, 0xb5, 0x62),
        Rgb(0x6c, 0xa8, 0xf4),
        Rgb(0xc1, 0x8c, 0xec),
        Rgb(0x58, 0xbe, 0xc4),
        Rgb(0xbb, 0xc1, 0xcc),
        Rgb(0x6d, 0x75, 0x85),
        Rgb(0xff, 0x93, 0x98),
        Rgb(0xab, 0xe2, 0x98),
        Rgb(0xf8, 0xd4, 0x86),
        Rgb(0x95, 0xc4, 0xff),
        Rgb(0xdb, 0xae, 0xff),
        Rgb(0x86, 0xe0, 0xe4),
        Rgb(0xf4, 0xf6, 0xfa),
    ],
    bar: Rgb(0x1d, 0x21, 0x28),
    edge: Rgb(0x2f, 0x35, 0x40),
    title: Rgb(0x8a, 0x92, 0xa2),
};

/// "White" is a grey here, as in every light terminal: text in it has to be read on paper.
pub const LIGHT: Palette = Palette {
    foreground: Rgb(0x2b, 0x2f, 0x37),
    background: Rgb(0xfc, 0xfb, 0xf9),
    named: [
        Rgb(0x2b, 0x2f, 0x37),
        Rgb(0xc7, 0x37, 0x41),
        Rgb(0x2f, 0x83, 0x3a),
        Rgb(0x9c, 0x68, 0x00),
        Rgb(0x22, 0x66, 0xc6),
        Rgb(0x8c, 0x42, 0xb8),
        Rgb(0x0b, 0x79, 0x85),
        Rgb(0x6b, 0x71, 0x7c),
        Rgb(0x8b, 0x91, 0x9b),
        Rgb(0xdf, 0x55, 0x5c),
        Rgb(0x45, 0x9e, 0x4d),
        Rgb(0xb9, 0x83, 0x18),
        Rgb(0x4a, 0x86, 0xdf),
        Rgb(0xa8, 0x63, 0xd0),
        Rgb(0x2a, 0x97, 0xa2),
        Rgb(0xa9, 0xae, 0xb6),
    ],
    bar: Rgb(0xf0, 0xee, 0xea),
    edge: Rgb(0xd9, 0xd6, 0xd0),
    title: Rgb(0x75, 0x79, 0x82),
};

impl Palette {
    /// `None` where a colour says `Reset`: what that is depends on whether it is ink or paper.
    pub fn rgb(&self, color: Color) -> Option<Rgb> {
        let index = match color {
            Color::Reset => return None,
            Color::Rgb(r, g, b) => return Some(Rgb(r, g, b)),
            Color::Indexed(index) => index,
            Color::Black => 0,
            Color::Red => 1,
            Color::Green => 2,
            Color::Yellow => 3,
            Color::Blue => 4,
            Color::Magenta => 5,
            Color::Cyan => 6,
            Color::Gray => 7,
            Color::DarkGray => 8,
            Color::LightRed => 9,
            Color::LightGreen => 10,
            Color::LightYellow => 11,
            Color::LightBlue => 12,
            Color::LightMagenta => 13,
            Color::LightCyan => 14,
            Color::White => 15,
        };
        Some(self.indexed(index))
    }

    /// The 256 colours of xterm: sixteen names, a cube of six steps a side, a ladder of greys.
    fn indexed(&self, index: u8) -> Rgb {
        match index {
            0..=15 => self.named[usize::from(index)],
            16..=231 => {
                let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
                let cube = index - 16;
                Rgb(step(cube / 36), step(cube / 6 % 6), step(cube % 6))
            }
            232..=255 => {
                let grey = 8 + 10 * (index - 232);
                Rgb(grey, grey, grey)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_256_colours_are_those_of_xterm() {
        let rgb = |index| DARK.rgb(Color::Indexed(index)).unwrap();
        assert_eq!(rgb(16), Rgb(0, 0, 0));
        assert_eq!(rgb(208), Rgb(255, 135, 0));
        assert_eq!(rgb(231), Rgb(255, 255, 255));
        assert_eq!((rgb(232), rgb(255)), (Rgb(8, 8, 8), Rgb(238, 238, 238)));
        assert_eq!(rgb(9), DARK.rgb(Color::LightRed).unwrap());
    }

    #[test]
    fn every_named_colour_but_black_can_be_read_on_the_background() {
        for (palette, nearly_paper) in [(DARK, [0, 0]), (LIGHT, [15, 15])] {
            for (index, color) in palette.named.iter().enumerate() {
                let contrast = contrast(*color, palette.background);
                assert!(nearly_paper.contains(&index) || contrast > 3.0, "{index}: {contrast}");
            }
        }
    }

    /// The ratio of WCAG.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let linear = |c: u8| (f64::from(c) / 255.0).powf(2.2);
        let light = |c: Rgb| 0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2);
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }
}
