//! `why`.

use clap::Args;
use protocol::api::{Reply, Request, TaskQuery, Why};
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::TaskState;

use super::context::{Context, ask};
use super::exit::{Exit, Failure, Kind};
use super::parse;
use super::table::{Cell, Grid};
use super::task;
use super::text::{clean, reason};
use crate::client::Client;

/// Say what a task is waiting for, or what became of it
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  bramble why 17\n  bramble why 17.3 --json")]
pub struct WhyArgs {
    /// A task (17.3), or a job (17) for its first task that waits
    #[arg(value_name = "ID", value_parser = parse::target)]
    target: Target,
}

pub async fn why(args: WhyArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let id = match args.target {
        Target::Task(task) => task,
        Target::Attempt(id) => return of_attempt(&client, id, context).await,
        Target::Range { job, first, .. } => TaskId { job, index: first },
        Target::Job(job) => most_telling(&client, job).await?,
    };
    tell(&client, id, context).await
}

async fn tell(client: &Client, id: TaskId, context: &Context) -> Result<Exit, Failure> {
    let why = ask!(client, Request::Why { id }, Reply::Why(why) => why)?;
    if context.json {
        context.print_json(&why)?;
    } else {
        context.print(told(&why, context))?;
    }
    Ok(Exit::OK)
}

/// The latest attempt's reasons are the task's. An older one only has an end.
async fn of_attempt(client: &Client, id: AttemptId, context: &Context) -> Result<Exit, Failure> {
    let task::Attempt { task, attempt, .. } = task::attempt(client, id).await?;
    if attempt.id.number == task.attempt {
        return tell(client, id.task, context).await;
    }
    let because = if attempt.reason.is_empty() { String::new() } else { format!(": {}", reason(&attempt.reason)) };
    let summary = format!("{}{because}; see its task with: bramble why {}", attempt.state, id.task);
    if context.json {
        context.print_json(&attempt)?;
    } else {
        context.print(format_args!("{} {}\n", context.look.bold(&id.to_string()), clean(&summary)))?;
    }
    Ok(Exit::OK)
}

/// The first task that waits; where none does, the first of all.
async fn most_telling(client: &Client, job: JobId) -> Result<TaskId, Failure> {
    for states in [vec![TaskState::Queued], vec![]] {
        let query = TaskQuery { targets: vec![Target::Job(job)], states, limit: 1, ..Default::default() };
        let tasks = ask!(client, Request::Tasks(query), Reply::Tasks { tasks, .. } => tasks)?;
        if let Some(task) = tasks.first() {
            return Ok(task.id);
        }
    }
    Err(Failure::new(Kind::NotFound, format_args!("job {job} has no tasks; see what there is with: bramble job")))
}

fn told(why: &Why, context: &Context) -> String {
    // The sentence names the state, and how many come before it where that matters.
    let mut text = format!("{} {}\n", context.look.bold(&why.id.to_string()), clean(&reason(&why.summary)));
    if !why.nodes.is_empty() {
        let mut grid = Grid::new(&["NODE", "REASON"]);
        for node in &why.nodes {
            grid.row(vec![node.node.as_str().into(), Cell::from(node.reason.as_str())]);
        }
        text += "\n";
        text += &grid.render(context.look);
    }
    text
}
