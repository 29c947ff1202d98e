//! The tasks of this worker: started here, waited for here, ended here whole.

mod end;
mod restore;
mod save;

pub use end::How;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::keeper::{Ended, FromKeeper, Kept, Limit, Record, Spawn};
use protocol::time::UnixMillis;
use rustix::fs::{Mode, OFlags};
use serde_json::Value;

use super::cgroup::{Pool, Slot};
use super::clock::{Moment, wall};
use super::hunger::Hunger;
use super::journal::Journal;
use super::proc::{self, ATTEMPT, WORKER};
use super::safety::{Safety, Saver};
use super::spawn::{Launch, NotSpawned, Output, Refusal, Spawner};
use crate::layout::Layout;

pub struct Tasks {
    layout: Layout,
    boot_id: String,
    /// Whether what a task leaves behind becomes our child.
    adopts: bool,
    journal: Journal,
    pool: Option<Pool>,
    hunger: Hunger,
    saver: Saver,
    live: BTreeMap<AttemptId, Live>,
    /// Ended and not yet forgotten.
    over: BTreeMap<AttemptId, Over>,
    /// The main processes that are our children.
    pids: HashMap<i32, AttemptId>,
    /// Children of ours that are no tasks.
    helpers: HashSet<i32>,
    /// For the agent, in order.
    news: Vec<FromKeeper>,
    /// When it is told; at once where there is no need to wait.
    tell_at: Option<Moment>,
}

/// The news that a task has started waits so long for the news that it has ended: of a short one both are told together,
/// which is as soon and costs half.
const START_KEPT: Duration = Duration::from_millis(5);

/// Nothing of it runs any more.
struct Over {
    started_at: UnixMillis,
    note: Value,
    ended: Ended,
    since: Moment,
    safety: Safety,
}

/// Something of it still runs.
struct Live {
    started_at: UnixMillis,
    /// The agent's words about it.
    note: Value,
    main: Main,
    /// Its processes are all in there; known by their marks otherwise.
    slot: Option<Slot>,
    limit: Option<Limit>,
    stop: Option<Stop>,
    /// Nobody wants to know of its end any more.
    forgotten: bool,
    phase: Phase,
}

/// The process that was started for it.
struct Main {
    pid: i32,
    start_ticks: u64,
    uid: u32,
    began: Moment,
    /// It is not our child, because another keeper started it: only this tells when it ends.
    foreign: Option<OwnedFd>,
}

struct Stop {
    why: Why,
    kill_at: Moment,
    killed: bool,
}

enum Why {
    Asked(String),
    /// It had so long and no longer.
    Late {
        limit_ms: u64,
    },
}

enum Phase {
    Running,
    /// The main process has ended, which is in the journal; what is left of the task is on its way out.
    Leaving {
        ended: Ended,
        look_at: Moment,
        pause: Duration,
        /// When its end is told even though something of it cannot be killed.
        tell_at: Option<Moment>,
    },
}

impl Tasks {
    pub fn spawn(&mut self, order: Spawn, spawner: &mut Spawner) {
        let attempt = order.attempt;
        if self.tell_again(attempt) {
            return;
        }
        let (at, note) = (wall(), order.note.clone());
        let limit = order.limit;
        self.journal.note(&Record::Starting { attempt, boot_id: self.boot_id.clone(), at, limit, note: note.clone() });
        if let Err(error) = self.journal.flush() {
            let path = self.layout.journal();
            let refusal = Refusal::fault(format!("the journal {} cannot be written: {error}", path.display()));
            return self.not_started(attempt, at, note, refusal);
        }
        // For the kernel the last number means "as before", which here is root.
        if let Some(uid) = order.uid.filter(|uid| [0, u32::MAX].contains(uid)) {
            let refusal = Refusal::fault(format!("no task runs as uid {uid}"));
            return self.not_started(attempt, at, note, refusal);
        }
        let own = rustix::process::geteuid();
        if order.root && !(own.is_root() && order.uid.is_none()) {
            let refusal = Refusal::fault("this worker is not root, so nothing can be run as root here");
            return self.not_started(attempt, at, note, refusal);
        }
        let uid = order.uid.unwrap_or_else(|| own.as_raw());
        let launch = match self.launch(order) {
            Ok(launch) => launch,
            Err(refusal) => return self.not_started(attempt, at, note, refusal),
        };
        let before = Moment::now();
        match self.start(&launch, spawner) {
            Err(refusal) => self.not_started(attempt, at, note, refusal),
            Ok((pid, slot)) => {
                let main = Main { pid, start_ticks: start_ticks(pid, before), uid, began: before, foreign: None };
                self.journal.note(&Record::Running { attempt, pid, start_ticks: main.start_ticks });
                self.pids.insert(pid, attempt);
                let (stop, forgotten, phase) = (None, false, Phase::Running);
                let live = Live { started_at: at, note, main, slot, limit, stop, forgotten, phase };
                self.live.insert(attempt, live);
                self.tell_start(attempt, at);
            }
        }
    }

    fn launch(&self, order: Spawn) -> Result<Launch, Refusal> {
        let attempt = order.attempt;
        let marked =
            order.env.iter().any(|entry| entry.strip_prefix(ATTEMPT).is_some_and(|rest| rest.starts_with('=')));
        let mut environment: Vec<_> = order.env.into_iter().map(Into::into).collect();
        // What a process of ours is found by when all else is lost.
        let mut worker = std::ffi::OsString::from(format!("{WORKER}="));
        worker.push(&self.layout.state);
        environment.push(worker);
        if !marked {
            environment.push(format!("{ATTEMPT}={attempt}").into());
        }
        let open = |path: String| {
            let opened = rustix::fs::open(&path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty());
            opened.map_err(|error| Refusal::fault(format!("its standard input {path} cannot be opened: {error}")))
        };
        Ok(Launch {
            command: order.command.into_iter().map(Into::into).collect(),
            environment,
            folder: Some(order.cwd.map_or_else(|| self.layout.work(attempt), Into::into)),
            uid: order.uid,
            input: order.stdin.map(open).transpose()?,
            outputs: [Output::File(self.layout.stdout(attempt)), Output::File(self.layout.stderr(attempt))],
            third: None,
            own: false,
            privileged: order.root,
        })
    }

    fn start(&mut self, launch: &Launch, spawner: &mut Spawner) -> Result<(i32, Option<Slot>), Refusal> {
        let mut slot = self.take_slot();
        let mut spawned = spawner.spawn(launch, slot.as_ref().map(Slot::fd));
        if let Err(NotSpawned::NoProcess(error)) = &spawned
            && let Some(unused) = slot.take()
        {
            tracing::warn!("a task starts without a cgroup: {error}");
            spawned = spawner.spawn(launch, None);
            match spawned {
                // So it was the cgroup.
                Ok(_) => self.pool = None,
                Err(_) => self.give_back(unused),
            }
        }
        match spawned {
            Ok(pid) => Ok((pid, slot)),
            Err(error) => {
                slot.into_iter().for_each(|unused| self.give_back(unused));
                Err(error.into())
            }
        }
    }

    fn take_slot(&mut self) -> Option<Slot> {
        match self.pool.as_mut().filter(|pool| pool.barren().is_none())?.take() {
            Ok(slot) => Some(slot),
            Err(error) => {
                tracing::warn!("no cgroup can be made for a task: {error}");
                None
            }
        }
    }

    fn give_back(&mut self, slot: Slot) {
        if let Some(pool) = &mut self.pool {
            pool.give_back(slot);
        }
    }

    fn not_started(&mut self, attempt: AttemptId, started_at: UnixMillis, note: Value, refusal: Refusal) {
        let outcome = Outcome::NotStarted { kind: refusal.kind, message: refusal.message };
        let ended = Ended { attempt, outcome, started_at: None, ended_at: wall(), ran_ms: None, out_of_memory: false };
        self.journal.note(&Record::Ended(ended.clone()));
        self.tell_end(Over::new(started_at, note, ended));
    }

    fn tell_start(&mut self, attempt: AttemptId, at: UnixMillis) {
        self.news.push(FromKeeper::Started { attempt, at });
        self.tell_at.get_or_insert(Moment::now() + START_KEPT);
    }

    fn tell_end(&mut self, over: Over) {
        self.tell_now(FromKeeper::Ended(over.ended.clone()));
        self.over.insert(over.ended.attempt, over);
    }

    fn tell_now(&mut self, news: FromKeeper) {
        self.news.push(news);
        self.tell_at = Some(Moment::now());
    }

    /// Whether it is known already; then that is told once more.
    fn tell_again(&mut self, attempt: AttemptId) -> bool {
        if let Some(over) = self.over.get(&attempt) {
            self.tell_now(FromKeeper::Ended(over.ended.clone()));
        } else if let Some(live) = self.live.get(&attempt) {
            self.tell_start(attempt, live.started_at);
        } else {
            return false;
        }
        true
    }

    /// A child that is not a task, so that it is never taken for something a task left behind.
    pub fn add_helper(&mut self, pid: i32) {
        self.helpers.insert(pid);
    }

    pub fn remove_helper(&mut self, pid: i32) {
        self.helpers.remove(&pid);
    }

    /// What the agent is to be told by now, journalled before it is told.
    pub fn take_news(&mut self) -> Vec<FromKeeper> {
        self.flush();
        match self.tell_at.take_if(|at| *at <= Moment::now()) {
            Some(_) => std::mem::take(&mut self.news),
            None => vec![],
        }
    }

    /// For an agent that is told all there is.
    pub fn drop_news(&mut self) {
        self.flush();
        self.news.clear();
        self.tell_at = None;
    }

    pub fn flush(&mut self) {
        if let Err(error) = self.journal.flush() {
            // The lines are kept, and written as soon as they can be.
            tracing::warn!("the journal {} cannot be written: {error}", self.layout.journal().display());
        }
    }

    /// Everything there is, for an agent that knows nothing.
    pub fn kept(&self) -> Vec<Kept> {
        let told = |live: &&Live| !live.forgotten;
        let running = self.live.iter().filter(|(attempt, live)| told(live) && !self.over.contains_key(attempt));
        let running = running.map(|(attempt, live)| Kept {
            attempt: *attempt,
            pid: matches!(live.phase, Phase::Running).then_some(live.main.pid),
            started_at: live.started_at,
            ended: None,
            note: live.note.clone(),
        });
        let ended = self.over.values().map(|over| Kept {
            attempt: over.ended.attempt,
            pid: None,
            started_at: over.started_at,
            ended: Some(over.ended.clone()),
            note: over.note.clone(),
        });
        running.chain(ended).collect()
    }

    pub fn running(&self) -> usize {
        self.live.len()
    }

    pub fn unacked(&self) -> usize {
        self.over.len()
    }

    /// Why tasks get no cgroups although there are some.
    pub fn barren(&self) -> Option<&str> {
        self.pool.as_ref()?.barren()
    }

    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// What to watch for kills for want of memory.
    pub fn hunger(&self) -> Option<BorrowedFd<'_>> {
        self.hunger.fd()
    }

    pub fn hunger_changed(&mut self) {
        self.hunger.look();
    }

    /// What to watch for the end of tasks that are not our children.
    pub fn foreign(&self) -> impl Iterator<Item = (AttemptId, BorrowedFd<'_>)> {
        let running = self.live.iter().filter(|(_, live)| matches!(live.phase, Phase::Running));
        running.filter_map(|(attempt, live)| Some((*attempt, live.main.foreign.as_ref()?.as_fd())))
    }

    /// Before this process ends: nothing is left unwritten, no empty folder behind.
    pub fn close(&mut self) {
        self.save_all();
        if let Some(pool) = &mut self.pool {
            pool.remove_empty();
        }
    }
}

/// When the kernel says it started, which with its pid is who it is.
fn start_ticks(pid: i32, before: Moment) -> u64 {
    let after = Moment::now();
    if before.ticks() == after.ticks() {
        // It cannot have been another tick: most of the time /proc need not be asked.
        return after.ticks();
    }
    proc::stat(pid).map_or(after.ticks(), |process| process.start_ticks)
}
