//! `event`.

use clap::Args;
use protocol::api::{EventQuery, More, Request};
use protocol::event::Event;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::parse::{self, Since};
use super::text::{clean, local, reason, stamp};
use crate::client::{Client, ClientError};

/// What a person reads at once.
const SCREENFUL: u32 = 50;

/// Show what happened
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble event                 the newest
  bramble event -f              and whatever comes
  bramble event -f --after 4711 what came after that one
  bramble event --since 10m     of the last ten minutes
  bramble event -f --json | jq .what")]
pub struct EventArgs {
    /// Go on with whatever comes, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// From this time on: 10m or 2h (ago), 14:30, 2025-06-01, 2025-06-01T14:30
    #[arg(long, value_name = "TIME")]
    since: Option<Since>,
    /// From the event after this number on; each line begins with its own
    #[arg(long, value_name = "NUMBER", value_parser = parse::number::<u64>)]
    after: Option<u64>,
    /// At most this many of the past, the newest [default: 50, 1000 with --since, all with --after]
    #[arg(long, short = 'n', value_name = "N", value_parser = parse::at_least_one)]
    limit: Option<u32>,
}

pub async fn event(args: EventArgs, context: &Context) -> Result<Exit, Failure> {
    let limit = args.limit.unwrap_or(match (args.after, args.since) {
        // Who goes on where they were wants them all.
        (Some(_), _) => u32::MAX,
        (None, Some(_)) => 0,
        (None, None) => SCREENFUL,
    });
    let since = args.since.map(|since| since.0);
    let mut query = EventQuery { after: args.after, since, limit, follow: args.follow };
    let mut client = context.client().await?;
    loop {
        let error = match tell(&client, &mut query, context).await? {
            Ok(()) => return Ok(Exit::OK),
            Err(error) if !args.follow => return Err(error.into()),
            Err(error) => error,
        };
        client = context.comeback.after(error, &client, context).await?;
    }
}

/// Until the manager has told all, or breaks off; the query then is for what is left.
async fn tell(client: &Client, query: &mut EventQuery, context: &Context) -> Result<Result<(), ClientError>, Failure> {
    let mut flow = match client.stream(Request::Events(query.clone())).await {
        Ok(flow) => flow,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        let events = match flow.next().await {
            Ok(Some(More::Events(events))) => events,
            Ok(Some(_)) => continue,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        for event in &events {
            if context.json {
                context.print_json(event)?;
            } else {
                context.print(line(event, context))?;
            }
            *query = EventQuery { after: Some(event.no), since: None, limit: u32::MAX, follow: query.follow };
        }
    }
}

fn line(event: &Event, context: &Context) -> String {
    let at = if context.look.terminal { local(event.at) } else { stamp(event.at) };
    let sentence = reason(&event.what.sentence());
    let by = event.person.as_ref().map(|person| format!("by {person}"));
    // A stop without another reason says it itself.
    let by = by.filter(|by| !sentence.ends_with(by)).map(|by| format!(" ({by})")).unwrap_or_default();
    format!("{:>5}  {at}  {}{by}\n", event.no, clean(&sentence))
}
