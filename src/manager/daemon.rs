//! From an empty process to a serving manager, and back without hurting a task.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use link::Key;
use protocol::name::NodeName;
use protocol::node::{Facts, Metrics};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::agents::{self, Agents, Budgets, Follows};
use super::cluster::Mono;
use super::config::Config;
use super::door::{self, Door, People, Plate};
use super::files::Room;
use super::heart::{Heart, Owner, Ways as Beside};
use super::history::{Histories, Stamp};
use super::notify::{self, Carrier, Patience};
use super::own_runs::{ClientKey, OwnRuns, Runner, Ways};
use super::reach::Looker;
use super::store::writer::Writer;
use super::store::{self, Outputs, Reader, Space, lasting};

/// What the manager's own machine is and does, for its card.
pub trait Observer: Send {
    fn facts(&mut self) -> Facts;
    fn metrics(&mut self) -> Metrics;
}

/// What others need to know of a manager that serves.
#[derive(Debug, Clone)]
pub struct Serving {
    pub socket: PathBuf,
    pub ssh: SocketAddr,
}

/// Runs until SIGTERM, SIGINT or SIGHUP. `observer` is made for the state folder.
pub fn run(config: Config, observer: impl FnOnce(&Path) -> Box<dyn Observer>) -> anyhow::Result<()> {
    let observer = observer(&config.state);
    raise_descriptors();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One for all that is asked and answered: a second would mostly wake the first. The disk has its own.
        .worker_threads(1)
        .max_blocking_threads(16)
        .thread_name("manager")
        .enable_all()
        .build()
        .context("the system gives no threads to the manager")?;
    runtime.block_on(async {
        let mut ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()]
            .into_iter()
            .map(signal)
            .collect::<Result<Vec<_>, _>>()
            .context("signals cannot be received")?;
        let mut manager = Manager::start(config, observer).await?;
        tracing::info!("serving: {} and ssh {}", manager.serving.socket.display(), manager.serving.ssh);
        let [terminate, interrupt, hangup] = &mut ends[..] else { bail!("a signal is missing") };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
            failed = manager.failed() => return failed,
        }
        // Not running under systemd is no error.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        manager.stop().await;
        Ok(())
    })
}

/// For answers to be written when the manager stops.
const LAST_WORDS: Duration = Duration::from_secs(3);

struct Manager {
    serving: Serving,
    heart: Heart,
    /// None of them ends by itself.
    tasks: JoinSet<anyhow::Result<()>>,
    /// Those that have something to do when it ends: the door, and what runs here.
    last: [tokio::task::Id; 2],
    closing: CancellationToken,
    plate: Plate,
    /// Held while the manager lives.
    _lock: File,
}

impl Manager {
    async fn start(config: Config, observer: Box<dyn Observer>) -> anyhow::Result<Self> {
        let state = config.state.clone();
        notify::check(&config)?;
        let _lock = lock_state(&state)?;
        let host_key = Arc::new(Key::load_or_create(&state.join("host_key"))?);
        let (alarm_to, alarm) = mpsc::channel(1);
        let (writer, image) = Writer::start(&state, alarm_to)?;
        let reader = Reader::open(&store::database(&state))?;
        make_folder(&config.run, 0o755)?;

        let ssh = TcpListener::bind(&config.ssh).await.with_context(|| {
            format!("nodes cannot be served on {}: is another manager there, or the port below 1024?", config.ssh)
        })?;
        let bound = ssh.local_addr().context("the listening address is unknown")?;
        let socket = config.socket();
        let (listener, plate) = door::listen(&socket).await?;

        let own = own_name(&config);
        let mut known: BTreeSet<NodeName> = image.nodes.iter().map(|node| node.name.clone()).collect();
        known.insert(own.clone());
        let pages = reader.history().unwrap_or_else(|error| {
            tracing::warn!("how the nodes have been doing is not known any more: {error}");
            vec![]
        });
        let histories = Histories::load(pages, &known, Mono::default(), &Stamp::now());
        let files = Room::new(&state, writer.contents());
        let (errands_to, errands) = mpsc::unbounded_channel();
        let (own_runs_to, own_runs_from) = mpsc::unbounded_channel();
        let (looks_to, looks) = mpsc::unbounded_channel();
        let beside = Beside { errands: errands_to, own_runs: own_runs_to, looks: looks_to };
        let (owner, heart) = Owner::new(config.cluster(), image, histories, writer, alarm, beside);
        let outputs = Outputs::new(&state);
        let (limit, client_key) = (config.output_limit.as_u64(), ClientKey::in_folder(&state));
        let ways = Arc::new(Ways::new(heart.clone(), outputs.clone(), limit, config.stop_grace, client_key));
        let own_runs = OwnRuns::default();
        let runner = Runner::new(ways.clone(), own_runs.clone());
        let looker = Looker::new(heart.clone());
        let reader = Arc::new(Mutex::new(reader));
        let source = notify::Source { reader: reader.clone(), outputs: outputs.clone() };
        let carrier = Carrier::new(heart.clone(), &config, source, Patience::default());
        let follows = Follows::default();
        let config = Arc::new(config);
        let closing = CancellationToken::new();
        let space = Space::new(&state);
        let door = Arc::new(Door {
            heart: heart.clone(),
            config: config.clone(),
            reader,
            outputs: outputs.clone(),
            space: space.clone(),
            files: files.clone(),
            follows: follows.clone(),
            people: People::default(),
            ways,
            own_runs,
            address: config.address.clone().unwrap_or_else(|| address_for_nodes(bound)),
            host_key: host_key.fingerprint(),
            closing: closing.clone(),
        });
        let output_limit = config.output_limit.as_u64();
        let agents = Agents {
            heart: heart.clone(),
            outputs,
            follows,
            files: files.clone(),
            space,
            output_limit,
            budgets: Budgets::default(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            owner.run().await;
            Ok(())
        });
        let serving = tasks.spawn(async move {
            door::serve(listener, door).await;
            Ok(())
        });
        tasks.spawn(async move {
            carrier.run(errands).await;
            // It ends when the heart has; until everything has, it is not missed.
            std::future::pending().await
        });
        let ending = closing.clone();
        let running = tasks.spawn(async move {
            runner.run(own_runs_from, ending).await;
            Ok(())
        });
        tasks.spawn(async move {
            looker.run(looks).await;
            // As the carrier.
            std::future::pending().await
        });
        tasks.spawn(observe(heart.clone(), own, observer));
        let (looking, halves) = (heart.clone(), files.clone());
        tasks.spawn(async move {
            agents::look_after_halves(&looking, &halves).await;
            Ok(())
        });
        tasks.spawn(tidy(files));
        tasks.spawn(async move { Ok(agents::serve(ssh, host_key, &config, agents).await?) });
        // Not running under systemd is no error.
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        let last = [serving.id(), running.id()];
        Ok(Self { serving: Serving { socket, ssh: bound }, heart, tasks, last, closing, plate, _lock })
    }

    /// Returns only if a part that should run for ever ends.
    async fn failed(&mut self) -> anyhow::Result<()> {
        let ended = self.tasks.join_next().await;
        match ended.context("no part of the manager is left")? {
            Ok(Err(error)) => Err(error.context("a part of the manager failed")),
            Ok(Ok(())) => bail!("a part of the manager ended unexpectedly; its log says why"),
            Err(panicked) => Err(panicked).context("a part of the manager failed"),
        }
    }

    /// Tasks run on; what was taken in is committed and told; then the links go.
    async fn stop(mut self) {
        self.plate.remove();
        self.heart.stop().await;
        self.closing.cancel();
        let told = async {
            let mut left = self.last.to_vec();
            while !left.is_empty()
                && let Some(ended) = self.tasks.join_next_with_id().await
            {
                let id = ended.map_or_else(|failed| failed.id(), |(id, _)| id);
                left.retain(|other| *other != id);
            }
        };
        // Callers who do not read their answers do not hold up the end, and neither do nodes that do not end what they run.
        let _ = tokio::time::timeout(LAST_WORDS, told).await;
        self.tasks.abort_all();
    }
}

/// A shell gives 1024 descriptors; the door alone lets in as many callers, and nodes and the database need theirs.
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("no more files and connections can be open at once than the shell allows: {error}");
    }
}

/// One manager a state folder.
fn lock_state(state: &Path) -> anyhow::Result<File> {
    make_folder(state, 0o700)?;
    // Also where somebody else has just made it. Who may not look at the folder around it cannot make its name last.
    if let Err(error) = lasting::sync_name(state) {
        tracing::warn!("a power cut soon may take {} with it: {error}", state.display());
    }
    close_to_others(state)?;
    let path = state.join("lock");
    // Not for others to open either: whoever can open it can hold it.
    let file = store::private(&path).and_then(|()| File::options().append(true).open(&path)).with_context(|| {
        format!(
            "the state folder {} cannot be written; check its owner and that its disk is not read-only",
            state.display()
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!("another manager uses {}; stop it first, or give this one its own `state` folder", state.display())
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", path.display()))
        }
    }
}

/// What people submit, their environments among it, is nobody else's to read, whoever made the folder.
fn close_to_others(state: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let closed = std::fs::metadata(state).and_then(|found| {
        let mode = found.permissions().mode();
        if mode & 0o077 == 0 {
            Ok(())
        } else {
            std::fs::set_permissions(state, PermissionsExt::from_mode(mode & 0o700))
        }
    });
    closed.with_context(|| format!("the state folder {} cannot be closed to others", state.display()))
}

fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    lasting::make(path, mode).with_context(|| format!("the folder {} cannot be made", path.display()))
}

fn own_name(config: &Config) -> NodeName {
    let host = || rustix::system::uname().nodename().to_string_lossy().parse().ok();
    let named = config.name.clone().or_else(host);
    named.unwrap_or_else(|| "this-machine".parse().expect("letters and a dash are a name"))
}

/// What nodes dial where the configuration does not say: the address of the way out, if any. Nothing is sent.
fn address_for_nodes(bound: SocketAddr) -> String {
    if !bound.ip().is_unspecified() {
        return bound.to_string();
    }
    let way_out = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("192.0.2.1:9")?;
        socket.local_addr()
    });
    match way_out {
        Ok(address) => SocketAddr::new(address.ip(), bound.port()).to_string(),
        Err(_) => format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), bound.port()),
    }
}

/// Half uploads go when nobody came back for them.
async fn tidy(files: Room) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let (uploads, arriving) = (files.uploads.clone(), files.arriving.clone());
        let tidied = files.work(move || {
            uploads.tidy();
            arriving.tidy();
            Ok(())
        });
        tidied.await.context("half uploads cannot be looked at")?;
    }
}

/// Feeds the manager's own card, once a second, only what changed.
pub(super) async fn observe(heart: Heart, name: NodeName, mut observer: Box<dyn Observer>) -> anyhow::Result<()> {
    let facts = tokio::task::block_in_place(|| observer.facts());
    let mut known = Metrics::default();
    let mut told_at = None;
    let mut every = tokio::time::interval(Duration::from_secs(1));
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let metrics = observer.metrics();
        // This card is not kept: after a reload all of it is new again.
        let reloads = Some(heart.reloads());
        let all = told_at != reloads;
        if all {
            known = Metrics::default();
        }
        let changed = metrics.since(&known);
        known = metrics;
        told_at = reloads;
        if all || !changed.is_empty() {
            heart.own(name.clone(), all.then(|| Box::new(facts.clone())), changed).await;
        }
    }
}
