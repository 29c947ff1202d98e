//! Standing by a run until every node has answered, or until the person leaves.

use protocol::api::{Reply, Request};
use protocol::id::Target;
use protocol::run::{AnswerView, RunView};

use super::follow::{Follow, Told};
use super::show::Show;
use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::interrupt::Interrupts;
use crate::client::{Client, ClientError};

pub enum End {
    /// All have answered; `stopped`: because the person wished so.
    Came {
        stopped: bool,
    },
    Left(Exit),
}

/// What came of Ctrl-C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// The manager was away when it was wished.
    Wished,
    Asked,
}

/// Shows what comes of the run, whose answers are brought up to date.
pub async fn attend(
    client: &Client,
    run: &mut RunView,
    mut show: Show<'_>,
    interrupts: &mut Interrupts,
    context: &Context,
) -> Result<End, Failure> {
    let mut follow = Follow::new(client, run, show.output_wanted(), context);
    let mut stop = Stop::No;
    show.begin(run)?;
    loop {
        let told = tokio::select! {
            biased;
            () = interrupts.next() => {
                show.make_way();
                if stop != Stop::No {
                    return Ok(End::Left(leave(run, context)));
                }
                context.note(format_args!("stopping run {} everywhere; Ctrl-C again leaves at once", run.id));
                stop = stop_all(client, run, context).await;
                continue;
            }
            told = follow.next() => told,
        };
        let shown = match told {
            Ok(Told::Output { chunk, missing }) => show.output(chunk, missing, &run.answers),
            Ok(Told::Answers(news)) => {
                take(run, &news);
                show.answers(&news, run).await
            }
            Ok(Told::Away) => {
                show.make_way();
                Ok(())
            }
            Ok(Told::Back) => {
                if stop == Stop::Wished {
                    stop = stop_all(client, run, context).await;
                }
                Ok(())
            }
            Ok(Told::End) => {
                let stopped = stop != Stop::No;
                return match show.end(run).await {
                    Ok(()) => Ok(End::Came { stopped }),
                    Err(failure) => unwritable(failure, run, context),
                };
            }
            Err(error) => {
                show.make_way();
                return Err(cut_off(error, client, run));
            }
        };
        if let Err(failure) = shown {
            show.make_way();
            return unwritable(failure, run, context);
        }
    }
}

fn take(run: &mut RunView, news: &[AnswerView]) {
    for answer in news {
        if let Some(known) = run.answers.iter_mut().find(|known| known.index == answer.index) {
            *known = answer.clone();
        }
    }
}

async fn stop_all(client: &Client, run: &RunView, context: &Context) -> Stop {
    let request = Request::Stop { targets: vec![Target::Job(run.id)], reason: None };
    // By a connection of its own: the manager may have come back since the first.
    let client = match Client::connect(client.address()).await {
        Ok(client) => client,
        Err(_) => return Stop::Wished,
    };
    match ask!(client, request, Reply::Done { .. } => ()) {
        Ok(()) => Stop::Asked,
        // All have answered meanwhile.
        Err(Failure { kind: Kind::Refused, .. }) if has_ended(&client, run).await => Stop::Asked,
        Err(failure) => {
            context.report(&failure);
            Stop::Wished
        }
    }
}

async fn has_ended(client: &Client, run: &RunView) -> bool {
    let shown = client.call(Request::RunShow { run: run.id }).await;
    matches!(shown, Ok(Reply::Run(run)) if run.ended_at.is_some())
}

fn leave(run: &RunView, context: &Context) -> Exit {
    let id = run.id;
    context.note(format_args!("run {id} is being stopped; see what came of it with: bramble script result {id}"));
    Exit::INTERRUPTED
}

/// Nobody reads the output any more, or the disk it goes to is full.
fn unwritable(failure: Failure, run: &RunView, context: &Context) -> Result<End, Failure> {
    let open = run.answers.iter().any(|answer| !answer.state.ended());
    if failure.unread {
        if open {
            context.note(format_args!("nobody reads its output any more; {}", goes_on(run)));
        }
        return Ok(End::Left(Exit::UNREAD));
    }
    let message = if open { format!("{}; {}", failure.message, goes_on(run)) } else { failure.message };
    Err(Failure { message, ..failure })
}

fn cut_off(error: ClientError, client: &Client, run: &RunView) -> Failure {
    let lost = matches!(error, ClientError::Lost { .. } | ClientError::NotRunning { .. });
    let failure = Failure::from(error);
    if !lost {
        return failure;
    }
    Failure { message: format!("the manager at {} went away; {}", client.address(), goes_on(run)), ..failure }
}

fn goes_on(run: &RunView) -> String {
    let id = run.id;
    format!(
        "run {id} goes on, get back to it with: bramble script result {id} --follow, or stop it with: bramble stop {id}"
    )
}
