//! `script runs`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::name::PersonName;
use protocol::run::{RunQuery, RunView, RunWhat};

use crate::cli::context::{Context, ask};
use crate::cli::exec::fold;
use crate::cli::exit::{Exit, Failure};
use crate::cli::look::task_color;
use crate::cli::pages::{self, Limit};
use crate::cli::table::{Cell, Grid};
use crate::cli::text::{age, command, now};

/// List what was run on nodes, the newest first: commands of exec and scripts
#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:
  bramble script runs
  bramble script runs --active
  bramble script runs --json | jq -r '.[] | select(.state == \"failed\") | .id'")]
pub struct RunsArgs {
    /// Only those that have not ended
    #[arg(long)]
    active: bool,
    /// Only this person's
    #[arg(long, value_name = "PERSON")]
    owner: Option<PersonName>,
    #[command(flatten)]
    limit: Limit,
}

pub async fn runs(args: RunsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let query = RunQuery { owner: args.owner, active: args.active, ..RunQuery::default() };
    let (total, runs) = pages::fetch(
        args.limit.of(context),
        |run: &RunView| run.id,
        async |skip, limit| {
            let query = RunQuery { skip, limit, ..query.clone() };
            ask!(client, Request::Runs(query), Reply::Runs { total, runs } => (total, runs))
        },
    )
    .await?;
    if context.json {
        context.print_json(&runs)?;
        return Ok(Exit::OK);
    }
    if runs.is_empty() {
        context.hint("no runs; try: bramble exec --on all -- uptime");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&runs, context))?;
    pages::hint_of_more(context, runs.len(), total, "runs");
    Ok(Exit::OK)
}

fn grid(runs: &[RunView], context: &Context) -> String {
    let now = now();
    let mut grid =
        Grid::new(&["RUN", "STATE", "ANSWERS", "OWNER", "AS", "AGE", "ON", "WHAT"]).spare(&["AS", "OWNER", "AGE"]);
    for run in runs {
        grid.row(vec![
            Cell::number(run.id),
            Cell::colored(context.look.task(run.state), task_color(run.state)),
            answers(run).into(),
            run.owner.as_str().into(),
            run.run_as.word().into(),
            Cell::number(age(now, run.asked_at)),
            on(run).into(),
            what(run).into(),
        ]);
    }
    grid.render(context.look)
}

/// `3/3`, `5/7, 2 not well`: how many have answered, of how many.
fn answers(run: &RunView) -> String {
    let counts = run.counts;
    let done = format!("{}/{}", counts.ended(), counts.total());
    match counts.ended().saturating_sub(counts.succeeded) {
        0 => done,
        n => format!("{done}, {n} not well"),
    }
}

pub fn on(run: &RunView) -> String {
    let on: Vec<String> = run.on.iter().map(ToString::to_string).collect();
    fold(on.iter().map(String::as_str))
}

/// As it could be typed.
pub fn what(run: &RunView) -> String {
    match &run.what {
        RunWhat::Command(words) => command(words),
        RunWhat::Script { script, params } => {
            let params = params.iter().map(|(key, value)| format!("{key}={value}"));
            command(&std::iter::once(script.to_string()).chain(params).collect::<Vec<_>>())
        }
    }
}
