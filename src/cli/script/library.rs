//! The library's own verbs: what scripts there are, and how they change.

use clap::Subcommand;

use super::{edit, grant, list, remove, show};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};

#[derive(Debug, Subcommand)]
pub enum LibraryVerb {
    #[command(alias = "list")]
    Ls(list::LsArgs),
    Show(show::ShowArgs),
    New(edit::NewArgs),
    Edit(edit::EditArgs),
    #[command(alias = "remove")]
    Rm(remove::RmArgs),
    Grant(grant::GrantArgs),
}

pub async fn library(verb: LibraryVerb, context: &Context) -> Result<Exit, Failure> {
    match verb {
        LibraryVerb::Ls(args) => list::ls(args, context).await,
        LibraryVerb::Show(args) => show::show(args, context).await,
        LibraryVerb::New(args) => edit::new(args, context).await,
        LibraryVerb::Edit(args) => edit::edit(args, context).await,
        LibraryVerb::Rm(args) => remove::rm(args, context).await,
        LibraryVerb::Grant(args) => grant::grant(args, context).await,
    }
}
