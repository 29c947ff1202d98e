//! The verbs that ask a manager.

use clap::Subcommand;

use super::context::Context;
use super::exit::{Exit, Failure, Kind};
use super::{
    event, exec, file, job, join_token, logs, node, result, run, script, secret, stop, submit, task, wait, why,
};

#[derive(Debug, Subcommand)]
pub enum Ask {
    Run(run::RunArgs),
    Exec(Box<exec::ExecArgs>),
    Submit(submit::SubmitArgs),
    Logs(logs::LogsArgs),
    Stop(stop::StopArgs),
    Wait(wait::WaitArgs),
    Why(why::WhyArgs),
    Retry(stop::RetryArgs),
    #[command(alias = "jobs")]
    Job(job::JobArgs),
    #[command(alias = "tasks")]
    Task(task::TaskArgs),
    #[command(alias = "nodes")]
    Node(node::NodeArgs),
    #[command(alias = "files")]
    File(file::FileArgs),
    #[command(alias = "results")]
    Result(result::ResultArgs),
    #[command(alias = "scripts")]
    Script(script::ScriptArgs),
    #[command(alias = "secrets")]
    Secret(secret::SecretArgs),
    #[command(alias = "events")]
    Event(event::EventArgs),
    #[command(alias = "join-tokens")]
    JoinToken(join_token::JoinTokenArgs),
}

/// One thread is enough to ask, and quickest to start.
pub fn ask(verb: Ask, context: &Context) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| Failure::new(Kind::Fault, format_args!("this machine is out of resources: {error}")))?;
    runtime.block_on(async {
        match verb {
            Ask::Run(args) => run::run(args, context).await,
            Ask::Exec(args) => exec::exec(*args, context).await,
            Ask::Submit(args) => submit::submit(args, context).await,
            Ask::Logs(args) => logs::logs(args, context).await,
            Ask::Stop(args) => stop::stop(args, context).await,
            Ask::Retry(args) => stop::retry(args, context).await,
            Ask::Wait(args) => wait::wait(args, context).await,
            Ask::Why(args) => why::why(args, context).await,
            Ask::Job(args) => job::job(args, context).await,
            Ask::Task(args) => task::task(args, context).await,
            Ask::Node(args) => node::node(args, context).await,
            Ask::File(args) => file::file(args, context).await,
            Ask::Result(args) => result::result(args, context).await,
            Ask::Script(args) => script::script(args, context).await,
            Ask::Secret(args) => secret::secret(args, context).await,
            Ask::Event(args) => event::event(args, context).await,
            Ask::JoinToken(args) => join_token::join_token(args, context).await,
        }
    })
}
