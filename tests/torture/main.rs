//! The torture: a whole demo under load while its processes are killed and frozen and its links cut, at random from a
//! seed; and a checker that knows only what clients were told, and what the tasks' own definitions predict.
//!
//! `cargo xtask torture --minutes M --seed S` runs exactly this test for longer. [`work`] is what the tasks do and come
//! to, [`load`] the clients, [`told`] their book; [`trouble`] is what is done to whom, by a [`relay`] on the way of each
//! worker; [`found`] is what is there in the end, and [`checker`] compares.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod checker;
mod found;
mod load;
mod relay;
mod summary;
mod told;
mod trouble;
mod work;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::{BRAMBLE, Demo, folder, processes_of, signal_pid};
use load::{Line, World};
use protocol::api::{JobQuery, Reply, Request};
use relay::Relay;
use rustix::process::Signal;
use test_support::Dice;
use trouble::{Trouble, shorten_lease, start_demo};

/// How many workers.
pub const NODES: usize = 8;
/// Shorter than on real machines, so that some lapse.
pub const LEASE: Duration = Duration::from_secs(10);
/// For everything to come to rest in the end.
const REST: Duration = Duration::from_secs(90);

#[test]
fn whatever_is_killed_frozen_or_cut_no_promise_is_broken() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")),
        Err(_) => default,
    };
    let (seconds, seed) = (number("BRAMBLE_TORTURE_SECONDS", 75), number("BRAMBLE_TORTURE_SEED", 20));
    let here = folder();
    let run = Run::start(here.path(), seed);
    let (timeline, wrongs) = run.torture(Duration::from_secs(seconds));
    if wrongs.is_empty() {
        return;
    }
    eprintln!("what was done to whom:");
    timeline.print();
    let kept = here.keep();
    eprintln!("{} promises were broken:", wrongs.len());
    wrongs.iter().take(60).for_each(|wrong| eprintln!("  {wrong}"));
    eprintln!("everything is kept in {}; to see it again:", kept.display());
    eprintln!("  cargo xtask torture --minutes {} --seed {seed}", seconds.div_ceil(60));
    panic!("seed {seed}: {} promises were broken, the first: {}", wrongs.len(), wrongs[0]);
}

struct Run {
    seed: u64,
    world: Arc<World>,
    trouble: Trouble,
}

impl Run {
    fn start(here: &Path, seed: u64) -> Run {
        let state = here.join("demo");
        std::fs::create_dir(&state).unwrap();
        let ledger = here.join("ledger");
        std::fs::write(&ledger, "").unwrap();
        // Tasks run under uids of their own.
        std::fs::set_permissions(&ledger, PermissionsExt::from_mode(0o666)).unwrap();
        let relays: Vec<Relay> = (0..NODES).map(|_| Relay::start(&state)).collect();
        shorten_lease(&state);
        let demo = start_demo(&state, &relays).unwrap();
        let world = World::new(state, demo.socket(), ledger.to_str().unwrap().to_owned());
        let world = Arc::new(world);
        let binaries = vec![another_binary(here), BRAMBLE.into()];
        let trouble = Trouble::new(world.clone(), Dice::of(seed, "trouble"), relays, demo, binaries);
        Run { seed, world, trouble }
    }

    /// Everything that is wrong in the end.
    fn torture(mut self, lasts: Duration) -> (Arc<trouble::Timeline>, Vec<String>) {
        let timeline = self.trouble.timeline.clone();
        let world = &self.world;
        let client = |what: &'static str, does: fn(&World, Dice)| {
            let (world, dice) = (world.clone(), Dice::of(self.seed, what));
            std::thread::Builder::new().name(what.to_owned()).spawn(move || does(&world, dice)).unwrap()
        };
        let working = [
            client("script 1", load::script),
            client("script 2", load::script),
            client("script 3", load::script),
            client("waits 1", load::waits),
            client("waits 2", load::waits),
            client("follows 1", load::follows),
            client("follows 2", load::follows),
        ];
        let listening = [client("looks", load::looks), client("hears", load::hears)];
        self.trouble.make(Instant::now() + lasts);
        let Some(demo) = self.trouble.into_demo() else { return (timeline, world.book().wrongs.clone()) };
        world.calm.store(true, Ordering::SeqCst);
        let settled = settle(world);
        end_verbs(world);
        for thread in working {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                world.book().wrong(format!("the client {name} panicked"));
            }
        }
        // Who submitted last may have done so after the look at what had not ended.
        if settled {
            settle(world);
        }
        world.over.store(true, Ordering::SeqCst);
        listening.into_iter().for_each(|thread| drop(thread.join()));
        let mut wrongs = match found::look(world) {
            Err(why) => vec![format!("what is there cannot be asked for: {why}")],
            Ok(found) => {
                let (book, trouble) = (world.book(), timeline.all());
                summary::print(self.seed, &book, &found, &trouble);
                checker::check(&book, &found, &trouble)
            }
        };
        wrongs.extend(end(world, demo));
        (timeline, wrongs)
    }
}

/// All that waits for nothing but its stop is stopped, and all ends.
fn settle(world: &World) -> bool {
    let mut line = Line::new(world);
    let until = Instant::now() + REST;
    while Instant::now() < until {
        let jobs = Request::Jobs(JobQuery { active: true, ..JobQuery::default() });
        if let Some(Ok(Reply::Jobs { jobs, .. })) = line.ask(jobs) {
            if jobs.is_empty() {
                return true;
            }
            for job in jobs {
                let tag = job.name.map(|name| name.to_string()).unwrap_or_default();
                let endless = {
                    let book = world.book();
                    let unanswered = book.unanswered.get(&tag);
                    book.jobs.get(&job.id).or(unanswered).is_some_and(work::Work::is_endless)
                };
                if endless {
                    load::stop_one(world, &mut line, job.id);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(300)); // why: the pause between two looks at a condition
    }
    world.book().wrong(format!("not everything has ended {REST:?} after all was well again"));
    false
}

/// Verbs wait for tasks, all of which have ended.
fn end_verbs(world: &World) {
    let until = Instant::now() + common::PATIENCE;
    while Instant::now() < until {
        if world.verbs.lock().unwrap().is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20)); // why: the pause between two looks at a condition
    }
    for (pid, words) in world.verbs.lock().unwrap().iter() {
        world.book().wrong(format!("this verb does not end although all tasks have ended: {words}"));
        signal_pid(*pid as i32, Signal::KILL);
    }
}

/// Quits the demo while tasks run: nothing is left behind.
fn end(world: &World, mut demo: Demo) -> Vec<String> {
    for _ in 0..NODES {
        demo.verb(&["run", "--", "sh", "-c", "trap '' TERM; sleep 1000 & wait"]);
    }
    demo.signal(Signal::INT);
    let mut wrongs = vec![];
    match demo.child.wait() {
        Ok(status) if status.success() => {}
        ended => wrongs.push(format!("the demo ended with {ended:?}")),
    }
    let left = processes_of(&world.state);
    if !left.is_empty() {
        wrongs.push(format!("left behind: {left:?}"));
    }
    wrongs
}

/// The same program under another name, to upgrade to.
fn another_binary(here: &Path) -> PathBuf {
    let path = here.join("bramble-next");
    if std::fs::hard_link(BRAMBLE, &path).is_err() {
        std::fs::copy(BRAMBLE, &path).unwrap();
    }
    path
}
