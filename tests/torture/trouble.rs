//! What is done to whom, and when: at random from a seed, written down as it happens.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::LEASE;
use super::load::World;
use super::relay::Relay;
use super::told::wall;
use crate::common::{self, Demo, command_line, daemons, signal_pid};
use test_support::Dice;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    KillManager,
    EndManager,
    FreezeManager,
    KillAgent,
    FreezeAgent,
    KillKeeper,
    FreezeKeeper,
    Cut,
    /// For longer than the lease.
    LongCut,
    /// Nothing passes, and nobody is told.
    Hush,
    HushOneWay,
    Delay,
    Upgrade,
    KillDemo,
    KillDemoAndManager,
}

use Deed::*;

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            KillManager => "kill -9 manager",
            EndManager => "SIGTERM manager",
            FreezeManager => "SIGSTOP manager",
            KillAgent => "kill -9 agent",
            FreezeAgent => "SIGSTOP agent",
            KillKeeper => "kill -9 keeper",
            FreezeKeeper => "SIGSTOP keeper",
            Cut => "cut link",
            LongCut => "cut link beyond the lease",
            Hush => "silent link",
            HushOneWay => "silent link, one way",
            Delay => "slow link",
            Upgrade => "upgrade worker",
            KillDemo => "kill -9 demo",
            KillDemoAndManager => "kill -9 demo and manager",
        })
    }
}

/// How often each is done.
const MIX: &[(u64, Deed)] = &[
    (8, KillManager),
    (4, EndManager),
    (3, FreezeManager),
    (26, KillAgent),
    (8, FreezeAgent),
    (9, KillKeeper),
    (4, FreezeKeeper),
    (10, Cut),
    (4, LongCut),
    (5, Hush),
    (3, HushOneWay),
    (7, Delay),
    (7, Upgrade),
    (2, KillDemo),
    (1, KillDemoAndManager),
];

/// Something that was done, to whom, from when to when by the wall clock.
#[derive(Debug, Clone)]
pub struct Done {
    pub deed: Deed,
    pub node: Option<usize>,
    pub from: u64,
    pub until: u64,
    pub note: String,
}

#[derive(Default)]
pub struct Timeline(Mutex<Vec<Done>>);

impl Timeline {
    fn note(&self, deed: Deed, node: Option<usize>, lasts: Duration, note: String) {
        let from = wall();
        let until = from + lasts.as_millis() as u64;
        self.0.lock().unwrap().push(Done { deed, node, from, until, note });
    }

    pub fn all(&self) -> Vec<Done> {
        self.0.lock().unwrap().clone()
    }

    pub fn print(&self) {
        let all = self.all();
        let first = all.first().map_or(0, |done| done.from);
        for Done { deed, node, from, until, note } in all {
            let node = node.map_or(String::new(), name);
            eprintln!("{:9.3} s  {deed:25} {node:5} {:6} ms  {note}", (from - first) as f64 / 1e3, until - from);
        }
    }
}

pub fn name(node: usize) -> String {
    format!("pi-{}", node + 1)
}

/// What is to be made good, and when.
enum Undo {
    Thaw(i32),
    Heal(usize),
}

/// By the manager's own configuration file, of which a demo keeps what it does not set itself. The same from the first
/// moment on: a node rests as long as the lease allows that it was told of last.
pub fn shorten_lease(state: &Path) {
    // The mark of a demo's folder: others are left alone.
    std::fs::write(state.join("demo"), "").unwrap();
    std::fs::write(state.join("manager.toml"), format!("lease = \"{}s\"\n", LEASE.as_secs())).unwrap();
}

pub struct Trouble {
    world: Arc<World>,
    pub timeline: Arc<Timeline>,
    dice: Dice,
    relays: Vec<Relay>,
    demo: Option<Demo>,
    /// Binaries to become, in turn.
    binaries: Vec<PathBuf>,
    upgrades: Vec<std::thread::JoinHandle<()>>,
    undo: Vec<(Instant, Undo)>,
}

/// The demo with a relay before every worker.
pub fn start_demo(state: &Path, relays: &[Relay]) -> Result<Demo, String> {
    let dial: Vec<&str> = relays.iter().map(Relay::address).collect();
    Demo::try_start(state, &["--nodes", &relays.len().to_string(), "--dial", &dial.join(",")])
}

impl Trouble {
    pub fn new(world: Arc<World>, dice: Dice, relays: Vec<Relay>, demo: Demo, binaries: Vec<PathBuf>) -> Trouble {
        let timeline = Arc::default();
        Trouble { world, timeline, dice, relays, demo: Some(demo), binaries, upgrades: vec![], undo: vec![] }
    }

    /// Makes trouble until then, and makes all of it good again. There is no demo afterwards if one did not start.
    pub fn make(&mut self, until: Instant) {
        while Instant::now() < until && self.demo.is_some() {
            let deed = self.dice.weighed(MIX);
            self.do_it(deed);
            let pause = Instant::now() + Duration::from_millis(self.dice.roll(100..1100));
            while Instant::now() < pause {
                self.undo_due();
                std::thread::sleep(Duration::from_millis(10)); // why: the time between two deeds
            }
        }
        self.undo_all();
    }

    pub fn into_demo(self) -> Option<Demo> {
        for upgrade in self.upgrades {
            let _ = upgrade.join();
        }
        self.demo
    }

    fn do_it(&mut self, deed: Deed) {
        let node = self.dice.roll(0..self.relays.len() as u64) as usize;
        let short = Duration::from_millis(self.dice.roll(100..4000));
        match deed {
            KillManager => self.signal_manager(deed, Signal::KILL, Duration::ZERO),
            EndManager => self.signal_manager(deed, Signal::TERM, Duration::ZERO),
            FreezeManager => self.signal_manager(deed, Signal::STOP, short / 2),
            KillAgent => self.signal_daemon(deed, node, "agent", Signal::KILL, Duration::ZERO),
            FreezeAgent => self.signal_daemon(deed, node, "agent", Signal::STOP, short),
            KillKeeper => self.signal_daemon(deed, node, "run", Signal::KILL, Duration::ZERO),
            FreezeKeeper => self.signal_daemon(deed, node, "run", Signal::STOP, short),
            Cut => self.weather(deed, node, short, Relay::cut),
            LongCut => {
                let long = LEASE + Duration::from_millis(self.dice.roll(1000..5000));
                self.weather(deed, node, long, Relay::cut);
            }
            Hush => self.weather(deed, node, short * 2, |relay| relay.hush(true, true)),
            HushOneWay => {
                let says = self.dice.chance(50);
                self.weather(deed, node, short * 2, |relay| relay.hush(says, !says));
            }
            Delay => {
                let delay = Duration::from_millis(self.dice.roll(5..400));
                self.weather(deed, node, short * 2, |relay| relay.delay(delay));
            }
            Upgrade => self.upgrade(node),
            KillDemo | KillDemoAndManager => self.kill_demo(deed),
        }
    }

    fn signal_manager(&mut self, deed: Deed, signal: Signal, lasts: Duration) {
        let pids = daemons(&self.world.state, "manager");
        self.signal(deed, None, &pids, signal, lasts);
    }

    fn signal_daemon(&mut self, deed: Deed, node: usize, role: &str, signal: Signal, lasts: Duration) {
        let folder = format!("/workers/{} ", name(node));
        let all = daemons(&self.world.state, role).into_iter();
        let pids: Vec<i32> = all.filter(|pid| command_line(*pid).contains(&folder)).collect();
        self.signal(deed, Some(node), &pids, signal, lasts);
    }

    fn signal(&mut self, deed: Deed, node: Option<usize>, pids: &[i32], signal: Signal, lasts: Duration) {
        // It is dead already, and not back yet.
        if pids.is_empty() {
            return;
        }
        self.timeline.note(deed, node, lasts, format!("{pids:?}"));
        for pid in pids {
            signal_pid(*pid, signal);
            if signal == Signal::STOP {
                self.undo.push((Instant::now() + lasts, Undo::Thaw(*pid)));
            }
        }
    }

    fn weather(&mut self, deed: Deed, node: usize, lasts: Duration, how: impl FnOnce(&Relay)) {
        // One at a time: healing the first would heal the second.
        if self.undo.iter().any(|(_, undo)| matches!(undo, Undo::Heal(other) if *other == node)) {
            return;
        }
        self.timeline.note(deed, Some(node), lasts, String::new());
        how(&self.relays[node]);
        self.undo.push((Instant::now() + lasts, Undo::Heal(node)));
    }

    /// Beside everything else that happens to it: it may well fail, and then everything is as it was.
    fn upgrade(&mut self, node: usize) {
        let path = self.dice.pick(&self.binaries).clone();
        let run = self.world.socket.parent().unwrap().join(name(node));
        let state = self.world.state.join("workers").join(name(node));
        let timeline = self.timeline.clone();
        self.upgrades.push(std::thread::spawn(move || {
            let mut command = std::process::Command::new(common::BRAMBLE);
            command.args(["worker-agent", "upgrade"]).arg(&path).arg("--state").arg(state).arg("--run").arg(run);
            let began = Instant::now();
            let said = match command.output() {
                Ok(done) if done.status.success() => String::from_utf8_lossy(&done.stdout).trim().to_owned(),
                Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            let took = began.elapsed().as_millis();
            timeline.note(Upgrade, Some(node), Duration::ZERO, format!("ended after {took} ms: {said}"));
        }));
    }

    /// Nobody starts a dead daemon again until there is a new demo, which adopts what it finds.
    fn kill_demo(&mut self, deed: Deed) {
        // It would wait for whoever is cut off; what lasts long is to last.
        let long = Instant::now() + LEASE / 2;
        if self.undo.iter().any(|(at, _)| *at > long) {
            return;
        }
        self.undo_all();
        let Some(mut demo) = self.demo.take() else { return };
        let away = Duration::from_millis(self.dice.roll(0..1500));
        self.timeline.note(deed, None, away, String::new());
        demo.signal(Signal::KILL);
        let _ = demo.child.wait();
        if deed == KillDemoAndManager {
            daemons(&self.world.state, "manager").into_iter().for_each(|pid| signal_pid(pid, Signal::KILL));
        }
        std::thread::sleep(away); // why: the time without a demo
        match start_demo(&self.world.state, &self.relays) {
            Ok(demo) => self.demo = Some(demo),
            Err(why) => self.world.book().wrong(format!("no new demo could be started: {why}")),
        }
    }

    fn undo_due(&mut self) {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.undo).into_iter().partition(|(at, _)| *at <= now);
        self.undo = later;
        Vec::into_iter(due).for_each(|(_, undo)| self.undo(undo));
    }

    fn undo_all(&mut self) {
        let now = wall();
        for done in self.timeline.0.lock().unwrap().iter_mut().filter(|done| done.until > now) {
            done.until = now;
        }
        std::mem::take(&mut self.undo).into_iter().for_each(|(_, undo)| self.undo(undo));
    }

    fn undo(&self, undo: Undo) {
        match undo {
            Undo::Thaw(pid) => signal_pid(pid, Signal::CONT),
            Undo::Heal(node) => self.relays[node].heal(),
        }
    }
}
