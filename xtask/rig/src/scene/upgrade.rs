//! Another build over the one that runs: tasks run on, and nothing of the old one is left.

use std::io::Write;

use anyhow::{Result, ensure};
use protocol::job::TaskState;

use super::found;
use super::kills::Patient;
use crate::guest::Guest;
use crate::load::Load;
use crate::place::{PATIENCE, Place, WORKER};

pub fn run(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let other = place.folder.path().join("other");
    std::fs::copy(&place.program, &other)?;
    // The same program to the loader, another file to everybody else.
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
    write!(std::fs::OpenOptions::new().append(true).open(&other)?, "another build {at}")?;

    let task = Patient::begin(&pair, "upgrade")?;
    let load = Load::begin(&pair.host, place.seed, 2, (200, 800), 10, Some(WORKER));
    load.goes_on(3, PATIENCE)?;
    let keeper = "systemctl show -P MainPID bramble-worker";
    let before = pair.worker.run(keeper)?;
    for (guest, role) in [(&pair.worker, "worker"), (&pair.manager, "manager")] {
        guest.copy(&other, "/root/other")?;
        guest.run(&format!("/root/other install {role} --yes"))?;
        runs_it(guest, role)?;
        load.goes_on(3, PATIENCE)?;
        found(format_args!("the {role} was upgraded while people worked"));
    }
    pair.worker.says(keeper, &before)?;
    task.still_runs(&pair)?;
    let end = task.release(&pair)?;
    ensure!(end == (TaskState::Failed, Some(5), 1), "the task that ran meanwhile ended as {end:?}");
    let (jobs, _) = load.settle(None, PATIENCE)?;
    found(format_args!("the keeper is the same process, its task kept its exit code; {jobs} jobs, none lost"));
    Ok(())
}

/// Its process is this very file.
fn runs_it(guest: &Guest, role: &str) -> Result<()> {
    let same = format!("cmp /root/other /proc/$(systemctl show -P MainPID bramble-{role})/exe");
    guest.until("the new program", PATIENCE, &same).map(drop)
}
