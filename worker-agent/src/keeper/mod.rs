//! The keeper: owns the tasks' processes, waits for them, writes down what happened. It hardly ever changes.
//!
//! One thread, nothing asynchronous: it sleeps in `poll` until a child ends, the agent says something, somebody knocks at
//! the control socket, or something is due. It decides nothing about work, and knows no network.
//!
//! - [`tasks`] starts them ([`spawn`]), ends them whole ([`cgroup`], or [`remains`]) and finds them again ([`journal`]),
//!   after a power cut too ([`safety`]).
//! - [`agent`] is its one talkative child, started again for ever.
//! - [`control`] answers `worker-agent status`, `tasks` and `upgrade` ([`client`]); [`upgrade`] is an exec of its new self.

mod agent;
pub mod cgroup;
pub mod client;
mod clock;
mod control;
mod hunger;
mod journal;
mod lock;
mod proc;
mod remains;
mod safety;
mod serve;
mod signals;
mod spawn;
mod tasks;
mod upgrade;

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use anyhow::Context;
use rustix::io::Errno;

use crate::cli::{self, Work};
use crate::layout::Layout;
use agent::Agent;
use control::Door;
use lock::Lock;
use serve::Keeper;
use signals::Signals;
use spawn::Spawner;
use tasks::Tasks;

/// What a keeper is started with.
#[derive(Debug, Clone)]
pub struct Config {
    pub layout: Layout,
    pub work: Work,
    /// The words before `agent`, where another binary plays this role.
    pub prefix: Vec<OsString>,
    /// Started in place of ourselves; for tests.
    pub agent_program: Option<OsString>,
}

/// Keeps until SIGTERM. The tasks run on after that; the next keeper finds them.
pub fn run(mut config: Config) -> anyhow::Result<()> {
    let Layout { state, .. } = &mut config.layout;
    make_folder(state, 0o711)?;
    // Tasks are marked with this path, so it has to be the same one however the folder is called next time.
    *state = state.canonicalize().with_context(|| format!("the folder {} cannot be used", state.display()))?;
    let lock = Lock::take(&config.layout.lock())?;
    let signals = Signals::block().context("signals cannot be read on this system")?;
    let adopts = adopt_orphans()?;
    // Where this is not allowed, the kernel may choose the keeper as it may choose anyone.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    make_folder(&config.layout.spool(), 0o700)?;
    make_folder(&config.layout.works(), 0o711)?;
    let door = Door::open(config.layout.socket())?;
    let mut spawner = Spawner::new().context("processes cannot be started")?;
    let tasks = Tasks::restore(&config.layout, &mut spawner, adopts)?;
    let agent = Agent::new(agent_command(&config), agent_environment(&config));
    Keeper::new(config, lock, signals, door, spawner, tasks, agent).run()
}

/// What a task leaves behind becomes our child, so that we notice its end. False where this system cannot do that, as under
/// an emulator: then it is looked for.
fn adopt_orphans() -> anyhow::Result<bool> {
    match rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::NOSYS) => {
            tracing::info!("orphans cannot be adopted on this system; what tasks leave behind is looked for instead");
            Ok(false)
        }
        Err(error) => Err(error).context("orphans cannot be adopted"),
    }
}

fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.with_context(|| format!("the folder {} cannot be made", path.display()))
}

fn agent_command(config: &Config) -> Vec<OsString> {
    let program = config.agent_program.clone().unwrap_or_else(own_program);
    let mut words = vec![program];
    words.extend(config.prefix.iter().cloned());
    words.extend(["agent", "--keeper-fd", "3"].map(OsString::from));
    words.extend(cli::work_arguments(&config.layout, &config.work));
    words
}

/// By its name, which `ps` then shows, as long as that is still this very file.
fn own_program() -> OsString {
    use std::os::unix::fs::MetadataExt;
    let itself = "/proc/self/exe";
    let file = |path: &Path| std::fs::metadata(path).map(|of| (of.dev(), of.ino())).ok();
    let named =
        std::env::current_exe().ok().filter(|path| file(path).is_some() && file(path) == file(Path::new(itself)));
    named.map_or_else(|| itself.into(), Into::into)
}

fn agent_environment(config: &Config) -> Vec<OsString> {
    upgrade::environment([cli::token_entry(&config.work)])
}
