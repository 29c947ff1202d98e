//! `result ls`.

use std::collections::BTreeSet;

use clap::Args;
use protocol::id::{JobId, Target};
use protocol::name::PersonName;
use protocol::result::{ResultList, ResultQuery, ResultView};
use protocol::unit::Bytes;

use super::{list_of, results};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::pages::{self, Limit};
use crate::cli::parse;
use crate::cli::table::{Cell, Grid};
use crate::cli::text::{age, now};
use crate::text::{self, FEW_HOURS};

/// What is removed within so many hours is said below the list.
/// So many jobs are named there.
const SOME: usize = 5;

#[derive(Debug, Default, Args)]
#[command(after_help = "Examples:
  bramble result ls              the newest jobs' results
  bramble result ls 17 18.0-9    of these
  bramble result ls --waiting    what nobody has got yet")]
pub struct LsArgs {
    /// Jobs (17), tasks (17.3), attempts (17.3#2) or ranges (17.0-99) [default: all]
    #[arg(value_name = "ID", value_parser = parse::target)]
    targets: Vec<Target>,
    /// Only what nobody has got yet
    #[arg(long)]
    waiting: bool,
    /// Only of this person's jobs
    #[arg(long, value_name = "PERSON")]
    owner: Option<PersonName>,
    #[command(flatten)]
    limit: Limit,
}

pub async fn ls(args: LsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let LsArgs { targets, waiting, owner, limit } = args;
    let mut size = 0;
    let (total, found) = pages::fetch(
        limit.of(context),
        |view: &ResultView| view.attempt,
        async |skip, limit| {
            let query = ResultQuery { targets: targets.clone(), owner: owner.clone(), waiting, skip, limit };
            let list = list_of(&client, query, context).await?;
            size = list.size;
            Ok((list.total, list.results))
        },
    )
    .await?;
    if context.json {
        context.print_json(&ResultList { total, results: found, size })?;
        return Ok(Exit::OK);
    }
    if found.is_empty() {
        context.hint("no results; a task leaves one in the folder out, which it finds in its own");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&found, context))?;
    pages::hint_of_more(context, found.len(), total, "results");
    if !found.is_empty() {
        context.hint(results(total, size));
    }
    if let Some(soon) = soon_gone(&found) {
        context.hint(soon);
    }
    Ok(Exit::OK)
}

fn grid(found: &[ResultView], context: &Context) -> String {
    let now = now();
    let owners: BTreeSet<&PersonName> = found.iter().map(|view| &view.owner).collect();
    // One's own name says nothing; who reads by columns has it all the same.
    let shown = !context.look.terminal || owners.len() > 1;
    let mut grid = Grid::new(&["ATTEMPT", "NAME", "OWNER", "SIZE", "FILES", "KEPT", "LEFT"])
        .spare(&["OWNER", "KEPT", "NAME", "FILES"]);
    for view in found {
        grid.row(vec![
            view.attempt.to_string().into(),
            Cell::maybe(view.name.as_ref()),
            Cell::maybe(shown.then_some(&view.owner)),
            Cell::number(Bytes(view.left.size).to_string().replace(' ', "")),
            Cell::number(view.left.entries),
            Cell::number(age(now, view.kept_at)),
            left(view).into(),
        ]);
    }
    grid.render(context.look)
}

/// For how long it is there yet.
pub fn left(view: &ResultView) -> String {
    match (view.collected_at, view.hours_left) {
        (Some(_), _) => "collected".into(),
        (None, None) => "its job goes on".into(),
        (None, Some(hours)) if hours >= FEW_HOURS => text::hours(hours),
        (None, Some(hours)) => format!("{}, then removed", text::hours(hours)),
    }
}

fn soon_gone(found: &[ResultView]) -> Option<String> {
    let going: Vec<&ResultView> = found
        .iter()
        .filter(|view| view.collected_at.is_none() && view.hours_left.is_some_and(|hours| hours < FEW_HOURS))
        .collect();
    let hours = going.iter().filter_map(|view| view.hours_left).min()?;
    let jobs: BTreeSet<JobId> = going.iter().map(|view| view.attempt.task.job).collect();
    let named: Vec<String> = jobs.iter().take(SOME).map(ToString::to_string).collect();
    let size = going.iter().map(|view| view.left.size).sum();
    let (many, are) = (results(going.len() as u32, size), if going.len() == 1 { "is" } else { "are" });
    Some(format!(
        "{many}, {are} removed soon, the first in {hours} h; bring home what you want: bramble result get {}",
        named.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use protocol::file::ContentHash;
    use protocol::id::TaskId;
    use protocol::result::Left;
    use protocol::time::UnixMillis;

    use super::*;

    fn view(task: TaskId, hours_left: Option<u64>) -> ResultView {
        ResultView {
            attempt: task.attempt(1),
            name: None,
            owner: "ana".parse().unwrap(),
            left: Left { size: 1024, entries: 1, left_out: 0 },
            hash: ContentHash([7; 32]),
            kept_at: UnixMillis(0),
            collected_at: None,
            hours_left,
        }
    }

    #[test]
    fn how_long_it_is_there_is_told_in_days_until_it_becomes_urgent() {
        let told = |hours| left(&view(TaskId::new(1, 0), hours));
        assert_eq!(told(Some(719)), "29 d");
        assert_eq!(told(Some(48)), "2 d");
        assert_eq!(told(Some(26)), "26 h, then removed");
        assert_eq!(told(None), "its job goes on");
        let home = ResultView { collected_at: Some(UnixMillis(1)), ..view(TaskId::new(1, 0), Some(3)) };
        assert_eq!(left(&home), "collected");
    }

    #[test]
    fn what_goes_soon_is_said_with_the_way_to_keep_it() {
        let views =
            [view(TaskId::new(17, 0), Some(26)), view(TaskId::new(18, 3), Some(5)), view(TaskId::new(19, 0), Some(99))];
        let said = soon_gone(&views).unwrap();
        assert_eq!(
            said,
            "2 results, 2.0 KiB, are removed soon, the first in 5 h; bring home what you want: bramble result get 17 18"
        );
        assert_eq!(soon_gone(&views[2..]), None);
    }
}
