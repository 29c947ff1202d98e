//! `script grant`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::name::PersonName;
use protocol::script::ScriptRef;

use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure};

/// Let operators run a script as root; for admins
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble script grant node-report bo
  bramble script grant ana/tidy bo --revoke

It is this version that is granted, byte for byte: whoever changes the script, or a new program that brings another, \
changes nothing for those it was granted to, until it is granted again. Read it first: bramble script show NAME --text")]
pub struct GrantArgs {
    /// Which
    #[arg(value_name = "NAME")]
    script: ScriptRef,
    /// Who may
    #[arg(required = true, value_name = "PERSON")]
    people: Vec<PersonName>,
    /// Or may no longer
    #[arg(long)]
    revoke: bool,
}

pub async fn grant(args: GrantArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let GrantArgs { script, people, revoke } = args;
    let hash = ask!(client, Request::Script { script: script.clone() }, Reply::Script { script, .. } => script.hash)?;
    let request = Request::ScriptGrant { script: script.clone(), hash, to: people, on: !revoke };
    let view = ask!(client, request, Reply::ScriptKept(view) => view)?;
    if context.json {
        context.print_json(&view)?;
        return Ok(Exit::OK);
    }
    let people: Vec<&str> = view.granted.iter().map(|person| person.as_str()).collect();
    let who = if people.is_empty() { "admins only".to_owned() } else { format!("admins and {}", people.join(", ")) };
    context.print(format_args!("{script}: this version may be run as root by {who}\n"))?;
    Ok(Exit::OK)
}
