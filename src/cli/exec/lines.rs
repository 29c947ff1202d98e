//! Live output of several nodes: whole lines, each after the name of its node.
//!
//! A line is written in one piece, so no two are torn into each other. What is not ended by a newline waits for it, until
//! it is so long that it is broken: a gigabyte without one needs no gigabyte here.

use std::collections::HashMap;
use std::io::{self, Write};

use clap::builder::styling::AnsiColor;
use protocol::job::Stream;
use protocol::run::{OutputChunk, RunView};

use super::harmless::Harmless;
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::look::Look;

/// Longer lines are broken into several.
pub const LONGEST_LINE: usize = 64 * 1024;
/// A name takes no more room than this from the lines of others.
const WIDEST: usize = 24;
const COLORS: [AnsiColor; 5] =
    [AnsiColor::Cyan, AnsiColor::Green, AnsiColor::Yellow, AnsiColor::Blue, AnsiColor::Magenta];

pub struct Lines {
    /// Of each answer, for stdout and for stderr.
    prefixes: HashMap<u32, [String; 2]>,
    open: HashMap<(u32, Stream), Open>,
    terminal: [bool; 2],
}

impl Lines {
    pub fn new(run: &RunView, context: &Context) -> Self {
        let (out, errors) = (context.look, context.errors());
        let widest = run.answers.iter().map(|answer| answer.node.to_string().len()).max().unwrap_or(0).min(WIDEST);
        let prefixes = run.answers.iter().map(|answer| {
            let (name, color) = (answer.node.to_string(), COLORS[answer.index as usize % COLORS.len()]);
            (answer.index, [prefix(&name, widest, out, color), prefix(&name, widest, errors, AnsiColor::Red)])
        });
        Self { prefixes: prefixes.collect(), open: HashMap::new(), terminal: [out.terminal, errors.terminal] }
    }

    pub fn output(&mut self, chunk: &OutputChunk) -> Result<(), Failure> {
        let lines = self.take(chunk);
        write(chunk.stream, &lines)
    }

    /// What was not ended by a newline is, now.
    pub fn ended(&mut self, index: u32) -> Result<(), Failure> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let rest = self.rest(index, stream);
            write(stream, &rest)?;
        }
        Ok(())
    }

    fn take(&mut self, chunk: &OutputChunk) -> Vec<u8> {
        let Some(prefixes) = self.prefixes.get(&chunk.index) else { return vec![] };
        let stream = chunk.stream as usize;
        let open = self.open.entry((chunk.index, chunk.stream)).or_insert_with(|| Open::new(self.terminal[stream]));
        let mut lines = vec![];
        open.take(&chunk.bytes.0, |line| add(&mut lines, &prefixes[stream], line));
        lines
    }

    fn rest(&mut self, index: u32, stream: Stream) -> Vec<u8> {
        let mut lines = vec![];
        if let (Some(open), Some(prefixes)) = (self.open.remove(&(index, stream)), self.prefixes.get(&index)) {
            open.end(|line| add(&mut lines, &prefixes[stream as usize], line));
        }
        lines
    }
}

/// On a terminal one below the other; in a pipe without blanks that somebody would have to cut off.
fn prefix(name: &str, widest: usize, look: Look, color: AnsiColor) -> String {
    let blanks = if look.terminal { widest.saturating_sub(name.len()) } else { 0 };
    format!("{}{:blanks$} ", look.paint(color, &format!("{name}:")), "")
}

fn add(lines: &mut Vec<u8>, prefix: &str, line: &[u8]) {
    lines.extend_from_slice(prefix.as_bytes());
    lines.extend_from_slice(line);
    lines.push(b'\n');
}

fn write(stream: Stream, lines: &[u8]) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let written = match stream {
        Stream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(lines).and_then(|()| out.flush())
        }
        Stream::Stderr => io::stderr().write_all(lines),
    };
    written.map_err(|error| Failure::output(&error))
}

/// One stream of one node, with the line that has no end yet.
struct Open {
    /// For a terminal.
    harmless: Option<Harmless>,
    line: Vec<u8>,
}

impl Open {
    fn new(terminal: bool) -> Self {
        Self { harmless: terminal.then(Harmless::default), line: vec![] }
    }

    fn take(&mut self, bytes: &[u8], line: impl FnMut(&[u8])) {
        match &mut self.harmless {
            None => self.split(bytes, line),
            Some(harmless) => {
                let mut shown = vec![];
                harmless.take(bytes, &mut shown);
                self.split(&shown, line);
            }
        }
    }

    fn end(mut self, mut line: impl FnMut(&[u8])) {
        if let Some(mut harmless) = self.harmless.take() {
            let mut shown = vec![];
            harmless.end(&mut shown);
            self.split(&shown, &mut line);
        }
        if !self.line.is_empty() {
            line(&self.line);
        }
    }

    fn split(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (rest, ends) = part.strip_suffix(b"\n").map_or((part, false), |rest| (rest, true));
            let mut rest = rest;
            while self.line.len() + rest.len() > LONGEST_LINE {
                let (some, more) = rest.split_at(LONGEST_LINE - self.line.len());
                self.line.extend_from_slice(some);
                let broken = between_letters(&self.line);
                line(&self.line[..broken]);
                self.line.drain(..broken);
                rest = more;
            }
            self.line.extend_from_slice(rest);
            if ends {
                line(&self.line);
                self.line.clear();
            }
        }
    }
}

/// Where a long line is broken: not within a letter, where that can be told.
fn between_letters(line: &[u8]) -> usize {
    let end = line.len();
    let begun = line.iter().rev().take(4).position(|byte| *byte >= 0xc0).map(|back| end - 1 - back);
    match begun {
        Some(start) if start > 0 && std::str::from_utf8(&line[start..]).is_err_and(|e| e.error_len().is_none()) => {
            start
        }
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use test_support::Dice;

    use super::*;

    const PIPE: Look = Look { terminal: false, color: false };

    fn lines(terminal: bool, pieces: &[&[u8]]) -> Vec<String> {
        let (mut open, mut told) = (Open::new(terminal), vec![]);
        for piece in pieces {
            open.take(piece, |line| told.push(String::from_utf8_lossy(line).into_owned()));
        }
        open.end(|line| told.push(String::from_utf8_lossy(line).into_owned()));
        told
    }

    #[test]
    fn a_line_is_told_when_it_is_whole() {
        assert_eq!(lines(false, &[b"on", b"e\ntwo\n", b"\nthr", b"ee"]), ["one", "two", "", "three"]);
        assert_eq!(lines(true, &[b"10%\r", b"20%\r\nx\x1b[", b"31mred"]), ["10%", "20%", "xred"]);
        assert_eq!(lines(false, &[b"10%\r20%\r\n"]), ["10%\r20%\r"], "a pipe gets what was printed");
    }

    #[test]
    fn what_never_ends_is_broken_and_never_within_a_letter() {
        let long = "ü".repeat(LONGEST_LINE);
        let told = lines(false, &[b"x", long.as_bytes(), b"\nend"]);
        assert_eq!(told.len(), 4);
        assert!(told.iter().all(|line| line.len() <= LONGEST_LINE && !line.contains('\u{fffd}')));
        assert_eq!(told.concat(), format!("x{long}end"));
    }

    #[test]
    fn prefixes_stand_one_below_the_other_on_a_terminal_only() {
        let terminal = Look { terminal: true, color: false };
        assert_eq!(prefix("pi-1", 6, terminal, AnsiColor::Cyan), "pi-1:   ");
        assert_eq!(prefix("pi-1", 6, PIPE, AnsiColor::Cyan), "pi-1: ");
        assert!(prefix("pi-1", 6, Look { terminal: true, color: true }, AnsiColor::Cyan).contains("\x1b[36mpi-1:"));
    }

    /// Whatever comes, in whatever pieces: what is told is what was printed, and on a terminal no line has anything
    /// that could leave it.
    #[test]
    fn no_line_is_torn_or_lost() {
        let parts: &[&[u8]] =
            &[b"\n", b"\r", b"\r\n", b"\x1b[2K", b"\x1b[31m", b"text", b"\xff", "ü".as_bytes(), b"\x9b", b"\0"];
        for seed in 0..5000 {
            let dice = &mut Dice::new(seed);
            let pieces: Vec<&[u8]> = (0..dice.within(0, 20)).map(|_| *dice.pick(parts)).collect();
            let (mut open, mut told) = (Open::new(false), vec![]);
            pieces.iter().for_each(|piece| open.take(piece, |line| told.extend([line, b"\n"].concat())));
            open.end(|line| told.extend([line, b"\n"].concat()));
            let mut printed = pieces.concat();
            if printed.last().is_some_and(|last| *last != b'\n') {
                printed.push(b'\n');
            }
            assert_eq!(told, printed, "seed {seed}");
            for line in lines(true, &pieces) {
                assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "seed {seed}: {line:?}");
            }
        }
    }
}
