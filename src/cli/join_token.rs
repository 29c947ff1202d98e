//! `join-token`.

use std::time::Duration;

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::node::Role;
use protocol::time::UnixMillis;
use serde::Serialize;

use super::context::{Context, ask};
use super::exit::{Exit, Failure};
use super::parse;
use super::text::{now, rounded};

/// Make a token that lets one node join
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble join-token
  ssh pi-7 \"$(bramble join-token --ttl 5m)\"

In a pipe only the line to run on the node is printed.")]
pub struct JoinTokenArgs {
    /// What the node will be
    #[arg(long, default_value = "worker")]
    role: Role,
    /// How long it may be used [default: as the manager is configured, 1h]
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    ttl: Option<Duration>,
}

#[derive(Serialize)]
struct Made {
    token: String,
    line: String,
    expires_at: UnixMillis,
}

pub async fn join_token(args: JoinTokenArgs, context: &Context) -> Result<Exit, Failure> {
    let request = Request::JoinToken { role: args.role, ttl_seconds: args.ttl.map(|ttl| ttl.as_secs()) };
    let client = context.client().await?;
    let made = ask!(client, request, Reply::JoinToken { token, line, expires_at } => Made { token, line, expires_at })?;
    if context.json {
        context.print_json(&made)?;
    } else if context.look.terminal {
        let left = rounded(made.expires_at.since(now()));
        context.print(format_args!("Run this on the new {}, once, within {left}:\n\n  {}\n", args.role, made.line))?;
    } else {
        context.print(format_args!("{}\n", made.line))?;
    }
    Ok(Exit::OK)
}
