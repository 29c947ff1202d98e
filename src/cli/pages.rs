//! Long lists, fetched window by window.

use std::collections::BTreeSet;

use clap::Args;

use super::context::Context;
use super::exit::Failure;
use super::parse;

/// As many as one answer carries.
const WINDOW: u32 = 1000;
/// What a person reads at once.
const SCREENFUL: u32 = 50;

#[derive(Debug, Clone, Default, Args)]
pub struct Limit {
    /// At most this many, the newest [default: 50 on a terminal, all in a pipe]
    #[arg(long, short = 'n', value_name = "N", value_parser = parse::at_least_one)]
    limit: Option<u32>,
    /// All of them
    #[arg(long, short = 'a', conflicts_with = "limit")]
    all: bool,
}

impl Limit {
    pub fn of(&self, context: &Context) -> u32 {
        match self.limit {
            Some(limit) => limit,
            None if self.all || context.json || !context.look.terminal => u32::MAX,
            None => SCREENFUL,
        }
    }
}

/// Up to `limit` rows, newest first, and how many there are. A row that slips into the next window while we read
/// (a new job pushes the others down) is not told twice.
pub async fn fetch<T, K: Ord>(
    limit: u32,
    key: impl Fn(&T) -> K,
    mut window: impl AsyncFnMut(u32, u32) -> Result<(u32, Vec<T>), Failure>,
) -> Result<(u32, Vec<T>), Failure> {
    let mut rows: Vec<T> = vec![];
    let mut seen = BTreeSet::new();
    let mut skip = 0;
    loop {
        let wanted = (limit - rows.len() as u32).min(WINDOW);
        let (total, fresh) = window(skip, wanted).await?;
        let got = fresh.len() as u32;
        skip += got;
        rows.extend(fresh.into_iter().filter(|row| seen.insert(key(row))));
        if got == 0 || rows.len() as u32 >= limit || skip >= total {
            rows.truncate(limit as usize);
            return Ok((total, rows));
        }
    }
}

/// Says what a cut list left out.
pub fn hint_of_more(context: &Context, shown: usize, total: u32, what: &str) {
    let more = (total as usize).saturating_sub(shown);
    if more > 0 {
        context.hint(format_args!("… and {more} older {what}; see them with --all"));
    }
}
