//! `secret`: values that tasks are given and nobody is shown again. [`set`] takes one from a [`value`] that is typed, piped or
//! in a file; [`list`] tells which there are.

mod list;
mod set;
mod value;

use clap::{Args, Subcommand};

use super::context::Context;
use super::exit::{Exit, Failure};

/// Keep passwords, tokens and keys for tasks
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble secret set token                  asks for it, without showing what is typed
  pass show hub/token | bramble secret set token
  bramble secret set deploy-key --from ~/.ssh/deploy
  bramble secret                            which there are, and how many jobs are given each
  bramble run --secret token -- sh -c 'curl -H \"Authorization: Bearer $TOKEN\" https://example.org'
  bramble run --secret-file deploy-key=id -- sh -c 'ssh -i \"$BRAMBLE_SECRETS/id\" host'
  bramble secret rm token

Everybody has secrets of their own, and only their own jobs are given them. A value is not shown again, not to its
owner and not to an admin; who has root on the manager or on a node that runs the task can read it there. What a task
prints of it is in what the task printed.

Exit codes: 0 done, 2 not understood, 3 refused, 4 manager not reachable, 5 no such secret,
  6 some of several failed")]
pub struct SecretArgs {
    #[command(subcommand)]
    verb: Option<SecretVerb>,
}

#[derive(Debug, Subcommand)]
enum SecretVerb {
    /// List them; their values are shown to nobody
    #[command(alias = "list")]
    Ls(list::LsArgs),
    /// Keep one, or give one another value
    Set(set::SetArgs),
    /// Keep them no longer
    #[command(alias = "remove")]
    Rm(list::RmArgs),
}

pub async fn secret(args: SecretArgs, context: &Context) -> Result<Exit, Failure> {
    match args.verb.unwrap_or_else(|| SecretVerb::Ls(list::LsArgs::default())) {
        SecretVerb::Ls(args) => list::ls(args, context).await,
        SecretVerb::Set(args) => set::set(args, context).await,
        SecretVerb::Rm(args) => list::rm(args, context).await,
    }
}
