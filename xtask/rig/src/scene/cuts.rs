//! Power cuts, by SIGKILL of QEMU: whatever the machine had not flushed is gone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use protocol::event::What;

use super::found;
use crate::ledger::wrong_runs;
use crate::load::{Load, RAN};
use crate::place::{PATIENCE, Pair, Place, WORKER};
use crate::seconds;
use test_support::Dice;

/// How long whatever was asked for may take in the end.
const REST: Duration = Duration::from_secs(1200);
/// Losses after which a task is given up.
const MOST_LOSSES: u32 = 4;

pub fn manager(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let load = Load::begin(&pair.host, place.seed, 3, (50, 400), 15, Some(WORKER));
    let mut dice = Dice::of(place.seed, "cut-manager");
    load.goes_on(5, PATIENCE)?;
    for cut in 1..=place.cuts {
        let began = std::time::Instant::now();
        // why: the moment is the thing: anywhere in what the manager does.
        std::thread::sleep(Duration::from_millis(dice.roll(0..5001)));
        let (jobs, ended, _) = load.told();
        pair.manager.cut()?;
        let boot = pair.manager.up(&[]).with_context(|| format!("after cut {cut}"))?;
        let socket = place.host(&pair.manager)?.socket;
        ensure!(socket == pair.host.socket, "the socket has another name now");
        whole(&pair)?;
        pair.linked(&[WORKER])?;
        load.goes_on(2, PATIENCE)?;
        found(format_args!(
            "cut {cut}: {jobs} jobs and {ended} ends told before; booted in {}, served again in {}",
            seconds(boot),
            seconds(began.elapsed())
        ));
    }
    let (jobs, tasks) = load.settle(None, REST)?;
    let ran = pair.worker.run(&format!("cat {RAN}"))?;
    let faults = wrong_runs(ran.lines(), &tasks);
    ensure!(faults.is_empty(), "{}", faults.join("; "));
    let again = tasks.iter().filter(|task| task.attempt > 1).count();
    ensure!(again == 0, "{again} tasks ran again, although the worker never lost its power");
    whole(&pair)?;
    found(format_args!("{jobs} acknowledged jobs: all there, all ended as they had to, each ran exactly once"));
    Ok(())
}

/// The manager is up by itself and its file is sound.
fn whole(pair: &Pair) -> Result<()> {
    pair.manager.until("the manager", PATIENCE, "systemctl is-active bramble-manager")?;
    let check = "sqlite3 -readonly /var/lib/bramble/bramble.db 'PRAGMA integrity_check; PRAGMA foreign_key_check'";
    pair.manager.says(check, "ok")
}

pub fn worker(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let newest = pair.host.verb(&["event", "--json", "-n", "1"])?;
    let after = serde_json::from_str::<protocol::event::Event>(newest.trim()).map(|event| event.no)?;
    let load = Load::begin(&pair.host, place.seed, 3, (50, 400), 15, Some(WORKER));
    let mut dice = Dice::of(place.seed, "cut-worker");
    load.goes_on(5, PATIENCE)?;
    let mut cut_short = vec![];
    for cut in 1..=place.cuts {
        let began = std::time::Instant::now();
        // why: the moment is the thing: anywhere in what the worker does.
        std::thread::sleep(Duration::from_millis(dice.roll(0..5001)));
        let before = pair.host.tasks(&["--node", WORKER, "--state", "running"])?;
        pair.worker.cut()?;
        let (jobs, ended, _) = load.told();
        let boot = pair.worker.up(&[]).with_context(|| format!("after cut {cut}"))?;
        pair.linked(&[WORKER])?;
        load.goes_on(2, PATIENCE)?;
        found(format_args!(
            "cut {cut}: {jobs} jobs and {ended} ends told, {} tasks ran; booted in {}, linked and working in {}",
            before.len(),
            seconds(boot),
            seconds(began.elapsed())
        ));
        cut_short.push(before);
    }
    let (jobs, tasks) = load.settle(Some(MOST_LOSSES), REST)?;
    let faults = wrong_runs(pair.worker.run(&format!("cat {RAN}"))?.lines(), &tasks);
    ensure!(faults.is_empty(), "{}", faults.join("; "));

    // What ran when the power went and was not told to have ended ran again, and an event says so.
    let events = pair.host.events(after)?;
    let requeued = |id, number| {
        events.iter().any(|event| {
            let (What::TaskRequeued { attempt, .. } | What::TaskEnded { attempt, .. }) = &event.what else {
                return false;
            };
            attempt.task == id && attempt.number == number
        })
    };
    let mut again = 0;
    for task in cut_short.iter().flatten() {
        ensure!(requeued(task.id, task.attempt), "no event says what became of {}#{}", task.id, task.attempt);
        again += u32::from(tasks.iter().any(|now| now.id == task.id && now.attempt > task.attempt));
    }
    let silent = tasks.iter().filter(|task| {
        (1..task.attempt).any(|number| !events.iter().any(|event| {
            matches!(&event.what, What::TaskRequeued { attempt, .. } if attempt.task == task.id && attempt.number == number)
        })) && task.submitted_at >= events.first().map_or(task.submitted_at, |event| event.at)
    });
    let silent: Vec<_> = silent.map(|task| task.id.to_string()).collect();
    ensure!(silent.is_empty(), "ran again without an event: {}", silent.join(" "));
    ensure!(again > 0 || place.cuts < 5, "no cut met a running task: the load is too light");
    whole(&pair)?;
    found(format_args!(
        "{jobs} acknowledged jobs: all there, all ended as they had to; {again} times a task ran again and said so"
    ));
    Ok(())
}
