//! A list of tasks, of which only the part that is seen is asked for: the manager may know a hundred thousand.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use protocol::api::{Reply, Request, TaskQuery, TaskView};

use super::Now;
use crate::console::event::{Effect, Purpose};

/// Rows asked for at once.
const PAGE: usize = 200;
/// Pages kept beside those that are seen.
const SPARE: usize = 6;
/// The same page is not asked for again sooner: a busy cluster changes all the time.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct Tasks {
    /// Tells its answers from those for others.
    pub no: u64,
    query: TaskQuery,
    /// `None`: the manager has not said yet.
    total: Option<usize>,
    pages: BTreeMap<u32, Page>,
    /// Those that are seen: only they are asked for again when they are old.
    seen: Option<RangeInclusive<u32>>,
}

#[derive(Debug, Default)]
struct Page {
    rows: Vec<TaskView>,
    asked_at: Option<Duration>,
    under_way: bool,
    /// Something has changed since it was asked for.
    old: bool,
}

impl Tasks {
    /// `query` says which; windows are made here.
    pub fn new(no: u64, query: TaskQuery) -> Self {
        Self { no, query, total: None, pages: BTreeMap::new(), seen: None }
    }

    pub fn query(&self) -> &TaskQuery {
        &self.query
    }

    pub fn total(&self) -> Option<usize> {
        self.total
    }

    pub fn get(&self, row: usize) -> Option<&TaskView> {
        self.pages.get(&page_of(row))?.rows.get(row % PAGE)
    }

    /// What is known is shown until better is known.
    pub fn changed(&mut self) {
        self.pages.values_mut().for_each(|page| page.old = true);
    }

    /// The link broke: what was asked will never be answered.
    pub fn ask_again(&mut self) {
        self.pages.values_mut().for_each(|page| (page.under_way, page.old, page.asked_at) = (false, true, None));
    }

    /// Nothing of it is on the screen.
    pub fn hide(&mut self) {
        self.seen = None;
    }

    /// Asks for what is seen and not known.
    pub fn want(&mut self, rows: Range<usize>, now: Now) -> Vec<Effect> {
        let seen = page_of(rows.start)..=page_of(rows.end.saturating_sub(1).max(rows.start));
        let mut effects = vec![];
        for no in seen.clone() {
            let page = self.pages.entry(no).or_insert_with(|| Page { old: true, ..Page::default() });
            let rested = page.asked_at.is_none_or(|at| now.mono >= at + PAUSE);
            if page.old && !page.under_way && rested {
                (page.old, page.under_way, page.asked_at) = (false, true, Some(now.mono));
                let skip = no.saturating_mul(PAGE as u32);
                let query = TaskQuery { skip, limit: PAGE as u32, ..self.query.clone() };
                effects.push(Effect::Ask(Purpose::Tasks { list: self.no, page: no }, Request::Tasks(query)));
            }
        }
        while self.pages.len() > SPARE + seen.clone().count() {
            let far = |no: &u32| no.abs_diff(*seen.start());
            let Some(farthest) = self.pages.keys().copied().max_by_key(far) else { break };
            self.pages.remove(&farthest);
        }
        self.seen = Some(seen);
        effects
    }

    /// When a page that is old may be asked for.
    pub fn next_wakeup(&self) -> Option<Duration> {
        let seen = self.pages.range(self.seen.clone()?).map(|(_, page)| page);
        let waits = seen.filter(|page| page.old && !page.under_way);
        waits.filter_map(|page| page.asked_at).map(|at| at + PAUSE).min()
    }

    pub fn answered(&mut self, page: u32, reply: Option<Reply>) {
        let Some(known) = self.pages.get_mut(&page) else { return };
        known.under_way = false;
        if let Some(Reply::Tasks { total, tasks }) = reply {
            known.rows = tasks;
            self.total = usize::try_from(total).ok();
        }
    }
}

fn page_of(row: usize) -> u32 {
    u32::try_from(row / PAGE).unwrap_or(u32::MAX)
}
