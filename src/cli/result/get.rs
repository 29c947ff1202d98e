//! `result get`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use packing::MOST_ENTRIES;
use protocol::id::Target;
use protocol::job::TaskState;
use serde::Serialize;
use serde_json::Value;

use super::folder::{self, Place};
use super::meant::{Meant, meant};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::interrupt::Interrupts;
use crate::cli::many::{self, Outcome};
use crate::cli::parse;
use crate::cli::text::{clean, count};
use crate::client::{Client, ManagerAddress};
use crate::text;

/// So many tasks that have not ended are named.
const SOME: usize = 3;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble result get 17             a folder for each of its tasks: 17.0, 17.1, ...
  bramble result get 17.0-9 -o runs
  bramble result get 17.3#1         what an attempt before the latest left: 17.3#1

A folder has stdout and stderr, what became of the task (task.json), and what it left (out), if
anything. It is made beside its place and moved there when all of it has come and its hash is
right. One that is there already is left as it is; --force puts what is kept now in the place of
an older one, and of nothing else. Tasks that have not ended are left out, and named.

From then on the manager counts the result as collected.")]
pub struct GetArgs {
    /// Jobs (17), tasks (17.3), attempts (17.3#2) or ranges (17.0-99)
    #[arg(required = true, value_name = "ID", value_parser = parse::target)]
    targets: Vec<Target>,
    /// The folder to put them into; it is made where there is none
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// In place of what is there of an earlier time
    #[arg(long)]
    force: bool,
    /// The most that may be in one result
    #[arg(long, value_name = "N", default_value_t = MOST_ENTRIES)]
    most: u64,
}

/// What came home of one task.
#[derive(Debug, Serialize)]
pub struct Collected {
    path: PathBuf,
    attempt: u32,
    state: TaskState,
    code: Option<i32>,
    was_there: bool,
    /// What it left.
    result: Option<Value>,
    #[serde(skip)]
    said: String,
}

pub async fn get(args: GetArgs, context: &Context) -> Result<Exit, Failure> {
    let GetArgs { targets, output, force, most } = args;
    let place = Place { within: output, force, most };
    let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
    let address = context.address()?;
    let outcomes = tokio::select! {
        outcomes = collect(&address, &targets, &place, context) => outcomes?,
        // What came so far of one that is not whole goes with us.
        () = interrupts.next() => return Ok(Exit::INTERRUPTED),
    };
    many::tell(context, "task", &outcomes, |_, collected| sentence(collected))
}

/// A folder for each task that is meant and has ended. One that fails does not spoil the others.
pub async fn collect(
    address: &ManagerAddress,
    targets: &[Target],
    place: &Place,
    context: &Context,
) -> Result<Vec<Outcome<String, Collected>>, Failure> {
    let client = Client::connect(address).await?;
    let mut outcomes = vec![];
    let mut names = BTreeSet::new();
    // A manager that stays away is waited for once, and not for each task again.
    let mut gone: Option<Failure> = None;
    for &target in targets {
        let meant = match &gone {
            Some(failure) => Err(failure.clone()),
            None => meant(target, &client, context).await,
        };
        let meant = match meant {
            Ok(meant) => meant,
            Err(failure) => {
                gone = gone.or_else(|| Some(failure.clone()).filter(|failure| failure.kind == Kind::Unavailable));
                outcomes.push(Outcome { target: target.to_string(), result: Err(failure) });
                continue;
            }
        };
        let unfinished = not_ended(target, &meant);
        for one in meant.iter().filter(|one| names.insert(one.name())) {
            let result = match (&gone, &unfinished) {
                (_, Some(failure)) if !one.task.state.ended() => Err(failure.clone()),
                (Some(failure), _) => Err(failure.clone()),
                _ => bring(one, place, &client, context).await,
            };
            if let Err(failure) = &result
                && failure.kind == Kind::Unavailable
            {
                gone = Some(failure.clone());
            }
            outcomes.push(Outcome { target: one.name(), result });
        }
    }
    Ok(outcomes)
}

async fn bring(one: &Meant, place: &Place, client: &Client, context: &Context) -> Result<Collected, Failure> {
    let was_there = folder::bring(one, place, client, context).await?;
    let Meant { task, result, .. } = one;
    let path = place.within.join(one.name());
    let left = match result {
        _ if was_there => "was there already".to_owned(),
        // What there was once, the manager does not remember.
        None => "here, without out: it left nothing there, or what it left is kept no longer".to_owned(),
        Some(view) if view.left.left_out > 0 => {
            format!("here, {}; {} of out could not come", text::left(&view.left), view.left.left_out)
        }
        Some(view) => format!("here, {}", text::left(&view.left)),
    };
    Ok(Collected {
        said: format!("{}: {left}", path.display()),
        path,
        attempt: task.attempt,
        state: task.state,
        code: task.code,
        was_there,
        result: result.as_ref().map(folder::result_json),
    })
}

/// One sentence for all of them, which is then told once.
fn not_ended(target: Target, meant: &[Meant]) -> Option<Failure> {
    let names: Vec<String> = meant.iter().filter(|one| !one.task.state.ended()).map(Meant::name).collect();
    let told = match &names[..] {
        [] => return None,
        [one] => format!("{one} has not ended yet; wait for it with: bramble wait {one}"),
        some if some.len() <= SOME => {
            format!("{} have not ended yet; wait for them with: bramble wait {target}", some.join(", "))
        }
        many => format!(
            "{} and {} of {target} have not ended yet; wait for them with: bramble wait {target}",
            many[..SOME].join(", "),
            count((many.len() - SOME) as u64, "more task"),
        ),
    };
    Some(Failure::new(Kind::Refused, told))
}

fn sentence(collected: &Collected) -> String {
    clean(&collected.said).into_owned()
}
