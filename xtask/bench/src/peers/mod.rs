//! Others that run tasks, measured in the same run: what a number of ours is worth, a person sees beside theirs.
//!
//! Each is installed by us where it is missing, given the same bounded work, and ended by its processes' numbers.

mod cage;
mod dask;
mod parallel;
mod spooler;

pub use cage::contain;
pub use spooler::repeat;

use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::rig::Ground;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub tasks: u32,
    pub one_by_one: u32,
    pub lines: u32,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Peer {
    pub name: &'static str,
    pub version: String,
    pub tasks_per_second: f64,
    /// All its processes and the tasks themselves.
    pub cpu_ms: f64,
    /// Submit → known done on an idle one, p50.
    pub idle_ms: f64,
    /// A printed line → seen, p50.
    pub line_ms: f64,
    /// All its processes, idle; `None`: none is there then.
    pub rss_mb: Option<f64>,
}

type Measure = fn(&Ground, Load) -> anyhow::Result<Peer>;

const PEERS: [(&str, Measure); 3] =
    [("GNU parallel", parallel::measure), ("task-spooler", spooler::measure), ("dask.distributed", dask::measure)];

/// One that cannot be installed or measured is told about and left out.
pub fn measure(ground: &Ground, load: Load) -> Vec<Peer> {
    let mut measured = vec![];
    for (name, measure) in PEERS {
        eprintln!("  {name}");
        match measure(ground, load) {
            Ok(peer) => measured.push(peer),
            Err(error) => eprintln!("  {name} is left out: {error:#}"),
        }
    }
    measured
}

/// Sees to it that a program is there, from a Debian package.
pub fn provide(program: &str, package: &str) -> anyhow::Result<()> {
    if on_path(program) {
        return Ok(());
    }
    let remedy = format!("there is no {program}; to get it: apt-get install {package}");
    if !rustix::process::geteuid().is_root() || !on_path("apt-get") {
        bail!(remedy);
    }
    for words in [&["update"][..], &["install", "--yes", "--no-install-recommends", package]] {
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet", "--option", "DPkg::Lock::Timeout=120"])
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive");
        succeeds(&mut apt).with_context(|| remedy.clone())?;
    }
    if on_path(program) { Ok(()) } else { bail!(remedy) }
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs it to its end; what it printed is shown only where it fails.
pub fn succeeds(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("{name} cannot be started"))?;
    if !done.status.success() {
        bail!("{name} failed: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Milliseconds that a command takes, each of so many times.
fn each_takes(times: u32, command: impl Fn() -> Command) -> anyhow::Result<Vec<f64>> {
    (0..times)
        .map(|_| {
            let mut command = command();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let name = command.get_program().to_string_lossy().into_owned();
            let began = std::time::Instant::now();
            let ended = command.status().with_context(|| format!("{name} cannot be started"))?;
            let took = began.elapsed();
            if ended.success() { Ok(took.as_secs_f64() * 1000.0) } else { bail!("{name} failed: {ended}") }
        })
        .collect()
}

/// The ages, in milliseconds, of the lines a command prints, each of them the time at which it was made.
fn ages_of_lines(mut command: Command) -> anyhow::Result<Vec<f64>> {
    use std::io::Read;
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("{name} cannot be started"))?;
    let mut out = child.stdout.take().context("its output is not a pipe")?;
    let (mut ages, mut cut, mut piece) = (vec![], vec![], [0; 64 * 1024]);
    loop {
        let read = out.read(&mut piece).with_context(|| format!("{name} cannot be read"))?;
        if read == 0 {
            break;
        }
        let now = crate::stamp::now();
        cut.extend_from_slice(&piece[..read]);
        ages.extend(crate::follow::whole_lines(&mut cut).into_iter().map(|made| now.saturating_sub(made) as f64 / 1e6));
    }
    let ended = child.wait().with_context(|| format!("{name} cannot be waited for"))?;
    if ended.success() { Ok(ages) } else { bail!("{name} failed: {ended}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_aged_by_the_time_they_name() {
        let mut print = Command::new("sh");
        print.args(["-c", &format!("echo {}", crate::stamp::now())]);
        let ages = ages_of_lines(print).unwrap();
        assert_eq!(ages.len(), 1);
        assert!(ages[0] > 0.0 && ages[0] < 10_000.0, "{ages:?}");
        let mut fails = Command::new("sh");
        fails.args(["-c", "exit 3"]);
        assert!(ages_of_lines(fails).is_err());
    }

    #[test]
    fn what_is_not_a_package_is_told_with_its_remedy() {
        provide("sh", "dash").unwrap();
        assert!(each_takes(2, || Command::new("true")).unwrap().len() == 2);
        assert!(each_takes(1, || Command::new("false")).is_err());
    }
}
