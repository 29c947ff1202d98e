//! The verbs: one file a noun; what was typed becomes one request, the answer a table or `--json`.
//!
//! A verb knows the client and the protocol and nothing of the manager behind them. It returns the [`exit`] code or
//! a failure, which is told in one place.

mod ask;
mod comeback;
mod completions;
mod confirm;
mod context;
mod event;
mod exec;
mod exit;
mod file;
mod following;
mod history;
mod interrupt;
mod job;
mod join_token;
mod logs;
mod look;
mod many;
mod node;
mod node_add;
mod output;
mod pages;
mod parse;
mod reboot;
mod remove;
mod result;
mod run;
mod script;
mod secret;
mod stop;
pub mod submit;
mod table;
mod task;
mod transfer;
mod usage;
mod wait;
mod why;

use std::process::ExitCode;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::client::{ClientError, ManagerAddress};
use ask::Ask;
use context::Context;

pub use look::When;

use crate::text;

/// A console for clusters of Raspberry Pis
#[derive(Debug, Parser)]
#[command(name = "bramble", version, disable_help_subcommand = true, after_help = EXAMPLES)]
struct Cli<Room: Subcommand> {
    #[command(flatten)]
    everywhere: Everywhere,
    #[command(subcommand)]
    verb: Option<Verb<Room>>,
}

const EXAMPLES: &str = "\
Examples:
  bramble run --wait -- uname -a          run it somewhere, see what it prints, get its exit code
  bramble run --array 0-99 -- ./sweep.sh  a hundred tasks; each sees its BRAMBLE_INDEX
  bramble exec --on all -- uptime         now, on every node; equal answers as one
  bramble why 17                          what job 17 is waiting for
  bramble task --state failed --json      for scripts; every verb speaks JSON

Exit codes:
  0 done       1 a task failed             2 not understood     3 refused
  5 not found  4 manager not reachable     6 some of several failed
  run --wait of a single task and exec on one node give the program's own code

Environment:
  BRAMBLE_MANAGER   the manager to ask, as with --manager
  BRAMBLE_PATIENCE  how long to wait for a manager that restarts meanwhile [default: 30s]";

/// Options that every verb takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Everywhere {
    // Not read from the environment by clap, which would hand it on to rooms that mean another manager by it.
    /// The manager to ask, as unix://PATH [env: BRAMBLE_MANAGER] [default: the one on this machine]
    #[arg(long, global = true, value_name = "ADDRESS")]
    manager: Option<String>,
    /// Print JSON: one value, or one a line where more is to come
    #[arg(long, global = true)]
    json: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    color: When,
}

impl Everywhere {
    /// Where the manager is, to be asked again as often as it is looked for: what is on this machine may change, what
    /// was named may not, and is refused at once when it is no address.
    pub fn manager(&self) -> Result<impl Fn() -> Result<ManagerAddress, ClientError> + Send + Sync + 'static, String> {
        let named = context::named_manager(self.manager.as_deref()).map_err(|failure| failure.message)?;
        Ok(move || named.clone().map_or_else(ManagerAddress::local, Ok))
    }

    pub fn color(&self) -> When {
        self.color
    }
}

#[allow(clippy::large_enum_variant, reason = "there is one of it")]
#[derive(Debug, Subcommand)]
enum Verb<Room: Subcommand> {
    #[command(flatten)]
    Ask(Ask),
    #[command(flatten)]
    Open(Room),
    Completions(completions::CompletionsArgs),
    Man(completions::ManArgs),
}

/// The whole program, from what was typed to the exit code. `Room` are the verbs that ask no manager but are one, or
/// make one: this room may not know them, so whoever calls it opens them.
///
/// No verb at all opens the console, where there is a terminal for it.
pub fn main<Room: Subcommand>(open: impl FnOnce(Option<Room>, &Everywhere) -> ExitCode) -> ExitCode {
    let words = usage::asks_for_help(std::env::args_os().collect());
    let matches = command::<Room>().try_get_matches_from(&words);
    let cli = match matches.and_then(|matches| Cli::<Room>::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => return usage::tell(&error, &words, &command::<Room>()).into(),
    };
    let context = Context::new(&cli.everywhere);
    let outcome = match cli.verb {
        None if usage::on_a_terminal() => return open(None, &cli.everywhere),
        None => usage::welcome(&context),
        Some(Verb::Open(room)) => return open(Some(room), &cli.everywhere),
        Some(Verb::Ask(verb)) => ask::ask(verb, &context),
        Some(Verb::Completions(args)) => completions::completions(&args, command::<Room>(), &context),
        Some(Verb::Man(args)) => completions::man(&args, command::<Room>(), &context),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            context.report(&failure);
            failure.exit.into()
        }
    }
}

/// Rooms take the options of verbs without a word, since they have no use for them; where one has an option of the
/// same name, its own counts.
fn command<Room: Subcommand>() -> Command {
    let everywhere = Everywhere::augment_args(Command::new("everywhere"));
    let rooms = Room::augment_subcommands(Command::new("rooms"));
    rooms.get_subcommands().fold(Cli::<Room>::command(), |command, room| {
        command.mut_subcommand(room.get_name(), |room| {
            let own: Vec<String> = room.get_arguments().map(|arg| arg.get_id().to_string()).collect();
            let missing = everywhere.get_arguments().filter(|arg| !own.contains(&arg.get_id().to_string()));
            room.args(missing.map(|arg| arg.clone().hide(true)))
        })
    })
}
