//! `stop` and `retry`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::id::Target;
use serde::Serialize;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::many::{Repeat, ask_each, tell};
use super::parse;
use super::text::count;

/// Stop jobs or tasks: SIGTERM, and after a grace SIGKILL
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramble stop 17\n  bramble stop 17.3 18.0-99 --reason 'wrong input'")]
pub struct StopArgs {
    /// Jobs (17), tasks (17.3) or ranges (17.0-99)
    #[arg(required = true, value_name = "ID", value_parser = parse::target)]
    targets: Vec<Target>,
    /// Kept with the tasks and shown to whoever asks why they were stopped
    #[arg(long)]
    reason: Option<String>,
}

/// Run again what has ended
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  bramble retry 17.3       task 3 of job 17 once more\n  bramble retry 17         all its tasks that did not succeed"
)]
pub struct RetryArgs {
    /// Jobs (17), tasks (17.3) or ranges (17.0-99)
    #[arg(required = true, value_name = "ID", value_parser = parse::target)]
    targets: Vec<Target>,
}

#[derive(Debug, Serialize)]
struct Reached {
    tasks: u32,
}

pub async fn stop(args: StopArgs, context: &Context) -> Result<Exit, Failure> {
    let request = |&target: &Target| Request::Stop { targets: vec![target], reason: args.reason.clone() };
    let outcomes = ask_each(context, Repeat::Never, args.targets, request, reached).await?;
    tell(context, "target", &outcomes, |target, reached| match reached.tasks {
        0 => format!("{target}: nothing to stop, all had ended"),
        n => format!("{target}: stopping {}", count(n, "task")),
    })
}

pub async fn retry(args: RetryArgs, context: &Context) -> Result<Exit, Failure> {
    let request = |&target: &Target| Request::Retry { targets: vec![target] };
    let outcomes = ask_each(context, Repeat::Never, args.targets, request, reached).await?;
    tell(context, "target", &outcomes, |target, reached| match reached.tasks {
        0 => format!("{target}: nothing to retry, none had failed"),
        n => format!("{target}: {} queued again", count(n, "task")),
    })
}

fn reached(reply: Reply) -> Result<Reached, Box<Reply>> {
    match reply {
        Reply::Done { tasks } => Ok(Reached { tasks }),
        other => Err(Box::new(other)),
    }
}
