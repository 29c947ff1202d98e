//! A buffer as SVG: a window with a title bar, and in it paper, shapes and ink, cell by cell.

use std::collections::BTreeMap;
use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell, CellWidth};
use ratatui::style::Modifier;

use crate::canvas::{Canvas, Half, n};
use crate::palette::{Palette, Rgb};
use crate::shape::{self, HEIGHT, WIDTH};

/// Room around the screen, inside the window.
const PADDING: Half = 24;
const BAR: Half = 68;
/// From the top of a cell to the line its letters stand on.
const BASELINE: Half = 28;
/// Half of it is drawn: a dim letter is this much paper.
const DIM: u16 = 45;
/// With this size a letter of the font is as wide as a cell.
const FONT_SIZE: &str = "13.333";
/// Ours first; the others are what a viewer without it is likely to have.
const FONTS: &str = "JetBrains Mono,DejaVu Sans Mono,Menlo,Consolas,monospace";

/// The whole picture, as the text of an SVG file.
pub fn svg(buffer: &Buffer, title: &str, palette: &Palette) -> String {
    let (width, height) = size(buffer);
    let mut out = String::new();
    let (w, h) = (n(width), n(height));
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" viewBox="0 0 {w} {h}" font-family="{FONTS}" font-size="{FONT_SIZE}">"#
    );
    window(&mut out, (width, height), title, palette);
    let mut screen = Screen { palette, papers: Canvas::default(), shapes: Canvas::default(), inks: BTreeMap::new() };
    screen.draw(buffer);
    screen.papers.write(&mut out);
    screen.shapes.write(&mut out);
    for (ink, runs) in screen.inks {
        ink.write(&mut out, &runs);
    }
    out.push_str("</svg>\n");
    out
}

fn size(buffer: &Buffer) -> (Half, Half) {
    let (columns, rows) = (Half::from(buffer.area.width), Half::from(buffer.area.height));
    (columns * WIDTH + 2 * PADDING, rows * HEIGHT + BAR + PADDING)
}

/// The frame: curves are written out, because renderers turn arcs into curves each in its own way.
fn window(out: &mut String, (width, height): (Half, Half), title: &str, palette: &Palette) {
    let Palette { background, bar, edge, title: ink, .. } = palette;
    let (w, h) = (n(width - 42), n(height - 42));
    let frame =
        format!("M.5 10.5c0-5.5 4.5-10 10-10h{w}c5.5 0 10 4.5 10 10v{h}c0 5.5-4.5 10-10 10h-{w}c-5.5 0-10-4.5-10-10z");
    let top = format!("M.5 27v-16.5c0-5.5 4.5-10 10-10h{w}c5.5 0 10 4.5 10 10v16.5z");
    let _ = writeln!(out, r#"<path fill="{background}" d="{frame}"/>"#);
    let _ = writeln!(out, r#"<path fill="{bar}" d="{top}"/>"#);
    let _ = writeln!(out, r#"<path fill="none" stroke="{edge}" d="{frame}M1 27.5h{}"/>"#, n(width - 4));
    for (at, color) in [(0, palette.named[1]), (1, palette.named[3]), (2, palette.named[2])] {
        let muted = color.mixed(*bar, 15);
        let x = n(32 + at * 32);
        let _ = writeln!(
            out,
            r#"<path fill="none" stroke="{muted}" stroke-width="9" stroke-linecap="round" d="M{x} 14h0"/>"#
        );
    }
    if !title.is_empty() {
        let middle = n(width / 2);
        let title = escaped(title);
        let _ = writeln!(
            out,
            r#"<text x="{middle}" y="18" text-anchor="middle" fill="{ink}" font-size="12">{title}</text>"#
        );
    }
}

/// What letters have in common that are written in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ink {
    color: Rgb,
    bold: bool,
    italic: bool,
}

/// Text that is written at once.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    x: Half,
    y: Half,
    text: String,
    cells: u16,
    /// Its letters are as wide as the font says; a mark may come from another font and stands alone.
    plain: bool,
}

impl Ink {
    fn write(self, out: &mut String, runs: &[Run]) {
        let _ = write!(out, r#"<g fill="{}""#, self.color);
        if self.bold {
            out.push_str(r#" font-weight="700""#);
        }
        if self.italic {
            out.push_str(r#" font-style="italic""#);
        }
        out.push_str(">\n");
        for run in runs {
            let _ = write!(out, r#"<text x="{}" y="{}""#, n(run.x), n(run.y));
            if run.cells > 1 && run.plain {
                let _ = write!(out, r#" textLength="{}""#, n(Half::from(run.cells) * WIDTH));
            }
            let _ = writeln!(out, ">{}</text>", escaped(&run.text));
        }
        out.push_str("</g>\n");
    }
}

struct Screen<'a> {
    palette: &'a Palette,
    papers: Canvas,
    shapes: Canvas,
    inks: BTreeMap<Ink, Vec<Run>>,
}

impl Screen<'_> {
    fn draw(&mut self, buffer: &Buffer) {
        for y in 0..buffer.area.height {
            let mut x = 0;
            while x < buffer.area.width {
                let cell = &buffer[(buffer.area.x + x, buffer.area.y + y)];
                let left = buffer.area.width - x;
                // What a wide character covers is not looked at: a terminal does not show it either.
                let cells = if is_blank(cell.symbol()) { 1 } else { cell.cell_width().clamp(1, left) };
                self.cell(cell, (x, y), cells);
                x += cells;
            }
        }
    }

    fn cell(&mut self, cell: &Cell, (column, row): (u16, u16), cells: u16) {
        let (color, paper) = self.colors(cell);
        let at = shape::Cell { x: PADDING + Half::from(column) * WIDTH, y: BAR + Half::from(row) * HEIGHT };
        let width = Half::from(cells) * WIDTH;
        if paper != self.palette.background {
            self.papers.rect(paper, at.rect(0, 0, width, HEIGHT));
        }
        if cell.modifier.contains(Modifier::HIDDEN) {
            return;
        }
        if cell.modifier.contains(Modifier::UNDERLINED) {
            self.shapes.rect(color, at.rect(0, BASELINE + 3, width, 2));
        }
        if cell.modifier.contains(Modifier::CROSSED_OUT) {
            self.shapes.rect(color, at.rect(0, BASELINE - 8, width, 2));
        }
        let symbol = cell.symbol();
        if is_blank(symbol) {
            return;
        }
        let mut chars = symbol.chars();
        if let (Some(c), None) = (chars.next(), chars.next())
            && shape::draw(&mut self.shapes, color, paper, at, c)
        {
            return;
        }
        let (bold, italic) = (cell.modifier.contains(Modifier::BOLD), cell.modifier.contains(Modifier::ITALIC));
        let runs = self.inks.entry(Ink { color, bold, italic }).or_default();
        write(runs, symbol, (at.x, at.y + BASELINE), cells);
    }

    /// Ink and paper of a cell, after everything that changes them.
    fn colors(&self, cell: &Cell) -> (Rgb, Rgb) {
        let mut ink = self.palette.rgb(cell.fg).unwrap_or(self.palette.foreground);
        let mut paper = self.palette.rgb(cell.bg).unwrap_or(self.palette.background);
        if cell.modifier.contains(Modifier::REVERSED) {
            std::mem::swap(&mut ink, &mut paper);
        }
        if cell.modifier.contains(Modifier::DIM) {
            ink = ink.mixed(paper, DIM);
        }
        (ink, paper)
    }
}

/// Adds a symbol to the last run where it goes on there (over one space at most), or begins another.
fn write(runs: &mut Vec<Run>, symbol: &str, (x, y): (Half, Half), cells: u16) {
    let plain = cells == 1 && symbol.chars().all(is_plain) && symbol.chars().count() == 1;
    if let Some(last) = runs.last_mut().filter(|last| last.plain && plain && last.y == y) {
        let gap = (x - last.x) / WIDTH - Half::from(last.cells);
        if gap == 0 || gap == 1 {
            if gap == 1 {
                last.text.push(' ');
            }
            last.text.push_str(symbol);
            last.cells += 1 + gap as u16;
            return;
        }
    }
    runs.push(Run { x, y, text: symbol.into(), cells, plain });
}

/// Characters every monospaced font has, all of one width.
fn is_plain(c: char) -> bool {
    c.is_ascii_graphic()
        || matches!(c, '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{17f}' | '–' | '—' | '‘' | '’' | '“' | '”' | '…')
}

fn is_blank(symbol: &str) -> bool {
    symbol.chars().all(|c| c.is_whitespace() || c.is_control())
}

fn escaped(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
