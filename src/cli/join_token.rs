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

In a pipe only the line to try it by hand is printed; --json has both.")]
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
    /// For a node where it is to stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    install: Option<String>,
    /// To try it by hand.
    line: String,
    expires_at: UnixMillis,
}

pub async fn join_token(args: JoinTokenArgs, context: &Context) -> Result<Exit, Failure> {
    let request = Request::JoinToken { role: args.role, ttl_seconds: args.ttl.map(|ttl| ttl.as_secs()) };
    let client = context.client().await?;
    let made = ask!(client, request, Reply::JoinToken { token, line, expires_at } => {
        Made { token, install: install(args.role, &line), line, expires_at }
    })?;
    if context.json {
        context.print_json(&made)?;
    } else if context.look.terminal {
        let left = rounded(made.expires_at.since(now()));
        let (role, by_hand) = (args.role, &made.line);
        match &made.install {
            Some(install) => context.print(format_args!(
                "Run this on the new {role}, once, within {left}:\n\n  {install}\n\n\
                 or, to try it by hand without installing anything:\n\n  {by_hand}\n"
            ))?,
            None => context.print(format_args!("Run this on the new {role}, once, within {left}:\n\n  {by_hand}\n"))?,
        }
    } else {
        context.print(format_args!("{}\n", made.line))?;
    }
    Ok(Exit::OK)
}

/// The same words, given to the installer.
fn install(role: Role, line: &str) -> Option<String> {
    let words = line.strip_prefix("bramble worker-agent run ").filter(|_| role == Role::Worker)?;
    Some(format!("sudo bramble install worker {words}"))
}
