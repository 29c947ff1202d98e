//! What can be said about a run, whatever it runs.

use std::time::Duration;

use clap::{Args, ValueEnum};
use protocol::id::JobId;
use protocol::run::{On, RunAs};

use super::nodes::{self, Nodes};
use crate::cli::parse;

#[derive(Debug, Clone, Default, Args)]
pub struct RunOptions {
    /// Where: nodes by their names (pi-1,pi-2 or 'pi-[1-3,7]'), all workers, or the manager
    #[arg(
        long,
        value_name = "NODE,…|all|manager",
        value_parser = nodes::nodes,
        required_unless_present = "retry_failed",
        conflicts_with = "retry_failed"
    )]
    on: Vec<Nodes>,
    /// As root, or as your own user for tasks [default: root for admins, me for others]
    #[arg(
        long = "as",
        value_enum,
        value_name = "root|me",
        hide_possible_values = true,
        conflicts_with = "retry_failed"
    )]
    run_as: Option<As>,
    /// Each answer has so long, from its own start on
    #[arg(long, value_name = "TIME", value_parser = parse::duration, conflicts_with = "retry_failed")]
    timeout: Option<Duration>,
    /// On at most so many nodes at the same time [default: all]
    #[arg(long, value_name = "N", value_parser = parse::at_least_one, conflicts_with = "retry_failed")]
    at_once: Option<u32>,
    /// Read all of stdin first, and send it to each
    #[arg(long, conflicts_with = "retry_failed")]
    pub stdin: bool,
    /// Show the answers when all are there, equal ones as one [default on a terminal]
    #[arg(long, conflicts_with = "live")]
    pub group: bool,
    /// Show lines as they come, each after the name of its node [default in a pipe]
    #[arg(long)]
    pub live: bool,
    /// Run this again where it went wrong, was stopped or lost [default: the newest of your runs]
    #[arg(long, value_name = "ID", value_parser = parse::job)]
    pub retry_failed: Option<Option<JobId>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum As {
    Root,
    Me,
}

impl RunOptions {
    /// Each choice once, in the order it was made in.
    pub fn on(&self) -> Vec<On> {
        let mut on: Vec<On> = vec![];
        let mut seen = std::collections::BTreeSet::new();
        on.extend(self.on.iter().flat_map(|nodes| &nodes.0).filter(|one| seen.insert(*one)).cloned());
        on
    }

    pub fn run_as(&self) -> Option<RunAs> {
        self.run_as.map(|run_as| match run_as {
            As::Root => RunAs::Root,
            As::Me => RunAs::Me,
        })
    }

    pub fn timeout_ms(&self) -> Option<u64> {
        self.timeout.map(|timeout| u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn at_once(&self) -> Option<u32> {
        self.at_once
    }

    pub fn layout(&self) -> Layout {
        match (self.group, self.live) {
            (true, _) => Layout::Grouped,
            (_, true) => Layout::Live,
            _ => Layout::Usual,
        }
    }
}

/// How the answers of several nodes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Grouped on a terminal, live in a pipe.
    Usual,
    Grouped,
    Live,
}

/// One node that is meant by its name: its program's exit code is ours.
pub fn is_alone(on: &[On]) -> bool {
    matches!(on, [On::Manager | On::Node(_)])
}
