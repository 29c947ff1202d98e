//! Brings a screen from the last frame to the next one in as few bytes as it takes.

use std::io::{self, Write};

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use ratatui::buffer::{Buffer, Cell, CellWidth};
use ratatui::layout::Rect;

use super::pen::{Pen, SEEN_ON_BLANK};

#[derive(Clone, Debug)]
pub struct Frame {
    /// Its area begins at 0, 0.
    pub buffer: Buffer,
    pub cursor: Option<(u16, u16)>,
    /// Paint all of it, whatever is thought to be on the screen.
    pub clear: bool,
}

pub struct Canvas<W> {
    pub out: W,
    /// `None`: nobody knows what the screen shows.
    shown: Option<Buffer>,
    cursor: Option<(u16, u16)>,
    pen: Pen,
    /// Where the next letter would land; `None` where terminals do not agree about it.
    at: Option<(u16, u16)>,
}

impl<W: Write> Canvas<W> {
    pub fn new(out: W) -> Self {
        Self { out, shown: None, cursor: None, pen: Pen::PLAIN, at: None }
    }

    /// The next frame is painted whole.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// Returns how many bytes it took: none at all when nothing changed.
    pub fn paint(&mut self, mut frame: Frame) -> io::Result<usize> {
        let mut bytes = vec![];
        frame.buffer.content.iter_mut().for_each(silence);
        cover(&mut frame.buffer);
        let known = self.shown.take().filter(|shown| !frame.clear && shown.area == frame.buffer.area);
        let shown = match known {
            Some(shown) => shown,
            None => {
                self.clear(&mut bytes)?;
                Buffer::empty(Rect { x: 0, y: 0, ..frame.buffer.area })
            }
        };
        self.draw(&shown, &frame.buffer, &mut bytes);
        self.place_cursor(frame.cursor, &mut bytes)?;
        if !bytes.is_empty() {
            let mut whole = Vec::with_capacity(bytes.len() + 16);
            queue!(whole, BeginSynchronizedUpdate)?;
            whole.append(&mut bytes);
            queue!(whole, EndSynchronizedUpdate)?;
            bytes = whole;
            self.out.write_all(&bytes)?;
            self.out.flush()?;
        }
        self.shown = Some(frame.buffer);
        Ok(bytes.len())
    }

    fn clear(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        // Nothing is known of the pen either: whoever had the terminal meanwhile changed it.
        bytes.extend_from_slice(b"\x1b[m");
        queue!(bytes, Clear(ClearType::All), Hide)?;
        (self.pen, self.at, self.cursor) = (Pen::PLAIN, None, None);
        Ok(())
    }

    fn draw(&mut self, shown: &Buffer, next: &Buffer, bytes: &mut Vec<u8>) {
        let mut changes = shown.diff(next);
        changes.retain(|(x, y, cell)| !look_alike(&shown[(*x, *y)], cell) && cell.symbol() != COVERED);
        for row in changes.chunk_by(|one, other| one.1 == other.1) {
            let y = row[0].1;
            let end = blank_from(next, y);
            let (written, erased) = row.split_at(row.partition_point(|(x, ..)| *x < end));
            for (x, y, cell) in written {
                self.move_to(*x, *y, next, bytes);
                self.write(*x, cell, next.area.width, bytes);
            }
            if erased.len() > ERASE_FROM {
                self.move_to(erased[0].0, y, next, bytes);
                self.pen.change(Pen::PLAIN, bytes);
                self.pen = Pen::PLAIN;
                bytes.extend_from_slice(b"\x1b[K");
            } else {
                for (x, y, cell) in erased {
                    self.move_to(*x, *y, next, bytes);
                    self.write(*x, cell, next.area.width, bytes);
                }
            }
        }
    }

    fn write(&mut self, x: u16, cell: &Cell, width: u16, bytes: &mut Vec<u8>) {
        let pen = self.pen.for_cell(cell);
        self.pen.change(pen, bytes);
        self.pen = pen;
        let symbol = cell.symbol();
        if symbol.contains('\u{fe0f}') {
            // Some terminals take it for a narrow one, and would leave what was beside it.
            bytes.extend_from_slice(b"  \x1b[2D");
        }
        bytes.extend_from_slice(symbol.as_bytes());
        // At the edge, or after a sign whose width terminals guess differently, nobody knows where the cursor is.
        let certain = symbol.chars().count() == 1 && cell.cell_width() <= 1 && x + 1 < width;
        self.at = self.at.filter(|_| certain).map(|(_, y)| (x + 1, y));
    }

    fn move_to(&mut self, x: u16, y: u16, next: &Buffer, bytes: &mut Vec<u8>) {
        if self.at == Some((x, y)) {
            return;
        }
        let mut best = match (x, y) {
            (0, 0) => b"\x1b[H".to_vec(),
            (0, _) => format!("\x1b[{}H", y + 1).into_bytes(),
            _ => format!("\x1b[{};{}H", y + 1, x + 1).into_bytes(),
        };
        if let Some((from_x, from_y)) = self.at {
            let mut other = vec![];
            if from_y == y && from_x < x {
                other.push(forward(x - from_x));
                other.extend(self.written_again(from_x, x, y, next));
            } else if from_y == y && x == 0 {
                other.push(b"\r".to_vec());
            } else if from_y < y && y - from_y < 4 {
                let down = vec![b'\n'; usize::from(y - from_y)];
                if from_x == x {
                    other.push(down);
                } else {
                    let mut whole = [b"\r".to_vec(), down].concat();
                    if x > 0 {
                        whole.extend(forward(x));
                    }
                    other.push(whole);
                }
            }
            best = other.into_iter().fold(best, |best, one| if one.len() < best.len() { one } else { best });
        }
        bytes.append(&mut best);
        self.at = Some((x, y));
    }

    /// The cells between, if writing what is there already takes no other pen.
    fn written_again(&self, from: u16, to: u16, y: u16, next: &Buffer) -> Option<Vec<u8>> {
        let mut bytes = vec![];
        for x in from..to {
            let cell = next.cell((x, y))?;
            let single = cell.symbol() != COVERED && cell.symbol().chars().count() == 1 && cell.cell_width() == 1;
            if !single || self.pen.for_cell(cell) != self.pen {
                return None;
            }
            bytes.extend_from_slice(cell.symbol().as_bytes());
        }
        Some(bytes)
    }

    fn place_cursor(&mut self, cursor: Option<(u16, u16)>, bytes: &mut Vec<u8>) -> io::Result<()> {
        if let Some((x, y)) = cursor
            && (cursor != self.cursor || self.at != cursor)
        {
            bytes.extend_from_slice(format!("\x1b[{};{}H", y + 1, x + 1).as_bytes());
            self.at = cursor;
        }
        match (self.cursor, cursor) {
            (None, Some(_)) => queue!(bytes, Show)?,
            (Some(_), None) => queue!(bytes, Hide)?,
            _ => {}
        }
        self.cursor = cursor;
        Ok(())
    }
}

/// Erasing the rest of a line and going back to a plain pen costs about this many blanks.
const ERASE_FROM: usize = 6;

fn forward(cells: u16) -> Vec<u8> {
    if cells == 1 { b"\x1b[C".to_vec() } else { format!("\x1b[{cells}C").into_bytes() }
}

/// From here on to the end of the row there is nothing to be seen.
fn blank_from(next: &Buffer, y: u16) -> u16 {
    let plain = |x: &u16| next.cell((*x, y)).is_some_and(|cell| is_blank(cell) && cell.bg == Pen::PLAIN.bg);
    let blanks = (0..next.area.width).rev().take_while(plain).count();
    next.area.width.saturating_sub(u16::try_from(blanks).unwrap_or(u16::MAX))
}

fn is_blank(cell: &Cell) -> bool {
    cell.symbol() == " " && !cell.modifier.intersects(SEEN_ON_BLANK)
}

fn look_alike(before: &Cell, next: &Cell) -> bool {
    is_blank(before) && is_blank(next) && before.bg == next.bg
}

/// In a buffer the second half of a wide letter looks like a blank, but on the screen it does not: it must differ from
/// whatever comes there next.
fn cover(buffer: &mut Buffer) {
    let width = usize::from(buffer.area.width);
    for row in buffer.content.chunks_mut(width.max(1)) {
        let mut x = 0;
        while x < row.len() {
            let end = (x + usize::from(row[x].cell_width().max(1))).min(row.len());
            row[x + 1..end].iter_mut().for_each(|cell| *cell = Cell::new(COVERED));
            x = end;
        }
    }
}

/// For private use, and we do not use it for anything else.
const COVERED: &str = "\u{e000}";

/// Nothing that comes from a task's output may speak to the terminal, or take less room there than in the buffer.
fn silence(cell: &mut Cell) {
    if cell.symbol().chars().any(char::is_control) {
        cell.set_symbol("?");
    } else if cell.cell_width() == 0 {
        cell.set_symbol(" ");
    }
}
