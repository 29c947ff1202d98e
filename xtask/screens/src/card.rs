//! A test card: everything that can be drawn, on one screen, to be looked at.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};

/// As wide as the smallest terminal that is well served.
const WIDTH: u16 = 80;
const HEIGHT: u16 = 26;

pub fn buffer() -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, WIDTH, HEIGHT));
    let mut lines = vec![];
    lines.extend(colors());
    lines.push(Line::default());
    lines.push(styles());
    lines.push(Line::default());
    lines.extend(boxes());
    lines.push(Line::default());
    lines.extend(bars());
    lines.push(Line::default());
    lines.extend(words());
    for (y, line) in (1..HEIGHT).zip(lines) {
        buffer.set_line(2, y, &line, WIDTH - 4);
    }
    buffer
}

/// The sixteen names as ink and as paper, then the cube and the greys.
fn colors() -> Vec<Line<'static>> {
    let ink = (0..16).map(|n| Span::from(format!(" {n:>2} ")).fg(Color::Indexed(n)));
    let paper = (0..16).map(|n| Span::from(format!(" {n:>2} ")).bg(Color::Indexed(n)).fg(contrast(n)));
    let cube = (0..36u8).map(|n| Span::from("  ").bg(Color::Indexed(16 + n * 6)));
    let grey = (232..=255).map(|n| Span::from("█▌").fg(Color::Indexed(n)).bg(Color::Indexed(n)));
    let heat = (0..72u8).map(|n| Span::from("▀").fg(Color::Rgb(40 + 3 * n, 60 + 2 * n, 250 - 3 * n)));
    vec![ink.collect(), paper.collect(), cube.collect(), grey.collect(), heat.collect()]
}

fn contrast(index: u8) -> Color {
    if index == 0 || index == 8 { Color::White } else { Color::Black }
}

fn styles() -> Line<'static> {
    let space = || Span::from("  ");
    Line::from(vec![
        "plain".into(),
        space(),
        "bold".bold(),
        space(),
        "dim".dim(),
        space(),
        "italic".italic(),
        space(),
        "underlined".underlined(),
        space(),
        "crossed out".crossed_out(),
        space(),
        " selected ".reversed(),
        space(),
        " and dim ".reversed().dim(),
    ])
}

fn boxes() -> Vec<Line<'static>> {
    let rows = [
        "╭──────┬──────╮ ┏━━━━━━┳━━━━━━┓ ╔══════╦══════╗ ┍━━━┯━━━┑ ╓──╥──╖ ╒══╤══╕",
        "│ ab   │ 12.5 │ ┃ ab   ┃ 12.5 ┃ ║ ab   ║ 12.5 ║ │   │   │ ║  ║  ║ │  │  │",
        "├──────┼──────┤ ┣━━━━━━╋━━━━━━┫ ╠══════╬══════╣ ┝━━━┿━━━┥ ╟──╫──╢ ╞══╪══╡",
        "│ ╲╱╳  │ ┄┄┈┈ │ ┃ ┅┅┉┉ ┃ ╌╌╍╍ ┃ ║ ╴╶╸╺ ║ ╼━╾─ ║ │ ┆ │ ┊ │ ║  ║  ║ │  │  │",
        "╰──────┴──────╯ ┗━━━━━━┻━━━━━━┛ ╚══════╩══════╝ ┕━━━┷━━━┙ ╙──╨──╜ ╘══╧══╛",
    ];
    rows.into_iter().map(|row| Line::from(row).fg(Color::Gray)).collect()
}

fn bars() -> Vec<Line<'static>> {
    let meter = |name: &'static str, color: Color, full: usize, part: &'static str| {
        let rest = "░".repeat(25 - full);
        let bar = Span::styled(format!("{}{part}", "█".repeat(full)), Style::new().fg(color));
        Line::from(vec![Span::from(name), bar, Span::from(rest).dark_gray(), Span::from("   ")])
    };
    let braille = |row: usize| -> String {
        let height = |x: usize| 7.5 + 7.0 * (x as f64 / 11.0).sin() * (x as f64 / 47.0).cos();
        let cell = |x: usize| {
            let column = |x: usize, bits: [u32; 4]| {
                let top = 16 - height(x).round() as usize;
                (0..4).filter(|dot| row * 4 + dot >= top).map(|dot| bits[dot]).sum::<u32>()
            };
            let dots = column(2 * x, [1, 2, 4, 64]) + column(2 * x + 1, [8, 16, 32, 128]);
            char::from_u32(0x2800 + dots).unwrap_or(' ')
        };
        (0..34).map(cell).collect()
    };
    let mut rows = vec![
        meter("cpu  ", Color::Green, 12, "▍"),
        meter("ram  ", Color::Yellow, 19, "▊"),
        meter("heat ", Color::Red, 23, "▏"),
        Line::from(vec!["load ".into(), "▁▂▃▄▅▆▇█▇▆▅▄▃▂▁▁▂▂▃▄▅▅▆▇▇█".cyan(), "   ".into()]),
    ];
    for (at, row) in rows.iter_mut().enumerate() {
        row.push_span(Span::from("│").dark_gray());
        row.push_span(Span::from(braille(at)).light_blue());
        row.push_span(Span::from("│").dark_gray());
    }
    rows.push(Line::from("▖▗▘▙▚▛▜▝▞▟ ▔▔▕▏ ▉▊▋▌▍▎▏ ▐▌ ░▒▓█ ▀▄▀▄ ⠁⠃⠇⡇⣇⣧⣷⣿ ⣿⣿⣿").magenta());
    rows
}

fn words() -> Vec<Line<'static>> {
    vec![
        Line::from(vec![
            "● up".green(),
            "  ".into(),
            "◐ reachable".yellow(),
            "  ".into(),
            "○ down".red(),
            "  ".into(),
            "◑ ✚ joining".blue(),
            "  ✓ done  ✗ failed  ▶ running  ▲▼ ↑↓→←".into(),
        ]),
        Line::from("The quick brown fox: 0O 1lI {}[]() <= != -> => & 21.5 °C · 3 × 4 – “so” …"),
        Line::from("Grüße, señor Ørsted, łódź, Čapek; ½ µs ± 2 ≤ 3 ≈ π, λ; ⚠ ★ ⏎ ⌫"),
    ]
}
