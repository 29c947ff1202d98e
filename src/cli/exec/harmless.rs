//! What nodes print, made harmless for a terminal as it comes: no byte of it commands the terminal, moves the cursor or
//! turns text around.
//!
//! Colours and the like (SGR, whole) are left out; any other control character becomes visible, as does what is no UTF-8.
//! A carriage return would let the rest of a line overwrite its beginning, so it begins a new line.

use std::io::Write;

use crate::cli::text::unsafe_to_show;

/// The longest sequence of colours that is taken for one.
const LONGEST_SGR: usize = 48;

/// One stream of bytes. What may go on in the next piece is held back.
#[derive(Debug, Default)]
pub struct Harmless {
    held: Vec<u8>,
}

impl Harmless {
    /// Appends what may be shown of this piece.
    pub fn take(&mut self, piece: &[u8], shown: &mut Vec<u8>) {
        if self.held.is_empty() {
            let rest = pass(piece, false, shown);
            self.held.extend_from_slice(rest);
        } else {
            // Held back is never more than the beginning of one sequence.
            let mut all = std::mem::take(&mut self.held);
            all.extend_from_slice(piece);
            let rest = pass(&all, false, shown);
            self.held.extend_from_slice(rest);
        }
    }

    /// What was held back, when nothing goes on.
    pub fn end(&mut self, shown: &mut Vec<u8>) {
        pass(&std::mem::take(&mut self.held), true, shown);
    }

    /// The whole of it.
    pub fn of(bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        pass(bytes, true, &mut shown);
        shown
    }
}

/// The rest, which cannot be told yet.
fn pass<'a>(bytes: &'a [u8], last: bool, shown: &mut Vec<u8>) -> &'a [u8] {
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let plain = rest.iter().take_while(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')).count();
        if plain > 0 {
            shown.extend_from_slice(&rest[..plain]);
            at += plain;
            continue;
        }
        let step = match rest[0] {
            b'\r' => carriage_return(rest, last, shown),
            b'\x1b' => escape(rest, last, shown),
            _ => character(rest, last, shown),
        };
        match step {
            Some(step) => at += step,
            None => return rest,
        }
    }
    &[]
}

fn carriage_return(rest: &[u8], last: bool, shown: &mut Vec<u8>) -> Option<usize> {
    match rest.get(1) {
        // The line ends anyway.
        Some(b'\n') => Some(1),
        None if !last => None,
        _ => {
            shown.push(b'\n');
            Some(1)
        }
    }
}

fn escape(rest: &[u8], last: bool, shown: &mut Vec<u8>) -> Option<usize> {
    let parameters = match rest.get(1) {
        Some(b'[') => rest[2..].iter().take(LONGEST_SGR).take_while(|byte| matches!(byte, b'0'..=b';')).count(),
        None if !last => return None,
        _ => return Some(visible('\x1b', 1, shown)),
    };
    match rest.get(2 + parameters) {
        Some(b'm') => Some(3 + parameters),
        None if !last && parameters < LONGEST_SGR => None,
        _ => Some(visible('\x1b', 1, shown)),
    }
}

fn character(rest: &[u8], last: bool, shown: &mut Vec<u8>) -> Option<usize> {
    let window = &rest[..rest.len().min(4)];
    let valid = match std::str::from_utf8(window) {
        Ok(text) => text,
        Err(error) if error.valid_up_to() > 0 => {
            std::str::from_utf8(&window[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(error) if error.error_len().is_none() && !last => return None,
        Err(error) => {
            let wrong = error.error_len().unwrap_or(window.len());
            for byte in &window[..wrong] {
                // Into memory, which takes it.
                let _ = write!(shown, "\\x{byte:02x}");
            }
            return Some(wrong);
        }
    };
    let c = valid.chars().next()?;
    if unsafe_to_show(c) {
        return Some(visible(c, c.len_utf8(), shown));
    }
    shown.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(c.len_utf8())
}

fn visible(c: char, length: usize, shown: &mut Vec<u8>) -> usize {
    shown.extend(c.escape_default().map(|c| c as u8));
    length
}

#[cfg(test)]
mod tests {
    use test_support::Dice;

    use super::*;

    fn shown(bytes: &[u8]) -> String {
        String::from_utf8(Harmless::of(bytes)).unwrap()
    }

    #[test]
    fn what_commands_a_terminal_becomes_visible() {
        assert_eq!(shown("plain ünïcode\t1\n".as_bytes()), "plain ünïcode\t1\n");
        assert_eq!(shown(b"\x1b[2J\x1b]0;title\x07\x08"), r"\u{1b}[2J\u{1b}]0;title\u{7}\u{8}");
        assert_eq!(shown("\u{9b}2J\u{202e}x".as_bytes()), r"\u{9b}2J\u{202e}x");
        assert_eq!(shown(b"a\xff\xc3(\xe2\x82"), r"a\xff\xc3(\xe2\x82");
    }

    #[test]
    fn colours_are_left_out_and_nothing_else_is() {
        assert_eq!(shown(b"\x1b[1;31mred\x1b[m \x1b[38:5:1mx\x1b[0m"), "red x");
        assert_eq!(shown(b"\x1b[31"), r"\u{1b}[31");
        let long = [b"\x1b[".as_slice(), &[b'1'; 100], b"m"].concat();
        assert!(shown(&long).starts_with(r"\u{1b}[111"));
        assert_eq!(shown(b"\x1b[\x1b[31m"), r"\u{1b}[");
    }

    #[test]
    fn nothing_overwrites_what_stands_before_it() {
        assert_eq!(shown(b"10%\r20%\r\nrm\rls\r"), "10%\n20%\nrm\nls\n");
    }

    /// Whatever comes, in whatever pieces: only text, and the same as in one piece.
    #[test]
    fn no_bytes_reach_a_terminal_raw() {
        let parts: &[&[u8]] = &[
            b"\x1b",
            b"[",
            b"]",
            b"31",
            b";",
            b"m",
            b"2J",
            b"\r",
            b"\n",
            b"\t",
            b"\x07",
            b"\x9b",
            b"\xc2\x9b",
            b"\xff",
            b"\xe2",
            b"\x80",
            b"\xae",
            b"\xe2\x80\xae",
            "ü".as_bytes(),
            "🍓".as_bytes(),
            b"text",
            b"\0",
            b"\x7f",
            b"P",
            b"\\",
            b"\xf0\x9f",
            b"\xed\xa0\x80",
            "\u{2066}".as_bytes(),
            b"\x1b[0m",
            b"\x1b[?25l",
        ];
        for seed in 0..20_000 {
            let dice = &mut Dice::new(seed);
            let mut bytes = vec![];
            for _ in 0..dice.within(0, 20) {
                if dice.chance(80) {
                    bytes.extend_from_slice(dice.pick::<&[u8]>(parts))
                } else {
                    bytes.push(dice.within(0, 255) as u8)
                }
            }
            let whole = Harmless::of(&bytes);
            let text = String::from_utf8(whole.clone()).unwrap_or_else(|_| panic!("seed {seed}: no text of {bytes:?}"));
            assert!(!text.chars().any(|c| unsafe_to_show(c) && c != '\n' && c != '\t'), "seed {seed}: {text:?}");
            let (mut harmless, mut pieces, mut rest) = (Harmless::default(), vec![], &bytes[..]);
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(dice.within(1, rest.len()));
                harmless.take(piece, &mut pieces);
                assert!(harmless.held.len() < LONGEST_SGR + 3, "seed {seed}: {} bytes held back", harmless.held.len());
                rest = after;
            }
            harmless.end(&mut pieces);
            assert_eq!(pieces, whole, "seed {seed}");
        }
    }
}
