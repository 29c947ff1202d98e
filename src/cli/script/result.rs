//! `script result`: what came of a run, of the whole or on one node.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::id::JobId;
use protocol::run::{AnswerView, RunView, Whence, WhichOutput};
use protocol::unit::Bytes;

use super::runs;
use crate::cli::context::{Context, ask};
use crate::cli::exec::{Follow, Groups, RunOptions, Told, grid, harmless, stand_by, tell_program};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::interrupt::Interrupts;
use crate::cli::parse;
use crate::cli::table::Sheet;
use crate::cli::text::{local, rounded, tally};
use crate::client::Client;

/// Show what came of a run: each answer, and what it printed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble script result 17               all answers, equal ones as one, failed ones first
  bramble script result 17 pi-3          what pi-3 printed, byte for byte; stdout to stdout, stderr to stderr
  bramble script result 17 --follow      stay until it has ended; with its exit code, and Ctrl-C stops it
  bramble script result 17 --text        the script that was run, byte for byte
  bramble script result 17 --json        the run with its answers; with --follow a line for each, with what it printed")]
pub struct ResultArgs {
    /// The number of a run
    #[arg(value_name = "ID", value_parser = parse::job)]
    run: JobId,
    /// Only what this node printed
    #[arg(value_name = "NODE")]
    node: Option<Whence>,
    /// Stay until every node has answered
    #[arg(long, short, conflicts_with_all = ["node", "text"])]
    follow: bool,
    /// The text of the script that was run
    #[arg(long, conflicts_with = "node")]
    text: bool,
}

pub async fn result(args: ResultArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    if args.text {
        return text(&client, args.run, context).await;
    }
    let mut run = ask!(client, Request::RunShow { run: args.run }, Reply::Run(run) => run)?;
    if let Some(node) = args.node {
        return of_one(&client, &run, &node, context).await;
    }
    if args.follow {
        let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
        return stand_by(&client, &mut run, &RunOptions::default(), &mut interrupts, context).await;
    }
    if context.json {
        context.print_json(&run)?;
        return Ok(Exit::OK);
    }
    context.print(sheet(&run, context))?;
    context.print(format_args!("\n{}", grid(&run.answers, context.look)))?;
    groups(&client, &run, context).await?;
    if run.ended_at.is_none() {
        context.hint(format_args!("it has not ended; stay with it: bramble script result {} --follow", run.id));
    }
    Ok(Exit::OK)
}

fn sheet(run: &RunView, context: &Context) -> String {
    let mut sheet = Sheet::default();
    let word = if run.text.is_some() { "script" } else { "command" };
    sheet.line("run", run.id.to_string());
    sheet.line(word, runs::what(run));
    sheet.line("state", format!("{}, {}", run.state, tally(&run.counts)));
    sheet.line("owner", run.owner.as_str());
    sheet.line("on", runs::on(run));
    sheet.line("as", run.run_as.word());
    sheet.line("asked", local(run.asked_at));
    sheet.line("ended", run.ended_at.map(local).unwrap_or_default());
    sheet.line("time limit", run.timeout_ms.map(rounded).unwrap_or_default());
    sheet.line("at once", run.at_once.map(|n| n.to_string()).unwrap_or_default());
    sheet.line("stdin", if run.stdin == 0 { String::new() } else { Bytes(run.stdin).to_string() });
    sheet.line(
        "text",
        run.text.as_ref().map(|text| format!("{} {}", text.language.word(), text.hash)).unwrap_or_default(),
    );
    sheet.line("repeats", run.again.map(|again| format!("run {again}")).unwrap_or_default());
    sheet.render(context.look)
}

/// What those have printed that have ended.
async fn groups(client: &Client, run: &RunView, context: &Context) -> Result<(), Failure> {
    let mut open: std::collections::BTreeSet<u32> =
        run.answers.iter().filter(|answer| answer.state.ended()).map(|answer| answer.index).collect();
    let mut follow = Follow::new(client, run, WhichOutput::Ended, context);
    let mut groups = Groups::default();
    while !open.is_empty() {
        match follow.next().await? {
            Told::Output { chunk, missing } => groups.output(&chunk, missing),
            Told::Answers(answers) => {
                for answer in answers.iter().filter(|answer| open.remove(&answer.index)) {
                    groups.ended(answer);
                }
            }
            Told::Away | Told::Back => {}
            Told::End => break,
        }
    }
    if groups.is_empty() {
        return Ok(());
    }
    context.print("\n")?;
    groups.tell(client, run, context).await
}

async fn of_one(client: &Client, run: &RunView, node: &Whence, context: &Context) -> Result<Exit, Failure> {
    let answer: Option<&AnswerView> = run.answers.iter().find(|answer| answer.node == *node);
    let Some(answer) = answer else {
        let on = runs::on(run);
        return Err(Failure::new(Kind::NotFound, format_args!("run {} was not on {node}; it was on {on}", run.id)));
    };
    if !answer.state.ended() {
        return Err(Failure::new(
            Kind::Refused,
            format_args!("{node} has not answered yet; stay with it: bramble script result {} --follow", run.id),
        ));
    }
    if context.json {
        context.print_json(answer)?;
        return Ok(Exit::OK);
    }
    tell_program(client, run, answer.index, context).await?;
    Ok(Exit::OK)
}

async fn text(client: &Client, run: JobId, context: &Context) -> Result<Exit, Failure> {
    let text = ask!(client, Request::RunText { run }, Reply::Text { text } => text)?;
    if context.json {
        context.print_json(&serde_json::json!({ "text": text }))?;
    } else if context.look.terminal {
        context.print(String::from_utf8_lossy(&harmless(text.as_bytes())))?;
    } else {
        context.print(&text)?;
    }
    Ok(Exit::OK)
}
