//! Virtual time: what will happen, in order. Nothing here waits; the clock jumps from one happening to the next.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Microseconds since the world began. Nobody in the world can read this clock.
pub type Instant = u64;

pub const MS: u64 = 1_000;
pub const SECOND: u64 = 1_000 * MS;
pub const MINUTE: u64 = 60 * SECOND;

pub struct Agenda<T> {
    now: Instant,
    planned: u64,
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

struct Entry<T> {
    at: Instant,
    /// What was planned first happens first.
    order: u64,
    what: T,
}

impl<T> Agenda<T> {
    pub fn new() -> Self {
        Self { now: 0, planned: 0, heap: BinaryHeap::new() }
    }

    pub fn now(&self) -> Instant {
        self.now
    }

    pub fn at(&mut self, at: Instant, what: T) {
        self.planned += 1;
        self.heap.push(Reverse(Entry { at: at.max(self.now), order: self.planned, what }));
    }

    pub fn after(&mut self, delay: u64, what: T) {
        self.at(self.now + delay, what);
    }

    pub fn next(&mut self) -> Option<T> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.what)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
