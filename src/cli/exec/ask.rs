//! A run from what was typed to the exit code.

use protocol::api::{Hello, Reply, Request, Right};
use protocol::bytes::Blob;
use protocol::job::{Outcome, TaskState};
use protocol::run::{RunAs, RunSpec, RunView, RunWhat};

use super::fate::{exit, say_not_reached, sentence, summary};
use super::input;
use super::options::{RunOptions, is_alone};
use super::show::Show;
use super::watch::{End, attend};
use crate::cli::comeback;
use crate::cli::context::{Context, ask, unfit};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::interrupt::Interrupts;
use crate::client::{Client, ClientError};

/// Asks for it, or where `what` is not given for what failed of another once more, and stands by until it has ended.
pub async fn carry_out(what: Option<RunWhat>, options: RunOptions, context: &Context) -> Result<Exit, Failure> {
    let alone = is_alone(&options.on());
    let outcome = ask_and_attend(what, &options, context).await;
    if alone { outcome.map_err(Failure::beside_a_program) } else { outcome }
}

async fn ask_and_attend(what: Option<RunWhat>, options: &RunOptions, context: &Context) -> Result<Exit, Failure> {
    let stdin = if options.stdin { input::of_stdin()? } else { Blob::default() };
    let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
    let client = context.client().await?;
    let request = match what {
        None => Request::RunAgain { run: options.retry_failed.flatten() },
        Some(what) => Request::Run(RunSpec {
            what,
            on: options.on(),
            run_as: match options.run_as() {
                Some(run_as) => run_as,
                None => usual(&client).await?,
            },
            stdin,
            timeout_ms: options.timeout_ms(),
            at_once: options.at_once(),
        }),
    };
    let reply = tokio::select! {
        reply = client.call(request) => reply.map_err(not_taken)?,
        () = interrupts.next() => {
            context.note("left before the manager answered; see whether it took the run with: bramble script runs");
            return Ok(Exit::INTERRUPTED);
        }
    };
    let Reply::Run(mut run) = reply else { return Err(unfit(&reply)) };
    stand_by(&client, &mut run, options, &mut interrupts, context).await
}

/// Shows the run until its end, and tells what came of it.
pub async fn stand_by(
    client: &Client,
    run: &mut RunView,
    options: &RunOptions,
    interrupts: &mut Interrupts,
    context: &Context,
) -> Result<Exit, Failure> {
    let alone = is_alone(&run.on) && run.answers.len() == 1;
    if !context.json && !alone {
        say_not_reached(run, context);
    }
    let show = Show::new(run, options.layout(), client, context);
    let stopped = match attend(client, run, show, interrupts, context).await? {
        End::Came { stopped } => stopped,
        End::Left(exit) => return Ok(exit),
    };
    if context.json {
        let request = Request::RunShow { run: run.id };
        match comeback::call(client, request, context).await? {
            // Each of its answers has had a line of its own.
            Reply::Run(run) => {
                context.print_json(&serde_json::json!({ "run": RunView { answers: vec![], ..*run } }))?
            }
            other => return Err(unfit(&other)),
        }
    } else {
        say_end(run, alone, context);
    }
    Ok(if stopped { Exit::INTERRUPTED } else { exit(&run.answers, alone) })
}

/// What an exit code and the output do not tell.
fn say_end(run: &RunView, alone: bool, context: &Context) {
    let id = run.id;
    if let (true, [answer]) = (alone, &run.answers[..]) {
        if !matches!(answer.outcome, Some(Outcome::Exited(_))) {
            context.note(sentence(answer));
        }
    } else if run.answers.iter().all(|answer| answer.state == TaskState::Succeeded) {
        context.hint(format_args!("run {id}: {}", summary(&run.answers)));
    } else {
        context.note(format_args!(
            "run {id}: {}; again where it did not go well: bramble exec --retry-failed {id}",
            summary(&run.answers)
        ));
    }
}

/// Whom it is run as where nothing was said.
async fn usual(client: &Client) -> Result<RunAs, Failure> {
    let hello = Request::Hello { protocol: protocol::PROTOCOL };
    let Hello { role, .. } = ask!(client, hello, Reply::Hello(hello) => hello)?;
    Ok(if role == Right::Admin { RunAs::Root } else { RunAs::Me })
}

fn not_taken(error: ClientError) -> Failure {
    let lost = matches!(error, ClientError::Lost { .. });
    let failure = Failure::from(error);
    if !lost {
        return failure;
    }
    let message = "the manager went away before it had answered; see whether it took the run with: bramble script runs";
    Failure { message: message.to_owned(), ..failure }
}
