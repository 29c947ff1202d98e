//! Tables: without borders, one row a line. On a terminal the last column gives way to the width; in a pipe every
//! column is always there and nothing is cut, so that `awk` and `cut` find what they look for.

use clap::builder::styling::AnsiColor;
use comfy_table::{Attribute, CellAlignment, Color, ColumnConstraint, ContentArrangement, Row, Table, Width, presets};

use super::look::Look;
use super::text::clean;

#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    color: Option<AnsiColor>,
    right: bool,
}

/// Blanks between two columns.
const GAP: usize = 2;
/// A column wider than this is cut on a terminal.
const WIDEST: u16 = 32;
/// A last column narrower than this says too little.
const LEAST: usize = 16;
/// Where there is nothing to say; an empty cell would shift the columns of whoever splits at blanks.
const NOTHING: &str = "-";

impl Cell {
    pub fn colored(text: impl Into<String>, color: AnsiColor) -> Self {
        Self { text: text.into(), color: Some(color), right: false }
    }

    pub fn number(text: impl std::fmt::Display) -> Self {
        Self { text: text.to_string(), color: None, right: true }
    }

    pub fn maybe(value: Option<impl std::fmt::Display>) -> Self {
        Self { text: value.map(|v| v.to_string()).unwrap_or_default(), color: None, right: false }
    }

    fn dress(&self) -> comfy_table::Cell {
        let text = if self.text.is_empty() { NOTHING.into() } else { clean(&self.text) };
        let mut cell = comfy_table::Cell::new(text);
        if let Some(color) = self.color {
            cell = cell.fg(of(color));
        }
        if self.right { cell.set_alignment(CellAlignment::Right) } else { cell }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), color: None, right: false }
    }
}

/// Rows under a header.
pub struct Grid {
    header: Vec<&'static str>,
    spare: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), spare: &[], rows: vec![] }
    }

    /// Columns that a narrow terminal can do without, the most dispensable first.
    pub fn spare(self, columns: &'static [&'static str]) -> Self {
        Self { spare: columns, ..self }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub fn render(self, look: Look) -> String {
        let mut table = bare(look);
        let right = |column: usize| self.rows.iter().any(|row| row.get(column).is_some_and(|cell| cell.right));
        let header = self.header.iter().enumerate().map(|(column, title)| {
            let cell = comfy_table::Cell::new(title).add_attribute(Attribute::Bold);
            if right(column) { cell.set_alignment(CellAlignment::Right) } else { cell }
        });
        table.set_header(one_line(header.collect()));
        for cells in &self.rows {
            table.add_row(one_line(cells.iter().map(Cell::dress).collect()));
        }
        let visible = if look.terminal { self.worth_showing(&mut table) } else { (0..self.header.len()).collect() };
        space_out(&mut table, &visible);
        lines(&table)
    }

    /// Without columns that say nothing, and without spare ones while the last would have no room.
    fn worth_showing(&self, table: &mut Table) -> Vec<usize> {
        let says =
            |column: usize| self.rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.text.is_empty()));
        let mut visible: Vec<usize> = (0..self.header.len()).filter(|&column| column == 0 || says(column)).collect();
        let Some(room) = table.width().map(usize::from) else { return visible };
        let widths = table.column_max_content_widths();
        for spare in self.spare {
            let Some((last, others)) = visible.split_last() else { break };
            let others: usize = others.iter().map(|&column| usize::from(widths[column].min(WIDEST)) + GAP).sum();
            if others + usize::from(widths[*last]).min(LEAST) <= room {
                break;
            }
            visible.retain(|&column| self.header[column] != *spare);
        }
        visible
    }
}

/// One thing with everything known of it: a name and a value a line, without what is not known.
#[derive(Default)]
pub struct Sheet {
    rows: Vec<(&'static str, Cell)>,
}

impl Sheet {
    pub fn line(&mut self, name: &'static str, value: impl Into<Cell>) {
        self.rows.push((name, value.into()));
    }

    pub fn render(self, look: Look) -> String {
        let mut table = bare(look);
        for (name, value) in self.rows.iter().filter(|(_, value)| !value.text.is_empty()) {
            let name = comfy_table::Cell::new(name).add_attribute(Attribute::Bold);
            table.add_row(Row::from(vec![name, value.dress()]));
        }
        space_out(&mut table, &[0, 1]);
        lines(&table)
    }
}

fn bare(look: Look) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_truncation_indicator("…");
    match look.width() {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table.style_text_only();
    if look.color {
        // The decision is made; crossterm would ask NO_COLOR again, and --color=always would not win.
        crossterm::style::force_color_output(true);
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

fn one_line(cells: Vec<comfy_table::Cell>) -> Row {
    let mut row = Row::from(cells);
    row.max_height(1);
    row
}

/// Nothing between columns but blanks, none at the edges; the last may be cut, and what is absurdly wide.
fn space_out(table: &mut Table, visible: &[usize]) {
    let (widths, fits_a_screen) = (table.column_max_content_widths(), table.width().is_some());
    for (index, column) in table.column_iter_mut().enumerate() {
        let last = visible.last() == Some(&index);
        column.set_padding((0, if last { 0 } else { GAP as u16 }));
        if !visible.contains(&index) {
            column.set_constraint(ColumnConstraint::Hidden);
        } else if !last {
            // A name of 128 letters would leave nothing for the rest.
            column.set_constraint(match widths[index] > WIDEST && fits_a_screen {
                true => ColumnConstraint::Absolute(Width::Fixed(WIDEST + GAP as u16)),
                false => ColumnConstraint::ContentWidth,
            });
        }
    }
}

fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn of(color: AnsiColor) -> Color {
    match color {
        AnsiColor::Red => Color::DarkRed,
        AnsiColor::Green => Color::DarkGreen,
        AnsiColor::Yellow => Color::DarkYellow,
        AnsiColor::Magenta => Color::DarkMagenta,
        AnsiColor::Cyan => Color::DarkCyan,
        AnsiColor::Blue => Color::DarkBlue,
        _ => Color::Reset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Look = Look { terminal: false, color: false };

    fn grid() -> Grid {
        let mut grid = Grid::new(&["JOB", "NAME", "COMMAND"]);
        grid.row(vec![Cell::number(7), "".into(), "echo hello".into()]);
        grid.row(vec![Cell::number(17), "".into(), "sleep\x1b[2J".into()]);
        grid
    }

    #[test]
    fn a_pipe_gets_every_column_and_no_colour() {
        assert_eq!(grid().render(PIPE), "JOB  NAME  COMMAND\n  7  -     echo hello\n 17  -     sleep\\u{1b}[2J\n");
    }

    #[test]
    fn a_terminal_is_spared_columns_that_say_nothing() {
        let text = grid().render(Look { terminal: true, color: false });
        assert!(text.starts_with("JOB  COMMAND\n"), "{text}");
    }

    #[test]
    fn colour_is_given_when_asked_for() {
        let mut grid = Grid::new(&["STATE"]);
        grid.row(vec![Cell::colored("failed", AnsiColor::Red)]);
        let text = grid.render(Look { terminal: false, color: true });
        assert!(text.contains("\x1b[31mfailed") || text.contains("\x1b[38;5;1mfailed"), "{text:?}");
    }

    #[test]
    fn a_sheet_leaves_out_what_is_not_known() {
        let mut sheet = Sheet::default();
        sheet.line("model", "Raspberry Pi 4");
        sheet.line("temperature", Cell::maybe(None::<u32>));
        assert_eq!(sheet.render(PIPE), "model  Raspberry Pi 4\n");
    }
}
