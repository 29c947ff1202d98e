//! `--collect`: the results of a job that has ended, however it ended.

use std::path::PathBuf;

use packing::MOST_ENTRIES;
use protocol::id::{JobId, Target};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::interrupt::Interrupts;
use crate::cli::many;
use crate::cli::result::{self, Place};
use crate::cli::text::{count, shell_line};
use crate::client::ManagerAddress;

/// How much of it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    All,
    NotAll,
    Left,
}

impl Home {
    /// The exit code of the job stays ours, unless all was well with it and nothing else would tell that something is missing.
    pub fn after(self, exit: Exit, faulty: Exit) -> Exit {
        match self {
            Home::All => exit,
            Home::NotAll if exit == Exit::OK => faulty,
            Home::NotAll => exit,
            Home::Left => Exit::INTERRUPTED,
        }
    }
}

/// Says on stderr what came of it, since stdout is the program's.
pub async fn bring(
    address: &ManagerAddress,
    job: JobId,
    within: PathBuf,
    interrupts: &mut Interrupts,
    context: &Context,
) -> Result<Home, Failure> {
    let place = Place { within, force: false, most: MOST_ENTRIES };
    let again = shell_line(&[place.within.display().to_string()]);
    let targets = [Target::Job(job)];
    let outcomes = tokio::select! {
        outcomes = result::collect(address, &targets, &place, context) => outcomes,
        () = interrupts.next() => {
            context.note(format_args!("not all has come; get the rest with: bramble result get {job} -o {again}"));
            return Ok(Home::Left);
        }
    };
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(failure) => {
            context.report(&failure);
            context.note(format_args!("nothing has come; get it with: bramble result get {job} -o {again}"));
            return Ok(Home::NotAll);
        }
    };
    if context.json {
        context.print_json(&json!({ "collected": many::elements("task", &outcomes) }))?;
    }
    let came = outcomes.iter().filter(|outcome| outcome.result.is_ok()).count();
    context.hint(format_args!("{} in {}", count(came as u64, "folder"), place.within.display()));
    let mut told: Option<&Failure> = None;
    for failure in outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
        if told.replace(failure) != Some(failure) {
            context.report(failure);
        }
    }
    Ok(if told.is_none() { Home::All } else { Home::NotAll })
}
