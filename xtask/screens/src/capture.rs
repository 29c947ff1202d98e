//! What a program wrote to a terminal, as a buffer.

use std::num::NonZeroU16;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

/// The screen that a program sees after writing this.
pub fn screen(written: &[u8], columns: NonZeroU16, rows: NonZeroU16) -> Buffer {
    let mut parser = vt100::Parser::new(rows, columns, 0);
    parser.process(written);
    buffer(parser.screen())
}

/// What `tmux capture-pane -e -p` prints: lines that end as in a file, not as on a terminal.
pub fn captured(text: &str, columns: NonZeroU16, rows: NonZeroU16) -> Buffer {
    let lines: Vec<&str> = text.lines().take(usize::from(rows.get())).collect();
    screen(lines.join("\r\n").as_bytes(), columns, rows)
}

pub fn buffer(screen: &vt100::Screen) -> Buffer {
    let (rows, columns) = screen.size();
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns.get(), rows.get()));
    for y in 0..rows.get() {
        for x in 0..columns.get() {
            let Some(from) = screen.cell(y, x).filter(|cell| !cell.is_wide_continuation()) else { continue };
            let to = &mut buffer[(x, y)];
            if from.has_contents() {
                to.set_symbol(from.contents());
            }
            to.fg = color(from.fgcolor());
            to.bg = color(from.bgcolor());
            let modifiers = [
                (from.bold(), Modifier::BOLD),
                (from.dim(), Modifier::DIM),
                (from.italic(), Modifier::ITALIC),
                (from.underline(), Modifier::UNDERLINED),
                (from.inverse(), Modifier::REVERSED),
            ];
            to.modifier = modifiers.into_iter().filter(|(set, _)| *set).map(|(_, modifier)| modifier).collect();
        }
    }
    buffer
}

fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(n: u16) -> NonZeroU16 {
        NonZeroU16::new(n).unwrap()
    }

    #[test]
    fn what_a_program_writes_becomes_cells_with_their_styles() {
        let written = b"\x1b[2;3H\x1b[1;31mhot\x1b[0;7;48;2;1;2;3m\xe6\x97\xa5\x1b[0mx";
        let buffer = screen(written, size(10), size(3));
        assert_eq!(buffer[(2, 1)].symbol(), "h");
        assert_eq!((buffer[(2, 1)].fg, buffer[(2, 1)].modifier), (Color::Indexed(1), Modifier::BOLD));
        assert_eq!((buffer[(5, 1)].symbol(), buffer[(5, 1)].bg), ("\u{65e5}", Color::Rgb(1, 2, 3)));
        assert_eq!((buffer[(6, 1)].symbol(), buffer[(7, 1)].symbol()), (" ", "x"));
    }

    #[test]
    fn lines_of_a_captured_pane_begin_at_the_left_and_a_full_pane_does_not_scroll() {
        let buffer = captured("12345\n\x1b[2mab\n", size(5), size(2));
        assert_eq!((buffer[(0, 0)].symbol(), buffer[(0, 1)].symbol()), ("1", "a"));
        assert_eq!(buffer[(1, 1)].modifier, Modifier::DIM);
    }
}
