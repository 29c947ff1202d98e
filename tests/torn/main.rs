//! Torn disks: a busy manager on a disk that writes down every change and every sync. From that, disks are made as a
//! power cut at some moment could have left them; a manager must start on each, without a hand, and hold everything that
//! anybody had been told before that moment.
//!
//! - [`disk`] is the FUSE mount, [`journal`] what it writes down, [`platter`] what a cut can leave of it.
//! - [`load`], [`files`] and [`agent`] keep the manager busy; [`ledger`] is what they were told, and when.
//! - [`image`] reads a database past the manager; [`check`] compares it with the ledger and the [`history`].
//!
//! `cargo xtask torn` runs this longer. The busy time is real processes and real time: a seed gives the same choices, not
//! the same journal. So a disk that fails a check is kept as it was left.
#![allow(clippy::unwrap_used)]

mod agent;
mod check;
#[path = "../common/mod.rs"]
mod common;
mod content;
mod disk;
mod files;
mod history;
mod image;
mod journal;
mod ledger;
mod load;
mod manager;
mod platter;
mod print;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use protocol::api::{JobQuery, Reply, Request};
use protocol::id::JobId;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::Signal;
use rustix::thread::{UnshareFlags, unshare_unsafe};

use check::Checker;
use common::folder;
use disk::Disk;
use image::Image;
use journal::Op;
use ledger::Ledger;
use manager::{Manager, Person, Place, Trouble};
use platter::{Cut, Platter};
use test_support::Dice;

struct Wanted {
    seconds: u64,
    points: usize,
    seed: u64,
}

impl Wanted {
    fn get() -> Self {
        let asked = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        Self {
            seconds: asked("BRAMBLE_TORN_SECONDS").unwrap_or(6),
            points: asked("BRAMBLE_TORN_POINTS").unwrap_or(300) as usize,
            seed: asked("BRAMBLE_TORN_SEED").unwrap_or(1),
        }
    }
}

/// Mounts of this thread and of what it starts end with them, whatever happens.
fn own_mounts() {
    // SAFETY: mounts are shared by threads that were there before, none of which looks at what is mounted here.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
}

#[test]
fn whatever_a_power_cut_leaves_opens_and_holds_all_that_was_told() {
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        test_support::leave_out!("a disk of our own needs root and /dev/fuse; run it as root, after modprobe fuse");
    }
    own_mounts();
    let wanted = Wanted::get();
    let here = folder();
    let (top, left) = (here.path().join("disk"), here.path().join("left"));
    for folder in [&top, &left] {
        std::fs::create_dir(folder).unwrap();
    }
    // In memory: thousands of disks are made, and each is looked at once.
    mount("tmpfs", &left, "tmpfs", MountFlags::empty(), None).unwrap();

    let disk = Disk::new(wanted.seed);
    let ledger = Ledger::new(disk.clone());
    let began = Instant::now();
    let mounted = disk.mount(&top).unwrap();
    let place = Place { state: top.join("state"), outside: here.path().join("busy") };
    let end = load::busy(&disk, &place, &ledger, wanted.seed, Duration::from_secs(wanted.seconds));
    drop(mounted);
    let journal = disk.journal();
    println!("seed {}: busy for {:.1} s", wanted.seed, began.elapsed().as_secs_f64());
    println!("  {}", summary(&journal[..end], &ledger));

    let checker = Checker::new(ledger.close());
    let began = Instant::now();
    let points = points(&journal, &checker, &wanted, end);
    let done = cut_all(&journal, &checker, &points, &wanted, &left);
    let Done { disks, starts, open, wrong } = done;
    println!(
        "  {} points, {disks} disks rebuilt and read, {starts} managers started on them; on average {} operations \
         were not certain; {:.1} s",
        points.len(),
        open / points.len().max(1),
        began.elapsed().as_secs_f64()
    );
    if !wrong.is_empty() {
        let shown: Vec<_> = wrong.iter().take(10).map(String::as_str).collect();
        panic!("{} of {disks} disks are wrong:\n{}", wrong.len(), shown.join("\n"));
    }
    assert!(disks >= points.len() && starts > 0);
}

fn summary(journal: &[Op], ledger: &Ledger) -> String {
    let count = |which: fn(&Op) -> bool| journal.iter().filter(|op| which(op)).count();
    let bytes: usize = journal.iter().map(|op| if let Op::Write { bytes, .. } = op { bytes.len() } else { 0 }).sum();
    format!(
        "{} operations: {} writes of {:.1} MB, {} syncs, {} names made, renamed or removed; the reserve given up {} times; {} \
         things told",
        journal.len(),
        count(|op| matches!(op, Op::Write { .. })),
        bytes as f64 / 1e6,
        count(|op| matches!(op, Op::Synced { .. })),
        count(Op::is_name),
        count(|op| matches!(op, Op::Unlink { name, .. } if name == "reserve")),
        ledger.count()
    )
}

/// Half of them just when somebody was told something, where it matters most; some where the most is not certain, before
/// a sync; some in the first moments of all.
fn points(journal: &[Op], checker: &Checker, wanted: &Wanted, end: usize) -> Vec<usize> {
    let mut dice = Dice::of(wanted.seed, "points");
    let told: Vec<usize> = checker.book.told.iter().map(|(at, _)| *at).filter(|at| *at <= end).collect();
    let syncs: Vec<usize> = (0..end).filter(|no| matches!(journal[*no], Op::Synced { .. })).collect();
    let mut points: Vec<usize> = (0..wanted.points)
        .map(|no| match no % 10 {
            0 => dice.below(200.min(end)),
            1..=5 => told[dice.below(told.len())],
            6..=7 => syncs[dice.below(syncs.len())],
            _ => dice.within(0, end),
        })
        .collect();
    points.sort_unstable();
    points
}

#[derive(Default)]
struct Done {
    disks: usize,
    starts: usize,
    open: usize,
    wrong: Vec<String>,
}

/// One after the other through the journal; the disks of each point side by side.
fn cut_all(journal: &[Op], checker: &Checker, points: &[usize], wanted: &Wanted, left: &Path) -> Done {
    let done = Mutex::new(Done::default());
    let mut platter = Platter::new(journal);
    for (no, point) in points.iter().enumerate() {
        platter.advance(*point);
        done.lock().unwrap().open += platter.open();
        // The least there can be every time, of the others two in turn; a whole manager on one of the three.
        let others = (0..2).map(|k| Cut::OTHERS[(2 * no + k) % Cut::OTHERS.len()]);
        let cuts: Vec<(Cut, bool)> =
            [Cut::Certain].into_iter().chain(others).zip(0..).map(|(cut, k)| (cut, k == no % 3)).collect();
        std::thread::scope(|scope| {
            for some in [&cuts[..1], &cuts[1..]] {
                let (platter, done) = (&platter, &done);
                scope.spawn(move || {
                    for (cut, starts) in some {
                        let (cut, starts) = (*cut, *starts);
                        let folder = left.join(format!("{no}-{cut:?}"));
                        let complaints = one(platter, *point, cut, starts, checker, wanted, &folder);
                        let mut done = done.lock().unwrap();
                        done.disks += 1;
                        done.starts += usize::from(starts);
                        if !complaints.is_empty() {
                            let kept = keep(platter, *point, cut, wanted, done.wrong.len());
                            let first = complaints.iter().take(5).cloned().collect::<Vec<_>>().join("\n    ");
                            done.wrong.push(format!("point {point}, {cut:?}, kept in {kept}:\n    {first}"));
                        }
                    }
                });
            }
        });
        if done.lock().unwrap().wrong.len() >= 20 {
            break;
        }
    }
    done.into_inner().unwrap()
}

fn dice_of(point: usize, cut: Cut, wanted: &Wanted) -> Dice {
    Dice::of(wanted.seed, format!("{point} {}", cut as u64))
}

/// A disk as the cut leaves it, read; and another one like it, on which a manager starts.
fn one(
    platter: &Platter<'_>,
    point: usize,
    cut: Cut,
    starts: bool,
    checker: &Checker,
    wanted: &Wanted,
    folder: &Path,
) -> Vec<String> {
    let make = |name: &str| {
        let disk = folder.join(name);
        std::fs::create_dir_all(&disk).unwrap();
        platter.leave(cut, &mut dice_of(point, cut, wanted), &disk).unwrap();
        disk.join("state")
    };
    let state = make("read");
    let mut complaints = vec![];
    let is_told = checker.told_before(point).next().is_some();
    let image = match image::read(&state.join("bramble.db")) {
        Ok(image) => Some(image),
        // Before anybody was told anything there need not be a database, or any table in it.
        Err(_) if !is_told => None,
        Err(why) => {
            complaints.push(why);
            None
        }
    };
    if let Some(image) = &image {
        complaints.extend(checker.check(point, image, &state));
    }
    if starts {
        complaints.extend(start(&make("started"), folder, point, image, checker));
    }
    std::fs::remove_dir_all(folder).unwrap();
    complaints
}

/// A whole manager starts there, is the one it was, and has what there was.
fn start(state: &Path, folder: &Path, point: usize, before: Option<Image>, checker: &Checker) -> Vec<String> {
    let place = Place { state: state.into(), outside: folder.join("outside") };
    let (manager, hello) = match Manager::start(&place, "127.0.0.1:0") {
        Ok(started) => started,
        Err(why) => return vec![why],
    };
    let mut complaints = vec![];
    if checker.host_key_before(point).is_some_and(|key| key != hello.host_key) {
        complaints.push("the manager has another host key than it had".into());
    }
    let listed = match listed(&manager) {
        Ok(listed) => listed,
        Err(why) => return vec![format!("jobs cannot be listed: {why}")],
    };
    let said = manager.end(Signal::KILL);
    let trouble = said.lines().find(|line| line.contains("ERROR") || line.contains("panicked"));
    complaints.extend(trouble.map(|line| format!("the manager says: {line}")));
    let after = match image::read(&state.join("bramble.db")) {
        Ok(after) => after,
        Err(why) => return vec![format!("after a start {why}")],
    };
    for id in before.iter().flat_map(|before| before.jobs.keys()) {
        let forgotten = format!("{{\"job_forgotten\":{{\"job\":{id}}}}}");
        let is_there = listed.contains(id) && after.jobs.contains_key(id);
        if !is_there && !after.newest_events.iter().any(|(_, text)| *text == forgotten) {
            complaints.push(format!("a manager that was started there does not know job {id}"));
        }
    }
    complaints.extend(checker.outputs(point, &after, state));
    complaints.extend(check::contents(&after, state, true));
    complaints
}

/// The numbers of all jobs it knows.
fn listed(manager: &Manager) -> Result<BTreeSet<JobId>, String> {
    let mut person = Person::new(&manager.socket);
    let mut listed = BTreeSet::new();
    loop {
        let query = JobQuery { skip: listed.len() as u32, limit: 1000, ..Default::default() };
        match person.ask(Request::Jobs(query)) {
            Ok(Reply::Jobs { jobs, .. }) if jobs.is_empty() => return Ok(listed),
            Ok(Reply::Jobs { jobs, .. }) => listed.extend(jobs.iter().map(|job| job.id)),
            Ok(other) => return Err(format!("{other:?} is no list of jobs")),
            Err(Trouble::Refused(refusal)) => return Err(refusal.message),
            Err(Trouble::Lost(error)) => return Err(format!("{error}: {}", manager.said())),
        }
    }
}

/// The disk once more, as the cut left it, to be looked at.
fn keep(platter: &Platter<'_>, point: usize, cut: Cut, wanted: &Wanted, so_far: usize) -> String {
    if so_far >= 3 {
        return "no folder: three others are".into();
    }
    let kept: PathBuf = std::env::temp_dir().join(format!("bramble-torn-{}-{point}-{cut:?}", wanted.seed));
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::create_dir(&kept).unwrap();
    platter.leave(cut, &mut dice_of(point, cut, wanted), &kept).unwrap();
    kept.display().to_string()
}
