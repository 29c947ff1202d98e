//! Characters that are drawn, not written: they fill their cell exactly, so that lines and bars join without gaps
//! whatever font a viewer has.

mod blocks;
mod lines;
mod marks;

use crate::canvas::{Canvas, Half, Rect};
use crate::palette::Rgb;

/// The size of a cell.
pub const WIDTH: Half = 16;
pub const HEIGHT: Half = 36;
const MIDDLE: (Half, Half) = (WIDTH / 2, HEIGHT / 2);

/// Where a cell begins.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub x: Half,
    pub y: Half,
}

impl Cell {
    pub fn at(self, x: Half, y: Half) -> (Half, Half) {
        (self.x + x, self.y + y)
    }

    pub fn rect(self, x: Half, y: Half, width: Half, height: Half) -> Rect {
        Rect { x: self.x + x, y: self.y + y, width, height }
    }
}

/// Draws a character in `ink` on `paper`; false where it is one to be written.
pub fn draw(canvas: &mut Canvas, ink: Rgb, paper: Rgb, cell: Cell, c: char) -> bool {
    match c {
        '\u{2500}'..='\u{257f}' => lines::draw(canvas, ink, cell, c),
        '\u{2580}'..='\u{259f}' => blocks::block(canvas, ink, paper, cell, c),
        '\u{2800}'..='\u{28ff}' => blocks::braille(canvas, ink, cell, c),
        _ => marks::draw(canvas, ink, cell, c),
    }
}
