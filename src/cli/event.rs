//! `event`.

use clap::Args;
use protocol::api::{EventQuery, More, Request};
use protocol::event::Event;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::parse::Since;
use super::text::{clean, local, stamp};

/// What a person reads at once.
const SCREENFUL: u32 = 50;

/// Show what happened
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble event                 the newest
  bramble event -f              and whatever comes
  bramble event --since 10m     of the last ten minutes
  bramble event -f --json | jq .what")]
pub struct EventArgs {
    /// Go on with whatever comes, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// From this time on: 10m or 2h (ago), 14:30, 2025-06-01, 2025-06-01T14:30
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// At most this many of the past, the newest [default: 50, or 1000 with --since]
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
}

pub async fn event(args: EventArgs, context: &Context) -> Result<Exit, Failure> {
    let limit = args.limit.unwrap_or(if args.since.is_some() { 0 } else { SCREENFUL });
    let since = args.since.map(|since| since.0);
    let query = EventQuery { after: None, since, limit, follow: args.follow };
    let mut flow = context.client().await?.stream(Request::Events(query)).await?;
    while let Some(piece) = flow.next().await? {
        let More::Events(events) = piece else { continue };
        for event in &events {
            if context.json {
                context.print_json(event)?;
            } else {
                context.print(line(event, context))?;
            }
        }
    }
    Ok(Exit::OK)
}

fn line(event: &Event, context: &Context) -> String {
    let at = if context.look.terminal { local(event.at) } else { stamp(event.at) };
    let sentence = event.what.sentence();
    let by = event.person.as_ref().map(|person| format!("by {person}"));
    // A stop without another reason says it itself.
    let by = by.filter(|by| !sentence.ends_with(by)).map(|by| format!(" ({by})")).unwrap_or_default();
    format!("{at}  {}{by}\n", clean(&sentence))
}
