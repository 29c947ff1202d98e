//! `run`: submit, and with `--wait` stand in for the program until it has ended.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use protocol::api::{LogQuery, Reply, Request, TaskQuery, Waited};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::{Array, JobFile, JobSpec, TaskState};
use protocol::name::{JobName, NodeName};

use super::comeback;
use super::context::{Context, ask, unfit};
use super::exit::{Exit, Failure, Kind};
use super::following::Following;
use super::interrupt::{Interrupts, Wish};
use super::output::{Paths, pass_on};
use super::text::{count, shell_line};
use super::{parse, wait};
use crate::client::{Client, ClientError};

/// Run a command on a node, or an array of it on many
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble run -- python3 train.py
  bramble run --wait -- uname -a
  bramble run --node pi-3 --cpus 4 --name bake -- ./bake.sh cake
  bramble run --array 0-99 --env RATE=0.1 -- ./sweep.sh
  bramble run --file data.csv --file ana/set=input -- python3 fit.py data.csv input

The command is run as it is, without a shell: for pipes and variables write -- sh -c '…'. A task finds BRAMBLE_JOB, \
BRAMBLE_TASK, BRAMBLE_ATTEMPT and BRAMBLE_INDEX in its environment, and starts in a folder of its own, where there is nothing but the \
files it is given. Those are kept on the manager (bramble file put) and are what they were when the job was submitted, \
whatever becomes of them there; somebody else's are named with their owner, as in ana/set.

With --wait, one task's output is passed on as it comes and its exit code is ours: 128 + n for signal n, 127 for a \
program that is not there, 126 for one that may not be run, 125 for a fault of Bramble's own, 1 where it was stopped or \
lost. For an array: 0 where all succeeded, else 1. Ctrl-C asks whether to stop the job.")]
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
    /// Pass on the output, and wait for the end
    #[arg(long, short)]
    wait: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// The output of a task that ends within this comes with its end; to follow it live its node would have to make a
/// connection for it, which takes longer than such a task.
const HEAD_START: Duration = Duration::from_millis(5);

/// Whoever has not started by then is asked why.
const SOON: Duration = Duration::from_secs(1);

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
    };
    carry_out(spec, args.wait, context).await
}

/// Submits a job, whatever verb it comes from, and with `waits` stands in for it until it has ended.
pub async fn carry_out(spec: JobSpec, waits: bool, context: &Context) -> Result<Exit, Failure> {
    spec.check().map_err(Failure::usage)?;
    let single = spec.array.is_none();
    if !waits {
        return submit(spec, context).await;
    }
    let outcome = submit_and_wait(spec, context).await;
    if single { outcome.map_err(Failure::beside_a_program) } else { outcome }
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

async fn submit(spec: JobSpec, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let files = spec.files.clone();
    let reply = client.call(Request::Submit(spec)).await.map_err(|error| not_taken(error, &files))?;
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

async fn submit_and_wait(spec: JobSpec, context: &Context) -> Result<Exit, Failure> {
    let (single, first) = (spec.array.is_none(), spec.array.map_or(0, |array| array.first));
    let files = spec.files.clone();
    let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
    let client = context.client().await?;
    let reply = tokio::select! {
        reply = client.call(Request::Submit(spec)) => reply.map_err(|error| not_taken(error, &files))?,
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
    let mut watch = Watch { client: &client, job, first: TaskId { job, index: first }, context, stopping: false };
    let waited = match watch.until_the_end(single, &mut interrupts).await? {
        End::Came(waited) => waited,
        End::Left(exit) => return Ok(exit),
    };
    if context.json {
        context.print_json(&Reply::Waited(waited.clone()))?;
    }
    match single {
        true => Ok(as_the_program(job, &waited, context)),
        false => of_the_array(&client, job, &waited, context).await,
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

/// Standing by a job until it ends, or until the person leaves.
struct Watch<'a> {
    client: &'a Client,
    job: JobId,
    first: TaskId,
    context: &'a Context,
    stopping: bool,
}

enum End {
    Came(Waited),
    Left(Exit),
}

impl<'a> Watch<'a> {
    /// All of a single task's output and the end of the job; of an array the end alone.
    async fn until_the_end(&mut self, output: bool, interrupts: &mut Interrupts) -> Result<End, Failure> {
        let (client, job) = (self.client, self.job);
        let request = Request::Wait { targets: vec![Target::Job(job)] };
        let mut wait = std::pin::pin!(comeback::call(client, request, self.context));
        let mut say_why = std::pin::pin!(say_why(client, self.first, self.context));
        let mut said = false;
        let mut waited = None;
        if output {
            tokio::select! {
                answer = &mut wait => waited = Some(self.ended(answer)?),
                () = tokio::time::sleep(HEAD_START) => {}
            }
        }
        let mut flow = if output { self.output().await? } else { None };
        loop {
            if flow.is_none()
                && let Some(waited) = waited.take()
            {
                return Ok(End::Came(waited));
            }
            tokio::select! {
                biased;
                () = interrupts.next() => {
                    // The end may come while the person thinks.
                    let wish = tokio::select! {
                        wish = self.wish(interrupts, waited.is_some()) => Some(wish),
                        answer = &mut wait, if waited.is_none() => {
                            interrupts.unanswered();
                            waited = Some(self.ended(answer)?);
                            None
                        }
                    };
                    match wish {
                        None => {}
                        Some(Wish::GoOn) => self.context.note(format_args!("job {job} goes on")),
                        Some(Wish::Stop) => self.stop().await,
                        Some(Wish::Leave) => return Ok(End::Left(self.leave(waited.as_ref()))),
                    }
                }
                () = &mut say_why, if !said && waited.is_none() => said = true,
                piece = next(&mut flow), if flow.is_some() => match piece {
                    Ok(Some(piece)) => {
                        if let Err(failure) = pass_on(&piece, Paths::Apart, self.context) {
                            return self.unwritable(failure, waited);
                        }
                    }
                    Ok(None) => flow = None,
                    Err(error @ ClientError::Refused(_)) => {
                        self.context.note(format_args!("its output cannot be shown: {error}"));
                        flow = None;
                    }
                    Err(error) => return Err(self.cut_off(error)),
                },
                answer = &mut wait, if waited.is_none() => waited = Some(self.ended(answer)?),
            }
        }
    }

    async fn output(&self) -> Result<Option<Following<'a>>, Failure> {
        let query = LogQuery { target: Target::Task(self.first), follow: true, stream: None };
        Following::open(self.client, query, self.context).await.map(Some).map_err(|error| self.cut_off(error))
    }

    fn ended(&self, answer: Result<Reply, ClientError>) -> Result<Waited, Failure> {
        match answer {
            Ok(Reply::Waited(waited)) => Ok(waited),
            Ok(other) => Err(unfit(&other)),
            Err(error) => Err(self.cut_off(error)),
        }
    }

    async fn wish(&self, interrupts: &mut Interrupts, ended: bool) -> Wish {
        // Asked before, or nothing left to stop: who presses it again wants to leave.
        if ended || self.stopping { Wish::Leave } else { interrupts.ask(&format!("stop job {}?", self.job)).await }
    }

    async fn stop(&mut self) {
        let request = Request::Stop { targets: vec![Target::Job(self.job)], reason: None };
        // By a connection of its own: the manager may have come back since the first.
        let stopped = match Client::connect(self.client.address()).await {
            Ok(client) => ask!(client, request, Reply::Done { .. } => ()),
            Err(error) => Err(error.into()),
        };
        match stopped {
            Ok(()) => self.stopping = true,
            Err(failure) => self.context.report(&failure),
        }
    }

    fn leave(&self, waited: Option<&Waited>) -> Exit {
        let job = self.job;
        match waited {
            Some(_) => self.context.note(format_args!(
                "job {job} has ended; the rest of its output has not come yet, see it with: bramble logs {job}"
            )),
            None if self.stopping => {
                self.context.note(format_args!("job {job} is being stopped; see its end with: bramble wait {job}"));
            }
            None => self.context.note(self.runs_on()),
        }
        Exit::INTERRUPTED
    }

    /// Nobody reads the output any more, or the disk it goes to is full.
    fn unwritable(&self, failure: Failure, waited: Option<Waited>) -> Result<End, Failure> {
        match waited {
            Some(waited) if failure.unread => Ok(End::Came(waited)),
            None if failure.unread => {
                self.context.note(format_args!("nobody reads its output any more; {}", self.runs_on()));
                Ok(End::Left(Exit::UNREAD))
            }
            _ => Err(Failure { message: format!("{}; {}", failure.message, self.runs_on()), ..failure }),
        }
    }

    fn cut_off(&self, error: ClientError) -> Failure {
        let lost = matches!(error, ClientError::Lost { .. });
        let failure = Failure::from(error);
        if !lost {
            return failure;
        }
        let address = self.client.address();
        Failure { message: format!("the manager at {address} went away; {}", self.runs_on()), ..failure }
    }

    fn runs_on(&self) -> String {
        let job = self.job;
        format!("job {job} runs on, get back to it with: bramble wait {job}")
    }
}

/// Silence is right for a program that runs, not for one that waits. Where the manager cannot tell, neither can we.
async fn say_why(client: &Client, first: TaskId, context: &Context) {
    tokio::time::sleep(SOON).await;
    if let Ok(Reply::Why(why)) = client.call(Request::Why { id: first }).await
        && matches!(why.state, TaskState::Queued | TaskState::Starting)
    {
        context.note(format_args!("{first} {}", why.summary));
    }
}

async fn next(flow: &mut Option<Following<'_>>) -> Result<Option<protocol::api::More>, ClientError> {
    match flow {
        Some(flow) => flow.next().await,
        None => Ok(None),
    }
}
