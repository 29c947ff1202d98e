//! Reads the command line and opens a room; nothing else.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bramble::console::event::Left;
use bramble::console::theme::ColorChoice;
use bramble::manager::Observer;
use bramble::manager::config::{COMMENTED, Config};
use bramble::{cli, console, demo, install, manager};
use clap::Subcommand;
use protocol::node::{Facts, Metrics};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use worker_agent::facts::Sampler;
use worker_agent::facts::interpreters::Finder;

/// What is not asked of a manager: to be one, or to make one.
#[derive(Debug, Subcommand)]
enum Room {
    /// Open the console; the same as no verb at all
    #[command(after_help = "Examples:
  bramble                                 the console of the manager on this machine
  bramble console --read-only             only looks: nothing can be stopped or changed from it
  ssh -t shelf bramble                    the console of another machine

Inside, ? shows every key, and q leaves. Everything goes on without it.

Exit codes: 0 left, 2 not understood, 3 cannot be shown here")]
    Console(ConsoleArgs),
    /// Run a whole bramble on this machine: a manager, workers, and a few jobs to look at
    #[command(after_help = "Examples:
  bramble demo                            q or Ctrl-C ends it
  bramble demo --headless --nodes 8       one line of JSON when every worker is up, then until a signal
  bramble demo --state /tmp/two --fresh   a second one beside it

Exit codes: 0 ended as asked, 2 not understood, 3 cannot be had here (the place will not do, or a demo runs there)")]
    Demo(demo::Args),
    /// Run a manager
    #[command(after_help = "Examples:
  bramble manager
  bramble config > manager.toml           every setting, with what it means
  bramble manager --config manager.toml

Exit codes: 0 ended as asked, 1 any other fault, 2 the settings are missing or wrong")]
    Manager {
        /// Settings, as `bramble config` prints them
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the manager's settings, each with its default and what it means
    Config,
    /// Make this machine a manager or a worker: show what would be written, ask, write it
    Install(install::InstallArgs),
    /// Be a worker, or ask the worker on this machine
    WorkerAgent(worker_agent::Args),
}

#[derive(Debug, Default, clap::Args)]
struct ConsoleArgs {
    /// Nothing can be changed from this console
    #[arg(long)]
    read_only: bool,
    /// Colours: default, dark, light, high-contrast, colour-blind, mono, or a file of your own
    #[arg(long, value_name = "NAME")]
    theme: Option<String>,
    /// Keys: default, emacs, k9s, or a file of your own
    #[arg(long, value_name = "NAME")]
    keymap: Option<String>,
}

/// The codes of a room that could not do its work, as every verb means them.
const FAULT: u8 = 1;
const USAGE: u8 = 2;
const REFUSED: u8 = 3;

fn main() -> ExitCode {
    cli::main(|room, everywhere| match room.unwrap_or(Room::Console(Default::default())) {
        Room::Console(args) => console(args, everywhere),
        Room::Demo(args) => {
            // The demo's screen is not to be written across.
            if args.headless {
                log_to_stderr();
            }
            told(demo::run(args, color(everywhere)), REFUSED)
        }
        Room::Manager { config } => {
            log_to_stderr();
            match file_or_default(config) {
                Ok(config) => told(manager(config).map(|()| ExitCode::SUCCESS), FAULT),
                Err(error) => told(Err(error), USAGE),
            }
        }
        Room::Config => told(std::io::stdout().write_all(COMMENTED.as_bytes()).map(|()| ExitCode::SUCCESS), FAULT),
        Room::Install(args) => install::run(args, COMMENTED),
        Room::WorkerAgent(args) => worker_agent::main(args, &["worker-agent"]),
    })
}

fn console(args: ConsoleArgs, everywhere: &cli::Everywhere) -> ExitCode {
    let manager = match everywhere.manager() {
        Ok(manager) => Arc::new(manager),
        Err(error) => return told(Err(anyhow::anyhow!(error)), USAGE),
    };
    let ConsoleArgs { read_only, theme, keymap } = args;
    let options = console::Options { manager, color: color(everywhere), theme, keymap, read_only, note: None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let shown = runtime.map_err(anyhow::Error::from).and_then(|runtime| Ok(runtime.block_on(console::run(options))?));
    match shown {
        Ok(Left::Nothing) => ExitCode::SUCCESS,
        Ok(Left::Demo) => told(demo::run(demo::Args::default(), color(everywhere)), REFUSED),
        Ok(Left::Install) => install::run(install::InstallArgs::manager(), COMMENTED),
        Err(error) => told(Err(error), REFUSED),
    }
}

fn color(everywhere: &cli::Everywhere) -> ColorChoice {
    match everywhere.color() {
        cli::When::Auto => ColorChoice::Auto,
        cli::When::Always => ColorChoice::Always,
        cli::When::Never => ColorChoice::Never,
    }
}

fn file_or_default(file: Option<PathBuf>) -> anyhow::Result<Config> {
    Ok(file.map_or_else(|| Ok(Config::default()), |file| Config::read(&file))?)
}

fn manager(config: Config) -> anyhow::Result<()> {
    manager::run(config, |state| {
        Box::new(ThisMachine { sampler: Sampler::new(None, state), interpreters: Finder::default() })
    })
}

/// The manager's own card is made by the same code as a worker's.
struct ThisMachine {
    sampler: Sampler,
    interpreters: Finder,
}

impl Observer for ThisMachine {
    fn facts(&mut self) -> Facts {
        self.sampler.know(self.interpreters.find());
        self.sampler.facts()
    }

    fn metrics(&mut self) -> Metrics {
        self.sampler.metrics()
    }
}

/// The journal has its own clock.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("BRAMBLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    // What cannot be written is lost: the layer would tell so on stderr by `eprintln!`, which panics where stderr is
    // a file on a full disk, or gone.
    let log = log.with_ansi(std::io::stderr().is_terminal()).log_internal_errors(false);
    let all = tracing_subscriber::registry().with(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        all.with(log.without_time()).init()
    } else {
        all.with(log).init()
    }
}

fn told(outcome: Result<ExitCode, impl Into<anyhow::Error>>, code: u8) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        // Where stderr is gone nobody can be told.
        let _ = writeln!(std::io::stderr(), "bramble: {}", sentence(&error.into()));
        ExitCode::from(code)
    })
}

/// The error and its causes, without those that it names itself.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |said, cause| match said.as_str() {
        "" => cause,
        said if said.contains(&cause) => said.to_owned(),
        said => format!("{said}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_cause_is_told_once() {
        let cause = || std::io::Error::other("no such file");
        let told = |error: anyhow::Error| sentence(&error);
        assert_eq!(told(anyhow::Error::new(cause()).context("a cannot be read")), "a cannot be read: no such file");
        let twice: anyhow::Result<()> = Err(cause()).context("a cannot be read: no such file");
        assert_eq!(told(twice.unwrap_err()), "a cannot be read: no such file");
    }
}
