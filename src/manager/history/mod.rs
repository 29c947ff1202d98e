//! How the nodes have been doing: an hour at five seconds, a day at a minute, in rings of 12 bytes a sample. The
//! heart feeds it once a second with what the core knows; the clocks are read in [`Stamp::now`] alone.
//!
//! The axis is monotonic, so that a clock that jumps (a Pi without one, woken by NTP) moves nothing: the wall clock
//! only says when the last sample ended. What is written down ([`page`]) is put back by how long ago it was.

mod page;
mod ring;
mod sample;
mod stamp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use protocol::api::{self, Reply, Span, Trend};
use protocol::name::NodeName;
use protocol::node::Metrics;
use protocol::time::UnixMillis;

use super::cluster::{Mono, Now};
use ring::Ring;
use sample::{Gathering, Sample};

pub use page::Page;
pub use stamp::Stamp;

/// The axis begins so long before this process, for what earlier ones wrote down.
const BEFORE_MS: u64 = 2 * 86_400_000;
/// Minutes in one page: an SD card is written to once in so many.
const PAGE_MINUTES: u64 = 10;

/// A place on the axis, counted in steps of one span.
type Slot = u64;

fn slot(span: Span, now: Mono) -> Slot {
    (BEFORE_MS + now.0) / u64::from(span.step_ms())
}

/// How much of the step that is under way has passed.
fn within(span: Span, now: Mono) -> u64 {
    (BEFORE_MS + now.0) % u64::from(span.step_ms())
}

#[derive(Debug, Default)]
pub struct Histories {
    nodes: BTreeMap<NodeName, Past>,
    /// Minutes before this one are written down.
    written: Slot,
    /// Pages on the disk: their numbers and where they end.
    pages: VecDeque<(u64, Slot)>,
}

#[derive(Debug)]
struct Past {
    hour: Line,
    day: Line,
    /// What older pages say of this name was said of a node that was forgotten.
    anew: bool,
}

/// One ring, and the step that is under way.
#[derive(Debug)]
struct Line {
    span: Span,
    ring: Ring,
    at: Slot,
    gathering: Gathering,
}

impl Line {
    fn new(span: Span) -> Self {
        Self { span, ring: Ring::new(span.samples()), at: 0, gathering: Gathering::default() }
    }

    fn take(&mut self, metrics: &Metrics, now: Mono) {
        self.settle(now);
        self.at = slot(self.span, now);
        self.gathering.add(metrics);
    }

    /// A step that is over becomes a sample.
    fn settle(&mut self, now: Mono) {
        if self.at < slot(self.span, now)
            && let Some(sample) = self.gathering.finish()
        {
            self.ring.put(self.at, sample);
        }
    }
}

impl Past {
    fn new(anew: bool) -> Self {
        Self { hour: Line::new(Span::Hour), day: Line::new(Span::Day), anew }
    }

    fn line(&self, span: Span) -> &Line {
        match span {
            Span::Hour => &self.hour,
            Span::Day => &self.day,
        }
    }

    fn line_mut(&mut self, span: Span) -> &mut Line {
        match span {
            Span::Hour => &mut self.hour,
            Span::Day => &mut self.day,
        }
    }
}

impl Histories {
    pub fn new(now: Mono) -> Self {
        Self { written: slot(Span::Day, now), ..Self::default() }
    }

    /// Once a second for each node whose numbers are of now.
    pub fn sample(&mut self, node: &NodeName, metrics: &Metrics, now: Mono) {
        if *metrics == Metrics::default() {
            // Linked, and has said nothing yet.
            return;
        }
        let past = match self.nodes.get_mut(node) {
            Some(past) => past,
            None => self.nodes.entry(node.clone()).or_insert_with(|| Past::new(true)),
        };
        past.hour.take(metrics, now);
        past.day.take(metrics, now);
    }

    pub fn forget(&mut self, node: &NodeName) {
        self.nodes.remove(node);
    }

    pub fn look(&mut self, node: &NodeName, span: Span, now: Now) -> api::History {
        let mut history = api::History {
            node: node.clone(),
            span,
            step_ms: span.step_ms(),
            end: end(span, now),
            cpu: vec![],
            memory: vec![],
            net_in: vec![],
            net_out: vec![],
            temperature: vec![],
        };
        let Some(past) = self.nodes.get_mut(node) else { return history };
        let line = past.line_mut(span);
        line.settle(now.mono);
        for sample in line.ring.until(slot(span, now.mono), span.samples()) {
            history.cpu.push(sample.cpu());
            history.memory.push(sample.memory());
            history.net_in.push(sample.net_in());
            history.net_out.push(sample.net_out());
            history.temperature.push(sample.temperature());
        }
        history
    }

    pub fn trends(&mut self, nodes: impl Iterator<Item = NodeName>, now: Now) -> Reply {
        let until = slot(Span::Hour, now.mono);
        let mut trend = |node: NodeName| {
            let cpu = self.nodes.get_mut(&node).map(|past| {
                past.hour.settle(now.mono);
                past.hour.ring.until(until, Trend::SAMPLES).map(Sample::cpu).collect()
            });
            Trend { node, cpu: cpu.unwrap_or_default() }
        };
        let nodes = nodes.map(&mut trend).collect();
        Reply::Trends { step_ms: Trend::STEP_MS, end: end(Span::Hour, now), nodes }
    }
}

/// When the last step that is over ended.
fn end(span: Span, now: Now) -> UnixMillis {
    UnixMillis(now.wall.0.saturating_sub(within(span, now.mono)))
}
