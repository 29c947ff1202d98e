//! `logs`.

use clap::Args;
use protocol::api::{LogQuery, Reply, Request, TaskQuery};
use protocol::id::{JobId, Target};
use protocol::job::Stream;

use super::context::{Context, ask};
use super::exit::{Exit, Failure, Kind};
use super::following::Following;
use super::output::{Paths, pass_on};
use super::parse;
use crate::client::Client;

/// Show what a task printed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble logs 17                what job 17 printed (where it has one task)
  bramble logs 17.3 -f           as it comes, until the task ends
  bramble logs 17.3#1 --stderr   what the first attempt complained about

Bytes are passed on as they were printed, stdout to stdout and stderr to stderr; with --stdout or --stderr only that \
one, to stdout. With --json each piece is a line, its bytes in base64.")]
pub struct LogsArgs {
    /// A task (17.3), an attempt (17.3#2), or a job of one task (17)
    #[arg(value_name = "ID", value_parser = parse::target)]
    target: Target,
    /// Go on until the task has ended
    #[arg(long, short)]
    follow: bool,
    /// Only what was printed to stdout
    #[arg(long, conflicts_with = "stderr")]
    stdout: bool,
    /// Only what was printed to stderr
    #[arg(long)]
    stderr: bool,
}

pub async fn logs(args: LogsArgs, context: &Context) -> Result<Exit, Failure> {
    let stream = match (args.stdout, args.stderr) {
        (true, _) => Some(Stream::Stdout),
        (_, true) => Some(Stream::Stderr),
        _ => None,
    };
    let client = context.client().await?;
    let target = match args.target {
        Target::Job(job) => only_task(&client, job).await?,
        Target::Range { .. } => {
            return Err(Failure::usage("logs are shown of one task at a time; name one, as in: bramble logs 17.3"));
        }
        one => one,
    };
    let paths = if stream.is_some() { Paths::Stdout } else { Paths::Apart };
    let query = LogQuery { target, follow: args.follow, stream };
    let mut flow = Following::open(&client, query, context).await?;
    while let Some(piece) = flow.next().await? {
        pass_on(&piece, paths, context)?;
    }
    Ok(Exit::OK)
}

/// Most jobs are one task, and nobody wants to type its index.
async fn only_task(client: &Client, job: JobId) -> Result<Target, Failure> {
    let query = TaskQuery { targets: vec![Target::Job(job)], limit: 1, ..Default::default() };
    let (total, tasks) = ask!(client, Request::Tasks(query), Reply::Tasks { total, tasks } => (total, tasks))?;
    match &tasks[..] {
        [] => Err(Failure::new(
            Kind::NotFound,
            format_args!("job {job} has no tasks; see what there is with: bramble job"),
        )),
        [task] if total <= 1 => Ok(Target::Task(task.id)),
        [task, ..] => {
            Err(Failure::usage(format_args!("job {job} has {total} tasks; name one, as in: bramble logs {}", task.id)))
        }
    }
}
