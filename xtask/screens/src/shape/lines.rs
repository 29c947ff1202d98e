//! Box drawing, U+2500 to U+257F: up to four arms from the middle of the cell, each nothing, light, heavy or double.

use super::{Cell, HEIGHT, MIDDLE, WIDTH};
use crate::canvas::{Canvas, Half, Rect};
use crate::palette::Rgb;

/// A hexadecimal digit an arm: up, right, down, left; 1 is light, 2 heavy, 3 double.
#[rustfmt::skip]
const ARMS: [u16; 128] = [
    0x0101, 0x0202, 0x1010, 0x2020, 0x0101, 0x0202, 0x1010, 0x2020, // ─━│┃┄┅┆┇
    0x0101, 0x0202, 0x1010, 0x2020, 0x0110, 0x0210, 0x0120, 0x0220, // ┈┉┊┋┌┍┎┏
    0x0011, 0x0012, 0x0021, 0x0022, 0x1100, 0x1200, 0x2100, 0x2200, // ┐┑┒┓└┕┖┗
    0x1001, 0x1002, 0x2001, 0x2002, 0x1110, 0x1210, 0x2110, 0x1120, // ┘┙┚┛├┝┞┟
    0x2120, 0x2210, 0x1220, 0x2220, 0x1011, 0x1012, 0x2011, 0x1021, // ┠┡┢┣┤┥┦┧
    0x2021, 0x2012, 0x1022, 0x2022, 0x0111, 0x0112, 0x0211, 0x0212, // ┨┩┪┫┬┭┮┯
    0x0121, 0x0122, 0x0221, 0x0222, 0x1101, 0x1102, 0x1201, 0x1202, // ┰┱┲┳┴┵┶┷
    0x2101, 0x2102, 0x2201, 0x2202, 0x1111, 0x1112, 0x1211, 0x1212, // ┸┹┺┻┼┽┾┿
    0x2111, 0x1121, 0x2121, 0x2112, 0x2211, 0x1122, 0x1221, 0x2212, // ╀╁╂╃╄╅╆╇
    0x1222, 0x2122, 0x2221, 0x2222, 0x0101, 0x0202, 0x1010, 0x2020, // ╈╉╊╋╌╍╎╏
    0x0303, 0x3030, 0x0310, 0x0130, 0x0330, 0x0013, 0x0031, 0x0033, // ═║╒╓╔╕╖╗
    0x1300, 0x3100, 0x3300, 0x1003, 0x3001, 0x3003, 0x1310, 0x3130, // ╘╙╚╛╜╝╞╟
    0x3330, 0x1013, 0x3031, 0x3033, 0x0313, 0x0131, 0x0333, 0x1303, // ╠╡╢╣╤╥╦╧
    0x3101, 0x3303, 0x1313, 0x3131, 0x3333, 0x0000, 0x0000, 0x0000, // ╨╩╪╫╬╭╮╯
    0x0000, 0x0000, 0x0000, 0x0000, 0x0001, 0x1000, 0x0100, 0x0010, // ╰╱╲╳╴╵╶╷
    0x0002, 0x2000, 0x0200, 0x0020, 0x0201, 0x1020, 0x0102, 0x2010, // ╸╹╺╻╼╽╾╿
];

const DOUBLE: u16 = 3;
/// How far each line of a double is from the middle.
const APART: Half = 2;

/// How wide one line of such an arm is.
fn width(arm: u16) -> Half {
    match arm {
        0 => 0,
        2 => 4,
        _ => 2,
    }
}

pub fn draw(canvas: &mut Canvas, color: Rgb, cell: Cell, c: char) -> bool {
    let Some(&arms) = (c as usize).checked_sub(0x2500).and_then(|at| ARMS.get(at)) else { return false };
    if bent(canvas, color, cell, c) || dashed(canvas, color, cell, c, arms) {
        return true;
    }
    for turn in 0..4 {
        // Every arm is drawn as if it went up, in a cell turned so that it does.
        let arm = |side: u32| (arms >> (12 - 4 * ((turn + side) % 4))) & 0xf;
        let turned = Turned { cell, turn };
        up(|rect| canvas.rect(color, turned.back(rect)), turned.middle(), [arm(0), arm(1), arm(2), arm(3)]);
    }
    true
}

/// The rectangles of the arm that goes up, in a cell whose middle is at `(x, y)` and whose top at zero.
fn up(mut rect: impl FnMut(Rect), (x, y): (Half, Half), [up, right, down, left]: [u16; 4]) {
    if up == 0 {
        return;
    }
    if up != DOUBLE {
        let end = match (right == DOUBLE, left == DOUBLE) {
            (true, true) if down == 0 => y - APART,
            (false, false) => y + width(right).max(width(left)) / 2,
            // A corner reaches round both lines, a crossing is closed by the arm from below.
            _ if down == 0 => y + APART + 1,
            _ => y,
        };
        return rect(Rect { x: x - width(up) / 2, y: 0, width: width(up), height: end });
    }
    // Each line of a double ends where the lines on its own side begin.
    for (side, near, far) in [(-APART, left, right), (APART, right, left)] {
        let end = match (near, far) {
            (DOUBLE, _) => y - APART + 1,
            (0, DOUBLE) if down == 0 => y + APART + 1,
            (0, 0) => y,
            (0, far) if down == 0 => y + width(far) / 2,
            (0, _) => y,
            (near, _) => y + width(near) / 2,
        };
        rect(Rect { x: x + side - 1, y: 0, width: 2, height: end });
    }
}

/// A cell seen from one of its four sides.
struct Turned {
    cell: Cell,
    turn: u32,
}

impl Turned {
    fn middle(&self) -> (Half, Half) {
        if self.turn.is_multiple_of(2) { MIDDLE } else { (MIDDLE.1, MIDDLE.0) }
    }

    fn back(&self, Rect { x, y, width, height }: Rect) -> Rect {
        let (x, y, width, height) = match self.turn {
            0 => (x, y, width, height),
            1 => (WIDTH - y - height, x, height, width),
            2 => (WIDTH - x - width, HEIGHT - y - height, width, height),
            _ => (y, HEIGHT - x - width, height, width),
        };
        self.cell.rect(x, y, width, height)
    }
}

/// Round corners and diagonals.
fn bent(canvas: &mut Canvas, color: Rgb, cell: Cell, c: char) -> bool {
    let (x, y) = MIDDLE;
    let mut line = |from: (Half, Half), path: &str| canvas.line(color, cell.at(from.0, from.1), path);
    match c {
        '╭' => line((x, HEIGHT), "v-5c0-2.5 1.5-4 4-4"),
        '╮' => line((x, HEIGHT), "v-5c0-2.5-1.5-4-4-4"),
        '╯' => line((x, 0), "v5c0 2.5-1.5 4-4 4"),
        '╰' => line((x, 0), "v5c0 2.5 1.5 4 4 4"),
        '╱' => line((0, HEIGHT), "l8-18"),
        '╲' => line((0, 0), "l8 18"),
        '╳' => line((0, HEIGHT), "l8-18m-8 0l8 18"),
        _ => return false,
    }
    debug_assert_eq!((x, y, HEIGHT), (8, 18, 36), "the paths above are drawn for this cell");
    true
}

/// Dashes of two, three or four a cell, with half a gap at each end so that cells join evenly.
fn dashed(canvas: &mut Canvas, color: Rgb, cell: Cell, c: char, arms: u16) -> bool {
    let count = match c {
        '╌'..='╏' => 2,
        '┄'..='┇' => 3,
        '┈'..='┋' => 4,
        _ => return false,
    };
    let lying = arms & 0xf != 0;
    let (length, thick) = if lying { (WIDTH, width(arms & 0xf)) } else { (HEIGHT, width(arms >> 12)) };
    for dash in 0..count {
        let (from, to) = (length * dash / count, length * (dash + 1) / count);
        let gap = if lying { 2 } else { (to - from) / 3 };
        let (start, long) = (from + gap / 2, to - from - gap);
        canvas.rect(
            color,
            if lying {
                cell.rect(start, MIDDLE.1 - thick / 2, long, thick)
            } else {
                cell.rect(MIDDLE.0 - thick / 2, start, thick, long)
            },
        );
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cell as text, a character a half unit.
    fn picture(c: char) -> Vec<String> {
        let mut pixels = vec![vec![' '; WIDTH as usize]; HEIGHT as usize];
        let arms = ARMS[c as usize - 0x2500];
        for turn in 0..4 {
            let arm = |side: u32| (arms >> (12 - 4 * ((turn + side) % 4))) & 0xf;
            let turned = Turned { cell: Cell { x: 0, y: 0 }, turn };
            let paint = |rect: Rect| {
                let Rect { x, y, width, height } = turned.back(rect);
                for line in &mut pixels[y as usize..(y + height) as usize] {
                    line[x as usize..(x + width) as usize].fill('#');
                }
            };
            up(paint, turned.middle(), [arm(0), arm(1), arm(2), arm(3)]);
        }
        pixels.into_iter().map(|line| line.into_iter().collect()).collect()
    }

    fn rows(c: char, rows: std::ops::Range<usize>) -> String {
        picture(c)[rows].join("\n")
    }

    #[test]
    fn a_light_corner_has_no_notch() {
        assert_eq!(
            rows('┌', 16..21),
            "                \n       #########\n       #########\n       ##       \n       ##       "
        );
    }

    #[test]
    fn a_double_corner_is_two_corners_one_inside_the_other() {
        assert_eq!(
            rows('╔', 14..22),
            [
                "                ",
                "     ###########",
                "     ###########",
                "     ##         ",
                "     ##         ",
                "     ##  #######",
                "     ##  #######",
                "     ##  ##     ",
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_double_crossing_is_open_in_its_middle() {
        assert_eq!(
            rows('╬', 14..22),
            [
                "     ##  ##     ",
                "#######  #######",
                "#######  #######",
                "                ",
                "                ",
                "#######  #######",
                "#######  #######",
                "     ##  ##     ",
            ]
            .join("\n")
        );
    }

    #[test]
    fn a_single_line_meets_a_double_one_without_crossing_it() {
        assert_eq!(
            rows('╟', 16..20),
            ["     ##  ##     ", "     ##  #######", "     ##  #######", "     ##  ##     "].join("\n")
        );
        assert_eq!(
            rows('╓', 16..20),
            ["                ", "     ###########", "     ###########", "     ##  ##     "].join("\n")
        );
    }

    #[test]
    fn every_arm_reaches_the_edge_it_points_to() {
        for (at, arms) in ARMS.iter().enumerate() {
            let c = char::from_u32(0x2500 + at as u32).unwrap();
            if *arms == 0 {
                continue;
            }
            let drawn = picture(c);
            let edges = [
                drawn[0].contains('#'),
                drawn.iter().any(|line| line.ends_with('#')),
                drawn[HEIGHT as usize - 1].contains('#'),
                drawn.iter().any(|line| line.starts_with('#')),
            ];
            let wanted = [12, 8, 4, 0].map(|shift| (arms >> shift) & 0xf != 0);
            assert_eq!(edges, wanted, "{c}");
        }
    }
}
