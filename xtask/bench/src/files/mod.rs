//! `bench files`: to the manager and back, and on to nodes, beside scp and rsync through an sshd on the same machine.
//!
//! Ours goes to the disk before it is called kept, and is checked by its hash; theirs does neither. Ours to the manager
//! goes through its socket, theirs through ssh, as ours to a node does.

mod openssh;

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::rig::{Ground, Manager, Programs, Worker};
use crate::row::{self, OfSize, Rows};
use crate::statistics::median;
use crate::{Files, machine, table};
use openssh::Openssh;

/// How many bytes, and how often.
type Load = [(OfSize, u64, u32); 3];

const WHOLE: Load = [(row::SMALL, 1_000, 20), (row::MIDDLE, 1_000_000, 20), (row::LARGE, 1_000_000_000, 1)];
const QUICK: Load = [(row::SMALL, 1_000, 3), (row::MIDDLE, 1_000_000, 3), (row::LARGE, 100_000_000, 1)];
/// Workers that are given the same at the same time.
const TOGETHER: usize = 4;

pub fn run(args: &Files) -> anyhow::Result<()> {
    let machine = machine::Machine::look(&args.state);
    let programs =
        Programs { bramble: crate::whole(&args.measured.manager)?, worker: crate::whole(&args.measured.worker)? };
    let (load, runs) = if args.how.quick { (QUICK, 1) } else { (WHOLE, args.how.runs) };
    let mut rows = Rows::default();
    for n in 1..=runs {
        eprintln!("run {n} of {runs}");
        once(&programs, &args.state, &load, &mut rows)?;
    }
    match args.how.json {
        true => println!("{:#}", table::json(&machine, &rows, args.how.quick)),
        false => print!("{}", table::text(&machine, &rows, runs, args.how.quick)),
    }
    Ok(())
}

fn once(programs: &Programs, state: &Path, load: &Load, rows: &mut Rows) -> anyhow::Result<()> {
    let ground = Ground::below(state)?;
    let manager = Manager::start(programs, &ground, "manager")?;
    let openssh = Openssh::start(&ground)?;
    let names: Vec<String> = (1..=TOGETHER).map(|n| format!("bench-{n}")).collect();
    let _workers = Worker::start_all(programs, &ground, &manager, &names)?;
    for (goals, bytes, times) in load {
        let place = Place { ground: &ground, manager: &manager, openssh: &openssh };
        eprintln!("  {}", goals.size);
        let scp = place.up_and_down(goals, *bytes, *times, rows)?;
        place.to_nodes(goals, *times, &names, scp, rows)?;
    }
    Ok(())
}

struct Place<'a> {
    ground: &'a Ground,
    manager: &'a Manager,
    openssh: &'a Openssh,
}

impl Place<'_> {
    /// Milliseconds that scp takes to bring it there.
    fn up_and_down(&self, goals: &OfSize, bytes: u64, times: u32, rows: &mut Rows) -> anyhow::Result<f64> {
        let [source, there, back] = ["source", "there", "back"].map(|name| self.ground.path().join(name));
        let mut new = Source::of(source.clone(), bytes)?;
        let (openssh, manager) = (self.openssh, self.manager);
        let put = || {
            let mut put = manager.verb(&["file", "put", "--name", goals.size]);
            put.arg(&source);
            put
        };
        let get = || {
            let mut get = manager.verb(&["file", "get", goals.size]);
            get.arg(&back);
            get
        };
        // In turn, so that what disturbs one disturbs the others.
        let (mut up, mut down) = ([vec![], vec![], vec![]], [vec![], vec![], vec![]]);
        for _ in 0..times {
            new.change()?;
            let ways = [put(), openssh.scp_to(&source, &there), openssh.rsync_to(&source, &there)];
            for (way, took) in ways.into_iter().zip(&mut up) {
                remove(&there)?;
                took.push(takes(way)?);
            }
            let ways = [get(), openssh.scp_from(&there, &back), openssh.rsync_from(&there, &back)];
            for (way, took) in ways.into_iter().zip(&mut down) {
                remove(&back)?;
                took.push(takes(way)?);
            }
        }
        for (goals, took) in [(&goals.put, up.clone()), (&goals.get, down)] {
            let [ours, scp, rsync] = took.map(|took| median(&took));
            for (goal, value) in goals.iter().zip([ours, scp, rsync, scp / ours]) {
                rows.add(*goal, value);
            }
        }
        remove(&there)?;
        remove(&back)?;
        Ok(median(&up[1]))
    }

    /// What was put last, as the file of a task: to one node, to others at the same time, and to one that has it.
    fn to_nodes(&self, goals: &OfSize, times: u32, nodes: &[String], scp: f64, rows: &mut Rows) -> anyhow::Result<()> {
        let task =
            |node: &str| self.manager.verb(&["run", "--wait", "--file", goals.size, "--node", node, "--", "true"]);
        let [first, others @ ..] = nodes else { bail!("no nodes") };
        let one = takes(task(first))?;
        let began = Instant::now();
        let together = others.iter().map(|node| quiet(task(node)).spawn().context("a verb cannot be started"));
        let mut together = together.collect::<anyhow::Result<Vec<_>>>()?;
        let mut slowest: f64 = 0.0;
        for child in &mut together {
            let ended = child.wait().context("a verb cannot be waited for")?;
            if !ended.success() {
                bail!("a task with a file failed: {ended}");
            }
            slowest = slowest.max(began.elapsed().as_secs_f64() * 1000.0);
        }
        let again = (0..times).map(|_| takes(task(first))).collect::<anyhow::Result<Vec<_>>>()?;
        let values = [one, scp / one, slowest, scp / slowest, median(&again)];
        for (goal, value) in goals.deliver.iter().zip(values) {
            rows.add(*goal, value);
        }
        Ok(())
    }
}

/// A file whose bytes have never been anywhere else.
struct Source {
    file: File,
    times: u64,
}

impl Source {
    fn of(path: PathBuf, bytes: u64) -> anyhow::Result<Self> {
        let shown = path.display().to_string();
        let mut file = File::create(path).with_context(|| format!("{shown} cannot be made"))?;
        let mut noise = std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), |x| {
            let x = x ^ (x << 13);
            let x = x ^ (x >> 7);
            Some(x ^ (x << 17))
        });
        let mut left = bytes;
        while left > 0 {
            let piece: Vec<u8> = noise.by_ref().take(1 << 17).flat_map(u64::to_le_bytes).collect();
            let part = usize::try_from(left).map_or(piece.len(), |left| left.min(piece.len()));
            file.write_all(&piece[..part]).with_context(|| format!("{shown} cannot be written"))?;
            left -= part as u64;
        }
        Ok(Self { file, times: 0 })
    }

    fn change(&mut self) -> anyhow::Result<()> {
        self.times += 1;
        self.file.write_all_at(&self.times.to_le_bytes(), 0).context("the source cannot be written")
    }
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// In milliseconds.
fn takes(command: Command) -> anyhow::Result<f64> {
    let mut command = quiet(command);
    let name = command.get_program().to_string_lossy().into_owned();
    let began = Instant::now();
    let done = command.output().with_context(|| format!("{name} cannot be started"))?;
    let took = began.elapsed();
    if !done.status.success() {
        bail!("{command:?} failed: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(took.as_secs_f64() * 1000.0)
}
