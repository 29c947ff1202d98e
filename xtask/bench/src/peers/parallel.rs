//! GNU parallel: no server, one process that reads what to do and does it.

use std::process::Command;

use anyhow::Context;

use super::{Load, Peer, ages_of_lines, each_takes, provide, succeeds};
use crate::bare::{self, PROGRAM, SLOTS};
use crate::rig::Ground;
use crate::statistics::median;

pub fn measure(ground: &Ground, load: Load) -> anyhow::Result<Peer> {
    provide("parallel", "parallel")?;
    let version = succeeds(Command::new("parallel").arg("--version"))?;
    let version = version.lines().next().and_then(|line| line.rsplit(' ').next()).unwrap_or_default().to_owned();
    let list = ground.path().join("parallel-list");
    std::fs::write(&list, "x\n".repeat(load.tasks as usize)).context("the list of its tasks cannot be written")?;

    let quiet = || {
        let mut parallel = Command::new("parallel");
        parallel.args(["--will-cite", "--jobs", &SLOTS.to_string()]);
        // Where it keeps what it learns of the machine.
        parallel.env("PARALLEL_HOME", ground.path().join("parallel")).env_remove("PARALLEL");
        parallel
    };
    let speed = bare::measured(load.tasks, || succeeds(quiet().arg("--arg-file").arg(&list).arg(PROGRAM)).map(drop))?;
    let idle = each_takes(load.one_by_one.min(30), || {
        let mut one = quiet();
        one.args([PROGRAM, ":::", "x"]);
        one
    })?;
    let mut follow = quiet();
    follow.arg("--line-buffer").arg(ground.own_program()?).args(["stamp", "{}", "10", ":::", &load.lines.to_string()]);
    let lines = ages_of_lines(follow)?;
    Ok(Peer {
        name: "GNU parallel",
        version,
        tasks_per_second: speed.per_second,
        cpu_ms: speed.cpu_ms,
        idle_ms: median(&idle),
        line_ms: median(&lines),
        rss_mb: None,
    })
}
