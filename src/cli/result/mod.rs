//! `result`: what tasks left in their folder `out`. [`get`] brings it home, a folder for each task that was [`meant`],
//! written by [`folder`]; [`left`] says that there is something to bring. The rest asks one thing each, in [`list`] and
//! [`remove`].

mod folder;
mod get;
mod left;
mod list;
mod meant;
mod printed;
mod remove;

use clap::{Args, Subcommand};
use protocol::api::{Reply, Request};
use protocol::result::{ResultList, ResultQuery};
use protocol::unit::Bytes;

pub use folder::Place;
pub use get::collect;
pub use left::say_left;
pub use remove::{known, removed};

use super::comeback;
use super::context::{Context, unfit};
use super::exit::{Exit, Failure};
use super::text::count;
use crate::client::Client;

/// Bring home what tasks left
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble result                    what is kept, and for how long yet
  bramble result get 17             all of job 17, into the folders 17.0, 17.1, ... here
  bramble result get 17.3 -o runs   of one task, into runs/17.3
  bramble result rm 17              what nobody wants any more
  bramble result --json | jq '.results[].attempt'

What a task leaves in the folder out, which it finds in its own, is its result. It is brought to
the manager when the task has ended, however it ended, and kept there until somebody gets it or
it is too old.

Exit codes: 0 done, 2 not understood, 3 refused, 4 manager not reachable, 5 no such task,
  6 some of several failed")]
pub struct ResultArgs {
    #[command(subcommand)]
    verb: Option<ResultVerb>,
}

#[derive(Debug, Subcommand)]
enum ResultVerb {
    /// List them
    #[command(alias = "list")]
    Ls(list::LsArgs),
    /// Bring them to this machine, with what their tasks printed
    #[command(alias = "collect")]
    Get(get::GetArgs),
    /// Keep them no longer
    #[command(alias = "remove")]
    Rm(remove::RmArgs),
}

pub async fn result(args: ResultArgs, context: &Context) -> Result<Exit, Failure> {
    match args.verb.unwrap_or_else(|| ResultVerb::Ls(list::LsArgs::default())) {
        ResultVerb::Ls(args) => list::ls(args, context).await,
        ResultVerb::Get(args) => get::get(args, context).await,
        ResultVerb::Rm(args) => remove::rm(args, context).await,
    }
}

async fn list_of(client: &Client, query: ResultQuery, context: &Context) -> Result<ResultList, Failure> {
    match comeback::call(client, Request::Results(query), context).await? {
        Reply::Results(list) => Ok(list),
        other => Err(unfit(&other)),
    }
}

/// `3 results, 1.2 MiB`.
pub fn results(total: u32, size: u64) -> String {
    format!("{}, {}", count(total, "result"), Bytes(size))
}
