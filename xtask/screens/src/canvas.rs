//! Shapes in the making: rectangles, lines and dots by colour, merged as far as they touch, written as SVG paths.
//!
//! Everything lies on a grid of half units, so that at scale 2 each edge is the edge of a pixel.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::palette::Rgb;

/// A length of half a unit of the picture.
pub type Half = i32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rect {
    pub x: Half,
    pub y: Half,
    pub width: Half,
    pub height: Half,
}

/// The shapes of one colour.
#[derive(Debug, Default)]
struct Layer {
    rects: Vec<Rect>,
    /// Subpaths that are filled.
    fills: String,
    /// Subpaths that are drawn one unit wide.
    lines: String,
    /// Subpaths of no length that are drawn as round dots.
    dots: String,
}

/// Colours do not overlap where a screen has cells, so their order is free: it is that of their numbers.
#[derive(Debug, Default)]
pub struct Canvas {
    layers: BTreeMap<Rgb, Layer>,
}

/// How wide a dot of braille is.
const DOT: f32 = 2.2;

impl Canvas {
    pub fn rect(&mut self, color: Rgb, rect: Rect) {
        if rect.width > 0 && rect.height > 0 {
            self.layers.entry(color).or_default().rects.push(rect);
        }
    }

    /// A filled outline: `path` goes on, relatively, from its starting point.
    pub fn fill(&mut self, color: Rgb, (x, y): (Half, Half), path: &str) {
        let layer = self.layers.entry(color).or_default();
        let _ = write!(layer.fills, "M{} {}{path}", n(x), n(y));
    }

    /// A line of one unit: `path` goes on, relatively, from its starting point.
    pub fn line(&mut self, color: Rgb, (x, y): (Half, Half), path: &str) {
        let layer = self.layers.entry(color).or_default();
        let _ = write!(layer.lines, "M{} {}{path}", n(x), n(y));
    }

    pub fn dot(&mut self, color: Rgb, (x, y): (Half, Half)) {
        let layer = self.layers.entry(color).or_default();
        let _ = write!(layer.dots, "M{} {}h0", n(x), n(y));
    }

    pub fn write(self, out: &mut String) {
        for (color, layer) in self.layers {
            let mut fills = String::new();
            for Rect { x, y, width, height } in merged(layer.rects) {
                let _ = write!(fills, "M{} {}h{}v{}h-{}z", n(x), n(y), n(width), n(height), n(width));
            }
            fills.push_str(&layer.fills);
            if !fills.is_empty() {
                let _ = writeln!(out, r#"<path fill="{color}" d="{fills}"/>"#);
            }
            if !layer.lines.is_empty() {
                let _ = writeln!(out, r#"<path fill="none" stroke="{color}" d="{}"/>"#, layer.lines);
            }
            if !layer.dots.is_empty() {
                let style = format!(r#"fill="none" stroke-width="{DOT}" stroke-linecap="round""#);
                let _ = writeln!(out, r#"<path {style} stroke="{color}" d="{}"/>"#, layer.dots);
            }
        }
    }
}

/// Half units as SVG writes them: `7` is `3.5`, `-1` is `-.5`.
pub fn n(half: Half) -> String {
    let sign = if half < 0 { "-" } else { "" };
    let (whole, odd) = (half.abs() / 2, half % 2 != 0);
    match (whole, odd) {
        (0, true) => format!("{sign}.5"),
        (whole, true) => format!("{sign}{whole}.5"),
        (whole, false) => format!("{sign}{whole}"),
    }
}

/// Fewer rectangles that cover the same.
fn merged(mut rects: Vec<Rect>) -> Vec<Rect> {
    rects.sort_by_key(|r| (r.y, r.height, r.x, r.width));
    rects.dedup_by(|next, last| {
        let joins = (next.y, next.height) == (last.y, last.height) && next.x <= last.x + last.width;
        if joins {
            last.width = last.width.max(next.x + next.width - last.x);
        }
        joins
    });
    rects.sort_by_key(|r| (r.x, r.width, r.y, r.height));
    rects.dedup_by(|next, last| {
        let joins = (next.x, next.width) == (last.x, last.width) && next.y <= last.y + last.height;
        if joins {
            last.height = last.height.max(next.y + next.height - last.y);
        }
        joins
    });
    // From top to bottom, as one reads.
    rects.sort_by_key(|r| (r.y, r.x));
    rects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_units_are_written_short() {
        let written = |half| n(half);
        assert_eq!([0, 1, 2, 7, -1, -4].map(written), ["0", ".5", "1", "3.5", "-.5", "-2"]);
    }

    #[test]
    fn a_field_of_cells_becomes_one_rectangle() {
        let cell = |x, y| Rect { x: x * 16, y: y * 36, width: 16, height: 36 };
        let field = (0..3).flat_map(|y| (0..5).map(move |x| cell(x, y))).collect();
        assert_eq!(merged(field), [Rect { x: 0, y: 0, width: 80, height: 108 }]);
        assert_eq!(merged(vec![cell(0, 0), cell(2, 0)]).len(), 2);
    }
}
