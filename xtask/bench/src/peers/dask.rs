//! dask.distributed: a scheduler, a worker with two threads and a client, in a Python of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use serde_json::Value;

use super::cage::Cage;
use super::{Load, Peer, provide, succeeds};
use crate::bare::SLOTS;
use crate::rig::Ground;
use crate::statistics::median;
use crate::throughput::Speed;

const PACKAGE: &str = "distributed";
const SCRIPT: &str = include_str!("dask_workload.py");

pub fn measure(ground: &Ground, load: Load) -> anyhow::Result<Peer> {
    let python = provide_python()?;
    let script = ground.path().join("dask_workload.py");
    std::fs::write(&script, SCRIPT).context("its script cannot be written")?;
    let words = [python.display().to_string(), script.display().to_string(), SLOTS.to_string()];
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut cage = Cage::start(&words, |command| {
        command.current_dir(ground.path()).env("TMPDIR", ground.path()).env("DASK_TEMPORARY_DIRECTORY", ground.path());
    })?;
    let mut say = cage.child.stdin.take().context("its input is not a pipe")?;
    let mut hear = BufReader::new(cage.child.stdout.take().context("its output is not a pipe")?);
    let mut ask = |order: &str| -> anyhow::Result<Value> {
        if !order.is_empty() {
            writeln!(say, "{order}").context("it does not listen")?;
        }
        let mut line = String::new();
        hear.read_line(&mut line).context("it does not answer")?;
        serde_json::from_str(&line).with_context(|| format!("it answered {order:?} with {line:?}"))
    };

    let version = ask("")?["version"].as_str().unwrap_or_default().to_owned();
    // The first ones import what they need.
    ask("tasks 10")?;
    let before = cage.cpu();
    let seconds = number(&ask(&format!("tasks {}", load.tasks))?, "seconds")?;
    let cpu = cage.cpu().saturating_sub(before);
    let speed = Speed::of(load.tasks, std::time::Duration::try_from_secs_f64(seconds)?, cpu);
    let idle = numbers(&ask(&format!("idle {}", load.one_by_one))?, "ms");
    let lines = numbers(&ask(&format!("lines {}", load.lines))?, "ms");
    if idle.is_empty() || lines.is_empty() {
        bail!("it measured nothing");
    }
    let rss = cage.rss();
    Ok(Peer {
        name: "dask.distributed",
        version,
        tasks_per_second: speed.per_second,
        cpu_ms: speed.cpu_ms,
        idle_ms: median(&idle),
        line_ms: median(&lines),
        rss_mb: Some(rss as f64 / 1e6),
    })
}

fn number(answer: &Value, key: &str) -> anyhow::Result<f64> {
    answer[key].as_f64().with_context(|| format!("it answered {answer}"))
}

fn numbers(answer: &Value, key: &str) -> Vec<f64> {
    answer[key].as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

/// A Python that has it, made once in the cache folder.
fn provide_python() -> anyhow::Result<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    let place = cache.context("there is no cache folder: HOME is not set")?.join("bramble-bench/dask");
    let python = place.join("bin/python");
    let works = || succeeds(Command::new(&python).args(["-c", &format!("import {PACKAGE}")])).is_ok();
    if works() {
        return Ok(python);
    }
    provide("python3", "python3")?;
    eprintln!("    installing it from PyPI, once");
    let made = || succeeds(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
    if made().is_err() {
        // Debian's Python comes without.
        succeeds(Command::new("apt-get").args(["--quiet", "install", "--yes", "python3-venv"]))?;
        made()?;
    }
    succeeds(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]))?;
    if works() { Ok(python) } else { bail!("it was installed and does not work") }
}
