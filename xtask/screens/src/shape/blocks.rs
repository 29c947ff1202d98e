//! Block elements, U+2580 to U+259F, and braille, U+2800 to U+28FF.

use super::{Cell, HEIGHT, WIDTH};
use crate::canvas::Canvas;
use crate::palette::Rgb;

pub fn block(canvas: &mut Canvas, ink: Rgb, paper: Rgb, cell: Cell, c: char) -> bool {
    let eighths = |whole, n| (whole * n + 4) / 8;
    let mut rect = |x, y, width, height| canvas.rect(ink, cell.rect(x, y, width, height));
    let code = c as i32;
    match c {
        '▀' => rect(0, 0, WIDTH, HEIGHT / 2),
        '▁'..='█' => {
            let height = eighths(HEIGHT, code - 0x2580);
            rect(0, HEIGHT - height, WIDTH, height);
        }
        '▉'..='▏' => rect(0, 0, eighths(WIDTH, 0x2590 - code), HEIGHT),
        '▐' => rect(WIDTH / 2, 0, WIDTH / 2, HEIGHT),
        '░' | '▒' | '▓' => {
            // A shade is its mean: dots that small would be noise.
            let percent = [75, 50, 25][(code - 0x2591) as usize];
            canvas.rect(ink.mixed(paper, percent), cell.rect(0, 0, WIDTH, HEIGHT));
        }
        '▔' => rect(0, 0, WIDTH, eighths(HEIGHT, 1)),
        '▕' => rect(WIDTH - eighths(WIDTH, 1), 0, eighths(WIDTH, 1), HEIGHT),
        '▖'..='▟' => {
            // Upper left, upper right, lower left, lower right.
            let quadrants = [0b0010, 0b0001, 0b1000, 0b1011, 0b1001, 0b1110, 0b1101, 0b0100, 0b0110, 0b0111];
            let set = quadrants[(code - 0x2596) as usize];
            for (bit, x, y) in [(8, 0, 0), (4, 1, 0), (2, 0, 1), (1, 1, 1)] {
                if set & bit != 0 {
                    rect(x * WIDTH / 2, y * HEIGHT / 2, WIDTH / 2, HEIGHT / 2);
                }
            }
        }
        _ => return false,
    }
    true
}

pub fn braille(canvas: &mut Canvas, ink: Rgb, cell: Cell, c: char) -> bool {
    let Some(dots) = (c as u32).checked_sub(0x2800).filter(|dots| *dots < 256) else { return false };
    // In the order of the bits. Rows are nine half units apart, across cells too.
    let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    for (bit, (column, row)) in places.into_iter().enumerate() {
        if dots & (1 << bit) != 0 {
            canvas.dot(ink, cell.at(4 + 8 * column, 4 + 9 * row));
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const INK: Rgb = Rgb(200, 100, 0);
    const PAPER: Rgb = Rgb(0, 0, 0);

    fn drawn(c: char) -> String {
        let (mut canvas, mut out, cell) = (Canvas::default(), String::new(), Cell { x: 0, y: 0 });
        assert!(block(&mut canvas, INK, PAPER, cell, c) || braille(&mut canvas, INK, cell, c), "{c}");
        canvas.write(&mut out);
        out
    }

    #[test]
    fn bars_grow_from_the_bottom_and_from_the_left() {
        let path = |d: &str| format!("<path fill=\"#c86400\" d=\"{d}\"/>\n");
        assert_eq!(drawn('▄'), path("M0 9h8v9h-8z"));
        assert_eq!(drawn('█'), path("M0 0h8v18h-8z"));
        assert_eq!(drawn('▏'), path("M0 0h1v18h-1z"));
        assert_eq!(drawn('▉'), path("M0 0h7v18h-7z"));
        assert_eq!(drawn('▔'), path("M0 0h8v2.5h-8z"));
    }

    #[test]
    fn quadrants_are_where_their_names_say() {
        // Upper left and lower left and lower right.
        assert!(drawn('▙').contains("M0 0h4v9h-4zM0 9h8v9h-8z"), "{}", drawn('▙'));
        assert!(drawn('▝').contains("M4 0h4v9h-4z"), "{}", drawn('▝'));
    }

    #[test]
    fn a_shade_is_a_colour_between_ink_and_paper() {
        assert!(drawn('░').contains("#321900"), "{}", drawn('░'));
        assert!(drawn('▓').contains("#964b00"), "{}", drawn('▓'));
    }

    #[test]
    fn braille_has_a_dot_for_each_bit() {
        assert_eq!(drawn('⣿').matches('M').count(), 8);
        assert!(drawn('⢀').contains("M6 15.5h0"), "{}", drawn('⢀'));
        assert_eq!(drawn('⠀'), "");
    }
}
