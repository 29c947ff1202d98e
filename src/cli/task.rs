//! `task`.

use std::str::FromStr;

use clap::Args;
use protocol::api::{AttemptView, Reply, Request, TaskQuery, TaskView};
use protocol::id::{AttemptId, Target, TaskId};
use protocol::job::TaskState;
use protocol::name::NodeName;
use protocol::result::ResultView;
use serde_json::json;

use super::context::{Context, ask};
use super::exit::{Exit, Failure, Kind};
use super::look::task_color;
use super::pages::{self, Limit};
use super::parse;
use super::table::{Cell, Grid, Sheet};
use super::text::{age, command, local, now, reason, took};
use crate::client::Client;
use crate::text;

/// Show tasks, or one task with its attempts
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble task                          the newest jobs' tasks
  bramble task 17                       those of job 17
  bramble task 17.3                     everything about one
  bramble task 17.3#1                   what became of its first attempt
  bramble task --state failed,lost --node pi-3
  bramble task 17.0-99 --json | jq '.[].code'")]
pub struct TaskArgs {
    /// ls, jobs (17), tasks (17.3), an attempt (17.3#2) or ranges (17.0-99)
    #[arg(value_name = "ls|ID")]
    which: Vec<Which>,
    /// Only those in these states: queued, starting, running, succeeded, failed, stopped, lost
    #[arg(long, value_name = "STATE", value_delimiter = ',', value_parser = parse::state)]
    state: Vec<TaskState>,
    /// Only those that ran or run on this node
    #[arg(long, value_name = "NODE")]
    node: Option<NodeName>,
    #[command(flatten)]
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    These(Target),
}

impl FromStr for Which {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if matches!(text, "ls" | "list") { Ok(Which::All) } else { parse::target(text).map(Which::These) }
    }
}

pub async fn task(args: TaskArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let targets: Vec<Target> = args
        .which
        .iter()
        .filter_map(|which| if let Which::These(target) = which { Some(*target) } else { None })
        .collect();
    match targets[..] {
        [Target::Task(id)] => return one(&client, id, context).await,
        [Target::Attempt(id)] => return one_attempt(&client, id, context).await,
        _ => {}
    }
    let query = TaskQuery { targets, states: args.state, node: args.node, ..Default::default() };
    list(&client, query, args.limit.of(context), context).await
}

async fn list(client: &Client, query: TaskQuery, limit: u32, context: &Context) -> Result<Exit, Failure> {
    let (total, tasks) = pages::fetch(
        limit,
        |task: &TaskView| task.id,
        async |skip, limit| {
            let query = TaskQuery { skip, limit, ..query.clone() };
            ask!(client, Request::Tasks(query), Reply::Tasks { total, tasks } => (total, tasks))
        },
    )
    .await?;
    if context.json {
        context.print_json(&tasks)?;
        return Ok(Exit::OK);
    }
    if tasks.is_empty() {
        context.hint("no such tasks");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&tasks, context))?;
    pages::hint_of_more(context, tasks.len(), total, "tasks");
    Ok(Exit::OK)
}

pub fn grid(tasks: &[TaskView], context: &Context) -> String {
    let now = now();
    let mut grid = Grid::new(&["TASK", "STATE", "NODE", "CODE", "RAN", "AGE", "OWNER", "NAME", "COMMAND"])
        .spare(&["OWNER", "AGE", "NAME", "RAN", "CODE"]);
    for task in tasks {
        let state = context.look.task(task.state);
        let state = if task.stopping && !task.state.ended() { format!("{state}, stopping") } else { state };
        grid.row(vec![
            task.id.to_string().into(),
            Cell::colored(state, task_color(task.state)),
            Cell::maybe(task.node.as_ref()),
            Cell::maybe(task.code),
            Cell::maybe(ran(task).map(took)),
            age(now, task.submitted_at).into(),
            task.owner.as_str().into(),
            Cell::maybe(task.name.as_ref()),
            command(&task.command).into(),
        ]);
    }
    grid.render(context.look)
}

/// How long it ran, or has been running.
fn ran(task: &TaskView) -> Option<u64> {
    let so_far = || task.started_at.filter(|_| !task.state.ended()).map(|started| now().since(started));
    task.ran_ms.or_else(so_far)
}

async fn one(client: &Client, id: TaskId, context: &Context) -> Result<Exit, Failure> {
    let (task, attempts, results) =
        ask!(client, Request::Task { id }, Reply::Task { task, attempts, results } => (task, attempts, results))?;
    if context.json {
        context.print_json(&json!({ "task": task, "attempts": attempts, "results": results }))?;
        return Ok(Exit::OK);
    }
    let latest = results.iter().find(|result| result.attempt.number == task.attempt);
    context.print(sheet(&task, latest, context))?;
    if attempts.len() > 1 {
        context.print("\n")?;
        context.print(history(&attempts, context))?;
    }
    Ok(Exit::OK)
}

async fn one_attempt(client: &Client, id: AttemptId, context: &Context) -> Result<Exit, Failure> {
    let Attempt { task, attempt, result } = attempt(client, id).await?;
    if context.json {
        let results: Vec<&ResultView> = result.iter().collect();
        context.print_json(&json!({ "task": task, "attempts": [attempt], "results": results }))?;
    } else {
        context.print(attempt_sheet(&task, &attempt, result.as_ref(), context))?;
    }
    Ok(Exit::OK)
}

/// One attempt, its task, and what is kept of what it left.
pub struct Attempt {
    pub task: TaskView,
    pub attempt: AttemptView,
    pub result: Option<ResultView>,
}

/// Not found where it was never made.
pub async fn attempt(client: &Client, id: AttemptId) -> Result<Attempt, Failure> {
    let request = Request::Task { id: id.task };
    let (task, attempts, results) =
        ask!(client, request, Reply::Task { task, attempts, results } => (task, attempts, results))?;
    let tries = attempts.last().map_or(0, |latest| latest.id.number);
    match attempts.into_iter().find(|attempt| attempt.id == id) {
        Some(attempt) => Ok(Attempt { task, attempt, result: results.into_iter().find(|result| result.attempt == id) }),
        None if tries == 0 => {
            Err(Failure::new(Kind::NotFound, format_args!("there is no {id}: {} was never tried", id.task)))
        }
        None => {
            let latest = id.task.attempt(tries);
            Err(Failure::new(Kind::NotFound, format_args!("there is no {id}; the latest attempt is {latest}")))
        }
    }
}

fn attempt_sheet(task: &TaskView, attempt: &AttemptView, result: Option<&ResultView>, context: &Context) -> String {
    let now = now();
    let at = |time| format!("{} ({} ago)", local(time), age(now, time));
    let mut sheet = Sheet::default();
    sheet.line("attempt", attempt.id.to_string());
    sheet.line("name", Cell::maybe(task.name.as_ref()));
    sheet.line("command", command(&task.command));
    sheet.line("state", Cell::colored(context.look.task(attempt.state), task_color(attempt.state)));
    sheet.line("because", reason(&attempt.reason));
    sheet.line("exit code", Cell::maybe(attempt.code));
    sheet.line("node", Cell::maybe(attempt.node.as_ref()));
    sheet.line("owner", task.owner.as_str());
    sheet.line("started", Cell::maybe(attempt.started_at.map(at)));
    sheet.line("ended", Cell::maybe(attempt.ended_at.map(at)));
    sheet.line("ran", Cell::maybe(attempt.ran_ms.map(took)));
    sheet.line("result", Cell::maybe(result.map(|view| result_line(view, &attempt.id.to_string()))));
    sheet.line("late result", Cell::maybe(attempt.late.as_ref().map(|late| late.state())));
    sheet.render(context.look)
}

fn sheet(task: &TaskView, result: Option<&ResultView>, context: &Context) -> String {
    let now = now();
    let at = |time| format!("{} ({} ago)", local(time), age(now, time));
    let mut sheet = Sheet::default();
    sheet.line("task", task.id.to_string());
    sheet.line("name", Cell::maybe(task.name.as_ref()));
    sheet.line("command", command(&task.command));
    sheet.line("state", Cell::colored(context.look.task(task.state), task_color(task.state)));
    sheet.line("because", reason(&task.reason));
    sheet.line("stopping", if task.stopping && !task.state.ended() { "asked for, not come true yet" } else { "" });
    sheet.line("exit code", Cell::maybe(task.code));
    sheet.line("node", Cell::maybe(task.node.as_ref()));
    sheet.line("attempt", if task.attempt > 0 { task.attempt.to_string() } else { String::new() });
    sheet.line("owner", task.owner.as_str());
    sheet.line("submitted", at(task.submitted_at));
    sheet.line("started", Cell::maybe(task.started_at.map(at)));
    sheet.line("ended", Cell::maybe(task.ended_at.map(at)));
    sheet.line("ran", Cell::maybe(ran(task).map(took)));
    sheet.line("result", Cell::maybe(result.map(|view| result_line(view, &task.id.to_string()))));
    sheet.render(context.look)
}

fn history(attempts: &[AttemptView], context: &Context) -> String {
    let mut grid = Grid::new(&["ATTEMPT", "STATE", "NODE", "CODE", "RAN", "LATE", "REASON"]).spare(&["RAN", "CODE"]);
    for attempt in attempts {
        grid.row(vec![
            attempt.id.to_string().into(),
            Cell::colored(context.look.task(attempt.state), task_color(attempt.state)),
            Cell::maybe(attempt.node.as_ref()),
            Cell::maybe(attempt.code),
            Cell::maybe(attempt.ran_ms.map(took)),
            Cell::maybe(attempt.late.as_ref().map(|late| late.state())),
            reason(&attempt.reason).into(),
        ]);
    }
    grid.render(context.look)
}

fn result_line(view: &ResultView, named: &str) -> String {
    format!("{}; get it with: bramble result get {named}", text::kept(view))
}
