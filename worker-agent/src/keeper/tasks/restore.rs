//! What a keeper that starts knows of the tasks before it. A first start, a keeper that was killed, one that became a new
//! binary, a machine that was switched on again: all of them come this way.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Context;
use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::keeper::{Ended, Limit, Record};
use protocol::time::UnixMillis;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use serde_json::Value;

use super::super::cgroup::{Pool, Slot};
use super::super::clock::{Moment, wall};
use super::super::hunger::Hunger;
use super::super::journal::{Journal, Past, PastStop};
use super::super::proc::{self, Stat};
use super::super::remains::{self, Snapshot};
use super::super::safety::{Safety, Saver};
use super::super::spawn::Spawner;
use super::end::How;
use super::save::has_output;
use super::{Live, Main, Over, Phase, Stop, Tasks, Why};
use crate::layout::Layout;

/// How long what was left behind may take to die before the start goes on without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What helps where no task can be born into a cgroup.
const NEW_GROUP: &str = "stop this worker and start it again in a new one";

const PERHAPS_TORN: &str = "the node restarted before its output was safe on disk";
const NEVER_BEGAN: &str = "its keeper was killed before it began";

/// Where the main process of a task is that has no end in the journal.
enum Found {
    Running(Main),
    /// It ran, and ended while nobody was looking.
    Ended,
    NeverRan,
}

impl Tasks {
    pub fn restore(layout: &Layout, spawner: &mut Spawner, adopts: bool) -> anyhow::Result<Self> {
        let boot_id = proc::boot_id()?;
        let (journal, past) = Journal::open(&layout.journal())?;
        let (pool, slots) = match Pool::open(&layout.state) {
            Ok((mut pool, slots)) => {
                pool.try_birth(spawner);
                if let Some(why) = pool.barren() {
                    tracing::warn!("tasks run without cgroups: {why}; {NEW_GROUP}");
                }
                (Some(pool), slots)
            }
            Err(why) => {
                tracing::info!("tasks run without cgroups: {why}");
                (None, vec![])
            }
        };
        let mut tasks = Self {
            layout: layout.clone(),
            boot_id,
            adopts,
            journal,
            pool,
            hunger: Hunger::watch(),
            live: BTreeMap::new(),
            over: BTreeMap::new(),
            pids: Default::default(),
            helpers: Default::default(),
            news: vec![],
            tell_at: None,
            saver: Saver::new().context("the keeper cannot wait for its disk on this system")?,
        };
        past.into_iter().for_each(|(attempt, past)| tasks.recall(attempt, past));
        tasks.sort_slots(slots);
        tasks.kill_what_is_nobodys();
        Ok(tasks)
    }

    fn recall(&mut self, attempt: AttemptId, past: Past) {
        let Past { started_at, limit, note, .. } = past;
        let another_boot = past.boot_id != self.boot_id;
        if let Some(ended) = past.ended {
            if another_boot && !past.safe && has_output(&ended.outcome) {
                let outcome = Outcome::Lost { reason: PERHAPS_TORN.into(), again: true };
                return self.ended_unseen(attempt, started_at, note, outcome);
            }
            let mut over = Over::new(started_at, note, ended);
            if past.safe {
                over.safety = Safety::Safe;
            }
            self.over.insert(attempt, over);
            return;
        }
        if another_boot {
            let outcome = Outcome::Lost { reason: "the node restarted".into(), again: true };
            return self.ended_unseen(attempt, started_at, note, outcome);
        }
        // Whether SIGKILL was sent is not in the journal; twice does no harm.
        let stop = past.stop.map(|PastStop { reason, kill_at, late }| Stop {
            why: match limit {
                Some(Limit { ms, .. }) if late => Why::Late { limit_ms: ms },
                _ => Why::Asked(reason),
            },
            kill_at: Moment::of_millis(kill_at),
            killed: false,
        });
        match self.find(attempt, past.process) {
            Found::Running(main) => {
                tracing::info!("{attempt} still runs, as process {}", main.pid);
                if past.process.is_none() {
                    let Main { pid, start_ticks, .. } = main;
                    self.journal.note(&Record::Running { attempt, pid, start_ticks });
                }
                if main.foreign.is_none() {
                    self.pids.insert(main.pid, attempt);
                }
                let (slot, forgotten, phase) = (None, false, Phase::Running);
                let live = Live { started_at, note, main, slot, limit, stop, forgotten, phase };
                self.live.insert(attempt, live);
            }
            Found::Ended => {
                let outcome = How::Unknown.outcome(stop.as_ref().map(|stop| &stop.why));
                self.ended_unseen(attempt, started_at, note, outcome);
            }
            Found::NeverRan => {
                let outcome = Outcome::Lost { reason: NEVER_BEGAN.into(), again: true };
                self.ended_unseen(attempt, started_at, note, outcome);
            }
        }
    }

    fn find(&self, attempt: AttemptId, process: Option<(i32, u64)>) -> Found {
        let Some((pid, start_ticks)) = process else {
            return self.find_by_mark(attempt);
        };
        match proc::stat(pid).filter(|now| now.start_ticks == start_ticks).and_then(watch) {
            Some(main) => Found::Running(main),
            None => Found::Ended,
        }
    }

    /// The keeper before was killed around the very birth of it, and did not write down who it is.
    fn find_by_mark(&self, attempt: AttemptId) -> Found {
        let marked = Snapshot::take(&self.layout.state).map(|mut all| all.marked()).unwrap_or_default();
        let mut leaders: Vec<Stat> = marked
            .into_iter()
            .filter(|(process, of)| *of == attempt && process.session == process.pid)
            .map(|(process, _)| process)
            .collect();
        leaders.sort_by_key(|process| process.start_ticks);
        if let Some(main) = leaders.into_iter().find_map(watch) {
            return Found::Running(main);
        }
        // Its output is made by the process itself, just before it becomes the program. And no process is on its way to
        // there any more: it would still hold the lock of the state folder.
        if self.layout.stdout(attempt).exists() { Found::Ended } else { Found::NeverRan }
    }

    fn ended_unseen(&mut self, attempt: AttemptId, started_at: UnixMillis, note: Value, outcome: Outcome) {
        let never_began = matches!(&outcome, Outcome::Lost { reason, .. } if reason == NEVER_BEGAN);
        let began = (!never_began).then_some(started_at);
        let ended = Ended { attempt, outcome, started_at: began, ended_at: wall(), ran_ms: None, out_of_memory: false };
        self.journal.note(&Record::Ended(ended.clone()));
        self.over.insert(attempt, Over::new(started_at, note, ended));
    }

    /// Gives every task its cgroup back, and empties the others.
    fn sort_slots(&mut self, slots: Vec<Slot>) {
        let Some(pool) = &self.pool else { return };
        let mut slots: BTreeMap<u32, Slot> = slots.into_iter().map(|slot| (slot.number(), slot)).collect();
        for live in self.live.values_mut() {
            live.slot = pool.slot_of(live.main.pid).and_then(|number| slots.remove(&number));
        }
        for mut slot in slots.into_values() {
            let ended = until_done(|| slot.is_empty() || slot.kill().is_err() || slot.is_empty());
            if !ended || !slot.is_empty() {
                tracing::warn!("cgroup {} of an ended task cannot be emptied", slot.number());
            }
            self.give_back(slot);
        }
    }

    /// Kills what is marked as ours and belongs to no task that runs.
    fn kill_what_is_nobodys(&self) {
        let mut killed: Vec<Stat> = vec![];
        let done = until_done(|| {
            let marked = Snapshot::take(&self.layout.state).map(|mut all| all.marked()).unwrap_or_default();
            let nobodys = marked.into_iter().filter(|(_, attempt)| !self.live.contains_key(attempt));
            for (process, _) in nobodys {
                remains::signal(&process, &[Signal::KILL]);
                killed.push(process);
            }
            // One that is dying has lost its mark already, and is not gone yet.
            killed.retain(|process| {
                proc::stat(process.pid).is_some_and(|now| !now.dead && now.start_ticks == process.start_ticks)
            });
            killed.is_empty()
        });
        if !done {
            tracing::warn!("something of an ended task does not end, although it was killed");
        }
    }
}

/// Waiting here is the exception: almost always the first look suffices.
fn until_done(mut is_done: impl FnMut() -> bool) -> bool {
    let until = Moment::now() + PATIENCE;
    while !is_done() {
        if Moment::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// A process that may have ended, but has not been reaped by anybody else than us.
fn watch(process: Stat) -> Option<Main> {
    let ours = process.parent == std::process::id() as i32;
    let foreign: Option<OwnedFd> = if ours {
        None
    } else {
        let pidfd = pidfd_open(Pid::from_raw(process.pid)?, PidfdFlags::empty()).ok()?;
        // Only now can its number not become another's any more.
        let now = proc::stat(process.pid)?;
        if now.dead || now.start_ticks != process.start_ticks {
            return None;
        }
        Some(pidfd)
    };
    Some(Main {
        pid: process.pid,
        start_ticks: process.start_ticks,
        uid: proc::uid(process.pid).unwrap_or(0),
        began: Moment::of_ticks(process.start_ticks),
        foreign,
    })
}
