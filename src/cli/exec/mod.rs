//! `exec`: one command on many nodes, now; `script run` goes the same way with a script of the library. [`nodes`] are where,
//! [`input`] is what is sent along; [`watch`] follows the run until every node has answered, or its person leaves.
//!
//! What nodes print is shown as [`show`] says: of one node as it comes, of several [line by line](lines) or
//! [grouped](groups) by equal answers, or as [JSON](json). What goes to a terminal is made [harmless] first.

mod ask;
mod body;
mod diff;
mod fate;
mod follow;
mod groups;
mod harmless;
mod input;
mod json;
mod kept;
mod lines;
mod names;
mod nodes;
mod options;
mod program;
mod show;
mod status;
#[cfg(test)]
mod tests;
mod watch;

use clap::Args;
use protocol::run::RunWhat;

use super::context::Context;
use super::exit::{Exit, Failure};

pub use ask::{carry_out, stand_by};
pub use body::tell_program;
pub use fate::grid;
pub use follow::{Follow, Told};
pub use groups::Groups;
pub use names::fold;
pub use options::RunOptions;

/// What may be shown on a terminal of these bytes.
pub fn harmless(bytes: &[u8]) -> Vec<u8> {
    harmless::Harmless::of(bytes)
}

/// Run a command on nodes, now, and see what each answers
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble exec --on all -- uptime
  bramble exec --on pi-3 -- journalctl -n 20       its output and exit code are yours
  bramble exec --on 'pi-[1-4],pi-9' --at-once 2 -- systemctl restart chrony
  bramble exec --on all --live -- apt-get -qy update
  bramble exec --on all --stdin -- sh -c 'cat > /etc/motd' < motd
  bramble exec --on manager -- df -h               for admins
  bramble exec --retry-failed                      the last one again, where it did not go well
  bramble exec --on all --json -- uname -r | jq -r 'select(.code != 0).node'

It is run at once beside whatever runs there, once, and waits for no slot; without a shell in between: for pipes and \
variables write -- sh -c '…'. Nodes that are down are named at once and not waited for. Every run is kept, and what came of \
it: bramble script runs.

Of one node the output is passed on as it comes, stdout to stdout and stderr to stderr. Of several, a terminal is shown \
the answers when all are there: equal ones as one, failed ones first, and how the others differ from most (--group); a pipe \
is given lines as they come, each after the name of its node (--live). What commands a terminal is never passed on to one.

Nothing is read from stdin, so that it can stand in a loop that reads lines, unless --stdin says so: then all of it is \
read first and sent to every node, at most 1 MiB.

Ctrl-C stops it on all nodes and waits for their answers; a second one leaves at once.

With --json each answer is a line: node, index, state, code, reason, started_at, ended_at, ran_ms, stdout and stderr, with \
stdout_base64 where it is no text and stdout_truncated where it is longer than 1 MiB; a last line has the run. With --live \
too, a line for each piece of output.

Exit codes: of one node that is named: the program's own, 128 + n for signal n, 127 for a program that is not there, 126 for one that \
may not be run, 124 where --timeout ended it, 125 for any other fault, 1 where it was stopped or lost. Of several: 0 where all \
succeeded, 6 where some did, 1 where none did. 130 after Ctrl-C.")]
pub struct ExecArgs {
    #[command(flatten)]
    options: RunOptions,
    /// The program and its arguments
    #[arg(
        last = true,
        required_unless_present = "retry_failed",
        conflicts_with = "retry_failed",
        value_name = "COMMAND"
    )]
    command: Vec<String>,
}

pub async fn exec(args: ExecArgs, context: &Context) -> Result<Exit, Failure> {
    let what = (!args.command.is_empty()).then_some(RunWhat::Command(args.command));
    carry_out(what, args.options, context).await
}
