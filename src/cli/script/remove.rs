//! `script rm`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::script::ScriptRef;
use serde_json::Map;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::many::{Repeat, ask_each, tell};

/// Remove scripts of one's own, with all their versions
#[derive(Debug, Args)]
#[command(after_help = "What runs have run stays with them: bramble script result 17 --text")]
pub struct RmArgs {
    /// Which; for admins also somebody else's, as ana/tidy
    #[arg(required = true, value_name = "NAME")]
    scripts: Vec<ScriptRef>,
}

pub async fn rm(args: RmArgs, context: &Context) -> Result<Exit, Failure> {
    let request = |script: &ScriptRef| Request::ScriptRemove { script: script.clone() };
    let done = |reply| match reply {
        Reply::End => Ok(Map::new()),
        other => Err(Box::new(other)),
    };
    let outcomes = ask_each(context, Repeat::Never, args.scripts, request, done).await?;
    tell(context, "script", &outcomes, |name, _| format!("{name}: kept no longer"))
}
