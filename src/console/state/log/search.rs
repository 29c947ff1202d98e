//! Where words are in a log: known line by line as they come, so that nothing is looked through twice.

use std::collections::{BTreeSet, VecDeque};

use super::{Log, shown};
use crate::console::state::filter::contains;

#[derive(Debug, Default)]
pub(super) struct Search {
    /// In lower case.
    words: String,
    /// The lines that have them.
    found: VecDeque<u64>,
    /// Lines before this one were looked through.
    to: u64,
    /// Of those, the ones that have grown since.
    grown: BTreeSet<u64>,
    /// The one that was gone to.
    current: Option<u64>,
}

impl Search {
    /// The same words in another log.
    pub(super) fn anew(&mut self) -> Search {
        Search { words: std::mem::take(&mut self.words), ..Search::default() }
    }

    pub(super) fn touched(&mut self, line: u64) {
        if line < self.to && !self.words.is_empty() {
            self.grown.insert(line);
        }
    }
}

impl Log {
    pub fn searched(&self) -> &str {
        &self.search.words
    }

    /// Looks for these words, without regard to case, from what is seen on.
    pub fn search(&mut self, text: &str) {
        let words = text.trim().to_lowercase();
        if words == self.search.words {
            return;
        }
        // Whoever types on finds less: only what was found has to be looked through again.
        let narrower = !self.search.words.is_empty() && words.contains(&self.search.words);
        self.search.words = words;
        self.search.current = None;
        if narrower {
            let found = std::mem::take(&mut self.search.found);
            self.search.found = found.into_iter().filter(|line| self.has_words(*line)).collect();
        } else {
            (self.search.to, self.search.found) = (0, VecDeque::new());
        }
        self.look_through();
        if !self.search.found.is_empty() {
            self.go_to_match(true);
        }
    }

    /// Brings what is found up to date with what was printed.
    pub(super) fn look_through(&mut self) {
        if self.search.words.is_empty() {
            (self.search.found, self.search.to) = (VecDeque::new(), 0);
            return;
        }
        let gone = self.search.found.partition_point(|line| *line < self.dropped);
        self.search.found.drain(..gone);
        for line in std::mem::take(&mut self.search.grown) {
            match (self.search.found.binary_search(&line), self.has_words(line)) {
                (Err(at), true) => self.search.found.insert(at, line),
                (Ok(at), false) => drop(self.search.found.remove(at)),
                _ => {}
            }
        }
        for line in self.search.to.max(self.dropped)..self.end() {
            if self.has_words(line) {
                self.search.found.push_back(line);
            }
        }
        self.search.to = self.end();
    }

    fn has_words(&self, line: u64) -> bool {
        self.line(line).is_some_and(|line| contains(&shown::text(&line.bytes), &self.search.words))
    }

    /// The next line that has the words, round the end; `false` where there is none.
    pub fn go_to_match(&mut self, forward: bool) -> bool {
        self.look_through();
        let found = &self.search.found;
        // From the one that was gone to, while it is seen; else from what is seen.
        let seen = self.seen();
        let from = self.search.current.filter(|line| seen.contains(line));
        let next = match (from, forward) {
            (Some(line), true) => found.partition_point(|known| *known <= line),
            (None, true) => found.partition_point(|known| *known < seen.start),
            (Some(line), false) => found.partition_point(|known| *known < line).wrapping_sub(1),
            (None, false) => found.partition_point(|known| *known < seen.end).wrapping_sub(1),
        };
        let around = if forward { found.front() } else { found.back() };
        let Some(line) = found.get(next).or(around).copied() else { return false };
        self.search.current = Some(line);
        self.show(line);
        true
    }

    /// The line with the words that was gone to.
    pub fn current_match(&self) -> Option<u64> {
        self.search.current
    }

    /// Which of how many lines with the words was gone to: 3 of 17. The first is 0 while none was.
    pub fn matches(&self) -> (usize, usize) {
        let found = &self.search.found;
        let at = self.search.current.and_then(|line| found.binary_search(&line).ok()).map_or(0, |at| at + 1);
        (at, found.len())
    }
}
