//! `run`: submit, and with `--wait` stand in for the program until it has ended, which [`watch`] sees; then bring its results
//! [`home`].

mod home;
mod watch;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::future::join_all;
use protocol::api::{RefusalKind, Reply, Request, TaskQuery, Waited};
use protocol::file::FileRef;
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Array, JobFile, JobSpec, TaskState};
use protocol::name::{FileName, JobName, NodeName};
use protocol::notify::Notify;
use protocol::secret::JobSecret;

use super::context::{Context, unfit};
use super::exit::{Exit, Failure, Kind};
use super::interrupt::Interrupts;
use super::text::{count, shell_line};
use super::{parse, result, wait};
use crate::client::{Client, ClientError};
use watch::{End, Watch};

/// Run a command on a node, or an array of it on many
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble run -- python3 train.py
  bramble run --wait -- uname -a
  bramble run --node pi-3 --cpus 4 --name bake -- ./bake.sh cake
  bramble run --array 0-99 --env RATE=0.1 -- ./sweep.sh
  bramble run --file data.csv --file ana/set=input -- python3 fit.py data.csv input
  bramble run --secret token -- sh -c 'curl -H \"Authorization: Bearer $TOKEN\" https://example.org'
  bramble run --wait --collect . -- sh -c 'uname -a > out/system'
  bramble run --notify mail:ana@example.org --notify https://example.org/hook -- ./night.sh

The command is run as it is, without a shell: for pipes and variables write -- sh -c '…'. A task finds BRAMBLE_JOB, \
BRAMBLE_TASK, BRAMBLE_ATTEMPT and BRAMBLE_INDEX in its environment, and starts in a folder of its own, where there is nothing but the \
files it is given. Those are kept on the manager (bramble file put) and are what they were when the job was submitted, \
whatever becomes of them there; somebody else's are named with their owner, as in ana/set.

With --wait, one task's output is passed on as it comes and its exit code is ours: 128 + n for signal n, 127 for a \
program that is not there, 126 for one that may not be run, 125 for a fault of Bramble's own, 1 where it was stopped or \
lost. For an array: 0 where all succeeded, else 1. Ctrl-C asks whether to stop the job.

What a task leaves in the folder out, inside its own, is kept when it has ended, and comes home with bramble result get \
or --collect.

Who is named with --notify is told how it ended, with the last lines of stderr: by mail where an admin has set up a mail \
server, or by a POST of JSON. That waits for nobody and fails no task; bramble event says what came of it.")]
pub struct RunArgs {
    /// On this node, instead of any that fits
    #[arg(long, value_name = "NODE")]
    node: Option<NodeName>,
    /// What to call the job
    #[arg(long)]
    name: Option<JobName>,
    /// CPUs that each task needs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = parse::number::<u32>)]
    cpus: u32,
    /// One task for each index from A to B, which it finds in BRAMBLE_INDEX
    #[arg(long, value_name = "A-B", value_parser = parse::array)]
    array: Option<Array>,
    /// A variable of the task's environment (may be repeated)
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = parse::variable)]
    env: Vec<(String, String)>,
    /// A file kept on the manager that each task finds in its folder, there called AS (may be repeated)
    #[arg(long, value_name = "NAME[=AS]", value_parser = parse::job_file)]
    file: Vec<JobFile>,
    /// The same, as a copy of each task's own, which it may change
    #[arg(long, value_name = "NAME[=AS]", value_parser = parse::job_file)]
    writable_file: Vec<JobFile>,
    /// Who is told when it has ended: mail:ADDRESS, or a URL that is sent JSON (may be repeated)
    #[arg(long, value_name = "WHERE")]
    notify: Vec<Notify>,
    /// A secret, as a variable of the environment [default: its name in capitals] (may be repeated)
    #[arg(long, value_name = "NAME[=VARIABLE]", value_parser = parse::secret)]
    secret: Vec<JobSecret>,
    /// A secret, as a file in the folder that BRAMBLE_SECRETS names, there called AS (may be repeated)
    #[arg(long, value_name = "NAME[=AS]", value_parser = parse::secret_file)]
    secret_file: Vec<JobSecret>,
    /// Pass on the output, and wait for the end
    #[arg(long, short)]
    wait: bool,
    /// Afterwards put what each task printed and left into a folder of its own in this one
    #[arg(long, value_name = "DIR", requires = "wait")]
    collect: Option<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A job, and what is to be done about it.
#[derive(Debug)]
pub struct Order {
    pub spec: JobSpec,
    pub waits: bool,
    /// Where its results go when it has ended.
    pub collect: Option<PathBuf>,
    /// Files of the person's that are there only until the job has what is in them.
    pub passing: Vec<FileName>,
}

impl Order {
    /// Of one task, whose exit code is then ours.
    pub fn is_single(&self) -> bool {
        let indices = self.spec.indices();
        indices.start() == indices.end()
    }
}

pub async fn run(args: RunArgs, context: &Context) -> Result<Exit, Failure> {
    let writable = args.writable_file.into_iter().map(|file| JobFile { writable: true, ..file });
    let spec = JobSpec {
        name: args.name,
        command: args.command,
        env: args.env.into_iter().collect(),
        cpus: args.cpus,
        node: args.node,
        array: args.array,
        sweep: vec![],
        files: args.file.into_iter().chain(writable).collect(),
        reduce: None,
        interpreters: BTreeSet::new(),
        secrets: args.secret.into_iter().chain(args.secret_file).collect(),
        notify: args.notify,
    };
    carry_out(Order { spec, waits: args.wait, collect: args.collect, passing: vec![] }, context).await
}

/// Submits a job, whatever verb it comes from, and where it is waited for stands in for it until it has ended.
pub async fn carry_out(order: Order, context: &Context) -> Result<Exit, Failure> {
    order.spec.check().map_err(Failure::usage)?;
    let single = order.is_single();
    if !order.waits {
        return submit(order, context).await;
    }
    let outcome = submit_and_wait(order, context).await;
    if single { outcome.map_err(Failure::beside_a_program) } else { outcome }
}

async fn give(client: &Client, spec: JobSpec, passing: &[FileName], context: &Context) -> Result<Reply, Failure> {
    let files = spec.files.clone();
    let reply = client.call(Request::Submit(spec)).await;
    // Taken or not, nobody else needs them.
    let_pass(client, passing, context).await;
    reply.map_err(|error| not_taken(error, &files))
}

/// Files that were kept for a job and for nothing else.
pub async fn let_pass(client: &Client, files: &[FileName], context: &Context) {
    let removed = files.iter().map(|name| {
        let file = FileRef { owner: None, name: name.clone() };
        client.call(Request::FileRemove { file })
    });
    let is_left = |removed: &Result<Reply, ClientError>| match removed {
        Err(ClientError::Refused(refusal)) => refusal.kind != RefusalKind::NotFound,
        removed => removed.is_err(),
    };
    let left = join_all(removed).await.iter().filter(|removed| is_left(removed)).count();
    if let Some(first) = files.first().filter(|_| left > 0) {
        let (files, they) = (count(left as u64, "file"), if left == 1 { "is" } else { "are" });
        context.note(format_args!(
            "{files} kept for this job alone {they} kept on, {first:?} among others; see bramble file"
        ));
    }
}

/// What was read as somebody's file may have been meant as a path.
fn not_taken(error: ClientError, files: &[JobFile]) -> Failure {
    let failure = Failure::from(error);
    let named = |file: &&JobFile| failure.message.contains(&format!("{:?}", file.file.to_string()));
    let other = files.iter().filter(|file| file.file.owner.is_some()).find(named);
    match other {
        Some(other) if failure.kind == Kind::NotFound && Path::new(&other.file.to_string()).exists() => {
            let path = shell_line(&[other.file.to_string()]);
            let name = shell_line(&[other.file.name.to_string()]);
            let message = format!(
                "{}; to give it the one in this folder, bring it with: bramble file put {path}, then write: --file {name}",
                failure.message
            );
            Failure { message, ..failure }
        }
        _ => failure,
    }
}

async fn submit(order: Order, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let reply = give(&client, order.spec, &order.passing, context).await?;
    let Reply::Submitted { job, tasks } = reply else { return Err(unfit(&reply)) };
    if context.json {
        context.print_json(&serde_json::json!({ "job": job, "tasks": tasks }))?;
    } else if !context.look.terminal {
        context.print(format_args!("{job}\n"))?;
    } else if tasks == 1 {
        context.print(format_args!("job {job} submitted; see what it prints with: bramble logs {job} -f\n"))?;
    } else {
        let tasks = count(tasks, "task");
        context.print(format_args!("job {job} submitted, {tasks}; see how far it is with: bramble job {job}\n"))?;
    }
    Ok(Exit::OK)
}

async fn submit_and_wait(order: Order, context: &Context) -> Result<Exit, Failure> {
    let (single, first) = (order.is_single(), *order.spec.indices().start());
    let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
    let client = context.client().await?;
    let reply = tokio::select! {
        reply = give(&client, order.spec, &order.passing, context) => reply?,
        () = interrupts.next() => {
            context.note("left before the manager answered; see whether it took the job with: bramble job");
            return Ok(Exit::INTERRUPTED);
        }
    };
    let Reply::Submitted { job, tasks } = reply else { return Err(unfit(&reply)) };
    if context.json {
        context.print_json(&reply)?;
    } else if !single {
        context.hint(format_args!("job {job}: waiting for {}", count(tasks, "task")));
    }
    let mut watch = Watch::new(&client, TaskId { job, index: first }, context);
    let waited = match watch.until_the_end(single, &mut interrupts).await? {
        End::Came(waited) => waited,
        End::Left(exit) => return Ok(exit),
    };
    if context.json {
        context.print_json(&Reply::Waited(waited.clone()))?;
    }
    let exit = match single {
        true => as_the_program(job, &waited, context),
        false => of_the_array(&client, job, &waited, context).await?,
    };
    match order.collect {
        Some(within) => {
            let faulty = if single { Kind::Fault.exit() } else { Exit::SOME_FAILED };
            let home = home::bring(client.address(), job, within, &mut interrupts, context).await?;
            Ok(home.after(exit, faulty))
        }
        None => {
            result::say_left(client.address(), &[Target::Job(job)], context).await;
            Ok(exit)
        }
    }
}

/// The program's own code. What it could not say itself is said for it.
fn as_the_program(job: JobId, waited: &Waited, context: &Context) -> Exit {
    let code = waited.code.map(|code| u8::try_from(code).unwrap_or(125));
    if code.is_none_or(|code| code >= 125) {
        context.note(format_args!("job {job}{}", wait::sentence(waited)));
    }
    Exit(code.unwrap_or(1))
}

async fn of_the_array(client: &Client, job: JobId, waited: &Waited, context: &Context) -> Result<Exit, Failure> {
    if !context.json {
        context.print(format_args!("job {job}{}\n", wait::sentence(waited)))?;
    }
    if wait::succeeded(&waited.counts) {
        return Ok(Exit::OK);
    }
    if !context.json {
        context.note(next_steps(client, job, waited).await);
    }
    Ok(Exit::TASK_FAILED)
}

/// What to type to see what went wrong.
async fn next_steps(client: &Client, job: JobId, waited: &Waited) -> String {
    let mut counts = waited.counts;
    let bad = [TaskState::Failed, TaskState::Lost, TaskState::Stopped].into_iter();
    let states: Vec<TaskState> = bad.filter(|state| *counts.of(*state) > 0).collect();
    let words: Vec<&str> = states.iter().map(|state| state.word()).collect();
    let see = format!("see: bramble task {job} --state {}", words.join(","));
    let query = TaskQuery { targets: vec![Target::Job(job)], states, limit: 1, ..TaskQuery::default() };
    // By a connection of its own: the manager may have come back since the first.
    let Ok(client) = Client::connect(client.address()).await else { return see };
    match client.call(Request::Tasks(query)).await {
        Ok(Reply::Tasks { tasks, .. }) => match tasks.first() {
            Some(task) => format!("{see}, bramble logs {}", task.id),
            None => see,
        },
        _ => see,
    }
}
