//! `wait`.

use clap::Args;
use protocol::api::{Reply, Request, Waited};
use protocol::id::Target;
use protocol::job::Counts;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::many::{Repeat, ask_each, tell};
use super::text::{reason, tally};
use super::{parse, result};

/// Wait until tasks have ended
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble wait 17
  bramble wait 17 18 && bramble run -- ./collect.sh

Exit codes: 0 all succeeded, 1 any failed, was stopped or lost, 6 some could not be waited for")]
pub struct WaitArgs {
    /// Jobs (17), tasks (17.3) or ranges (17.0-99)
    #[arg(required = true, value_name = "ID", value_parser = parse::target)]
    targets: Vec<Target>,
}

pub async fn wait(args: WaitArgs, context: &Context) -> Result<Exit, Failure> {
    let request = |&target: &Target| Request::Wait { targets: vec![target] };
    let outcomes = ask_each(context, Repeat::Harmless, args.targets.clone(), request, |reply| match reply {
        Reply::Waited(waited) => Ok(waited),
        other => Err(Box::new(other)),
    })
    .await?;
    let told = tell(context, "target", &outcomes, |target, waited| format!("{target}{}", sentence(waited)))?;
    result::say_left(&context.address()?, &args.targets, context).await;
    let succeeded = outcomes.iter().flat_map(|outcome| &outcome.result).all(|waited| succeeded(&waited.counts));
    Ok(if told == Exit::OK && !succeeded { Exit::TASK_FAILED } else { told })
}

pub fn succeeded(counts: &Counts) -> bool {
    counts.succeeded == counts.total()
}

/// What follows a job's or task's number: ` succeeded`, ` failed: exit code 3`, `: 8 succeeded, 1 failed`.
pub fn sentence(waited: &Waited) -> String {
    let state = waited.counts.state();
    match (waited.counts.total(), waited.reason.is_empty()) {
        (0 | 1, true) => format!(" {state}"),
        (0 | 1, false) => format!(" {state}: {}", reason(&waited.reason)),
        _ => format!(": {}", tally(&waited.counts)),
    }
}
