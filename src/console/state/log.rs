//! What a task printed, as lines: the newest are kept, the eye may rest on older ones while more come.

use std::collections::VecDeque;

use protocol::api::{LogChunk, LogQuery};
use protocol::job::Stream;

use super::filter::contains;
use super::list::Move;
use crate::text;

/// Older lines, and bytes beyond these, are in `bramble logs`.
const MOST_LINES: usize = 50_000;
const MOST_BYTES: usize = 16 << 20;
/// A line without end is broken here.
const LONGEST: usize = 16 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `None`: said by the manager, not printed by the task.
    pub stream: Option<Stream>,
    /// As printed, ANSI colours and all, without its end.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Default)]
pub struct Log {
    lines: VecDeque<Line>,
    bytes: usize,
    /// Lines that were given up at the front.
    dropped: u64,
    /// Up to where each stream is known: what is told twice is taken once.
    known: [u64; 2],
    /// The last line of each stream has no end yet.
    open: [Option<u64>; 2],
    target: Option<LogQuery>,
    pub ended: bool,
    searched: String,
    /// The newest line is always seen.
    pub follow: bool,
    /// The first line that is seen, counted from the very first.
    top: u64,
}

impl Log {
    /// From here on, pieces are of this query; the same as before is gone on with.
    pub fn begin(&mut self, query: &LogQuery) {
        if self.target.as_ref() != Some(query) {
            *self = Log { target: Some(query.clone()), follow: true, ..Log::default() };
        }
        self.ended = false;
    }

    pub fn add(&mut self, chunk: &LogChunk) {
        let stream = chunk.stream as usize;
        let new = usize::try_from(self.known[stream].saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        let Some(bytes) = chunk.bytes.0.get(new..) else { return };
        self.known[stream] = chunk.offset + chunk.bytes.0.len() as u64;
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.add_part(chunk.stream, part);
        }
        self.trim();
    }

    fn add_part(&mut self, stream: Stream, part: &[u8]) {
        let (text, whole) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
        self.bytes += text.len();
        let open = self.open[stream as usize]
            .and_then(|no| self.lines.get_mut(usize::try_from(no.checked_sub(self.dropped)?).ok()?));
        let (no, long) = match open {
            Some(line) => {
                line.bytes.extend_from_slice(text);
                (self.open[stream as usize], line.bytes.len() >= LONGEST)
            }
            None => {
                self.lines.push_back(Line { stream: Some(stream), bytes: text.to_vec() });
                (Some(self.dropped + self.lines.len() as u64 - 1), text.len() >= LONGEST)
            }
        };
        self.open[stream as usize] = no.filter(|_| !whole && !long);
    }

    /// A sentence of the manager.
    pub fn note(&mut self, text: String) {
        self.bytes += text.len();
        self.lines.push_back(Line { stream: None, bytes: text.into_bytes() });
        self.trim();
    }

    fn trim(&mut self) {
        while self.lines.len() > MOST_LINES || self.bytes > MOST_BYTES {
            let Some(line) = self.lines.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(line.bytes.len());
            self.dropped += 1;
        }
    }

    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The first line seen, among those that are kept.
    pub fn top(&self) -> usize {
        usize::try_from(self.top.saturating_sub(self.dropped)).unwrap_or(0)
    }

    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Line> + ExactSizeIterator {
        self.lines.iter()
    }

    pub fn searched(&self) -> &str {
        &self.searched
    }

    /// Looks for these words, without regard to case, from what is seen on.
    pub fn search(&mut self, text: &str) {
        self.searched = text.trim().to_lowercase();
        if !self.searched.is_empty() && !self.has_match(self.top()) {
            self.go_to_match(true);
        }
    }

    fn has_match(&self, line: usize) -> bool {
        self.lines.get(line).is_some_and(|line| contains(&String::from_utf8_lossy(&line.bytes), &self.searched))
    }

    /// The next line that has the words, round the end; `false` where there is none.
    pub fn go_to_match(&mut self, forward: bool) -> bool {
        let (count, top) = (self.len(), self.top());
        let mut others = (1..=count).map(|by| if forward { (top + by) % count } else { (top + count - by) % count });
        let Some(found) = others.find(|line| self.has_match(*line)) else { return false };
        self.follow = false;
        self.top = self.dropped + found as u64;
        true
    }

    /// The first line that is seen, as text.
    pub fn top_text(&self) -> Option<String> {
        self.lines.get(self.top()).map(|line| text::clean(&String::from_utf8_lossy(&line.bytes)).into_owned())
    }

    pub fn step(&mut self, by: Move, page: usize) {
        let last = self.len().saturating_sub(page);
        let top = self.top();
        let top = match by {
            Move::Down => top + 1,
            Move::Up => top.saturating_sub(1),
            Move::Left | Move::Right => top,
            Move::First => 0,
            Move::Last => last,
            Move::PageDown => top + page,
            Move::PageUp => top.saturating_sub(page),
            Move::HalfDown => top + page / 2,
            Move::HalfUp => top.saturating_sub(page / 2),
        };
        self.follow = top >= last && !matches!(by, Move::Up | Move::PageUp | Move::HalfUp | Move::First);
        self.top = self.dropped + top.min(last) as u64;
    }

    pub fn settle(&mut self, page: usize) {
        let last = self.dropped + self.len().saturating_sub(page) as u64;
        self.top = if self.follow { last } else { self.top.clamp(self.dropped, last) };
    }
}
