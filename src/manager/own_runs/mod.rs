//! Runs that no agent does: on the manager itself, and on nodes by their own SSH. Both go the same way: a bash is
//! started, becomes whoever is meant, and is told what to run on its standard input ([`words`]).
//!
//! A task each ([`act`]), so many at once and the others in a queue. None outlives the manager. What they print is in a
//! [`spool`] each.

mod act;
mod gate;
mod here;
mod line;
mod spool;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use link::{Key, ShellDial};
use protocol::agent::{Finished, Output};
use protocol::id::AttemptId;
use protocol::job::Outcome;
use protocol::run::Whence;
use protocol::time::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::cluster::OwnRun;
use super::heart::Heart;
use super::store::Outputs;
use act::Ending;
use spool::Spool;

pub use spool::Tail;
pub use words::quote;

/// Before what was not kept is said again.
const AGAIN: Duration = Duration::from_millis(500);
/// So many at once; a connection each.
const MOST: usize = 48;
/// For dialling and log-in together.
const DIALLING: Duration = Duration::from_secs(20);
/// A node that has died is noticed after four of them.
const KEEPALIVE: Duration = Duration::from_secs(4);
const KEEPALIVE_MAX: usize = 3;

pub enum Errand {
    Run(Box<OwnRun>),
    End { attempt: AttemptId, reason: String },
}

/// What all of them share.
pub struct Ways {
    heart: Heart,
    outputs: Outputs,
    output_limit: u64,
    stop_grace: Duration,
    key: ClientKey,
    name: String,
}

/// The manager's own key to other people's SSH: made when it is first needed.
#[derive(Debug, Clone)]
pub struct ClientKey(Arc<PathBuf>);

impl ClientKey {
    pub fn in_folder(state: &Path) -> Self {
        Self(Arc::new(state.join("client_key")))
    }

    pub fn get(&self) -> Result<Key, String> {
        Key::load_or_create(&self.0).map_err(|error| error.to_string())
    }
}

impl Ways {
    pub fn new(heart: Heart, outputs: Outputs, output_limit: u64, stop_grace: Duration, key: ClientKey) -> Self {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Self { heart, outputs, output_limit, stop_grace, key, name }
    }

    pub fn key(&self) -> Result<Key, String> {
        self.key.get()
    }

    /// What lets the manager in, as a line of `authorized_keys`: it is for commands and nothing else.
    pub fn line_of(&self, key: &Key) -> String {
        let name: String = self.name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).collect();
        format!("restrict {}", key.public_line(&format!("bramble@{name}")))
    }

    pub fn dial(&self, host: &str, port: u16, user: &str) -> ShellDial {
        ShellDial {
            host: host.to_owned(),
            port,
            user: user.to_owned(),
            keepalive: KEEPALIVE,
            keepalive_max: KEEPALIVE_MAX,
            timeout: DIALLING,
        }
    }

    async fn started(&self, attempt: AttemptId, at: UnixMillis) {
        // Should it not be kept, its end says it too.
        self.heart.own_run_started(attempt, at).await;
    }

    /// Said until it is kept: the core may have to load its state again, and then knows nothing of it.
    async fn ended(&self, finished: Finished) {
        loop {
            self.heart.own_run_ended(finished.clone()).await;
            // Answered after the commit of all that was said before, or refused with it.
            if self.heart.views(BTreeSet::new()).await.is_ok() || self.heart.is_closed() {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// For whoever follows one.
#[derive(Clone, Default)]
pub struct OwnRuns(Arc<Mutex<HashMap<AttemptId, Arc<Spool>>>>);

impl OwnRuns {
    /// What this prints, while it runs here. `None`: it has not begun yet, or is over.
    pub fn tail(&self, attempt: AttemptId) -> Option<Tail> {
        self.all().get(&attempt).map(|spool| spool.tail())
    }

    fn all(&self) -> MutexGuard<'_, HashMap<AttemptId, Arc<Spool>>> {
        // No code under the lock can fail halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs them.
pub struct Runner {
    ways: Arc<Ways>,
    runs: OwnRuns,
    waiting: VecDeque<Box<OwnRun>>,
    under_way: HashMap<AttemptId, UnderWay>,
    tasks: JoinSet<()>,
    ids: HashMap<Id, AttemptId>,
    /// Those that are being told of without one.
    tellings: JoinSet<()>,
}

struct UnderWay {
    stop: watch::Sender<Option<Ending>>,
    /// Nobody wants to hear of it any more.
    forgotten: CancellationToken,
}

impl Runner {
    pub fn new(ways: Arc<Ways>, runs: OwnRuns) -> Self {
        let (waiting, under_way) = (VecDeque::new(), HashMap::new());
        Self { ways, runs, waiting, under_way, tasks: JoinSet::new(), ids: HashMap::new(), tellings: JoinSet::new() }
    }

    /// Until `closing`, and until nothing of it runs any more.
    pub async fn run(mut self, mut errands: mpsc::UnboundedReceiver<Errand>, closing: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = closing.cancelled() => break,
                errand = errands.recv() => match errand {
                    Some(errand) => self.take(errand),
                    None => break,
                },
                Some(_) = self.tellings.join_next() => {}
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
            while self.under_way.len() < MOST
                && let Some(run) = self.waiting.pop_front()
            {
                self.begin(run);
            }
        }
        self.forget_all("the manager ends");
        while self.tasks.join_next().await.is_some() {}
    }

    fn take(&mut self, errand: Errand) {
        match errand {
            Errand::Run(run) => self.waiting.push_back(run),
            Errand::End { attempt, reason } => {
                if let Some(at) = self.waiting.iter().position(|run| run.attempt == attempt) {
                    self.waiting.remove(at);
                    self.tell(without_output(attempt, Outcome::Stopped { reason }));
                } else if let Some(one) = self.under_way.get(&attempt) {
                    one.stop.send_replace(Some(Ending { reason, at_once: false }));
                }
            }
        }
    }

    fn forget_all(&mut self, reason: &str) {
        self.waiting.clear();
        for one in self.under_way.values() {
            one.forgotten.cancel();
            one.stop.send_replace(Some(Ending { reason: reason.to_owned(), at_once: true }));
        }
    }

    fn begin(&mut self, run: Box<OwnRun>) {
        let attempt = run.attempt;
        let whence = run.way.as_ref().map_or(Whence::Manager, |(name, _)| Whence::Node(name.clone()));
        let spool = Spool::new(attempt, whence, self.ways.outputs.clone(), self.ways.output_limit);
        let (stop, stopped) = watch::channel(None);
        let forgotten = CancellationToken::new();
        self.runs.all().insert(attempt, spool.clone());
        self.under_way.insert(attempt, UnderWay { stop, forgotten: forgotten.clone() });
        let ways = self.ways.clone();
        let handle = self.tasks.spawn(async move {
            let ended = act::act(&run, &ways, &spool, stopped).await;
            if forgotten.is_cancelled() {
                return spool.give_up();
            }
            let finished = finished(attempt, ended, &spool);
            tokio::select! {
                () = ways.ended(finished) => {}
                () = forgotten.cancelled() => {}
            }
        });
        self.ids.insert(handle.id(), attempt);
    }

    /// Of what has no task of its own.
    fn tell(&mut self, finished: Finished) {
        let ways = self.ways.clone();
        self.tellings.spawn(async move { ways.ended(finished).await });
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, failed) = match ended {
            Ok((id, ())) => (id, None),
            Err(failed) => (failed.id(), Some(failed)),
        };
        let Some(attempt) = self.ids.remove(&id) else { return };
        let forgotten = self.under_way.remove(&attempt).is_some_and(|one| one.forgotten.is_cancelled());
        // Who follows it and does not find it here any more asks where it is now.
        let spool = self.runs.all().remove(&attempt);
        if let Some(failed) = failed {
            if let Some(spool) = spool {
                spool.give_up();
            }
            if !forgotten {
                let reason = format!("a fault of Bramble's own: {failed}");
                self.tell(without_output(attempt, Outcome::Lost { reason, again: false }));
            }
        }
    }
}

fn finished(attempt: AttemptId, ended: act::Ended, spool: &Spool) -> Finished {
    let mut finished = without_output(attempt, ended.outcome);
    finished.started_at = ended.started.map(|(wall, _)| wall);
    finished.ran_ms = ended.started.map(|(_, since)| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
    match tokio::task::block_in_place(|| spool.end()) {
        Ok([stdout, stderr]) => (finished.stdout, finished.stderr) = (stdout, stderr),
        Err(error) => {
            spool.give_up();
            let reason = format!("what it printed could not be kept: {error}");
            finished.outcome = Outcome::Lost { reason, again: false };
        }
    }
    finished
}

fn without_output(attempt: AttemptId, outcome: Outcome) -> Finished {
    Finished {
        attempt,
        outcome,
        started_at: None,
        ended_at: UnixMillis::of(SystemTime::now()),
        ran_ms: None,
        out_of_memory: false,
        stdout: empty(),
        stderr: empty(),
        result_lost: None,
    }
}

fn empty() -> Output {
    Output { bytes: Some(Default::default()), ..Output::default() }
}

/// Words that nobody can know beforehand.
fn random() -> String {
    let mut bytes = [0; 16];
    // Without randomness there is no SSH either, and no output that could be told apart.
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().fold("b".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}
