//! `secret ls` and `secret rm`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::name::{PersonName, SecretName};
use protocol::secret::SecretView;

use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure};
use crate::cli::many::{Repeat, ask_each, tell};
use crate::cli::table::{Cell, Grid};
use crate::cli::text::{age, now};

#[derive(Debug, Default, Args)]
pub struct LsArgs {
    /// Those of this person, for admins
    #[arg(long, value_name = "PERSON")]
    owner: Option<PersonName>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble secret rm token
  bramble secret rm token --owner ana    for admins

While jobs that have not ended are given one it is not removed; stop them first, or set another value.")]
pub struct RmArgs {
    /// Which
    #[arg(required = true, value_name = "NAME")]
    names: Vec<SecretName>,
    /// Of this person, for admins
    #[arg(long, value_name = "PERSON")]
    owner: Option<PersonName>,
}

pub async fn ls(args: LsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let secrets = ask!(client, Request::Secrets { owner: args.owner }, Reply::Secrets(secrets) => secrets)?;
    if context.json {
        context.print_json(&secrets)?;
        return Ok(Exit::OK);
    }
    if secrets.is_empty() {
        context.hint("no secrets; keep one with: bramble secret set NAME");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&secrets, context))?;
    Ok(Exit::OK)
}

fn grid(secrets: &[SecretView], context: &Context) -> String {
    let now = now();
    let mut grid = Grid::new(&["AGE", "JOBS", "OWNER", "SECRET"]).spare(&["OWNER", "AGE"]);
    for secret in secrets {
        grid.row(vec![
            Cell::number(age(now, secret.set_at)),
            Cell::number(secret.jobs.to_string()),
            secret.owner.as_str().into(),
            secret.name.as_str().into(),
        ]);
    }
    grid.render(context.look)
}

pub async fn rm(args: RmArgs, context: &Context) -> Result<Exit, Failure> {
    let request = |name: &SecretName| Request::SecretRemove { name: name.clone(), owner: args.owner.clone() };
    let outcomes = ask_each(context, Repeat::Never, args.names, request, one).await?;
    tell(context, "secret", &outcomes, |name, _| format!("{name}: kept no longer"))
}

/// The reply to what is about one.
pub fn one(reply: Reply) -> Result<SecretView, Box<Reply>> {
    match reply {
        Reply::Secrets(mut secrets) if secrets.len() == 1 => Ok(secrets.remove(0)),
        other => Err(Box::new(other)),
    }
}
