//! What a task printed, as lines: the newest are kept, the eye may rest on older ones while more come.

mod place;
mod search;
pub mod shown;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use protocol::api::{LogChunk, LogQuery};
use protocol::job::Stream;

use search::Search;

pub use place::View;

/// Older lines, and bytes beyond these, are in `bramble logs`.
pub const MOST_LINES: usize = 50_000;
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
    search: Search,
    /// The newest line is always seen.
    pub follow: bool,
    /// What is seen begins with this line, counted from the very first, ...
    top: u64,
    /// ... and with this of the rows it is wrapped into.
    row: usize,
    /// Cells that are left out on the left, where lines are not wrapped.
    left: usize,
    view: View,
}

impl Log {
    /// From here on, pieces are of this query; the same as before is gone on with.
    pub fn begin(&mut self, query: &LogQuery) {
        if self.target.as_ref() != Some(query) {
            let search = self.search.anew();
            *self = Log { target: Some(query.clone()), follow: true, search, view: self.view, ..Log::default() };
        }
        self.ended = false;
    }

    pub fn add(&mut self, chunk: &LogChunk) {
        let stream = chunk.stream as usize;
        let new = usize::try_from(self.known[stream].saturating_sub(chunk.offset)).unwrap_or(usize::MAX);
        let Some(bytes) = chunk.bytes.0.get(new..) else { return };
        self.known[stream] = chunk.offset.saturating_add(chunk.bytes.0.len() as u64);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.add_part(chunk.stream, part);
            self.trim();
        }
    }

    fn add_part(&mut self, stream: Stream, part: &[u8]) {
        let (mut text, whole) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
        loop {
            let no = self.open_line(stream, !text.is_empty());
            let Some(line) = self.lines.get_mut((no - self.dropped) as usize) else { return };
            let before = line.bytes.len();
            let (now, later) = text.split_at(room_for(text, LONGEST - before.min(LONGEST)));
            append(&mut line.bytes, now);
            if whole && later.is_empty() {
                line.bytes.truncate(line.bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1));
            }
            self.bytes = self.bytes + line.bytes.len() - before;
            self.search.touched(no);
            if later.is_empty() {
                break;
            }
            self.open[stream as usize] = None;
            text = later;
        }
        if whole {
            self.open[stream as usize] = None;
        }
    }

    /// The line a stream goes on with; a full one only ends when more comes.
    fn open_line(&mut self, stream: Stream, more: bool) -> u64 {
        let full = |line: &Line| more && line.bytes.len() + 4 > LONGEST;
        let open = self.open[stream as usize]
            .filter(|no| no.checked_sub(self.dropped).is_some_and(|at| !full(&self.lines[at as usize])));
        let no = open.unwrap_or_else(|| {
            self.lines.push_back(Line { stream: Some(stream), bytes: vec![] });
            self.end() - 1
        });
        self.open[stream as usize] = Some(no);
        no
    }

    /// A sentence of the manager; the same one is not said twice in a row, as after a link that broke.
    pub fn note(&mut self, text: String) {
        let bytes = text.into_bytes();
        if self.lines.iter().rev().find(|line| line.stream.is_none()).is_some_and(|last| last.bytes == bytes) {
            return;
        }
        self.bytes += bytes.len();
        self.lines.push_back(Line { stream: None, bytes });
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

    /// Lines that were told and are kept no more.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many bytes of a stream were told, kept or not; `None`: nobody asked for it.
    pub fn told(&self, stream: Stream) -> Option<u64> {
        let query = self.target.as_ref()?;
        query.stream.is_none_or(|only| only == stream).then_some(self.known[stream as usize])
    }

    /// The line of this number, counted from the very first.
    pub fn line(&self, no: u64) -> Option<&Line> {
        self.lines.get(usize::try_from(no.checked_sub(self.dropped)?).ok()?)
    }

    /// The number the next line will have.
    fn end(&self) -> u64 {
        self.dropped + self.lines.len() as u64
    }
}

/// Only what stands after the last return of the carriage is seen: what is before it is not kept.
fn append(line: &mut Vec<u8>, text: &[u8]) {
    let from = line.len().saturating_sub(1);
    line.extend_from_slice(text);
    let end = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    if let Some(at) = line.get(from..end).and_then(|new| new.iter().rposition(|byte| *byte == b'\r')) {
        line.drain(..=from + at);
    }
}

/// As much as fits, without halving a letter.
fn room_for(text: &[u8], room: usize) -> usize {
    let inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (room.saturating_sub(3)..=room).rev().find(|at| *at > 0 && !inside(*at)).unwrap_or(room).min(text.len())
}
