//! A list of tasks, of which only the part that is seen is asked for: the manager may know a hundred thousand.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use protocol::api::{Reply, Request, TaskQuery, TaskView};
use protocol::id::TaskId;

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
    /// The row of it the answer under way begins with.
    from: usize,
    /// Something has changed since it was asked for.
    old: bool,
    /// Not all of its rows fitted into one answer.
    short: bool,
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

    /// Another question from now on; what is known is shown until its answer is there.
    pub fn ask(&mut self, query: TaskQuery) {
        if self.query != query {
            self.query = query;
            self.changed();
        }
    }

    /// Where this task is, as far as the pages that are known tell.
    pub fn find(&self, id: TaskId, near: usize) -> Option<usize> {
        if self.get(near).is_some_and(|task| task.id == id) {
            return Some(near);
        }
        self.pages.iter().find_map(|(page, known)| {
            let at = known.rows.iter().position(|task| task.id == id)?;
            Some(*page as usize * PAGE + at)
        })
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
            if (page.old || page.short) && !page.under_way && rested {
                page.from = if page.old { 0 } else { page.rows.len() };
                (page.old, page.short, page.under_way, page.asked_at) = (false, false, true, Some(now.mono));
                let skip = no.saturating_mul(PAGE as u32).saturating_add(page.from as u32);
                let limit = PAGE as u32 - page.from as u32;
                let query = TaskQuery { skip, limit, ..self.query.clone() };
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
        let waits = seen.filter(|page| (page.old || page.short) && !page.under_way);
        waits.filter_map(|page| page.asked_at).map(|at| at + PAUSE).min()
    }

    pub fn answered(&mut self, page: u32, reply: Option<Reply>) {
        let Some(known) = self.pages.get_mut(&page) else { return };
        known.under_way = false;
        let Some(Reply::Tasks { total, tasks }) = reply else { return };
        let total = total as usize;
        let most = total.saturating_sub(page as usize * PAGE).min(PAGE);
        let got = tasks.len();
        known.rows.splice(known.from.min(known.rows.len())..(known.from + got).min(known.rows.len()), tasks);
        // An answer holds as many rows as fit into a frame: the commands of some jobs are whole programs.
        known.short = got > 0 && known.from + got < most;
        if !known.short {
            known.rows.truncate(most);
        }
        self.total = Some(total);
    }
}

fn page_of(row: usize) -> u32 {
    u32::try_from(row / PAGE).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    fn now(seconds: u64) -> Now {
        Now { mono: Duration::from_secs(seconds), ..Now::default() }
    }

    fn asked(effects: &[Effect]) -> Vec<(u32, u32, u32)> {
        let window = |effect: &Effect| match effect {
            Effect::Ask(Purpose::Tasks { page, .. }, Request::Tasks(query)) => Some((*page, query.skip, query.limit)),
            _ => None,
        };
        effects.iter().filter_map(window).collect()
    }

    fn answer(tasks: &mut Tasks, page: u32, rows: std::ops::Range<u32>, total: u32) {
        let job = &sample::jobs(9)[0];
        let rows = rows.map(|index| sample::task(job, index, protocol::job::TaskState::Running)).collect();
        tasks.answered(page, Some(Reply::Tasks { total, tasks: rows }));
    }

    #[test]
    fn only_what_is_seen_is_asked_for_and_once() {
        let mut tasks = Tasks::new(1, TaskQuery::default());
        assert_eq!(asked(&tasks.want(390..410, now(1))), [(1, 200, 200), (2, 400, 200)]);
        assert_eq!(asked(&tasks.want(390..410, now(2))), []);
        answer(&mut tasks, 1, 200..400, 100_000);
        assert_eq!((tasks.total(), tasks.get(399).map(|task| task.id.index)), (Some(100_000), Some(399)));
        assert!(tasks.get(400).is_none() && tasks.get(0).is_none());
        tasks.changed();
        assert_eq!(asked(&tasks.want(390..410, now(3))), [(1, 200, 200)], "the other one is still under way");
        assert!(tasks.get(399).is_some(), "what is known is shown until better is known");
    }

    #[test]
    fn a_page_that_does_not_fit_into_one_answer_comes_in_parts() {
        let mut tasks = Tasks::new(1, TaskQuery::default());
        tasks.want(0..10, now(1));
        answer(&mut tasks, 0, 0..120, 150);
        assert_eq!(asked(&tasks.want(0..10, now(2))), [(0, 120, 80)]);
        answer(&mut tasks, 0, 120..150, 150);
        assert_eq!(tasks.get(149).map(|task| task.id.index), Some(149));
        assert_eq!(asked(&tasks.want(0..10, now(3))), []);
        tasks.changed();
        assert_eq!(asked(&tasks.want(0..10, now(4))), [(0, 0, 200)]);
        answer(&mut tasks, 0, 0..130, 130);
        assert!(tasks.get(130).is_none(), "what is not there any more is not shown");
    }

    #[test]
    fn few_pages_are_kept_and_a_task_is_found_in_them() {
        let mut tasks = Tasks::new(1, TaskQuery::default());
        for page in 0..40 {
            let first = page as usize * PAGE;
            tasks.want(first..first + 10, now(page.into()));
            answer(&mut tasks, page, page * 200..page * 200 + 200, 8000);
        }
        assert!(tasks.pages.len() <= SPARE + 1);
        let id = |row: usize| TaskId { job: sample::jobs(9)[0].id, index: row as u32 };
        assert_eq!((tasks.find(id(7900), 0), tasks.find(id(3), 0)), (Some(7900), None));
    }
}
