use std::io::{self, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::{Buffer, Cell, CellWidth};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use test_support::Dice;

use super::pen::SEEN_ON_BLANK;
use super::*;

/// Whoever writes anything anywhere.
struct Scribbler(Dice);

impl Scribbler {
    fn style(&mut self) -> Style {
        let colors = [
            Color::Reset,
            Color::Reset,
            Color::Red,
            Color::Gray,
            Color::White,
            Color::DarkGray,
            Color::Indexed(77),
            Color::Rgb(1, 20, 255),
        ];
        let modifiers =
            [Modifier::BOLD, Modifier::DIM, Modifier::ITALIC, Modifier::UNDERLINED, Modifier::REVERSED, Modifier::BOLD];
        let mut style = Style::new();
        if self.0.below(3) > 0 {
            style = style.fg(*self.0.pick(&colors));
        }
        if self.0.below(4) == 0 {
            style = style.bg(*self.0.pick(&colors));
        }
        for _ in 0..self.0.below(3) {
            style = style.add_modifier(*self.0.pick(&modifiers));
        }
        style
    }

    fn scribble(&mut self, buffer: &mut Buffer) {
        let words =
            ["task 12", "✓", "漢字", "é", "e\u{301}x", "█▌░", "          ", "a", "…", "│", "長", "↔\u{fe0f}", "   "];
        for _ in 0..1 + self.0.below(12) {
            let (x, y) = (self.0.below(buffer.area.width.into()), self.0.below(buffer.area.height.into()));
            let (word, style) = (*self.0.pick(&words), self.style());
            buffer.set_string(u16::try_from(x).unwrap(), u16::try_from(y).unwrap(), word, style);
        }
        if self.0.below(6) == 0 {
            buffer.reset();
        }
        // vt100 takes bold and dim for two ends of one thing.
        for cell in buffer.content.iter_mut().filter(|cell| cell.modifier.contains(Modifier::BOLD)) {
            cell.modifier.remove(Modifier::DIM);
        }
    }
}

fn frame(buffer: &Buffer) -> Frame {
    Frame { buffer: buffer.clone(), cursor: None, clear: false }
}

fn some(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap()
}

fn blank(width: u16, height: u16) -> Buffer {
    Buffer::empty(Rect::new(0, 0, width, height))
}

/// A terminal that shows what was painted.
struct Shown {
    canvas: Canvas<Vec<u8>>,
    parser: vt100::Parser,
}

impl Shown {
    fn new(width: u16, height: u16) -> Self {
        Self { canvas: Canvas::new(vec![]), parser: vt100::Parser::new(some(height), some(width), 0) }
    }

    fn paint(&mut self, frame: Frame) -> usize {
        let bytes = self.canvas.paint(frame).unwrap();
        assert_eq!(bytes, self.canvas.out.len());
        self.parser.process(&std::mem::take(&mut self.canvas.out));
        bytes
    }

    fn assert_shows(&self, buffer: &Buffer, what: &str) {
        for y in 0..buffer.area.height {
            let mut x = 0;
            while x < buffer.area.width {
                let (wanted, got) = (&buffer[(x, y)], self.parser.screen().cell(y, x).unwrap());
                assert_eq!(look_of_cell(wanted), look_of_screen(got), "{what}: at {x}, {y}");
                x += wanted.cell_width().max(1);
            }
        }
    }
}

/// What is seen of a cell: its sign, its colours, whether it is bold, dim, italic, underlined, reversed.
type Look = (String, vt100::Color, vt100::Color, [bool; 5]);

fn look_of_cell(cell: &Cell) -> Look {
    let modifiers = [Modifier::BOLD, Modifier::DIM, Modifier::ITALIC, Modifier::UNDERLINED, Modifier::REVERSED];
    let flags = modifiers.map(|modifier| cell.modifier.contains(modifier));
    seen((cell.symbol().to_owned(), color(cell.fg), color(cell.bg), flags))
}

fn look_of_screen(cell: &vt100::Cell) -> Look {
    let contents = if cell.has_contents() { cell.contents().to_owned() } else { " ".to_owned() };
    let flags = [cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse()];
    seen((contents, cell.fgcolor(), cell.bgcolor(), flags))
}

fn seen(look: Look) -> Look {
    match look {
        // Nobody sees the colour or the weight of nothing.
        (sign, _, bg, flags) if sign == " " && !flags[3] && !flags[4] => (sign, vt100::Color::Default, bg, [false; 5]),
        look => look,
    }
}

fn color(color: Color) -> vt100::Color {
    match color {
        Color::Reset => vt100::Color::Default,
        Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
        Color::Indexed(index) => vt100::Color::Idx(index),
        Color::Red => vt100::Color::Idx(1),
        Color::Gray => vt100::Color::Idx(7),
        Color::DarkGray => vt100::Color::Idx(8),
        Color::White => vt100::Color::Idx(15),
        other => panic!("the dice have no {other}"),
    }
}

#[test]
fn after_any_frames_the_screen_shows_the_last_one() {
    for seed in 1..100 {
        let mut scribbler = Scribbler(Dice::new(seed));
        let mut shown = Shown::new(31, 7);
        let mut buffer = blank(31, 7);
        for round in 0..30 {
            scribbler.scribble(&mut buffer);
            let mut frame = frame(&buffer);
            frame.clear = scribbler.0.below(10) == 0;
            frame.cursor =
                (scribbler.0.below(4) == 0).then(|| (*scribbler.0.pick(&[0, 3, 30]), *scribbler.0.pick(&[0, 6])));
            let cursor = frame.cursor;
            shown.paint(frame);
            shown.assert_shows(&buffer, &format!("seed {seed}, frame {round}"));
            assert_eq!(shown.parser.screen().hide_cursor(), cursor.is_none());
            if let Some((x, y)) = cursor {
                assert_eq!(shown.parser.screen().cursor_position(), (y, x), "seed {seed}, frame {round}");
            }
        }
    }
}

#[test]
fn another_size_is_painted_whole() {
    let mut scribbler = Scribbler(Dice::new(5));
    let mut shown = Shown::new(30, 8);
    for (width, height) in [(30, 8), (12, 3), (40, 9), (1, 1), (25, 8)] {
        let mut buffer = blank(width, height);
        scribbler.scribble(&mut buffer);
        shown.parser.screen_mut().set_size(some(height), some(width));
        shown.paint(frame(&buffer));
        shown.assert_shows(&buffer, &format!("{width} by {height}"));
    }
    shown.paint(frame(&blank(0, 0)));
}

#[test]
fn a_frame_that_changes_nothing_writes_nothing() {
    let mut shown = Shown::new(20, 4);
    let mut buffer = blank(20, 4);
    buffer.set_string(2, 1, "rack 漢 1", Style::new().fg(Color::Red));
    let mut with_cursor = frame(&buffer);
    with_cursor.cursor = Some((3, 3));
    assert!(shown.paint(with_cursor.clone()) > 0);
    assert_eq!(shown.paint(with_cursor.clone()), 0);
    // A blank that would be written in another colour looks the same.
    with_cursor.buffer[(19, 3)].set_fg(Color::Red);
    assert_eq!(shown.paint(with_cursor), 0);
}

#[test]
fn a_frame_is_one_synchronized_update() {
    let mut canvas = Canvas::new(vec![]);
    let mut buffer = blank(20, 4);
    canvas.paint(frame(&buffer)).unwrap();
    canvas.out.clear();
    buffer.set_string(0, 0, "x", Style::new());
    canvas.paint(frame(&buffer)).unwrap();
    assert_eq!(String::from_utf8(canvas.out).unwrap(), "\x1b[?2026h\x1b[Hx\x1b[?2026l");
}

#[test]
fn what_a_task_writes_does_not_speak_to_the_terminal() {
    let mut shown = Shown::new(10, 1);
    let mut buffer = blank(10, 1);
    buffer[(1, 0)].set_symbol("\x1b[2J");
    buffer[(2, 0)].set_symbol("\u{200b}");
    buffer[(3, 0)].set_symbol("z");
    shown.paint(frame(&buffer));
    assert_eq!(shown.parser.screen().contents(), " ? z");
}

/// A screen as the console draws it: panes, rows in the colours of their states, bars, a selection.
fn console(now: usize) -> Buffer {
    let mut buffer = blank(100, 40);
    let states = [(Color::Green, "● up"), (Color::Yellow, "◐ reachable"), (Color::Red, "○ down")];
    for y in 0..40u16 {
        let row = usize::from(y);
        let (color, state) = states[(row + now / 9) % 3];
        buffer.set_string(0, y, "│", Style::new().fg(Color::DarkGray));
        buffer.set_string(2, y, format!("pi-{row:02}"), Style::new().add_modifier(Modifier::BOLD));
        buffer.set_string(9, y, state, Style::new().fg(color));
        let load = (row * 31 + now * 7) % 100;
        buffer.set_string(22, y, "█".repeat(load / 10), Style::new().fg(color));
        buffer.set_string(33, y, format!("{load:3}%"), Style::new());
        buffer.set_string(40, y, format!("{:.1} °C", 40.0 + load as f64 / 7.0), Style::new().fg(Color::Gray));
        buffer.set_string(99, y, "│", Style::new().fg(Color::DarkGray));
        if row == now % 40 {
            buffer.set_style(Rect::new(1, y, 98, 1), Style::new().add_modifier(Modifier::REVERSED));
        }
    }
    buffer
}

#[test]
fn frames_take_fewer_bytes_than_with_ratatuis_own_backend() {
    crossterm::style::force_color_output(true);
    let mut ours = Canvas::new(vec![]);
    let (mut our_bytes, mut their_bytes, mut before) = (0, 0, blank(100, 40));
    for now in 0..60 {
        let next = console(now);
        our_bytes += ours.paint(frame(&next)).unwrap();
        let mut counted = CountingWriter::default();
        let mut backend = CrosstermBackend::new(&mut counted);
        backend.draw(before.diff(&next).into_iter()).unwrap();
        their_bytes += counted.bytes;
        before = next;
    }
    println!("{our_bytes} bytes against {their_bytes}");
    assert!(our_bytes * 3 < their_bytes * 2, "{our_bytes} bytes against {their_bytes}");
}

#[derive(Default)]
struct CountingWriter {
    bytes: usize,
}

impl Write for CountingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A screen that notes what it is asked for, and takes bytes only while it is not held.
#[derive(Clone, Default)]
struct Noted {
    said: Arc<Mutex<Vec<String>>>,
    held: Arc<Mutex<()>>,
    dead: bool,
}

impl Noted {
    fn note(&self, what: String) {
        self.said.lock().unwrap().push(what);
    }

    fn said(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }
}

impl Write for Noted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(self.held.lock().unwrap());
        if self.dead {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.note(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen for Noted {
    fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.note(format!("mouse {on}"));
        Ok(())
    }

    fn set_title(&mut self, title: &str) -> io::Result<()> {
        self.note(format!("title {title}"));
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.note("suspend".to_owned());
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.note("reopen".to_owned());
        Ok(())
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.note("dropped".to_owned());
    }
}

fn start(screen: &Noted) -> (Painter, Receiver<Report>) {
    let (to, reports) = channel();
    let report = move |report| to.send(report).unwrap_or_default();
    (Painter::start(screen.clone(), report).unwrap(), reports)
}

fn next(reports: &Receiver<Report>) -> Report {
    reports.recv_timeout(Duration::from_secs(10)).unwrap()
}

#[test]
fn the_painter_obeys_in_order_and_gives_the_screen_back() {
    let screen = Noted::default();
    let (painter, reports) = start(&screen);
    let mut buffer = blank(5, 1);
    buffer.set_string(0, 0, "hello", Style::new());
    painter.send(Command::Title("bramble".to_owned())).unwrap();
    painter.send(Command::Frame(frame(&buffer))).unwrap();
    assert!(matches!(next(&reports), Report::Painted { bytes } if bytes > 0));
    painter.send(Command::Frame(frame(&buffer))).unwrap();
    assert!(matches!(next(&reports), Report::Painted { bytes: 0 }));
    painter.send(Command::Suspend).unwrap();
    assert!(matches!(next(&reports), Report::Resumed));
    painter.send(Command::Frame(frame(&buffer))).unwrap();
    assert!(matches!(next(&reports), Report::Painted { bytes } if bytes > 0), "nobody knows what the screen shows now");
    painter.send(Command::Mouse(false)).unwrap();
    painter.send(Command::Copy("pi-01".to_owned())).unwrap();
    drop(painter);
    let said = screen.said();
    assert_eq!((said[0].as_str(), said[2].as_str(), said[4].as_str()), ("title bramble", "suspend", "mouse false"));
    assert_eq!((said[5].as_str(), said[6].as_str()), ("\x1b]52;c;cGktMDE=\x1b\\", "dropped"));
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up() {
    let screen = Noted::default();
    let held = screen.held.clone();
    let guard = held.lock().unwrap();
    let (painter, _reports) = start(&screen);
    let refused = (0..100).find_map(|_| painter.send(Command::Copy("pi-01".to_owned())).err());
    assert!(matches!(refused, Some(CommandError::Busy)), "{refused:?}");
    drop(painter);
    assert_eq!(screen.said(), Vec::<String>::new(), "and quitting did not wait for it for ever");
    drop(guard);
}

#[test]
fn a_dead_terminal_is_reported_once() {
    let mut screen = Noted::default();
    screen.dead = true;
    let (painter, reports) = start(&screen);
    painter.send(Command::Frame(frame(&blank(5, 1)))).unwrap();
    assert!(matches!(next(&reports), Report::Gone(_)));
    assert!(reports.recv_timeout(Duration::from_secs(10)).is_err(), "the painter has ended");
    assert!(matches!(painter.send(Command::Mouse(true)), Err(CommandError::Gone)));
}

#[test]
fn too_much_to_copy_is_refused_with_its_size() {
    let screen = Noted::default();
    let (painter, _reports) = start(&screen);
    let error = painter.send(Command::Copy("x".repeat(80_001))).unwrap_err();
    let sentence = "Terminals take at most about 100 kB through the clipboard, and this is 81 kB; copy less.";
    assert_eq!(error.to_string(), sentence);
    painter.send(Command::Copy("x".repeat(75_000))).unwrap();
}

#[test]
fn a_size_that_no_screen_has_is_not_believed() {
    for (said, believed) in
        [((120, 40), (120, 40)), ((0, 0), (80, 24)), ((65535, 65535), (1000, 500)), ((65535, 1), (1000, 1))]
    {
        assert_eq!(super::modes::believed(said.0, said.1), believed);
    }
}

#[test]
fn nothing_unseen_is_thought_to_be_seen() {
    assert!(SEEN_ON_BLANK.contains(Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT));
    assert!(!SEEN_ON_BLANK.intersects(Modifier::BOLD | Modifier::DIM | Modifier::ITALIC));
}
