//! Which room a verb opens.

use std::process::ExitCode;

use super::context::Context;
use super::exit::{Exit, Failure, Kind};
use super::{Ask, Cli, Verb, completions, event, job, join_token, logs, node, run, stop, task, usage, wait, why};

pub fn open(cli: Cli) -> ExitCode {
    let context = Context::new(&cli.everywhere);
    let outcome = match cli.verb {
        None => usage::welcome(&context),
        Some(Verb::Ask(verb)) => ask(verb, &context),
        Some(Verb::Completions(args)) => completions::completions(&args, &context),
        Some(Verb::Man(args)) => completions::man(&args, &context),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            context.report(&failure);
            failure.exit.into()
        }
    }
}

/// One thread is enough to ask, and quickest to start.
fn ask(verb: Ask, context: &Context) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|error| Failure::new(Kind::Fault, format_args!("this machine is out of resources: {error}")))?;
    runtime.block_on(async {
        match verb {
            Ask::Run(args) => run::run(args, context).await,
            Ask::Logs(args) => logs::logs(args, context).await,
            Ask::Stop(args) => stop::stop(args, context).await,
            Ask::Retry(args) => stop::retry(args, context).await,
            Ask::Wait(args) => wait::wait(args, context).await,
            Ask::Why(args) => why::why(args, context).await,
            Ask::Job(args) => job::job(args, context).await,
            Ask::Task(args) => task::task(args, context).await,
            Ask::Node(args) => node::node(args, context).await,
            Ask::Event(args) => event::event(args, context).await,
            Ask::JoinToken(args) => join_token::join_token(args, context).await,
        }
    })
}
