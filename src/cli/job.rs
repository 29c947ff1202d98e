//! `job`.

mod remove;

use std::str::FromStr;

use clap::{Args, Subcommand};
use protocol::agent::Given;
use protocol::api::{Away, JobQuery, JobView, Reply, Request, TaskQuery, TaskView};
use protocol::file::FileKind;
use protocol::id::{JobId, Target};
use protocol::job::TaskState;
use protocol::name::PersonName;
use protocol::unit::Bytes;

use super::context::{Context, ask};
use super::exit::{Exit, Failure, Kind};
use super::look::task_color;
use super::pages::{self, Limit};
use super::table::{Cell, Grid, Sheet};
use super::text::{age, command, count, local, now, reason, tally, took};
use super::{parse, task};
use crate::client::Client;

/// Failed tasks that one job's page shows.
const SOME: u32 = 10;

/// Show jobs, or forget them
#[derive(Debug, Args)]
#[command(
    override_usage = "bramble job [OPTIONS] [ls|ID]...\n       bramble job rm [OPTIONS] <ID>...",
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  bramble job                  the newest
  bramble job --active         those with unfinished tasks
  bramble job --missed         those of yours that ended while you were away
  bramble job 17               everything about one
  bramble job rm 17            forget it, with what it printed and left
  bramble job --json | jq '.[] | select(.state == \"failed\") | .id'"
)]
pub struct JobArgs {
    /// ls, or a job's number
    #[arg(value_name = "ls|ID")]
    which: Vec<Which>,
    /// Only jobs with unfinished tasks
    #[arg(long)]
    active: bool,
    /// Only one's own that ended since a console of one's own was last open
    #[arg(long, conflicts_with_all = ["active", "owner", "which", "limit"])]
    missed: bool,
    /// Only this person's
    #[arg(long, value_name = "PERSON")]
    owner: Option<PersonName>,
    #[command(flatten)]
    limit: Limit,
    #[command(subcommand)]
    verb: Option<JobVerb>,
}

#[derive(Debug, Subcommand)]
enum JobVerb {
    /// Forget jobs that have ended, with what they printed and left
    #[command(alias = "remove")]
    Rm(remove::RmArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    One(JobId),
}

impl FromStr for Which {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "ls" | "list") { Ok(Which::All) } else { parse::job(text).map(Which::One) }
    }
}

pub async fn job(args: JobArgs, context: &Context) -> Result<Exit, Failure> {
    if let Some(JobVerb::Rm(args)) = args.verb {
        return remove::rm(args, context).await;
    }
    let client = context.client().await?;
    if args.missed {
        return missed(&client, context).await;
    }
    let ids: Vec<JobId> =
        args.which.iter().filter_map(|which| if let Which::One(id) = which { Some(*id) } else { None }).collect();
    if let [id] = ids[..] {
        return one(&client, id, context).await;
    }
    let query = JobQuery { ids, active: args.active, owner: args.owner, ..Default::default() };
    list(&client, query, args.limit.of(context), context).await
}

async fn list(client: &Client, query: JobQuery, limit: u32, context: &Context) -> Result<Exit, Failure> {
    let (total, jobs) = pages::fetch(
        limit,
        |job: &JobView| job.id,
        async |skip, limit| {
            let query = JobQuery { skip, limit, ..query.clone() };
            ask!(client, Request::Jobs(query), Reply::Jobs { total, jobs } => (total, jobs))
        },
    )
    .await?;
    if context.json {
        context.print_json(&jobs)?;
        return Ok(Exit::OK);
    }
    if jobs.is_empty() {
        context.hint("no jobs; submit one with: bramble run -- hostname");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&jobs, context))?;
    pages::hint_of_more(context, jobs.len(), total, "jobs");
    Ok(Exit::OK)
}

async fn missed(client: &Client, context: &Context) -> Result<Exit, Failure> {
    let Away { since, ended, jobs } = ask!(client, Request::Away, Reply::Away(away) => away)?;
    if context.json {
        context.print_json(&jobs)?;
        return Ok(Exit::OK);
    }
    let total = ended.total();
    match since {
        None => context.hint("no console of yours was ever open here, or one is now, and shows them"),
        Some(since) if total == 0 => {
            context.hint(format_args!("no job of yours has ended since your console was last open, {}", local(since)));
        }
        Some(since) => context.hint(format_args!(
            "{} of yours ended since your console was last open, {}: {}",
            count(total, "job"),
            local(since),
            tally(&ended)
        )),
    }
    if !jobs.is_empty() {
        context.print(grid(&jobs, context))?;
    }
    Ok(Exit::OK)
}

fn grid(jobs: &[JobView], context: &Context) -> String {
    let now = now();
    let mut grid = Grid::new(&["JOB", "STATE", "TASKS", "OWNER", "AGE", "NAME", "COMMAND"]).spare(&["OWNER", "AGE"]);
    for job in jobs {
        grid.row(vec![
            Cell::number(job.id),
            Cell::colored(context.look.task(job.state), task_color(job.state)),
            progress(job).into(),
            job.owner.as_str().into(),
            Cell::number(age(now, job.submitted_at)),
            Cell::maybe(job.name.as_ref()),
            command(&job.command).into(),
        ]);
    }
    grid.render(context.look)
}

/// `1`, `40/100`, `40/100, 2 failed`: what has ended, of how many.
fn progress(job: &JobView) -> String {
    let counts = job.counts;
    let done = match counts.total() {
        1 => return format!("{}/1", counts.ended()),
        total => format!("{}/{total}", counts.ended()),
    };
    let bad = counts.failed + counts.lost;
    if bad > 0 { format!("{done}, {bad} failed") } else { done }
}

async fn one(client: &Client, id: JobId, context: &Context) -> Result<Exit, Failure> {
    let query = JobQuery { ids: vec![id], ..Default::default() };
    let jobs = ask!(client, Request::Jobs(query), Reply::Jobs { jobs, .. } => jobs)?;
    let Some(job) = jobs.first() else {
        return Err(Failure::new(
            Kind::NotFound,
            format_args!("there is no job {id}; see what there is with: bramble job"),
        ));
    };
    if context.json {
        context.print_json(job)?;
        return Ok(Exit::OK);
    }
    let single = job.counts.total() == 1;
    let states = if single { vec![] } else { vec![TaskState::Failed, TaskState::Lost, TaskState::Stopped] };
    let query = TaskQuery { targets: vec![Target::Job(id)], states, limit: SOME, ..Default::default() };
    let (total, tasks) = ask!(client, Request::Tasks(query), Reply::Tasks { total, tasks } => (total, tasks))?;
    context.print(sheet(job, tasks.first().filter(|_| single), context))?;
    if !single && !tasks.is_empty() {
        context.print("\n")?;
        context.print(task::grid(&tasks, context))?;
        let more = total.saturating_sub(tasks.len() as u32);
        if more > 0 {
            context
                .hint(format_args!("… and {more} more; see them with: bramble task {id} --state failed,lost,stopped"));
        }
    }
    Ok(Exit::OK)
}

fn sheet(job: &JobView, only: Option<&TaskView>, context: &Context) -> String {
    let now = now();
    let at = |time| format!("{} ({} ago)", local(time), age(now, time));
    let mut sheet = Sheet::default();
    sheet.line("job", job.id.to_string());
    sheet.line("name", Cell::maybe(job.name.as_ref()));
    sheet.line("command", command(&job.command));
    sheet.line("state", Cell::colored(context.look.task(job.state), task_color(job.state)));
    if let Some(task) = only {
        sheet.line("because", reason(&task.reason));
        sheet.line("ran on", Cell::maybe(task.node.as_ref()));
        sheet.line("attempt", if task.attempt > 1 { task.attempt.to_string() } else { String::new() });
    } else {
        sheet.line("tasks", tally(&job.counts));
    }
    sheet.line("owner", job.owner.as_str());
    sheet.line("needs", needs(job));
    sheet.line("files", given(&job.files));
    let secrets: Vec<String> = job.secrets.iter().map(ToString::to_string).collect();
    sheet.line("secrets", secrets.join(", "));
    sheet.line("submitted", at(job.submitted_at));
    sheet.line("started", Cell::maybe(job.started_at.map(at)));
    sheet.line("ended", Cell::maybe(job.ended_at.map(at)));
    if let (Some(started), Some(ended)) = (job.started_at, job.ended_at) {
        sheet.line("took", took(ended.since(started)));
    }
    sheet.render(context.look)
}

/// Files that one job's page names.
const SOME_FILES: usize = 20;

fn given(files: &[Given]) -> String {
    let one = |file: &Given| {
        let slash = if file.kind == FileKind::Folder { "/" } else { "" };
        let own = if file.writable { ", writable" } else { "" };
        format!("{}{slash} ({}{own})", file.name, Bytes(file.size))
    };
    let mut named = files.iter().take(SOME_FILES).map(one).collect::<Vec<_>>().join(", ");
    if files.len() > SOME_FILES {
        named += &format!(" and {} more", files.len() - SOME_FILES);
    }
    named
}

fn needs(job: &JobView) -> String {
    let cpus = count(job.cpus, "CPU");
    match &job.node {
        Some(node) => format!("{cpus} of {node}"),
        None => cpus,
    }
}
