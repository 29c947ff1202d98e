//! `script run`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::run::RunWhat;
use protocol::script::ScriptRef;

use crate::cli::confirm::confirm_or;
use crate::cli::context::{Context, ask};
use crate::cli::exec::{RunOptions, carry_out};
use crate::cli::exit::{Exit, Failure};
use crate::cli::text::clean;

/// Run a script of the library on nodes, now
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble script run node-report --on all
  bramble script run setup-time --on manager serve=10.1.0.0/24
  bramble script run ana/tidy --on 'pi-[1-4]' --at-once 1 days=30
  bramble script run --retry-failed                the last run again, where it did not go well

Nothing of it stays on a node. What it does, its parameters and where it may run are shown by bramble script show NAME. A \
script that says it is dangerous asks first; --yes runs it unasked. How answers are shown, what stdin and Ctrl-C do, \
and what exit codes mean is as in bramble exec --help.")]
pub struct RunArgs {
    #[command(flatten)]
    options: RunOptions,
    /// Run it unasked, even if it is dangerous
    #[arg(long, short)]
    yes: bool,
    /// One's own or one that comes with the program; somebody else's as ana/tidy
    #[arg(required_unless_present = "retry_failed", conflicts_with = "retry_failed", value_name = "NAME")]
    script: Option<ScriptRef>,
    /// Its parameters
    #[arg(value_name = "KEY=VALUE", value_parser = param)]
    params: Vec<(String, String)>,
}

pub async fn run(args: RunArgs, context: &Context) -> Result<Exit, Failure> {
    let Some(script) = args.script else { return carry_out(None, args.options, context).await };
    if let Some((twice, _)) = args
        .params
        .iter()
        .enumerate()
        .find_map(|(at, (key, _))| args.params[..at].iter().find(|(known, _)| known == key))
    {
        return Err(Failure::usage(format_args!("the parameter {twice} is given twice")));
    }
    if !args.yes {
        ask_first(&script, &args.options, context).await?;
    }
    let what = RunWhat::Script { script, params: args.params.into_iter().collect() };
    carry_out(Some(what), args.options, context).await
}

/// Of a dangerous one, with what it says of itself.
async fn ask_first(script: &ScriptRef, options: &RunOptions, context: &Context) -> Result<(), Failure> {
    let client = context.client().await?;
    let view = ask!(client, Request::Script { script: script.clone() }, Reply::Script { script, .. } => script)?;
    if !view.about.dangerous {
        return Ok(());
    }
    let on: Vec<String> = options.on().iter().map(ToString::to_string).collect();
    let about = clean(&view.about.about).into_owned();
    let question = format!("{script} is dangerous ({about}); run it on {}?", on.join(", "));
    confirm_or(&question, "nothing was run")
}

fn param(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is no parameter; write NAME=VALUE, as in days=30")),
    }
}
