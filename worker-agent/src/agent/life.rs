//! The agent's one loop, and everything it owns.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use link::Key;
use protocol::agent::{FromAgent, Hello};
use protocol::frame::FrameError;
use protocol::keeper::{FromKeeper, ToKeeper};
use protocol::node::Interpreter;
use protocol::time::UnixMillis;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::backoff::Backoff;
use super::bulk::{self, Bulk};
use super::cache::Cache;
use super::control::{self, Control};
use super::desk::Desk;
use super::fetch::{self, Fetches};
use super::follow::{self, Followers};
use super::given::PlacedFiles;
use super::home::Home;
use super::join::{self, JoinError, Way};
use super::keeper::Keeper;
use super::pulse::Pulse;
use super::reports::Reports;
use super::results::{self, Results};
use super::secrets::Secrets;
use super::spares::Spares;
use super::status::Teller;
use super::{AgentConfig, GiveUp, folder, spool};
use crate::facts::interpreters::Finder;

/// Until the manager says otherwise.
const OUTPUT_LIMIT: u64 = 64 << 20;
const STOP_GRACE_MS: u64 = 10_000;
const TICK: Duration = Duration::from_secs(1);
/// While something prints faster than the limit can be held at one look a second.
const QUICK_TRIM: Duration = Duration::from_millis(100);
/// A keeper with very many tasks does not name them all in its hello, but soon after.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
const KEEPER_HELLO: Duration = Duration::from_secs(30);

pub(super) struct Agent {
    pub(super) config: AgentConfig,
    pub(super) boot_id: String,
    /// The keeper does what they need.
    takes_runs: bool,
    pub(super) root: bool,
    pub(super) keeper: Keeper,
    pub(super) control: Control,
    /// As it is on disk.
    saved: Option<Home>,
    pub(super) desk: Desk,
    pub(super) reports: Reports,
    pub(super) bulk: Bulk,
    pub(super) results: Results,
    pub(super) cache: Cache,
    pub(super) fetches: Fetches,
    pub(super) spares: Spares,
    pub(super) secrets: Secrets,
    pub(super) followers: Followers,
    pub(super) stop_grace_ms: u64,
    /// Follows of tasks that are just being started.
    pub(super) early_follows: Vec<protocol::agent::Follow>,
    pub(super) pulse: Pulse,
    ticker: Interval,
    /// Before the next tick.
    trim_at: Option<Instant>,
    teller: Teller,
    /// Work that others do for this loop, and its results.
    pub(super) errands: mpsc::Sender<Errand>,
    done: mpsc::Receiver<Errand>,
    pub(super) emptying: bool,
    pub(super) more_to_empty: bool,
    /// When what an earlier agent left is removed, and what the start needed given back.
    settled_at: Option<Instant>,
}

/// Something that was done elsewhere.
pub(super) enum Errand {
    Put(bulk::Done),
    ResultSent(results::Done),
    Followed(follow::Done),
    Fetched(fetch::Done),
    Placed(PlacedFiles),
    Interpreters(Finder, Vec<Interpreter>),
    GoneEmptied,
    /// Rebooting failed, with the reason.
    NotRebooted(String),
}

pub(super) fn wall() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}

/// From the keeper's hello to the end of the keeper.
pub async fn live(config: AgentConfig, keeper: UnixStream) -> anyhow::Result<()> {
    let layout = &config.layout;
    let mut keeper = Keeper::new(keeper)?;
    folder::prepare(layout).with_context(|| format!("cannot prepare the folders in {}", layout.state.display()))?;
    let cache = Cache::open(layout, config.work.cache_limit.map(|limit| limit.as_u64()))
        .with_context(|| format!("cannot use the files kept in {}", layout.cache().display()))?;
    let hello = tokio::time::timeout(KEEPER_HELLO, keeper.next()).await.context("the keeper does not greet")??;
    let FromKeeper::Hello { boot_id, tasks, takes_runs, .. } = hello else {
        anyhow::bail!("the keeper does not greet; is it of another version?");
    };

    let slots = config.work.slots.or_else(crate::facts::cpus).unwrap_or(1);
    let mut desk = Desk::new(slots);
    let held = tasks.len();
    tasks.into_iter().for_each(|kept| desk.adopt(kept));

    let mut secrets = Secrets::open(layout);
    secrets.keep_only(|attempt| desk.end_of(attempt).is_none());

    let key = Arc::new(Key::load_or_create(&layout.key()).map_err(|error| GiveUp(error.to_string()))?);
    let mut teller = Teller::default();
    let saved = Home::load(&layout.manager())?;
    let (home, token) = match join::way(&config.work, saved.clone(), held)? {
        Way::Known { home, token } => (home, token),
        way @ Way::Join { .. } => {
            let home = join(&way, &key, &mut keeper, &mut desk, &mut teller).await?;
            let path = layout.manager();
            home.save(&path).with_context(|| format!("cannot write {}", path.display()))?;
            tracing::info!("joined the manager at {} as {}", home.address, home.name);
            (home, None)
        }
    };

    let (errands, done) = mpsc::channel(64);
    let pulse = Pulse::new(config.work.sysfs_root.as_deref(), &layout.state);
    let mut agent = Agent {
        boot_id,
        takes_runs,
        root: rustix::process::geteuid().is_root(),
        keeper,
        control: Control::new(home, key, token),
        saved,
        desk,
        reports: Reports::default(),
        bulk: Bulk::default(),
        results: Results::default(),
        cache,
        fetches: Fetches::default(),
        spares: Spares::default(),
        secrets,
        followers: Followers::default(),
        stop_grace_ms: STOP_GRACE_MS,
        early_follows: Vec::new(),
        pulse,
        ticker: ticker(),
        trim_at: None,
        teller,
        errands,
        done,
        emptying: false,
        more_to_empty: false,
        settled_at: Some(Instant::now() + SETTLED_AFTER),
        config,
    };
    agent.run().await
}

/// Asks until there is an answer. What the keeper says meanwhile is not missed.
async fn join(
    way: &Way,
    key: &Arc<Key>,
    keeper: &mut Keeper,
    desk: &mut Desk,
    teller: &mut Teller,
) -> anyhow::Result<Home> {
    let Way::Join { address, token, name } = way else { anyhow::bail!("this node has joined already") };
    let mut backoff = Backoff::default();
    let mut last = String::new();
    loop {
        let asked = listening(keeper, desk, join::ask(address, token, name, key)).await?;
        let error = match asked {
            Ok(home) => return Ok(home),
            Err(JoinError::Final(sentence)) => return Err(GiveUp(sentence).into()),
            Err(JoinError::Later(sentence)) => sentence,
        };
        if error != last {
            tracing::warn!("{error}; trying again");
        }
        let wait = backoff.wait();
        let until = UnixMillis(wall().0.saturating_add(wait.as_millis() as u64));
        if let Some(status) = teller.of_joining(address, name, until, &error) {
            keeper.say(&ToKeeper::Status(status))?;
        }
        last = error;
        listening(keeper, desk, tokio::time::sleep(wait)).await?;
    }
}

async fn listening<T>(keeper: &mut Keeper, desk: &mut Desk, other: impl Future<Output = T>) -> anyhow::Result<T> {
    let mut other = std::pin::pin!(other);
    loop {
        tokio::select! {
            result = &mut other => return Ok(result),
            said = keeper.next() => if let FromKeeper::Ended(ended) = said? {
                desk.ended(ended);
            },
        }
    }
}

impl Agent {
    async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            self.settle();
            let ticking = self.has_reason_to_tick();
            let far = Instant::now();
            tokio::select! {
                // What frees a slot comes before what wants one.
                biased;
                said = self.keeper.next() => {
                    self.keeper_said(said?);
                    while self.keeper.has_more() {
                        let said = self.keeper.next().await?;
                        self.keeper_said(said);
                    }
                }
                event = self.control.next() => {
                    self.link_event(event);
                    while self.control.has_more() {
                        let event = self.control.next().await;
                        self.link_event(event);
                    }
                }
                () = self.followers.woken() => {}
                Some(errand) = self.done.recv() => self.errand(errand),
                _ = self.ticker.tick(), if ticking => self.tick(),
                () = tokio::time::sleep_until(self.reports.due().unwrap_or(far)), if self.reports.due().is_some() => {}
                () = tokio::time::sleep_until(self.trim_at.unwrap_or(far)), if self.trim_at.is_some() => self.trim(),
            }
        }
    }

    /// Everything that the last event made possible.
    fn settle(&mut self) {
        while let Some(order) = self.desk.next() {
            self.begin(order);
        }
        self.put_next();
        self.result_next();
        self.fetch_next();
        self.say_reports();
        self.empty_gone();
    }

    fn tell_status(&mut self) {
        if let Some(status) = self.teller.of_link(&self.control, self.desk.waiting()) {
            // A status is small; an error was logged.
            let _ = self.tell_keeper(&ToKeeper::Status(status));
        }
    }

    /// Whether the keeper will hear it.
    pub(super) fn tell_keeper(&mut self, message: &ToKeeper) -> Result<(), FrameError> {
        let said = self.keeper.say(message);
        if let Err(error) = &said {
            tracing::error!("a message to the keeper cannot be written: {error}");
        }
        said
    }

    fn link_event(&mut self, event: control::Event) {
        match event {
            control::Event::OpenAfterJoining => {
                self.remember_home();
                self.hello();
            }
            control::Event::Open => self.hello(),
            control::Event::Said(message) => self.manager_said(*message),
            control::Event::NotUnderstood(unknown) => {
                tracing::warn!("from the manager: {unknown}");
                self.reports.say(FromAgent::NotUnderstood { name: unknown.name });
            }
            control::Event::Lost => self.unlinked(),
            control::Event::Failed => {}
            control::Event::Written => return,
        }
        self.tell_status();
    }

    fn hello(&mut self) {
        let facts = self.pulse.begin();
        let hello = Hello {
            protocol: protocol::PROTOCOL,
            version: protocol::VERSION.to_owned(),
            node: self.control.home().name.clone(),
            boot_id: self.boot_id.clone(),
            cpus: crate::facts::cpus().unwrap_or(1),
            slots: self.desk.slots(),
            shared_uid: !self.root,
            takes_files: true,
            takes_secrets: self.secrets.are_taken(),
            takes_runs: self.takes_runs,
            gives_results: true,
            facts,
            held: self.desk.held(wall()),
        };
        self.reports.clear();
        self.control.say(&FromAgent::Hello(Box::new(hello)));
    }

    pub(super) fn unlinked(&mut self) {
        self.desk.unlinked();
        self.reports.clear();
        self.bulk.unlinked();
        self.results.unlinked();
        self.fetches.unlinked();
        self.early_follows.clear();
    }

    /// Writes down where the manager is and what it said, if that is news.
    pub(super) fn remember_home(&mut self) {
        let home = self.control.home();
        if self.saved.as_ref() == Some(home) {
            return;
        }
        let path = self.config.layout.manager();
        match home.save(&path) {
            Ok(()) => self.saved = Some(home.clone()),
            Err(error) => tracing::error!("cannot write {}: {error}", path.display()),
        }
    }

    pub(super) fn output_limit(&self) -> u64 {
        self.control.home().output_limit.unwrap_or(OUTPUT_LIMIT)
    }

    fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Put(done) => {
                let attempt = done.attempt;
                if self.bulk.done(done) {
                    self.reports.finished(attempt);
                }
                if !self.desk.holds(attempt) {
                    self.bulk.forget(attempt);
                }
            }
            Errand::ResultSent(done) => self.result_sent(done),
            Errand::Fetched(done) => self.fetched(done),
            Errand::Placed(placed) => self.placed(placed),
            Errand::Followed(done) => self.followed(done),
            Errand::Interpreters(finder, found) => {
                if let Some(facts) = self.pulse.found(finder, found) {
                    self.reports.say(facts);
                }
                crate::memory::give_back();
            }
            Errand::GoneEmptied => self.emptying = false,
            Errand::NotRebooted(reason) => self.refuse("reboot", reason),
        }
    }

    /// An agent with nothing to look after sleeps until somebody speaks to it.
    fn has_reason_to_tick(&self) -> bool {
        self.control.is_welcome()
            || self.settled_at.is_some()
            || !self.desk.is_idle()
            || self.bulk.wants_ticks()
            || self.results.wants_ticks()
    }

    fn tick(&mut self) {
        if self.control.is_welcome() && self.control.has_room() {
            for news in self.pulse.tick() {
                self.reports.say(news);
            }
            if let Some(mut finder) = self.pulse.wants_interpreters(self.desk.is_idle()) {
                let errands = self.errands.clone();
                tokio::task::spawn_blocking(move || {
                    let found = finder.find();
                    // Nobody waits for it where the agent is ending.
                    let _ = errands.blocking_send(Errand::Interpreters(finder, found));
                });
            }
        }
        if self.settled_at.take_if(|at| Instant::now() >= *at).is_some() {
            crate::memory::give_back();
            self.more_to_empty |= folder::sweep(&self.config.layout, |attempt| self.desk.holds(attempt));
            self.secrets.keep_only(|attempt| self.desk.holds(attempt) && self.desk.end_of(attempt).is_none());
        }
        self.bulk.expire();
        self.tidy_cache();
        self.trim();
        self.tell_status();
    }

    /// Keeps every stream of every running task within its limit.
    fn trim(&mut self) {
        let (layout, limit) = (&self.config.layout, self.output_limit());
        let mut soon = false;
        for attempt in self.desk.running() {
            for path in [layout.stdout(attempt), layout.stderr(attempt)] {
                match spool::trim(&path, limit) {
                    Ok(dropped) => soon |= dropped > limit / 2,
                    Err(error) => {
                        tracing::debug!("the output {} cannot be kept within its limit: {error}", path.display());
                    }
                }
            }
        }
        self.trim_at = soon.then(|| Instant::now() + QUICK_TRIM);
    }

    /// The manager answered our hello. The first second of a link is as long as every other.
    pub(super) fn begin_pulse(&mut self) {
        let first = self.pulse.first();
        self.reports.say(first);
        self.ticker.reset();
    }

    pub(super) fn has_gone(&mut self) {
        self.more_to_empty = true;
    }

    fn empty_gone(&mut self) {
        if !self.more_to_empty || self.emptying {
            return;
        }
        (self.more_to_empty, self.emptying) = (false, true);
        let (layout, errands) = (self.config.layout.clone(), self.errands.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = folder::empty_gone(&layout) {
                tracing::warn!("old task folders cannot be removed: {error}");
            }
            let _ = errands.blocking_send(Errand::GoneEmptied);
        });
    }
}

fn ticker() -> Interval {
    let mut tick = tokio::time::interval_at(Instant::now() + TICK, TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}
