//! `job rm`.

use clap::Args;
use protocol::api::Request;
use protocol::id::{JobId, Target};
use protocol::unit::Bytes;

use crate::cli::confirm::confirm;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::many::{Repeat, ask_each, tell};
use crate::cli::parse;
use crate::cli::result::{known, removed};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble job rm 17          asks first
  bramble job rm 17 18 --yes

What runs yet is stopped first, with bramble stop; a job that has not ended is refused. Its files on
the manager stay, but for what only the job still held.")]
pub struct RmArgs {
    /// Which
    #[arg(required = true, value_name = "ID", value_parser = parse::job)]
    jobs: Vec<JobId>,
    /// Without asking
    #[arg(long, short)]
    yes: bool,
}

pub async fn rm(args: RmArgs, context: &Context) -> Result<Exit, Failure> {
    let RmArgs { jobs, yes } = args;
    if !yes {
        confirm(&question(&jobs, context).await?)?;
    }
    let request = |&job: &JobId| Request::JobRemove { jobs: vec![job] };
    let outcomes = ask_each(context, Repeat::Never, jobs, request, removed).await?;
    tell(context, "job", &outcomes, |job, removed| match removed.size {
        0 => format!("{job}: forgotten"),
        size => format!("{job}: forgotten, {} freed", Bytes(size)),
    })
}

async fn question(jobs: &[JobId], context: &Context) -> Result<String, Failure> {
    let client = context.client().await?;
    let targets: Vec<Target> = jobs.iter().map(|&job| Target::Job(job)).collect();
    let named: Vec<String> = jobs.iter().map(ToString::to_string).collect();
    let (jobs, their) = if named.len() == 1 { ("job", "its") } else { ("jobs", "their") };
    let results = known(&client, &targets, context).await?.map_or_else(String::new, |known| format!(" and {known}"));
    Ok(format!("forget {jobs} {} with {their} output{results}?", named.join(", ")))
}
