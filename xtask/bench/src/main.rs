//! `cargo xtask bench …`: measures real processes from outside, as they are shipped, beside what is to be reached.
//!
//! What it starts are the programs a person would start, what it reads are the kernel's own numbers. Of our own code
//! it knows the protocol, and the console's recorded cluster to show it.

mod accept;
mod alone;
mod bare;
mod comeback;
mod console;
mod door;
mod figure;
mod files;
mod follow;
mod growth;
mod idle;
mod latency;
mod machine;
mod peers;
mod process;
mod report;
mod rig;
mod row;
mod spine;
mod stamp;
mod statistics;
mod table;
mod throughput;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Measures Bramble; started by `cargo xtask bench`, which builds what is measured
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
enum Line {
    /// Throughput, CPU per task, latency and memory of one manager and one worker
    Spine(Spine),
    /// The console: first paint, keys, frames, bytes to the terminal, CPU
    Console(Console),
    /// Files: to the manager, back, and on to nodes, beside scp and rsync
    Files(Files),
    /// Prints the monotonic clock, line by line: the task whose output is followed
    #[command(hide = true)]
    Stamp { lines: u32, interval_ms: u64 },
    /// Runs a program and keeps all that it starts together until the last of it has ended
    #[command(hide = true)]
    Cage {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Runs a program again and again
    #[command(hide = true)]
    Repeat {
        times: u32,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

/// What all of them are asked.
#[derive(Debug, clap::Args)]
struct How {
    /// A tenth of everything, once: to see that it works, not how fast
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// How often everything is measured; medians are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
}

/// The programs as they are shipped.
#[derive(Debug, clap::Args)]
struct Measured {
    /// The `bramble` to measure
    #[arg(long, value_name = "FILE", env = "BRAMBLE_BENCH_MANAGER", hide_env = true)]
    manager: PathBuf,
    /// The `worker-agent` to measure
    #[arg(long, value_name = "FILE", env = "BRAMBLE_BENCH_WORKER", hide_env = true)]
    worker: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Spine {
    /// Also measure GNU parallel, task-spooler and dask, which are installed where they are missing
    #[arg(long)]
    peers: bool,
    /// Also measure how costs grow, from 1 to 64 agents and from 100 to 100,000 queued tasks
    #[arg(long)]
    growth: bool,
    /// Measure all of that and write docs/performance.md and docs/performance.svg
    #[arg(long)]
    report: bool,
    /// Where the report goes
    #[arg(long, value_name = "DIR", env = "BRAMBLE_BENCH_DOCS", hide_env = true, default_value = "docs")]
    docs: PathBuf,
    #[command(flatten)]
    how: How,
    /// Where state is kept meanwhile: a real disk, every parent of which all users may pass through
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    state: PathBuf,
    #[command(flatten)]
    measured: Measured,
}

#[derive(Debug, clap::Args)]
struct Console {
    #[command(flatten)]
    how: How,
    /// Where the console keeps what a person chose
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    state: PathBuf,
    /// The `bramble` to measure
    #[arg(long, value_name = "FILE", env = "BRAMBLE_BENCH_MANAGER", hide_env = true)]
    bramble: PathBuf,
}

#[derive(Debug, clap::Args)]
struct Files {
    #[command(flatten)]
    how: How,
    /// Where everything is kept meanwhile: a real disk with some GB of room
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    state: PathBuf,
    #[command(flatten)]
    measured: Measured,
}

/// The whole path of a program to measure.
fn whole(program: &Path) -> anyhow::Result<PathBuf> {
    program.canonicalize().with_context(|| format!("there is no program {}", program.display()))
}

fn main() -> ExitCode {
    let done = match Line::parse() {
        Line::Spine(args) => spine::run(&args),
        Line::Console(args) => console::run(&args),
        Line::Files(args) => files::run(&args),
        Line::Cage { words } => peers::contain(&words),
        Line::Repeat { times, words } => peers::repeat(times, &words),
        Line::Stamp { lines, interval_ms } => stamp::print(lines, interval_ms),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
