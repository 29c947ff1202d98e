//! The command line of a worker. `worker-agent …` and `bramble worker-agent …` are this same code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use bytesize::ByteSize;
use clap::Subcommand;
use protocol::name::NodeName;

use crate::agent::{self, AgentConfig};
use crate::keeper;
use crate::layout::Layout;
use crate::{facts, layout};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Be this machine's worker: join a manager and run its tasks
    #[command(after_help = "Exit codes: 0 ended as asked, 1 any other fault, 2 not understood, \
                            78 a person has to change something first (no manager, no token, a token refused)")]
    Run(Run),
    /// The half of a worker that `run` starts and restarts by itself
    #[command(hide = true)]
    Agent(Agent),
    /// Make a running worker become another binary; its tasks run on
    Upgrade {
        /// The new binary
        path: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// What this machine is: model, system, CPUs, memory, disks, interpreters, …
    Facts {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,
        /// Read /sys and /proc/device-tree below DIR instead, as a simulated board
        #[arg(long, value_name = "DIR")]
        sysfs_root: Option<PathBuf>,
    },
    /// How the worker on this machine is: link, agent, what runs
    Status {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// The tasks the worker on this machine keeps
    Tasks {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// What this machine lacks for its work, each with a remedy
    Check {
        /// Print JSON, for scripts
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Where a worker lives; every verb that speaks to it takes the same two flags.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Place {
    /// Where the worker keeps its key, journal, output and work folders [default: /var/lib/bramble-worker as root]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where its control socket is [default: /run/bramble-worker as root; with --state, DIR/run]
    #[arg(long, value_name = "DIR")]
    pub run: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Run {
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub work: Work,
    /// Start this as the agent, for tests
    #[arg(long, hide = true, value_name = "PROGRAM")]
    pub agent_program: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Agent {
    /// The socket to the keeper that started this process
    #[arg(long, value_name = "FD", value_parser = clap::value_parser!(i32).range(3..))]
    pub keeper_fd: i32,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub work: Work,
}

/// What the agent is to do. `run` hands all of it on.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Work {
    /// The manager to work for, port 2222 where none is given; needed the first time only
    #[arg(long, value_name = "HOST[:PORT]")]
    pub manager: Option<String>,
    /// The token of `bramble join-token`; - reads it from stdin, @FILE from a file
    #[arg(long, value_name = "TOKEN", env = JOIN_TOKEN, hide_env = true)]
    pub join: Option<String>,
    /// The name of this node [default: its host name]
    #[arg(long)]
    pub name: Option<NodeName>,
    /// Room for this many tasks at once [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub slots: Option<u32>,
    /// Read /sys and /proc/device-tree below DIR instead, as a simulated board
    #[arg(long, value_name = "DIR")]
    pub sysfs_root: Option<PathBuf>,
    /// Room for the files of tasks, kept for the next that are given them, as in 2GiB [default: a tenth of the disk]
    #[arg(long, value_name = "SIZE")]
    pub cache_limit: Option<ByteSize>,
    /// Refuse the manager's request to reboot this machine
    #[arg(long)]
    pub refuse_reboot: bool,
}

/// How a token travels from keeper to agent, out of sight of `ps`, and through the keeper's upgrades.
pub const JOIN_TOKEN: &str = "BRAMBLE_JOIN_TOKEN";

/// The code of an agent that no restart can help; see [`agent::GiveUp`].
pub const GAVE_UP: u8 = 78;

/// `prefix`: the words before ours when another binary plays this role, as in `bramble worker-agent run`.
pub fn main(args: Args, prefix: &[&str]) -> ExitCode {
    let done = match args.command {
        Command::Run(run) => keeper_main(run, prefix),
        Command::Agent(agent) => agent_main(agent),
        Command::Upgrade { path, place } => place.layout().and_then(|at| keeper::client::upgrade(&at, &path)),
        Command::Facts { json, sysfs_root } => facts::print(json, sysfs_root.as_deref()),
        Command::Status { json, place } => place.layout().and_then(|at| keeper::client::status(&at, json)),
        Command::Tasks { json, place } => place.layout().and_then(|at| keeper::client::tasks(&at, json)),
        Command::Check { json, place } => place.layout().and_then(|at| facts::check::print(&at, json)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("worker-agent: {error:#}");
            match error.downcast_ref::<agent::GiveUp>() {
                Some(_) => ExitCode::from(GAVE_UP),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn keeper_main(run: Run, prefix: &[&str]) -> anyhow::Result<()> {
    log();
    let mut work = run.work;
    work.join = work.join.map(from_stdin).transpose()?;
    keeper::run(keeper::Config {
        layout: run.place.layout()?,
        work,
        prefix: prefix.iter().map(OsString::from).collect(),
        agent_program: run.agent_program.map(Into::into),
    })
}

/// Stdin is read once, here: an agent that is started again has nothing to read there.
fn from_stdin(token: String) -> anyhow::Result<String> {
    if token != "-" {
        return Ok(token);
    }
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("the token cannot be read from stdin")?;
    Ok(line.trim().to_owned())
}

/// Sentences on stderr, with the time only where nobody else adds it.
fn log() {
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_target(false);
    let log = log.with_ansi(std::io::stderr().is_terminal());
    if std::env::var_os("JOURNAL_STREAM").is_some() { log.without_time().init() } else { log.init() }
}

fn agent_main(line: Agent) -> anyhow::Result<()> {
    log();
    let layout = line.place.layout()?;
    // SAFETY: the keeper opened this descriptor for us and nobody else in this process knows its number.
    let keeper = UnixStream::from(unsafe { OwnedFd::from_raw_fd(line.keeper_fd) });
    agent::run(AgentConfig { layout, work: line.work }, keeper)
}

/// What an agent, or a keeper's new self, is told. The token is not among it: that goes by [`JOIN_TOKEN`].
pub fn work_arguments(layout: &Layout, work: &Work) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![];
    let mut flag = |name: &str, value: OsString| {
        words.push(name.into());
        words.push(value);
    };
    flag("--state", layout.state.clone().into());
    flag("--run", layout.run.clone().into());
    if let Some(manager) = &work.manager {
        flag("--manager", manager.into());
    }
    if let Some(name) = &work.name {
        flag("--name", name.to_string().into());
    }
    if let Some(slots) = work.slots {
        flag("--slots", slots.to_string().into());
    }
    if let Some(limit) = work.cache_limit {
        flag("--cache-limit", limit.as_u64().to_string().into());
    }
    if let Some(root) = &work.sysfs_root {
        flag("--sysfs-root", root.into());
    }
    if work.refuse_reboot {
        words.push("--refuse-reboot".into());
    }
    words
}

/// The entry of an environment that carries the token.
pub fn token_entry(work: &Work) -> Option<OsString> {
    work.join.as_ref().map(|token| format!("{JOIN_TOKEN}={token}").into())
}

impl Place {
    pub fn layout(&self) -> anyhow::Result<Layout> {
        layout::Layout::of(self.state.clone(), self.run.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn every_word_of_every_verb_is_explained() {
        let line = <Line as clap::CommandFactory>::command();
        for verb in line.get_subcommands() {
            for word in verb.get_arguments() {
                assert!(word.get_help().is_some(), "{} {}", verb.get_name(), word.get_id());
            }
        }
    }

    fn parse(words: &[&str]) -> Command {
        Line::try_parse_from([&["worker-agent"], words].concat()).unwrap_or_else(|error| panic!("{error}")).args.command
    }

    #[test]
    fn an_agent_is_told_all_that_its_keeper_was_told_but_the_token() {
        let told = "--state /s --run /r --manager pi-0:2222 --join secret --name pi-7 --slots 3 --cache-limit 100MiB --sysfs-root /b --refuse-reboot";
        let words: Vec<&str> = ["run"].into_iter().chain(told.split(' ')).collect();
        let Command::Run(run) = parse(&words) else { panic!() };
        let layout = run.place.layout().unwrap();
        let passed: Vec<String> =
            work_arguments(&layout, &run.work).into_iter().map(|word| word.into_string().unwrap()).collect();
        assert!(!passed.contains(&"secret".to_owned()));
        let words: Vec<&str> =
            ["agent", "--keeper-fd", "3"].into_iter().chain(passed.iter().map(String::as_str)).collect();
        let Command::Agent(agent) = parse(&words) else { panic!() };
        assert_eq!(agent.place.layout().unwrap(), layout);
        assert_eq!(Work { join: Some("secret".into()), ..agent.work }, run.work);
        assert_eq!(token_entry(&run.work), Some("BRAMBLE_JOIN_TOKEN=secret".into()));
    }

    #[test]
    fn a_worker_with_a_folder_of_its_own_has_a_socket_of_its_own() {
        let Command::Status { place, .. } = parse(&["status", "--state", "/somewhere"]) else { panic!() };
        assert_eq!(place.layout().unwrap().socket(), PathBuf::from("/somewhere/run/keeper.sock"));
        let Command::Status { place, .. } = parse(&["status", "--state", "/somewhere", "--run", "/r"]) else {
            panic!()
        };
        assert_eq!(place.layout().unwrap().socket(), PathBuf::from("/r/keeper.sock"));
    }
}
