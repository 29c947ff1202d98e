//! Boots in any order.

use anyhow::{Result, ensure};

use super::found;
use crate::place::{PATIENCE, Pair, Place, WORKER, linked};
use crate::seconds;

pub fn run(place: &Place) -> Result<()> {
    let pair = place.pair()?;
    let beside = pair.manager.run("systemctl is-enabled bramble-worker").is_ok();
    let all: &[&str] = if beside { &["beside", WORKER] } else { &[WORKER] };

    pair.manager.down()?;
    pair.worker.down()?;
    pair.worker.up(&[])?;
    let alone = "bramble worker-agent status --json | jq -e '.agent.link != \"linked\" and .agent.last_error != null'";
    pair.worker.until("a worker that looks for its manager", PATIENCE, alone)?;
    let began = std::time::Instant::now();
    pair.manager.up(&[])?;
    linked(&place.host(&pair.manager)?, all)?;
    found(format_args!(
        "worker first, manager later: linked {} after the manager's power came",
        seconds(began.elapsed())
    ));
    works(place, &pair)?;

    // Only the manager, its own worker beside it: one machine on which both start at once.
    pair.manager.run("systemctl is-active bramble-manager")?;
    pair.manager.down()?;
    pair.manager.up(&[])?;
    linked(&place.host(&pair.manager)?, all)?;
    found("the manager's machine alone, shut down and booted: both are back");

    std::thread::scope(|scope| {
        let worker = scope.spawn(|| pair.worker.cut().and_then(|()| pair.worker.up(&[])));
        let manager = pair.manager.cut().and_then(|()| pair.manager.up(&[]));
        let worker = worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the other machine")));
        manager.and(worker)
    })?;
    linked(&place.host(&pair.manager)?, all)?;
    works(place, &pair)?;
    found("the power of both goes and comes at once: both are back");
    for guest in [&pair.manager, &pair.worker] {
        guest.says("systemctl --failed --no-legend --plain", "")?;
    }
    Ok(())
}

fn works(place: &Place, pair: &Pair) -> Result<()> {
    let said = place.host(&pair.manager)?.verb(&["run", "--wait", "--node", WORKER, "--", "hostname"])?;
    ensure!(said.trim() == pair.worker.name, "a task there says {said:?}");
    Ok(())
}
