//! What is written down: a page of minutes of all nodes every ten minutes, and the hour at a clean end. A power cut
//! costs the hour and the minutes since the last page.
//!
//! How long ago a page was is said by the machine's boot clock where it still runs, by the wall clock otherwise.
//! Where that went backwards, a page is taken to lie just before the one after it.

use std::collections::BTreeSet;

use protocol::api::Span;
use protocol::name::NodeName;

use super::sample::Sample;
use super::stamp::Stamp;
use super::{Histories, Line, Mono, PAGE_MINUTES, Past, Slot, slot, within};

/// One row of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Minutes are numbered from 1 on; the hour is always 0.
    pub no: u64,
    /// When its last sample ended.
    pub end: Stamp,
    /// Samples of each node.
    pub len: u32,
    pub data: Vec<u8>,
    /// With this one on the disk, minutes up to this page are not needed any more, nor is the hour.
    pub outdates: u64,
}

const HOUR: u64 = 0;

impl Page {
    fn span(&self) -> Span {
        if self.no == HOUR { Span::Hour } else { Span::Day }
    }
}

impl Histories {
    /// Puts back what was written down, as far as it is of these nodes and not older than a day.
    pub fn load(mut pages: Vec<Page>, known: &BTreeSet<NodeName>, now: Mono, stamp: &Stamp) -> Self {
        let mut histories = Self::new(now);
        pages.sort_unstable_by_key(|page| page.no);
        for span in [Span::Day, Span::Hour] {
            for (page, end) in placed(&pages, span, now, stamp) {
                let from = end.saturating_sub(page.len.into());
                let entries = entries(&page.data).into_iter().filter(|entry| known.contains(&entry.node));
                entries.for_each(|entry| histories.put(span, from, entry));
                if span == Span::Day {
                    histories.pages.push_back((page.no, end));
                }
            }
        }
        // Pages too old to be put back go when the next one is written.
        if let (None, Some(last)) = (histories.pages.back(), pages.last()) {
            histories.pages.push_back((last.no, 0));
        }
        histories
    }

    fn put(&mut self, span: Span, from: Slot, entry: Entry) {
        let past = self.nodes.entry(entry.node).or_insert_with(|| Past::new(false));
        let line = past.line_mut(span);
        if entry.anew {
            *line = Line::new(span);
        }
        for (at, sample) in (from + entry.skip..).zip(entry.samples).filter(|(_, sample)| *sample != Sample::NONE) {
            line.ring.put(at, sample);
        }
    }

    /// When there is a page full of minutes.
    pub fn page(&mut self, now: Mono, stamp: impl FnOnce() -> Stamp) -> Option<Page> {
        (slot(Span::Day, now) >= self.written + PAGE_MINUTES).then(|| self.minutes(now, stamp())).flatten()
    }

    /// At a clean end: the minutes that are left, then the hour.
    pub fn last_pages(&mut self, now: Mono, stamp: &Stamp) -> Vec<Page> {
        let minutes = self.minutes(now, stamp.clone());
        let data = self.entries(Span::Hour, now, Span::Hour.samples());
        let end = stamp.clone().before(within(Span::Hour, now));
        let len = Span::Hour.samples() as u32;
        let hour = (!data.is_empty()).then_some(Page { no: HOUR, end, len, data, outdates: 0 });
        minutes.into_iter().chain(hour).collect()
    }

    fn minutes(&mut self, now: Mono, stamp: Stamp) -> Option<Page> {
        let end = slot(Span::Day, now);
        let len = end.saturating_sub(self.written).min(Span::Day.samples() as u64) as u32;
        let data = self.entries(Span::Day, now, len as usize);
        self.written = end;
        if data.is_empty() {
            return None;
        }
        self.nodes.values_mut().for_each(|past| past.anew = false);
        let mut outdates = 0;
        while let Some((no, _)) = self.pages.pop_front_if(|(_, until)| *until + Span::Day.samples() as u64 <= end) {
            outdates = no;
        }
        let no = self.pages.back().map_or(outdates, |(no, _)| *no) + 1;
        self.pages.push_back((no, end));
        Some(Page { no, end: stamp.before(within(Span::Day, now)), len, data, outdates })
    }

    /// The last so many samples of all nodes, as bytes: each one's name, whether it began anew, how many places are
    /// skipped, how many samples follow, and those.
    fn entries(&mut self, span: Span, now: Mono, len: usize) -> Vec<u8> {
        let mut data = vec![];
        let until = slot(span, now);
        for (node, past) in &mut self.nodes {
            past.line_mut(span).settle(now);
            let samples: Vec<Sample> = past.line(span).ring.until(until, len).collect();
            let skip = len - samples.len();
            let last = samples.iter().rposition(|sample| *sample != Sample::NONE);
            let samples = last.map_or(&[][..], |last| &samples[..=last]);
            let (name, skip, count) = (node.as_str(), u16::try_from(skip), u16::try_from(samples.len()));
            let (Ok(length), Ok(skip), Ok(count)) = (u8::try_from(name.len()), skip, count) else { continue };
            if samples.is_empty() && !past.anew {
                continue;
            }
            data.push(length);
            data.extend_from_slice(name.as_bytes());
            data.push(u8::from(past.anew));
            data.extend_from_slice(&skip.to_le_bytes());
            data.extend_from_slice(&count.to_le_bytes());
            samples.iter().for_each(|sample| data.extend_from_slice(&sample.to_bytes()));
        }
        data
    }
}

/// Where pages in the order of their numbers end on the axis; the oldest of them may be too old to be placed.
fn placed<'a>(pages: &'a [Page], span: Span, now: Mono, stamp: &Stamp) -> Vec<(&'a Page, Slot)> {
    let (step, last) = (u64::from(span.step_ms()), slot(span, now));
    let oldest = last.saturating_sub(span.samples() as u64);
    let mut placed = vec![];
    let (mut after, mut end, mut len) = (stamp.clone(), last, 0);
    for page in pages.iter().rev().filter(|page| page.span() == span) {
        let since = after.since(&page.end);
        // Of the step under way now, this much lies after the last whole one.
        let since = if len == 0 { since.saturating_sub(within(span, now)) } else { since };
        let steps = since.saturating_add(step / 2) / step;
        let Some(at) = end.checked_sub(steps.max(len)).filter(|at| *at > oldest) else { break };
        placed.push((page, at));
        (after, end, len) = (page.end.clone(), at, u64::from(page.len).min(at));
    }
    placed.reverse();
    placed
}

struct Entry {
    node: NodeName,
    anew: bool,
    skip: u64,
    samples: Vec<Sample>,
}

/// What cannot be understood ends it: history is not worth more than a gap.
fn entries(mut data: &[u8]) -> Vec<Entry> {
    let mut found = vec![];
    while let Some(entry) = entry(&mut data) {
        found.push(entry);
    }
    found
}

fn entry(data: &mut &[u8]) -> Option<Entry> {
    let [length] = take(data)?;
    let (name, rest) = data.split_at_checked(length.into())?;
    *data = rest;
    let node = std::str::from_utf8(name).ok()?.parse().ok()?;
    let [anew] = take(data)?;
    let skip = u64::from(u16::from_le_bytes(take(data)?));
    let count = u16::from_le_bytes(take(data)?);
    let samples = (0..count).map(|_| Some(Sample::from_bytes(take(data)?))).collect::<Option<_>>()?;
    Some(Entry { node, anew: anew == 1, skip, samples })
}

fn take<const N: usize>(data: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = data.split_first_chunk()?;
    *data = rest;
    Some(*first)
}
