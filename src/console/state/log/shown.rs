//! A printed line as a person sees it: its colours are kept, all else that could command a terminal is taken away.

use std::borrow::Cow;
use std::ops::Range;

use ansi_to_tui::IntoText;
use ratatui::style::{Modifier, Style};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::text::unsafe_to_show;

/// Columns from one tab stop to the next.
const TAB: usize = 8;
/// What cannot be shown: half a letter, the bytes of a picture.
const UNKNOWN: char = '\u{fffd}';
/// Letters that are joined into one are counted apart while a line is cut: so many times more are let through.
const JOINED: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    pub text: String,
    /// Where in the text each style begins; before the first, none does.
    pub styles: Vec<(usize, Style)>,
}

impl Shown {
    /// At least its first cells, and not much more: nobody sees the rest of a very long line.
    pub fn of(bytes: &[u8], cells: usize) -> Shown {
        if plain(bytes) {
            let seen = &bytes[..bytes.len().min(cells)];
            return Shown { text: String::from_utf8_lossy(seen).into_owned(), styles: vec![] };
        }
        let clean = clean(bytes, cells.saturating_mul(JOINED));
        if !clean.contains('\x1b') {
            return Shown { text: clean, styles: vec![] };
        }
        let mut shown = Shown::default();
        // What was cleaned is one line of letters and colours, of which nothing is refused.
        for span in clean.to_text().into_iter().flat_map(|text| text.lines).flat_map(|line| line.spans) {
            shown.styles.push((shown.text.len(), harmless(span.style)));
            shown.text.push_str(&span.content);
        }
        shown
    }

    /// All of it.
    pub fn whole(bytes: &[u8]) -> Shown {
        Shown::of(bytes, usize::MAX)
    }

    /// The parts of so many cells it is wrapped into; an empty line has one that is empty.
    pub fn rows(&self, width: usize) -> Vec<Range<usize>> {
        wrapped(&self.text, width)
    }

    /// Where in the text so many cells have gone by.
    pub fn cells_from(&self, cells: usize) -> usize {
        let mut gone = 0;
        let mut parts = self.text.grapheme_indices(true);
        let first = parts.find(|(_, part)| {
            let here = gone >= cells;
            gone += part.width();
            here
        });
        first.map_or(self.text.len(), |(at, _)| at)
    }

    /// The style in force at this place of the text, and where the next one begins.
    pub fn style_at(&self, at: usize) -> (Style, usize) {
        let next = self.styles.partition_point(|(start, _)| *start <= at);
        let style = next.checked_sub(1).map_or_else(Style::new, |nth| self.styles[nth].1);
        (style, self.styles.get(next).map_or(self.text.len(), |(start, _)| *start))
    }
}

/// How many rows it is wrapped into.
pub fn height(bytes: &[u8], width: usize) -> usize {
    let text = text(bytes);
    if text.is_ascii() { text.len().div_ceil(width.max(1)).max(1) } else { wrapped(&text, width).len() }
}

fn wrapped(text: &str, width: usize) -> Vec<Range<usize>> {
    let width = width.max(1);
    let mut rows = vec![];
    let (mut start, mut cells) = (0, 0);
    for (at, part) in text.grapheme_indices(true) {
        let wide = part.width();
        if cells + wide > width && at > start {
            rows.push(start..at);
            (start, cells) = (at, 0);
        }
        cells += wide;
    }
    rows.push(start..text.len());
    rows
}

/// Its text without colours.
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    if plain(bytes) {
        return String::from_utf8_lossy(bytes);
    }
    let clean = clean(bytes, usize::MAX);
    // All that is left of commands are colours, and those end with an m.
    let mut parts = clean.split('\x1b');
    let first = parts.next().unwrap_or("").to_owned();
    Cow::Owned(parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, letters)| letters)))
}

/// Every place of these words, without regard to case; `words` are in lower case.
pub fn find_all(text: &str, words: &str) -> Vec<Range<usize>> {
    let mut found = vec![];
    if words.is_empty() {
        return found;
    }
    let mut at = 0;
    while at < text.len() {
        match starts_with(&text[at..], words) {
            Some(length) => {
                found.push(at..at + length);
                at += length;
            }
            None => at += text[at..].chars().next().map_or(1, char::len_utf8),
        }
    }
    found
}

/// How many bytes of the text are these words.
fn starts_with(text: &str, words: &str) -> Option<usize> {
    if words.is_ascii() {
        let start = text.as_bytes().get(..words.len())?;
        return start.eq_ignore_ascii_case(words.as_bytes()).then_some(words.len());
    }
    let mut wanted = words.chars();
    let mut taken = 0;
    for c in text.chars() {
        for lower in c.to_lowercase() {
            match wanted.next() {
                Some(next) if next == lower => {}
                Some(_) => return None,
                None => return Some(taken),
            }
        }
        taken += c.len_utf8();
        if wanted.as_str().is_empty() {
            return Some(taken);
        }
    }
    None
}

/// One byte is one cell, and nothing is to be cleaned.
fn plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// Letters and colour commands alone, up to so many cells.
fn clean(bytes: &[u8], cells: usize) -> String {
    let text = String::from_utf8_lossy(last_part(bytes));
    let mut out = Out { text: String::with_capacity(text.len().min(cells)), ..Out::default() };
    let mut rest = text.as_ref();
    while let Some(c) = rest.chars().next() {
        if out.cells >= cells {
            break;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\x1b' => rest = out.escape(rest),
            '\t' => {
                let blanks = TAB - out.cells % TAB;
                (0..blanks).for_each(|_| out.letter(' '));
            }
            '\x08' => out.back += 1,
            '\x07' => {}
            c if unsafe_to_show(c) => out.letter(UNKNOWN),
            c => out.letter(c),
        }
    }
    out.text
}

/// What stands after the last return of the carriage: the latest of a progress line.
fn last_part(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    let start = bytes[..end].iter().rposition(|byte| *byte == b'\r').map_or(0, |at| at + 1);
    &bytes[start..end]
}

#[derive(Default)]
struct Out {
    text: String,
    cells: usize,
    /// Steps back that the next letter makes good.
    back: usize,
    /// Up to here there are commands that a step back may not take away.
    fixed: usize,
}

impl Out {
    fn letter(&mut self, c: char) {
        for _ in 0..std::mem::take(&mut self.back) {
            if self.text.len() > self.fixed
                && let Some(gone) = self.text.pop()
            {
                self.cells = self.cells.saturating_sub(gone.width().unwrap_or(0));
            }
        }
        self.text.push(c);
        self.cells += c.width().unwrap_or(0);
    }

    /// Takes one command off the front of what stands after an ESC. Only colours are kept.
    fn escape<'t>(&mut self, rest: &'t str) -> &'t str {
        let after = |at: usize| rest.get(at..).unwrap_or("");
        match rest.bytes().next() {
            Some(b'[') => {
                let parameters = run(after(1), 0x30..=0x3f);
                let between = run(after(1 + parameters.len()), 0x20..=0x2f);
                let end = 1 + parameters.len() + between.len();
                let last = rest.as_bytes().get(end).copied().filter(|last| (0x40..0x7f).contains(last));
                let known = |c: u8| c.is_ascii_digit() || c == b';';
                if last == Some(b'm') && between.is_empty() && parameters.bytes().all(known) {
                    self.color(parameters);
                }
                after(end + usize::from(last.is_some()))
            }
            // A title, a link, a picture: words between a beginning and an end.
            Some(b']' | b'P' | b'X' | b'^' | b'_') => {
                let bell = rest.find('\x07').map(|at| (at, 1));
                let end = rest.find("\x1b\\").map(|at| (at, 2));
                bell.into_iter().chain(end).min().map_or("", |(at, length)| after(at + length))
            }
            Some(_) => {
                let between = run(rest, 0x20..=0x2f);
                let last = rest.as_bytes().get(between.len()).filter(|last| (0x30..0x7f).contains(*last));
                after(between.len() + usize::from(last.is_some()))
            }
            None => "",
        }
    }

    fn color(&mut self, parameters: &str) {
        self.text.push_str("\x1b[");
        for (nth, number) in parameters.split(';').enumerate() {
            if nth > 0 {
                self.text.push(';');
            }
            // An empty one means 0.
            self.text.push_str(if number.is_empty() { "0" } else { number });
        }
        self.text.push('m');
        self.fixed = self.text.len();
    }
}

fn run(text: &str, of: std::ops::RangeInclusive<u8>) -> &str {
    let end = text.bytes().position(|byte| !of.contains(&byte)).unwrap_or(text.len());
    &text[..end]
}

/// "As always" means as the theme has it, and nothing is hidden or blinks.
fn harmless(style: Style) -> Style {
    let shy = Modifier::HIDDEN | Modifier::SLOW_BLINK | Modifier::RAPID_BLINK;
    let usual = Style::reset();
    Style {
        fg: style.fg.filter(|_| style.fg != usual.fg),
        bg: style.bg.filter(|_| style.bg != usual.bg),
        add_modifier: style.add_modifier - shy,
        ..Style::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> String {
        Shown::whole(line.as_bytes()).text
    }

    #[test]
    fn only_letters_and_colours_are_left_of_a_line() {
        for (line, seen) in [
            ("plain", "plain"),
            ("10%\r20%\r", "20%"),
            ("dos\r", "dos"),
            ("a\tb", "a       b"),
            ("ä\tb", "ä       b"),
            ("\x1b[2J\x1b[1;1Hhome", "home"),
            ("\x1b[?25lno cursor\x1b[?25h", "no cursor"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b]0;no end", ""),
            ("\x1bPq#0\x1b\\after", "after"),
            ("\x1b(Bg", "g"),
            ("\x1b[3~key", "key"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b[999mx\x1b[38;2;1my", "xy"),
            ("|\x08/\x08-\x08", "-"),
            ("bell\x07", "bell"),
            ("\u{202e}turned", "\u{fffd}turned"),
            ("end\x1b", "end"),
            ("end\x1b[", "end"),
            ("\x1b[31", ""),
        ] {
            assert_eq!(said(line), seen, "{line:?}");
            assert_eq!(text(line.as_bytes()), seen, "{line:?}");
        }
        assert_eq!(Shown::whole(b"half \xc3").text, "half \u{fffd}");
        assert_eq!(Shown::whole(&[0, 1, 0xff]).text, "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn colours_hold_until_they_are_taken_back() {
        let shown = Shown::whole(b"a\x1b[1;31mb\x1b[32mc\x1b[md\x1b[8;5me");
        assert_eq!(shown.text, "abcde");
        let style = |at| shown.style_at(at).0;
        assert_eq!(style(0), Style::new());
        assert_eq!(style(1).fg, Some("red".parse().unwrap()));
        assert_eq!((style(2).fg, style(2).add_modifier), (Some("green".parse().unwrap()), Modifier::BOLD));
        assert_eq!(style(3), Style::new(), "taken back to what the theme has");
        assert_eq!(style(4), Style::new(), "neither hidden nor blinking");
    }

    #[test]
    fn a_line_is_wrapped_between_letters_that_are_seen() {
        let rows = |text: &str, width| Shown::whole(text.as_bytes()).rows(width).len();
        assert_eq!((rows("", 4), rows("abcd", 4), rows("abcde", 4)), (1, 1, 2));
        assert_eq!(rows("漢字漢", 3), 3, "a wide letter is not halved");
        assert_eq!(rows("e\u{301}e\u{301}", 2), 1);
        assert_eq!(rows("abc", 0), 3);
        for line in ["", "abcdefgh", "a\tb", "\x1b[31mred and more\x1b[0m", "漢字漢", "\x1b[1mäöü漢字\x1b[m"] {
            assert_eq!(height(line.as_bytes(), 4), rows(line, 4), "{line:?}");
        }
    }

    #[test]
    fn words_are_found_without_regard_to_case() {
        assert_eq!(find_all("Error error ERR", "err"), [0..3, 6..9, 12..15]);
        assert_eq!(find_all("Die KÜHLUNG, kühl", "kühl"), [4..9, 14..19]);
        assert_eq!(find_all("aaaaa", "aa"), [0..2, 2..4]);
        assert!(find_all("aaa", "").is_empty());
        assert!(find_all("aé", "b").is_empty());
    }

    #[test]
    fn of_a_very_long_line_only_its_beginning_is_looked_at() {
        let long = "\x1b[31mx".repeat(5000);
        assert!((100..1000).contains(&Shown::of(long.as_bytes(), 100).text.len()));
    }
}
