//! How a task ends: by itself, on request, or unseen. Always whole: nothing of it is left running.

use std::collections::HashSet;
use std::time::Duration;

use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::keeper::{Ended, Record};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::super::clock::{Moment, wall};
use super::super::proc::{self, Stat};
use super::super::remains::{self, Snapshot, Who};
use super::{Live, Main, Over, Phase, Stop, Tasks, Why};

/// What is left of a task is looked at again after so long, then ever less often.
const PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// What does not die of SIGKILL within this is stuck in the kernel: the end is told without it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest the keeper does nothing but kill what forks away.
const HUNT: Duration = Duration::from_millis(50);

/// How a main process ended, as far as anybody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    Exited(i32),
    Signaled(i32),
    /// It was not our child.
    Unknown,
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            How::Exited(code) => write!(f, "ended with code {code}"),
            How::Signaled(signal) => write!(f, "was ended by signal {signal}"),
            How::Unknown => f.write_str("ended in an unknown way"),
        }
    }
}

impl How {
    /// SIGKILL, of it or of the program a shell was last waiting for.
    fn may_be_hunger(self) -> bool {
        [How::Signaled(libc::SIGKILL), How::Exited(128 + libc::SIGKILL)].contains(&self)
    }

    pub(super) fn outcome(self, stopped: Option<&Why>) -> Outcome {
        match (self, stopped) {
            (_, Some(Why::Asked(reason))) => Outcome::Stopped { reason: reason.clone() },
            (_, Some(Why::Late { limit_ms })) => Outcome::TimedOut { limit_ms: *limit_ms },
            (How::Exited(code), None) => Outcome::Exited(code),
            (How::Signaled(signal), None) => Outcome::Signaled(signal),
            (How::Unknown, None) => {
                Outcome::Lost { reason: "exit unknown: its keeper was killed".into(), again: false }
            }
        }
    }
}

impl Tasks {
    /// SIGTERM to all of it now, SIGKILL to what is left after the grace.
    pub fn stop(&mut self, attempt: AttemptId, reason: String, grace: Duration) {
        self.stop_because(attempt, Why::Asked(reason), Moment::now() + grace);
        self.tick();
    }

    fn stop_because(&mut self, attempt: AttemptId, why: Why, kill_at: Moment) {
        let Some(live) = self.live.get_mut(&attempt).filter(|live| matches!(live.phase, Phase::Running)) else {
            // It has ended, or is about to: that is the answer.
            if self.over.contains_key(&attempt) {
                self.tell_again(attempt);
            }
            return;
        };
        match &mut live.stop {
            Some(stop) => stop.kill_at = stop.kill_at.min(kill_at),
            None => {
                let stop = Stop { why, kill_at, killed: false };
                self.journal.note(&stop.record(attempt));
                live.stop = Some(stop);
                self.terminate(attempt);
            }
        }
    }

    pub fn stop_all(&mut self, reason: &str, grace: Duration) {
        let all: Vec<AttemptId> = self.live.keys().copied().collect();
        for attempt in all {
            self.stop(attempt, reason.to_owned(), grace);
        }
    }

    /// Drops it. What still runs of it is killed, and its end is told to nobody.
    pub fn forget(&mut self, attempts: Vec<AttemptId>) {
        for attempt in &attempts {
            self.over.remove(attempt);
            if let Some(live) = self.live.get_mut(attempt) {
                live.forgotten = true;
                let now = Moment::now();
                live.stop = Some(Stop { why: Why::Asked(String::new()), kill_at: now, killed: false });
                if let Phase::Leaving { look_at, .. } = &mut live.phase {
                    *look_at = now;
                }
            }
        }
        self.journal.note(&Record::Forgotten { attempts });
        if self.journal.is_worn(self.live.len() + self.over.len()) {
            self.rewrite_journal();
        }
        self.tick();
    }

    /// To be called before it is reaped: until then the number of its process group is nobody else's.
    pub fn about_to_reap(&self, pid: i32) {
        let Some(live) = self.pids.get(&pid).and_then(|attempt| self.live.get(attempt)) else { return };
        if live.slot.is_none() && !live.in_grace(Moment::now()) {
            kill_group(pid, Signal::KILL);
        }
    }

    /// Whether this child was a task.
    pub fn reaped(&mut self, pid: i32, how: How) -> bool {
        let Some(attempt) = self.pids.remove(&pid) else {
            // An orphan perhaps: the last of what a task left behind.
            self.look_at_all_leaving();
            return false;
        };
        self.main_ended(attempt, how);
        true
    }

    pub fn main_ended(&mut self, attempt: AttemptId, how: How) {
        let now = Moment::now();
        let Some(live) = self.live.get_mut(&attempt).filter(|live| matches!(live.phase, Phase::Running)) else {
            return;
        };
        if let (How::Signaled(libc::SIGKILL), Some(slot)) = (how, &mut live.slot) {
            // Perhaps by its cgroup.kill, which whoever may write it can use.
            slot.wear_out();
        }
        let out_of_memory = live.stop.is_none() && how.may_be_hunger() && self.hunger.just_killed();
        let ran = now - live.main.began;
        let ended = Ended {
            attempt,
            outcome: how.outcome(live.stop.as_ref().map(|stop| &stop.why)),
            started_at: Some(live.started_at),
            ended_at: wall(),
            ran_ms: u64::try_from(ran.as_millis()).ok(),
            out_of_memory,
        };
        if !live.forgotten {
            self.journal.note(&Record::Ended(ended.clone()));
        }
        live.phase = Phase::Leaving { ended, look_at: now, pause: PAUSE, tell_at: None };
        self.look(attempt, now);
    }

    /// Whether a task is ending and still has its grace.
    pub fn someone_has_grace(&self) -> bool {
        let now = Moment::now();
        self.live.values().any(|live| matches!(live.phase, Phase::Leaving { .. }) && live.in_grace(now))
    }

    /// When something is due.
    pub fn due(&self) -> Option<Moment> {
        self.live.values().filter_map(Live::due).chain(self.tell_at).chain(self.save_at()).min()
    }

    pub fn tick(&mut self) {
        let now = Moment::now();
        self.save_what_waits(now);
        let due: Vec<_> = self.live.iter().filter(|(_, live)| live.due().is_some_and(|due| due <= now)).collect();
        let due: Vec<AttemptId> = due.into_iter().map(|(attempt, _)| *attempt).collect();
        for attempt in due {
            match self.live.get_mut(&attempt) {
                Some(Live { phase: Phase::Running, stop: Some(stop), .. }) => {
                    stop.killed = true;
                    self.kill(attempt);
                }
                Some(Live { phase: Phase::Running, stop: None, limit: Some(limit), .. }) => {
                    let why = Why::Late { limit_ms: limit.ms };
                    let kill_at = now + Duration::from_millis(limit.grace_ms);
                    self.stop_because(attempt, why, kill_at);
                }
                _ => self.look(attempt, now),
            }
        }
    }

    fn look_at_all_leaving(&mut self) {
        let leaving = self.live.iter().filter(|(_, live)| matches!(live.phase, Phase::Leaving { .. }));
        let leaving: Vec<AttemptId> = leaving.map(|(attempt, _)| *attempt).collect();
        let now = Moment::now();
        leaving.into_iter().for_each(|attempt| self.look(attempt, now));
    }

    /// Whether anything is left of a task whose main process has ended. If so it is killed, once its grace is over.
    fn look(&mut self, attempt: AttemptId, now: Moment) {
        if self.is_gone(attempt) {
            return self.gone(attempt);
        }
        let Some(live) = self.live.get_mut(&attempt) else { return };
        let in_grace = live.in_grace(now);
        let kill_at = live.stop.as_ref().map(|stop| stop.kill_at);
        let Phase::Leaving { ended, look_at, pause, tell_at } = &mut live.phase else { return };
        *look_at = now + *pause;
        *pause = (*pause * 2).min(LONGEST_PAUSE);
        if in_grace {
            *look_at = kill_at.map_or(*look_at, |kill_at| kill_at.min(*look_at));
            return;
        }
        let tell_at = *tell_at.get_or_insert(now + PATIENCE);
        if tell_at <= now && !live.forgotten && !self.over.contains_key(&attempt) {
            tracing::warn!("something of {attempt} does not end, although it was killed");
            let over = Over::new(live.started_at, live.note.clone(), ended.clone());
            self.tell_end(over);
        }
        self.kill(attempt);
    }

    fn is_gone(&self, attempt: AttemptId) -> bool {
        let Some(live) = self.live.get(&attempt) else { return true };
        match &live.slot {
            Some(slot) => slot.is_empty(),
            None => {
                let all_known = self.adopts && live.main.foreign.is_none() && self.no_strange_children();
                all_known || self.members(attempt, live).is_empty()
            }
        }
    }

    /// What a task of ours leaves behind becomes our child: as long as we know them all, nothing was left.
    fn no_strange_children(&self) -> bool {
        proc::children().is_some_and(|children| children.iter().all(|pid| self.is_known(*pid)))
    }

    fn gone(&mut self, attempt: AttemptId) {
        let Some(live) = self.live.remove(&attempt) else { return };
        if let Some(slot) = live.slot {
            self.give_back(slot);
        }
        if let Phase::Leaving { ended, .. } = live.phase
            && !live.forgotten
            && !self.over.contains_key(&attempt)
        {
            self.tell_end(Over::new(live.started_at, live.note, ended));
        }
    }

    /// SIGTERM to every process of it, and SIGCONT for those that are stopped and could not hear it.
    fn terminate(&mut self, attempt: AttemptId) {
        let Some(live) = self.live.get(&attempt) else { return };
        let mut told = HashSet::new();
        // Twice over, for what was being forked meanwhile; SIGKILL comes for whoever escapes this.
        for _ in 0..2 {
            match (&live.slot, &self.pool) {
                (Some(slot), Some(pool)) => {
                    for pid in slot.processes().into_iter().filter(|pid| told.insert(*pid)) {
                        let is_meant = || pool.slot_of(pid) == Some(slot.number());
                        remains::signal_if(pid, is_meant, &[Signal::TERM, Signal::CONT]);
                    }
                }
                _ => {
                    for process in self.members(attempt, live).into_iter().filter(|process| told.insert(process.pid)) {
                        remains::signal(&process, &[Signal::TERM, Signal::CONT]);
                    }
                }
            }
        }
    }

    /// SIGKILL to every process of it that there is now.
    fn kill(&mut self, attempt: AttemptId) {
        if let Some(slot) = self.live.get_mut(&attempt).and_then(|live| live.slot.as_mut()) {
            match slot.kill() {
                Ok(()) => return,
                Err(error) => tracing::warn!("the cgroup of {attempt} cannot be killed: {error}"),
            }
        }
        let Some(live) = self.live.get(&attempt) else { return };
        if matches!(live.phase, Phase::Running) {
            kill_group(live.main.pid, Signal::KILL);
        }
        self.hunt(attempt);
        for process in self.members(attempt, live) {
            remains::signal(&process, &[Signal::KILL]);
        }
    }

    /// Processes that start another and end at once are gone before a look at all of /proc is done. But the one that
    /// lives is our child by then, and our children are quickly looked through.
    fn hunt(&self, attempt: AttemptId) {
        let strange = |pid: &i32| !self.is_known(*pid) && proc::attempt_of(*pid, &self.layout.state) == Some(attempt);
        let until = Moment::now() + HUNT;
        while Moment::now() < until {
            let found: Vec<i32> = proc::children().into_iter().flatten().filter(strange).collect();
            if found.is_empty() {
                break;
            }
            // Nobody but us could reap them, so these numbers are theirs.
            found.into_iter().for_each(kill_child);
        }
    }

    fn is_known(&self, pid: i32) -> bool {
        self.pids.contains_key(&pid) || self.helpers.contains(&pid)
    }

    fn members(&self, attempt: AttemptId, live: &Live) -> Vec<Stat> {
        let others =
            self.live.iter().filter(|(other, live)| **other != attempt && matches!(live.phase, Phase::Running));
        let others: HashSet<i32> = others.map(|(_, live)| live.main.pid).chain(self.helpers.iter().copied()).collect();
        let shares_uid = self.live.iter().any(|(other, of)| *other != attempt && of.main.uid == live.main.uid);
        let who = Who {
            attempt,
            pid: live.main.pid,
            start_ticks: live.main.start_ticks,
            unmarked_uid: (!shares_uid).then_some(live.main.uid),
        };
        match Snapshot::take(&self.layout.state) {
            Ok(mut snapshot) => snapshot.of(&who, &others),
            Err(error) => {
                tracing::warn!("/proc cannot be read: {error}");
                vec![]
            }
        }
    }

    fn rewrite_journal(&mut self) {
        let live = self.live.iter().filter(|(_, live)| !live.forgotten);
        let live = live.flat_map(|(attempt, live)| live.records(*attempt, &self.boot_id));
        let over = self.over.values().flat_map(|over| over.records(&self.boot_id));
        if let Err(error) = self.journal.rewrite(live.chain(over)) {
            tracing::warn!("the journal {} cannot be rewritten: {error}", self.layout.journal().display());
        }
    }
}

impl Live {
    fn due(&self) -> Option<Moment> {
        match (&self.phase, &self.stop) {
            (Phase::Leaving { look_at, .. }, _) => Some(*look_at),
            (Phase::Running, Some(stop)) if !stop.killed => Some(stop.kill_at),
            (Phase::Running, None) => self.limit.map(|limit| self.main.began + Duration::from_millis(limit.ms)),
            (Phase::Running, Some(_)) => None,
        }
    }

    /// A stop was asked, and what is left may still end by itself.
    fn in_grace(&self, now: Moment) -> bool {
        self.stop.as_ref().is_some_and(|stop| now < stop.kill_at)
    }

    fn records(&self, attempt: AttemptId, boot_id: &str) -> Vec<Record> {
        let Main { pid, start_ticks, .. } = self.main;
        let mut records = vec![
            Record::Starting {
                attempt,
                boot_id: boot_id.to_owned(),
                at: self.started_at,
                limit: self.limit,
                note: self.note.clone(),
            },
            Record::Running { attempt, pid, start_ticks },
        ];
        if let Some(stop) = &self.stop {
            records.push(stop.record(attempt));
        }
        if let Phase::Leaving { ended, .. } = &self.phase {
            records.push(Record::Ended(ended.clone()));
        }
        records
    }
}

impl Stop {
    fn record(&self, attempt: AttemptId) -> Record {
        let (reason, late) = match &self.why {
            Why::Asked(reason) => (reason.clone(), false),
            Why::Late { .. } => (String::new(), true),
        };
        Record::Stopping { attempt, reason, kill_at: self.kill_at.millis(), late }
    }
}

fn kill_child(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn kill_group(pid: i32, signal: Signal) {
    if let Some(group) = Pid::from_raw(pid) {
        // Nobody left in it is what is hoped for.
        let _ = kill_process_group(group, signal);
    }
}
