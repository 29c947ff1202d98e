//! The manager around the core, as `heart` and `store::writer` are: inputs wait in a line, some are handled at once,
//! what follows is one batch; batches are committed in groups, in order, and only then told. Between any two of
//! these steps it may die. A commit that fails makes it forget what it believed and load the disk anew.

mod writer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use protocol::agent::ToAgent;
use protocol::event::{Event, What};
use protocol::id::AttemptId;
use protocol::name::NodeName;
use protocol::time::UnixMillis;

use super::super::kept::Kept;
use super::super::words::{DAWN, key};
use super::agenda::{Instant, MINUTE, MS, SECOND};
use super::carrier::Carrier;
use super::net::{ConnId, End, Frame};
use super::people::Reply;
use super::world::{Happening, Sim};
use crate::manager::cluster::{
    CallId, Change, Cluster, ClusterConfig, Effect, Input, LinkId, Mono, NoticeRow, Now, OwnRun, Told,
};

/// Inputs handled before what follows from them goes to the store.
const MOST_AT_ONCE: usize = 256;
/// What nobody waits for is committed with what somebody does wait for, or after so long by itself.
const COMPANY: u64 = 10 * MS;
/// The longest that a commit takes.
pub const SLOWEST: u64 = 2 * SECOND;

pub struct Manager {
    pub up: bool,
    pub epoch: u32,
    pub core: Cluster,
    pub config: ClusterConfig,
    pub disk: Kept,
    /// When its monotonic clock said what.
    began: Instant,
    zero: u64,
    /// How far its wall clock is off.
    pub clock: i64,
    /// Since when the core has been what it is: leases are granted anew then.
    pub loaded: Instant,
    pub inbox: VecDeque<Input>,
    turning: bool,
    /// Whose they are.
    links: BTreeMap<LinkId, usize>,
    /// Older ones were opened before the state was loaded again.
    oldest_link: LinkId,
    /// When the core last knew each machine to be there.
    seen: Vec<Instant>,
    calls: BTreeSet<CallId>,
    answered: BTreeSet<CallId>,
    held: Vec<Turn>,
    holding: u64,
    writing: VecDeque<Vec<Turn>>,
    committing: bool,
    /// A commit failed: nothing is believed until the disk was loaded again.
    failed: bool,
    reloading: bool,
    wake: Option<Instant>,
    /// Turns in a row in which the core wanted to be woken at once.
    restless: u32,
    pub turns: u64,
}

/// What came of one input.
#[derive(Debug, Default)]
pub struct Turn {
    pub changes: Vec<Change>,
    pub events: Vec<Event>,
    pub releases: Vec<Release>,
}

#[derive(Debug, Clone)]
pub enum Release {
    Tell(CallId, Told),
    Deliver(Arc<NoticeRow>),
    Delivered(u64),
    Send(LinkId, ToAgent),
    Cut(LinkId),
    OwnRun(Box<OwnRun>),
    EndOwnRun { attempt: AttemptId, reason: String },
}

impl Manager {
    pub fn new(config: &ClusterConfig) -> Self {
        let disk = Kept::default();
        Self {
            up: true,
            epoch: 0,
            core: Cluster::new(config.clone(), disk.image(), Now::default()),
            config: config.clone(),
            disk,
            began: 0,
            zero: 0,
            clock: 0,
            loaded: 0,
            inbox: VecDeque::new(),
            turning: false,
            links: BTreeMap::new(),
            oldest_link: LinkId(0),
            seen: vec![],
            calls: BTreeSet::new(),
            answered: BTreeSet::new(),
            held: vec![],
            holding: 0,
            writing: VecDeque::new(),
            committing: false,
            failed: false,
            reloading: false,
            wake: None,
            restless: 0,
            turns: 0,
        }
    }

    pub fn clock(&self, now: Instant) -> Now {
        let mono = Mono(self.zero + (now - self.began) / MS);
        Now { mono, wall: UnixMillis((DAWN + now / MS).saturating_add_signed(self.clock)) }
    }

    /// Everything that arrived is handled, kept and told.
    pub fn quiet(&self) -> bool {
        self.up
            && !self.failed
            && !self.reloading
            && self.inbox.is_empty()
            && self.held.is_empty()
            && self.writing.is_empty()
            && !self.committing
    }

    /// Something is to be done by now.
    pub fn due(&self, now: Instant) -> bool {
        self.wakes_at().is_some_and(|at| at <= now)
    }

    /// Since when the core has been without this machine, as far as it can know.
    pub fn away_since(&self, at: usize) -> Option<Instant> {
        let there = self.links.values().any(|machine| *machine == at);
        (!there).then(|| self.last_seen(at))
    }

    pub fn last_seen(&self, at: usize) -> Instant {
        self.seen.get(at).copied().unwrap_or(0).max(self.loaded)
    }

    pub fn linked(&self) -> BTreeSet<usize> {
        self.links.values().copied().collect()
    }

    fn unlinked(&mut self, link: LinkId, now: Instant) -> bool {
        let Some(at) = self.links.remove(&link) else { return false };
        if self.seen.len() <= at {
            self.seen.resize(at + 1, 0);
        }
        self.seen[at] = now;
        true
    }

    fn wakes_at(&self) -> Option<Instant> {
        self.core.next_wakeup().map(|at| self.began + at.0.saturating_sub(self.zero) * MS)
    }

    /// Heard, and neither answered nor hung up.
    pub fn unanswered(&self) -> &BTreeSet<CallId> {
        &self.calls
    }
}

impl Sim {
    pub fn manager_begins(&mut self) {
        let (now, zero) = (self.now(), self.up_to(2_000_000));
        let manager = &mut self.manager;
        manager.up = true;
        (manager.began, manager.zero, manager.loaded) = (now, zero, now);
        (manager.failed, manager.reloading, manager.turning, manager.committing) = (false, false, false, false);
        manager.core = Cluster::new(manager.config.clone(), manager.disk.image(), manager.clock(now));
        manager.wake = None;
        self.put(Input::Started);
        self.carry_on();
    }

    pub fn manager_dies(&mut self) {
        let manager = &mut self.manager;
        if !manager.up {
            return;
        }
        manager.up = false;
        manager.epoch += 1;
        manager.inbox.clear();
        manager.calls.clear();
        manager.held.clear();
        manager.writing.clear();
        manager.links.clear();
        manager.answered.clear();
        self.carrier = Carrier::default();
        self.end_of_own_runs();
        let manager = &self.manager;
        let epoch = manager.epoch;
        // The process alone, or the machine under it: then nobody hears a word.
        let silently = self.dice.chance(30);
        let open: Vec<ConnId> = self.conns.iter().filter(|(_, c)| c.manager_open).map(|(id, _)| *id).collect();
        for conn in open {
            if silently {
                self.kill_path(conn);
            }
            self.forget(conn, End::Manager);
            let delay = if silently { 5 * SECOND + self.up_to(15 * SECOND) } else { self.up_to(50 * MS) };
            self.agenda.after(delay, Happening::Notices(conn, End::Agent));
        }
        for call in self.people.without_answer() {
            let delay = if silently { 20 * SECOND } else { 50 * MS };
            let delay = self.up_to(delay);
            self.agenda.after(delay, Happening::Noticed(call));
        }
        let off = match self.dice.below(6) {
            0 if self.noise => 70 * SECOND + self.up_to(60 * SECOND),
            1 | 2 => self.up_to(20 * SECOND),
            _ => 100 * MS + self.up_to(2 * SECOND),
        };
        self.say(|_| format!("THE MANAGER DIES, for {} ms", off / MS));
        self.agenda.after(off, Happening::Back { epoch });
    }

    pub fn manager_back(&mut self, epoch: u32) {
        if self.manager.up || self.manager.epoch != epoch {
            return;
        }
        self.say(|_| "the manager begins anew".into());
        self.manager_begins();
    }

    pub fn put(&mut self, input: Input) {
        if !self.manager.up {
            return;
        }
        if self.manager.reloading {
            return self.refuse(input);
        }
        self.manager.inbox.push_back(input);
        self.turn_soon();
    }

    fn turn_soon(&mut self) {
        if !self.manager.turning {
            self.manager.turning = true;
            let delay = self.up_to(MS);
            let epoch = self.manager.epoch;
            self.agenda.after(delay, Happening::Turn { epoch });
        }
    }

    /// While there is no state: nothing of it has happened.
    fn refuse(&mut self, input: Input) {
        match (call_of(&input), input) {
            (Some(call), _) => self.reply(call, Reply::Unavailable),
            (None, Input::Linked { link, .. }) => self.cut(link),
            _ => {}
        }
    }

    pub fn manager_turn(&mut self, epoch: u32) {
        if self.manager.epoch != epoch || !self.manager.up {
            return;
        }
        self.manager.turning = false;
        if self.manager.reloading || self.manager.inbox.is_empty() {
            return;
        }
        let most = if self.dice.chance(50) { MOST_AT_ONCE } else { 1 + self.dice.below(3) };
        let mut batch = std::mem::take(&mut self.manager.held);
        for _ in 0..most {
            let Some(input) = self.manager.inbox.pop_front() else { break };
            // It had said hello to a core that is gone, which knew whether a newer one was here first.
            if let Input::Linked { link, .. } = &input
                && *link < self.manager.oldest_link
            {
                self.cut(*link);
                continue;
            }
            let turn = self.handle(input);
            batch.push(turn);
        }
        self.pass_on(batch);
        if !self.manager.inbox.is_empty() {
            self.turn_soon();
        }
    }

    fn handle(&mut self, input: Input) -> Turn {
        let now = self.now();
        let manager = &mut self.manager;
        manager.turns += 1;
        manager.calls.extend(call_of(&input));
        match &input {
            Input::Gone { call } => drop(manager.calls.remove(call)),
            Input::Linked { link, node, .. } => drop(manager.links.insert(*link, self.by_name[node])),
            Input::Unlinked { link, .. } => drop(manager.unlinked(*link, now)),
            _ => {}
        }
        let woken = matches!(input, Input::Woken);
        let said = self.trace.aloud.then(|| format!("{input:?}"));
        let mut effects = vec![];
        let clock = manager.clock(now);
        manager.core.handle(input, clock, &mut effects);
        let (mut turn, mut given_up) = (Turn::default(), vec![]);
        self.trace.mix(effects.len() as u64);
        for effect in effects {
            match effect {
                Effect::Persist(change) => turn.changes.push(change),
                Effect::Publish(event) => {
                    if let What::TaskRequeued { attempt, node, .. } = &event.what {
                        given_up.push((*attempt, node.clone()));
                    }
                    turn.events.push(event);
                }
                Effect::Tell(call, told) => {
                    assert!(!manager.answered.contains(&call), "promise broken: {call:?} is answered twice: {told:?}");
                    assert!(manager.calls.remove(&call), "promise broken: {call:?} is gone, and told {told:?}");
                    manager.answered.insert(call);
                    turn.releases.push(Release::Tell(call, told));
                }
                Effect::Send(link, order) => {
                    if manager.links.contains_key(&link) {
                        turn.releases.push(Release::Send(link, order));
                    }
                }
                Effect::Cut(link) => {
                    if manager.unlinked(link, now) {
                        turn.releases.push(Release::Cut(link));
                    }
                }
                Effect::Deliver(row) => turn.releases.push(Release::Deliver(row)),
                Effect::OwnRun(run) => turn.releases.push(Release::OwnRun(run)),
                Effect::EndOwnRun { attempt, reason } => turn.releases.push(Release::EndOwnRun { attempt, reason }),
                Effect::LookFor { .. } => {}
                Effect::Delivered(no) => turn.releases.push(Release::Delivered(no)),
                Effect::Touch(_) => {}
            }
        }
        if let Some(said) = said {
            self.trace.say(now, || format!("  core: {}{}", said.chars().take(240).collect::<String>(), turn.shown()));
        }
        for (attempt, node) in given_up {
            self.may_be_given_up(attempt, &node);
        }
        self.runs_are_given_up_rightly(&turn.changes);
        self.wake_when_due(woken);
        self.after_turn();
        turn
    }

    /// Nothing is given up for lost while it may come back.
    pub(super) fn may_be_given_up(&self, attempt: AttemptId, node: &NodeName) {
        assert!(
            self.is_beyond_hope(attempt, node),
            "promise broken: {attempt} is given up, and {node} may still have it"
        );
    }

    pub(super) fn is_beyond_hope(&self, attempt: AttemptId, node: &NodeName) -> bool {
        let (at, now) = (self.by_name[node], self.now());
        let machine = &self.machines[at];
        let lease = self.manager.config.lease_ms * MS;
        let lapsed = self.manager.away_since(at).is_some_and(|since| now + MS >= since + lease);
        // A hello of before the last boot may still have been believed for a while.
        let rebooted = machine.boot > 1 && now < machine.last_boot + 10 * MINUTE;
        let revoked = self.manager.core.node_view(node).is_none_or(|view| view.revoked);
        let told = self.promises.truly_lost(attempt) || machine.liar;
        lapsed || rebooted || revoked || told
    }

    fn wake_when_due(&mut self, woken: bool) {
        let now = self.now();
        let manager = &mut self.manager;
        let Some(at) = manager.wakes_at() else { return };
        manager.restless = if woken && at <= now { manager.restless + 1 } else { 0 };
        assert!(manager.restless < 1000, "promise broken: the core wakes itself without end");
        if manager.wake.is_none_or(|set| at < set) {
            let (at, epoch) = (at.max(now), manager.epoch);
            manager.wake = Some(at);
            self.agenda.at(at, Happening::Wake { epoch, at });
        }
    }

    pub fn wake(&mut self, epoch: u32, at: Instant) {
        if self.manager.epoch != epoch || !self.manager.up || self.manager.wake != Some(at) {
            return;
        }
        self.manager.wake = None;
        if self.manager.reloading {
            return;
        }
        let due = self.manager.wakes_at();
        if due.is_some_and(|due| due <= self.now()) {
            let mut batch = std::mem::take(&mut self.manager.held);
            let turn = self.handle(Input::Woken);
            batch.push(turn);
            self.pass_on(batch);
        } else {
            self.wake_when_due(false);
        }
    }

    pub fn manager_reads(&mut self, id: ConnId, frame: Frame) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (at, link) = (conn.machine, Self::link_of(id));
        match frame {
            Frame::Hello(hello) => {
                if link < self.manager.oldest_link {
                    return self.cut(link);
                }
                conn.linked = true;
                let node = self.machines[at].name.clone();
                let key = key(node.as_str());
                // An unknown or revoked key is not even let in by the door; here it is, and learns why.
                self.put(Input::Linked { link, node, key, address: None, hello });
            }
            Frame::Report(report) => self.put(Input::Report { link, report }),
            Frame::Fin => self.manager_lost(id, "its agent closed the link"),
            Frame::Order(_) => {}
        }
    }

    /// The manager's end of a connection is over.
    pub fn manager_lost(&mut self, id: ConnId, reason: &str) {
        let linked = self.conns.get(&id).is_some_and(|conn| conn.linked);
        if linked {
            self.put(Input::Unlinked { link: Self::link_of(id), reason: reason.into() });
        }
        self.forget(id, End::Manager);
    }
}

/// Who waits for an answer to it.
fn call_of(input: &Input) -> Option<CallId> {
    match input {
        Input::Request { call, .. }
        | Input::FindOutput { call, .. }
        | Input::KeepFile { call, .. }
        | Input::PlanResult { call, .. }
        | Input::KeepResult { call, .. }
        | Input::MakeToken { call, .. }
        | Input::AddNode { call, .. }
        | Input::Join { call, .. } => Some(*call),
        _ => None,
    }
}

impl Turn {
    fn writes(&self) -> bool {
        !(self.changes.is_empty() && self.events.is_empty())
    }

    fn shown(&self) -> String {
        let mut shown = String::new();
        for event in &self.events {
            shown += &format!("\n                 · {}", event.what.sentence());
        }
        for change in &self.changes {
            if let Change::Task(row) = change {
                shown += &format!("\n                 = {} {} #{}", row.id, row.state, row.attempt);
            }
            if let Change::Answer(row) = change {
                shown += &format!("\n                 = {} {} on {}", row.id, row.state, row.node);
            }
        }
        shown
    }
}
