//! `secret set`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use protocol::api::Request;
use protocol::name::SecretName;

use super::list::one;
use super::value;
use crate::cli::context::{Context, unfit};
use crate::cli::exit::{Exit, Failure};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble secret set token                   asks for it twice, without showing what is typed
  pass show hub/token | bramble secret set token
  bramble secret set deploy-key --from ~/.ssh/deploy
  head -c 32 /dev/urandom | bramble secret set seed

The value is never an argument: everybody on this machine could see it there, and a shell would keep it in its
history. One line from a pipe loses the newline at its end, which echo and most others add; --keep-newline keeps it.
What has several lines, or comes from a file, is kept byte for byte. It has at most 64 KiB.

Tasks that are sent to a node from now on have the new value; what runs has the one it began with.")]
pub struct SetArgs {
    /// What to call it: letters, digits, '-', '.' and '_'
    #[arg(value_name = "NAME")]
    name: String,
    /// What this file has, byte for byte
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Of one line from a pipe, too
    #[arg(long, conflicts_with = "from")]
    keep_newline: bool,
    /// Taken so that it can be refused without being printed.
    #[arg(hide = true)]
    value: Vec<OsString>,
}

const NO_ARGUMENT: &str = "the value of a secret is not given as an argument, where everybody on this machine could see it, and where your shell has kept it in its history; \
     write it when you are asked, or pipe it in: bramble secret set NAME";

pub async fn set(args: SetArgs, context: &Context) -> Result<Exit, Failure> {
    if !args.value.is_empty() || args.name.contains('=') {
        return Err(Failure::usage(NO_ARGUMENT));
    }
    let name: SecretName = args.name.parse().map_err(Failure::usage)?;
    // Whether anybody answers is seen before a person is asked for it.
    drop(context.client().await?);
    let value = match args.from {
        Some(path) => value::of_file(&path)?,
        None => value::of_stdin(&name, args.keep_newline)?,
    };
    let client = context.client().await?;
    let reply = client.call(Request::SecretSet { name: name.clone(), value }).await?;
    let view = one(reply).map_err(|reply| unfit(&reply))?;
    if context.json {
        context.print_json(&view)?;
        return Ok(Exit::OK);
    }
    context.print(format_args!("{name}: set\n"))?;
    if view.jobs == 0 {
        context.hint(format_args!("give it to a job with: bramble run --secret {name} -- COMMAND"));
    }
    Ok(Exit::OK)
}
