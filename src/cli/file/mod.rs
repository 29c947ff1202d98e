//! `file`: what is kept on the manager. [`put`] brings it there from a [`source`], [`get`] back; what both have in common
//! is in [`super::transfer`]. The rest asks one thing each, in [`list`] and [`change`].

mod change;
mod get;
mod list;
mod put;
pub mod source;

use clap::{Args, Subcommand};

pub use put::keep;

use super::context::Context;
use super::exit::{Exit, Failure};

/// Keep files on the manager, and get them back
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble file                      what is kept, and how much more may be
  bramble file put data.csv         keep it; again, when it has changed
  bramble file put experiment/      a whole folder
  pg_dump db | bramble file put - --name db.sql
  bramble file get data.csv         into this folder
  bramble file share data.csv bo    bo finds it as ana/data.csv
  bramble file --json | jq '.files[].name'

One's own files are named plainly, those of others with their owner: ana/data.csv. A folder
is kept packed, as a tar archive. Each content is kept once, whatever its names. What breaks
off goes on where it stopped when the same command is given again, up to a day later.

Exit codes: 0 done, 2 not understood, 3 refused, 4 manager not reachable or without room,
  5 no such file, 6 some of several failed")]
pub struct FileArgs {
    #[command(subcommand)]
    verb: Option<FileVerb>,
}

#[derive(Debug, Subcommand)]
enum FileVerb {
    /// List them, or show one
    #[command(alias = "list")]
    Ls(list::LsArgs),
    /// Keep a file or a folder of this machine
    Put(put::PutArgs),
    /// Bring one to this machine
    Get(get::GetArgs),
    /// Print one
    Cat(get::CatArgs),
    /// Keep them no longer
    #[command(alias = "remove")]
    Rm(change::RmArgs),
    /// Give one another name
    #[command(alias = "rename")]
    Mv(change::MvArgs),
    /// Let others see one
    Share(change::ShareArgs),
}

pub async fn file(args: FileArgs, context: &Context) -> Result<Exit, Failure> {
    match args.verb.unwrap_or_else(|| FileVerb::Ls(list::LsArgs::default())) {
        FileVerb::Ls(args) => list::ls(args, context).await,
        FileVerb::Put(args) => put::put(args, context).await,
        FileVerb::Get(args) => get::get(args, context).await,
        FileVerb::Cat(args) => get::cat(args, context).await,
        FileVerb::Rm(args) => change::rm(args, context).await,
        FileVerb::Mv(args) => change::mv(args, context).await,
        FileVerb::Share(args) => change::share(args, context).await,
    }
}
