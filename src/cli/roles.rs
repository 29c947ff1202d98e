//! What the verbs that open other rooms are told: a manager, a demo, an installation.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Run the manager
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  bramble manager                              with the defaults
  bramble config > manager.toml                every setting, with what it means
  bramble manager --config manager.toml")]
pub struct ManagerArgs {
    /// Settings, as `bramble config` prints them
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Print the manager's settings, each with its default and what it means
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {}

/// Run a whole bramble on this machine: a manager, workers and a few jobs to look at
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  bramble demo                                 q or Ctrl-C ends it
  bramble demo --headless --nodes 8            for scripts: one line of JSON when every worker is up
  bramble demo --state /tmp/two --fresh        a second one beside it")]
pub struct DemoArgs {
    /// No screen: print one line of JSON when all is up, and run until a signal
    #[arg(long)]
    pub headless: bool,
    /// How many workers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub nodes: u32,
    /// Where it keeps what it knows between runs [default: in your data folder, as root /var/lib/bramble-demo]
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Forget what an earlier demo left there
    #[arg(long)]
    pub fresh: bool,
}

/// Show what installing would write, then write it: units and folders
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  bramble install manager
  bramble install worker --yes                 without asking
  bramble install worker --root /tmp/image     into an image that is not running")]
pub struct InstallArgs {
    /// What this machine will be
    pub role: Installed,
    /// Below this folder instead of /
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Installed {
    Manager,
    Worker,
}
