//! The newest samples of one node at one step. What was not sampled is a gap, and gaps before the first and after
//! the last sample cost nothing.

use std::collections::VecDeque;

use super::Slot;
use super::sample::Sample;

/// Room is taken in steps: most nodes are younger than a day.
const GROWTH: usize = 120;

#[derive(Debug)]
pub struct Ring {
    most: usize,
    samples: VecDeque<Sample>,
    /// The place after the last sample.
    end: Slot,
}

impl Ring {
    pub fn new(most: usize) -> Self {
        Self { most, samples: VecDeque::new(), end: 0 }
    }

    /// Samples come in order; one for a place that is taken already is not.
    pub fn put(&mut self, at: Slot, sample: Sample) {
        if !self.samples.is_empty() && at < self.end {
            return;
        }
        let gap = usize::try_from(at - self.end).unwrap_or(usize::MAX);
        if gap >= self.most {
            self.samples.clear();
        }
        if !self.samples.is_empty() {
            (0..gap).for_each(|_| self.push(Sample::NONE));
        }
        self.push(sample);
        self.end = at + 1;
    }

    fn push(&mut self, sample: Sample) {
        if self.samples.len() == self.most {
            self.samples.pop_front();
        } else if self.samples.len() == self.samples.capacity() {
            self.samples.reserve_exact(GROWTH.min(self.most - self.samples.len()));
        }
        self.samples.push_back(sample);
    }

    /// The samples of at most so many places before this one, from the first that is known on.
    pub fn until(&self, until: Slot, most: usize) -> impl Iterator<Item = Sample> {
        let first = self.end - self.samples.len() as u64;
        let from = first.max(until.saturating_sub(most as u64));
        let places = if self.samples.is_empty() { 0..0 } else { from..until };
        places.map(move |at| self.at(at, first))
    }

    fn at(&self, at: Slot, first: Slot) -> Sample {
        let index = usize::try_from(at - first).unwrap_or(usize::MAX);
        self.samples.get(index).copied().unwrap_or(Sample::NONE)
    }
}
