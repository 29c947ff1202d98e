//! Round marks: a font has some of them, another the rest, and side by side they must be of one size.

use super::Cell;
use crate::canvas::{Canvas, Half};
use crate::palette::Rgb;

/// The middle of a mark: of a capital letter, a little below that of the cell.
const MIDDLE: (Half, Half) = (8, 19);

/// A circle of radius 3.25 from its top, and its halves; two curves a half.
const RIGHT: &str = "c1.8 0 3.25 1.45 3.25 3.25s-1.45 3.25-3.25 3.25";
const LEFT: &str = "s-3.25-1.45-3.25-3.25 1.45-3.25 3.25-3.25z";
/// The hole that makes a ring of it: the other way round, from 1 below its top.
const HOLE: &str = "m0 1c-1.25 0-2.25 1-2.25 2.25s1 2.25 2.25 2.25";
const HOLE_RIGHT: &str = "s2.25-1 2.25-2.25-1-2.25-2.25-2.25z";

pub fn draw(canvas: &mut Canvas, ink: Rgb, cell: Cell, c: char) -> bool {
    // The top of the circle is half a unit off the grid of halves.
    let up = "m0-.25";
    let from = cell.at(MIDDLE.0, MIDDLE.1 - 6);
    let path = match c {
        '●' => format!("{up}{RIGHT}{LEFT}"),
        '○' => format!("{up}{RIGHT}{LEFT}{HOLE}{HOLE_RIGHT}"),
        '◐' => format!("{up}{RIGHT}{LEFT}m0 1v4.5{HOLE_RIGHT}"),
        '◑' => format!("{up}{RIGHT}{LEFT}{HOLE}z"),
        '✚' => "m-1 .5h2v2h2v2h-2v2h-2v-2h-2v-2h2z".to_owned(),
        _ => return false,
    };
    canvas.fill(ink, from, &path);
    true
}
