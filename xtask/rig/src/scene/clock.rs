//! Clocks that jump: a Pi has none that runs without power, and is told the time some while after its boot.

use std::time::Duration;

use anyhow::{Result, ensure};
use protocol::event::What;

use super::found;
use crate::guest::Guest;
use crate::ledger::wrong_runs;
use crate::load::{Load, RAN};
use crate::place::{PATIENCE, Place, WORKER};

const YEAR: i64 = 365 * 24 * 3600;
/// No task of the load takes longer, on any machine.
const LONGEST: u64 = 10 * 60 * 1000;

pub fn run(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let newest = pair.host.verb(&["event", "--json", "-n", "1"])?;
    let after = serde_json::from_str::<protocol::event::Event>(newest.trim()).map(|event| event.no)?;
    // Other scenes have left tasks of their own, and some took long.
    let others = pair.host.tasks(&["--all"])?.iter().map(|task| task.id.job).max();
    let load = Load::begin(&pair.host, place.seed, 2, (200, 800), 20, Some(WORKER));
    load.goes_on(5, PATIENCE)?;
    for (guest, by) in [
        (&pair.manager, YEAR),
        (&pair.worker, YEAR),
        (&pair.manager, -2 * YEAR),
        (&pair.worker, -2 * YEAR),
        (&pair.worker, YEAR),
        (&pair.manager, YEAR),
    ] {
        jump(guest, by)?;
        load.goes_on(5, PATIENCE)?;
        let years = by / YEAR;
        found(format_args!("{}'s clock jumped by {years} year(s): people are served, tasks run", guest.name));
    }
    let (jobs, tasks) = load.settle(None, Duration::from_secs(300))?;
    let faults = wrong_runs(pair.worker.run(&format!("cat {RAN}"))?.lines(), &tasks);
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    let events = pair.host.events(after)?;
    let gone = events.iter().find(|event| matches!(event.what, What::NodeDown { .. } | What::TaskRequeued { .. }));
    ensure!(gone.is_none(), "the clock cost something: {gone:?}");
    let ours = || tasks.iter().filter(|task| Some(task.id.job) > others);
    ensure!(ours().count() >= jobs, "{jobs} jobs of the load, and {} tasks", ours().count());
    let absurd = ours().find(|task| task.ran_ms.is_some_and(|ms| ms > LONGEST));
    ensure!(absurd.is_none(), "a task ran for a year: {absurd:?}");
    let backward = ours().find(|task| task.started_at > task.ended_at);
    ensure!(backward.is_none(), "a task ended before it began: {backward:?}");
    found(format_args!("{jobs} jobs: none lost, none run again, no node went down, no task ran for a year"));
    Ok(())
}

fn jump(guest: &Guest, seconds: i64) -> Result<()> {
    let sign = if seconds < 0 { '-' } else { '+' };
    guest.run(&format!("date -s @$(($(date +%s) {sign} {}))", seconds.abs())).map(drop)
}
