//! `bench console`: the program on a terminal of its own, before a manager that only tells what is told to it.

mod fake;
mod inside;
mod load;
mod screen;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};

use crate::row::{self, Rows};
use crate::statistics::{median, percentile};
use crate::{Console, machine, process, table};
use fake::Fake;
use load::Load;
use screen::Screen;

/// How much of everything.
struct Size {
    starts: u32,
    keys: usize,
    frames: u32,
    still: Duration,
    minute: bool,
    ticks: u32,
}

const WHOLE: Size =
    Size { starts: 20, keys: 400, frames: 400, still: Duration::from_secs(20), minute: true, ticks: 20 };
const QUICK: Size = Size { starts: 3, keys: 28, frames: 40, still: Duration::from_secs(2), minute: false, ticks: 3 };

const TICK: Duration = Duration::from_secs(1);
/// From one key to the next: as quick as a person who knows the keys.
const BETWEEN_KEYS: Duration = Duration::from_millis(60);
/// What a new console still does once all is on the screen: trends, events of before.
const SETTLE: Duration = Duration::from_secs(2);
/// Each of these changes what is seen, and together they end where they began.
const KEYS: [&str; 14] = ["j", "j", "k", "k", "\t", "j", "j", "k", "k", "\t", "j", "k", "\t", "z"];

pub fn run(args: &Console) -> anyhow::Result<()> {
    let machine = machine::Machine::look(&args.state);
    let bramble = crate::whole(&args.bramble)?;
    let (size, runs) = if args.how.quick { (QUICK, 1) } else { (WHOLE, args.how.runs) };
    let mut rows = Rows::default();
    for n in 1..=runs {
        eprintln!("run {n} of {runs}");
        once(&bramble, args, &size, &mut rows)?;
    }
    match args.how.json {
        true => println!("{:#}", table::json(&machine, &rows, args.how.quick)),
        false => print!("{}", table::text(&machine, &rows, runs, args.how.quick)),
    }
    Ok(())
}

fn once(bramble: &Path, args: &Console, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("bramble-bench-").tempdir_in(&args.state);
    let folder = folder.with_context(|| format!("no folder can be made in {}", args.state.display()))?;
    let folder = folder.path();
    large(bramble, folder, size, rows)?;
    for (goal, nodes) in [(row::FRAME_16, 16), (row::FRAME_200, 200), (row::FRAME_1000, 1000)] {
        rows.add(goal, inside::frame_ms(nodes, size.frames)?);
    }
    still(bramble, folder, size, rows)?;
    ticking(bramble, folder, size, rows)
}

/// Many nodes and tasks: how soon they are seen, and how soon a key is.
fn large(bramble: &Path, folder: &Path, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  {} starts with 1,000 nodes", size.starts);
    let fake = Fake::start(&folder.join("large.sock"), Load::new(1000))?;
    let mut paints = vec![];
    for _ in 0..size.starts {
        let (_screen, took) = Screen::open(bramble, folder, &fake, "1001")?;
        paints.push(ms(took));
    }
    rows.add(row::FIRST_PAINT, median(&paints));

    eprintln!("  {} keys", size.keys);
    let (mut screen, _) = Screen::open(bramble, folder, &fake, "1001")?;
    screen.rests(SETTLE);
    let mut keys = vec![];
    for key in KEYS.into_iter().cycle().take(size.keys) {
        let pressed = Instant::now();
        screen.press(key)?;
        let Some(painted) = screen.frame(Duration::from_secs(1)) else { bail!("the key {key:?} changed nothing") };
        keys.push(ms(painted.at - pressed));
        screen.rests(BETWEEN_KEYS.saturating_sub(pressed.elapsed()));
    }
    rows.add(row::KEY_P50, median(&keys));
    rows.add(row::KEY_P99, percentile(&keys, 0.99));
    Ok(())
}

/// Nothing happens at all.
fn still(bramble: &Path, folder: &Path, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  nothing, for {} s", size.still.as_secs());
    let fake = Fake::start(&folder.join("still.sock"), Load::new(16))?;
    let (mut screen, _) = Screen::open(bramble, folder, &fake, "sweep")?;
    screen.rests(SETTLE);
    if to_the_minute() < size.still + TICK {
        screen.rests(to_the_minute() + TICK);
    }
    let (before, began) = (process::fine_cpu(screen.pid())?, Instant::now());
    rows.add(row::IDLE_BYTES, screen.rests(size.still) as f64);
    let used = process::fine_cpu(screen.pid())?.saturating_sub(before);
    rows.add(row::CONSOLE_CPU, percent(used, began.elapsed()));
    if size.minute {
        rows.add(row::MINUTE_BYTES, screen.rests(to_the_minute() + TICK) as f64);
    }
    Ok(())
}

/// Metrics of every node, once a second.
fn ticking(bramble: &Path, folder: &Path, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  {} ticks of metrics, of 16 and of 64 nodes", size.ticks);
    for nodes in [16, 64] {
        let fake = Fake::start(&folder.join(format!("ticking-{nodes}.sock")), Load::new(nodes))?;
        let (mut screen, _) = Screen::open(bramble, folder, &fake, "sweep")?;
        screen.rests(SETTLE);
        let (before, began, mut bytes) = (process::fine_cpu(screen.pid())?, Instant::now(), 0);
        for tick in 1..=size.ticks {
            fake.tick()?;
            bytes += screen.rests((TICK * tick).saturating_sub(began.elapsed()));
        }
        let used = process::fine_cpu(screen.pid())?.saturating_sub(before);
        match nodes {
            16 => rows.add(row::TICK_BYTES, bytes as f64 / f64::from(size.ticks)),
            _ => rows.add(row::CONSOLE_CPU_64, percent(used, began.elapsed())),
        }
    }
    Ok(())
}

fn to_the_minute() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let minute = Duration::from_secs(60);
    minute - Duration::from_millis((now.as_millis() % minute.as_millis()) as u64)
}

fn percent(used: Duration, of: Duration) -> f64 {
    used.as_secs_f64() / of.as_secs_f64() * 100.0
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
