//! Verbs of several targets: each is asked for on its own, so that one that fails does not spoil the others.

use std::fmt::Display;

use futures_util::future::join_all;
use protocol::api::{Reply, Request};
use serde::Serialize;
use serde_json::{Value, json};

use super::comeback;
use super::context::{Context, unfit};
use super::exit::{Exit, Failure};
use crate::client::{Client, ClientError};

/// What came of one target.
pub struct Outcome<T, R> {
    pub target: T,
    pub result: Result<R, Failure>,
}

/// Whether a request may be asked again of a manager that went away before it had answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    Never,
    Harmless,
}

/// Asks for all of them at once; `fits` takes the one kind of reply that answers the request.
pub async fn ask_each<T, R>(
    context: &Context,
    repeat: Repeat,
    targets: Vec<T>,
    request: impl Fn(&T) -> Request,
    fits: impl Fn(Reply) -> Result<R, Box<Reply>>,
) -> Result<Vec<Outcome<T, R>>, Failure> {
    let client = context.client().await?;
    let calls = targets.into_iter().map(async |target| {
        let result = match call(&client, request(&target), repeat, context).await {
            Ok(reply) => fits(reply).map_err(|reply| unfit(&reply)),
            Err(error) => Err(error.into()),
        };
        Outcome { target, result }
    });
    Ok(join_all(calls).await)
}

async fn call(client: &Client, request: Request, repeat: Repeat, context: &Context) -> Result<Reply, ClientError> {
    match repeat {
        Repeat::Never => client.call(request).await,
        Repeat::Harmless => comeback::call(client, request, context).await,
    }
}

/// Tells every target's fate; the code is 6 where some failed, and their common one where all did.
pub fn tell<T: Display, R: Serialize>(
    context: &Context,
    noun: &'static str,
    outcomes: &[Outcome<T, R>],
    sentence: impl Fn(&T, &R) -> String,
) -> Result<Exit, Failure> {
    if context.json {
        context.print_json(&elements(noun, outcomes))?;
    }
    let mut told: Option<&Failure> = None;
    for Outcome { target, result } in outcomes {
        match result {
            Ok(done) if !context.json => context.print(sentence(target, done) + "\n")?,
            Ok(_) => {}
            // A manager that went away says the same of each.
            Err(failure) if told == Some(failure) => {}
            Err(failure) => {
                context.report(failure);
                told = Some(failure);
            }
        }
    }
    Ok(exit(outcomes))
}

fn exit<T, R>(outcomes: &[Outcome<T, R>]) -> Exit {
    let mut exits: Vec<Exit> =
        outcomes.iter().map(|o| o.result.as_ref().map_or_else(|failure| failure.exit, |_| Exit::OK)).collect();
    exits.dedup();
    match exits[..] {
        [] => Exit::OK,
        [one] => one,
        _ => Exit::SOME_FAILED,
    }
}

pub fn elements<T: Display, R: Serialize>(noun: &'static str, outcomes: &[Outcome<T, R>]) -> Vec<Value> {
    outcomes.iter().map(|outcome| element(noun, outcome)).collect()
}

/// The view of what was done with the target's name before it, or its error.
fn element<T: Display, R: Serialize>(noun: &'static str, outcome: &Outcome<T, R>) -> Value {
    let mut element = match &outcome.result {
        Ok(done) => serde_json::to_value(done).unwrap_or_default(),
        Err(failure) => json!({ "error": failure }),
    };
    if let Value::Object(fields) = &mut element {
        fields.insert(noun.to_owned(), outcome.target.to_string().into());
    }
    element
}
