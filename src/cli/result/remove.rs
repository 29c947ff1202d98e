//! `result rm`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::id::Target;
use protocol::result::ResultQuery;
use serde::Serialize;

use super::left::waiting;
use super::{list_of, results};
use crate::cli::confirm::confirm;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::many::{Repeat, ask_each, tell};
use crate::cli::parse;
use crate::client::Client;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble result rm 17          asks first
  bramble result rm 17 --yes    for scripts")]
pub struct RmArgs {
    /// Jobs (17), tasks (17.3), attempts (17.3#2) or ranges (17.0-99)
    #[arg(required = true, value_name = "ID", value_parser = parse::target)]
    targets: Vec<Target>,
    /// Without asking
    #[arg(long, short)]
    yes: bool,
}

/// What is gone, and how much room it took.
#[derive(Debug, Serialize)]
pub struct Removed {
    pub count: u32,
    pub size: u64,
}

pub async fn rm(args: RmArgs, context: &Context) -> Result<Exit, Failure> {
    let RmArgs { targets, yes } = args;
    if !yes && let Some(known) = known(&context.client().await?, &targets, context).await? {
        confirm(&format!("remove {known}?"))?;
    }
    let request = |&target: &Target| Request::ResultRemove { targets: vec![target] };
    let outcomes = ask_each(context, Repeat::Never, targets, request, removed).await?;
    tell(context, "target", &outcomes, |target, removed| match removed.count {
        0 => format!("{target}: there was nothing to remove"),
        count => format!("{target}: removed {}", results(count, removed.size)),
    })
}

/// `3 results, 1.2 MiB, 2 of which nobody has got yet`, or `None` where there are none.
pub async fn known(client: &Client, targets: &[Target], context: &Context) -> Result<Option<String>, Failure> {
    let query = ResultQuery { targets: targets.to_vec(), limit: 1, ..ResultQuery::default() };
    let all = list_of(client, query, context).await?;
    if all.total == 0 {
        return Ok(None);
    }
    let waiting = waiting(client, targets, context).await?.total;
    let told = results(all.total, all.size);
    Ok(Some(if waiting == 0 { told } else { format!("{told}, {waiting} of which nobody has got yet") }))
}

pub fn removed(reply: Reply) -> Result<Removed, Box<Reply>> {
    match reply {
        Reply::Removed { count, size } => Ok(Removed { count, size }),
        other => Err(Box::new(other)),
    }
}
