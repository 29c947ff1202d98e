//! The verbs: one file a noun; what was typed becomes one request, the answer a table or `--json`.
//!
//! A verb knows the client and the protocol and nothing of the manager behind them. It returns the [`exit`] code or
//! a failure, which is told in one place. `dispatch.rs` is the only file that opens other rooms.

mod completions;
mod context;
mod dispatch;
mod event;
mod exit;
mod interrupt;
mod job;
mod join_token;
mod logs;
mod look;
mod many;
mod node;
mod output;
mod pages;
mod parse;
pub mod roles;
mod run;
mod stop;
mod table;
mod task;
mod text;
mod usage;
mod wait;
mod why;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use look::When;

/// A console for clusters of Raspberry Pis
#[derive(Debug, Parser)]
#[command(name = "bramble", version, disable_help_subcommand = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    verb: Option<Verb>,
}

const EXAMPLES: &str = "\
Examples:
  bramble run --wait -- uname -a          run it somewhere, see what it prints, get its exit code
  bramble run --array 0-99 -- ./sweep.sh  a hundred tasks; each sees its BRAMBLE_INDEX
  bramble why 17                          what job 17 is waiting for
  bramble task --state failed --json      for scripts; every verb speaks JSON

Exit codes:
  0 done       1 a task failed             2 not understood     3 refused
  5 not found  4 manager not reachable     6 some of several failed
  run --wait of a single task gives the program's own code";

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Everywhere {
    /// The manager to ask, as unix://PATH [default: the one on this machine]
    #[arg(long, global = true, env = "BRAMBLE_MANAGER", hide_env_values = true, value_name = "ADDRESS")]
    manager: Option<String>,
    /// Print JSON: one value, or one a line where more is to come
    #[arg(long, global = true)]
    json: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    color: When,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    Ask(Ask),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Man(completions::ManArgs),
}

/// What is asked of a manager.
#[derive(Debug, Subcommand)]
enum Ask {
    Run(run::RunArgs),
    Logs(logs::LogsArgs),
    Stop(stop::StopArgs),
    Wait(wait::WaitArgs),
    Why(why::WhyArgs),
    Retry(stop::RetryArgs),
    #[command(alias = "jobs")]
    Job(job::JobArgs),
    #[command(alias = "tasks")]
    Task(task::TaskArgs),
    #[command(alias = "nodes")]
    Node(node::NodeArgs),
    #[command(alias = "events")]
    Event(event::EventArgs),
    #[command(alias = "join-tokens")]
    JoinToken(join_token::JoinTokenArgs),
}

/// The whole program, from what was typed to the exit code.
pub fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    match Cli::try_parse_from(&words) {
        Ok(cli) => dispatch::open(cli),
        Err(error) => usage::tell(&error, &words).into(),
    }
}
