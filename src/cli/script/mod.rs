//! `script`: what is run on nodes, and what came of it. [`run`] runs one of the library's; [`runs`] are all that were run,
//! scripts and commands, and [`result`] is what one of them came to. The rest are the [`library`]'s own verbs.

mod check;
mod edit;
mod grant;
mod library;
mod list;
mod remove;
mod result;
mod run;
mod runs;
mod show;

use clap::{Args, Subcommand};

use super::context::Context;
use super::exit::{Exit, Failure};

/// Write scripts, run them on nodes, and see what came of it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble script ls                         what there is
  bramble script show setup-time            what it does and is given
  bramble script new tidy                   write one
  bramble script run node-report --on all
  bramble script runs                       what was run, exec included
  bramble script result 17                  what each node answered")]
pub struct ScriptArgs {
    #[command(subcommand)]
    verb: ScriptVerb,
}

#[derive(Debug, Subcommand)]
enum ScriptVerb {
    Run(Box<run::RunArgs>),
    Runs(runs::RunsArgs),
    #[command(alias = "results")]
    Result(result::ResultArgs),
    #[command(flatten)]
    Library(library::LibraryVerb),
}

pub async fn script(args: ScriptArgs, context: &Context) -> Result<Exit, Failure> {
    match args.verb {
        ScriptVerb::Run(args) => run::run(*args, context).await,
        ScriptVerb::Runs(args) => runs::runs(args, context).await,
        ScriptVerb::Result(args) => result::result(args, context).await,
        ScriptVerb::Library(verb) => library::library(verb, context).await,
    }
}
