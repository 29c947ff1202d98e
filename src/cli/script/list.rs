//! `script ls`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::script::{MayRunOn, ScriptView};

use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Cell, Grid};
use crate::cli::text::clean;

/// List the scripts there are: one's own, and those that come with the program
#[derive(Debug, Args)]
pub struct LsArgs {}

pub async fn ls(_: LsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let scripts = ask!(client, Request::Scripts, Reply::Scripts(scripts) => scripts)?;
    if context.json {
        context.print_json(&scripts)?;
        return Ok(Exit::OK);
    }
    if scripts.is_empty() {
        context.hint("no scripts; write one with: bramble script new NAME");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&scripts, context))?;
    Ok(Exit::OK)
}

fn grid(scripts: &[ScriptView], context: &Context) -> String {
    let mut grid = Grid::new(&["SCRIPT", "OWNER", "ON", "WHAT IT DOES"]).spare(&["OWNER", "ON"]);
    for script in scripts {
        let danger = if script.about.dangerous { " (dangerous)" } else { "" };
        grid.row(vec![
            script.name.as_str().into(),
            Cell::maybe(script.owner.as_ref()),
            on(script.about.on).into(),
            format!("{}{danger}", clean(&script.about.about)).into(),
        ]);
    }
    grid.render(context.look)
}

/// Where it may run.
pub fn on(place: MayRunOn) -> &'static str {
    match place {
        MayRunOn::Anywhere => "any",
        MayRunOn::Manager => "manager",
        MayRunOn::Workers => "workers",
    }
}
