//! task-spooler: a server that every first call starts, and a process for every task that waits.

use std::io::{BufRead, BufReader};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::cage::Cage;
use super::{Load, Peer, ages_of_lines, each_takes, provide, succeeds};
use crate::bare::{PROGRAM, SLOTS};
use crate::rig::Ground;
use crate::statistics::median;
use crate::throughput::Speed;

/// From the beginning of it all.
const GIVEN_UP: Duration = Duration::from_secs(120);

pub fn measure(ground: &Ground, load: Load) -> anyhow::Result<Peer> {
    provide("tsp", "task-spooler")?;
    let socket = ground.path().join("tsp");
    let place = |command: &mut Command| {
        command.env("TS_SOCKET", &socket).env("TMPDIR", ground.path()).env("TS_SLOTS", SLOTS.to_string());
        // What has ended is forgotten soon, so that its list stays short.
        command.env("TS_MAXFINISHED", "10");
    };
    let tsp = |words: &[&str]| {
        let mut tsp = Command::new("tsp");
        tsp.args(words);
        place(&mut tsp);
        tsp
    };
    let version = succeeds(&mut tsp(&["-V"]))?;
    let version = version.split_whitespace().find(|word| word.starts_with('v')).unwrap_or_default();

    let own = ground.own_program()?;
    let began = Instant::now();
    let mut cage = Cage::start(&[&own, "repeat", &load.tasks.to_string(), "tsp", "-n", PROGRAM], place)?;
    let out = cage.child.stdout.take().context("its output is not a pipe")?;
    if !BufReader::new(out).lines().map_while(Result::ok).any(|line| line == "repeated") {
        bail!("its tasks could not be submitted");
    }
    // The last of them; the others were before it.
    succeeds(&mut tsp(&["-w"]))?;
    let speed = Speed::of(load.tasks, began.elapsed(), cage.cpu());
    cage.is_in_time()?;

    let idle = each_takes(load.one_by_one, || tsp(&["-n", "-f", PROGRAM]))?;
    let rss = cage.rss();
    succeeds(&mut tsp(&[&own, "stamp", &load.lines.to_string(), "10"]))?;
    // A task has no output yet when its submission is answered: asked too early, it says so and fails.
    let mut lines = ages_of_lines(tsp(&["-t"]));
    while lines.is_err() && began.elapsed() < GIVEN_UP {
        std::thread::sleep(Duration::from_millis(5));
        lines = ages_of_lines(tsp(&["-t"]));
    }
    let lines = lines?;
    Ok(Peer {
        name: "task-spooler",
        version: version.trim_start_matches('v').to_owned(),
        tasks_per_second: speed.per_second,
        cpu_ms: speed.cpu_ms,
        idle_ms: median(&idle),
        line_ms: median(&lines),
        rss_mb: Some(rss as f64 / 1e6),
    })
}

/// The program `repeat N WORDS…`: what submits, as cheaply as it can be done from outside.
pub fn repeat(times: u32, words: &[String]) -> anyhow::Result<()> {
    let (program, arguments) = words.split_first().context("nothing to repeat")?;
    for _ in 0..times {
        let ended = Command::new(program).args(arguments).stdout(std::process::Stdio::null()).status();
        let ended = ended.with_context(|| format!("{program} cannot be started"))?;
        if !ended.success() {
            bail!("{program} failed: {ended}");
        }
    }
    println!("repeated");
    Ok(())
}
