//! Standing by a job until it ends, or until the person leaves.

use std::time::Duration;

use protocol::api::{LogQuery, Reply, Request, Waited};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::TaskState;

use crate::cli::comeback;
use crate::cli::context::{Context, ask, unfit};
use crate::cli::exit::{Exit, Failure};
use crate::cli::following::Following;
use crate::cli::interrupt::{Interrupts, Wish};
use crate::cli::output::{Paths, pass_on};
use crate::client::{Client, ClientError};

/// The output of a task that ends within this comes with its end; to follow it live its node would have to make a
/// connection for it, which takes longer than such a task.
const HEAD_START: Duration = Duration::from_millis(5);

/// Whoever has not started by then is asked why.
const SOON: Duration = Duration::from_secs(1);

pub struct Watch<'a> {
    client: &'a Client,
    job: JobId,
    first: TaskId,
    context: &'a Context,
    stopping: bool,
}

pub enum End {
    Came(Waited),
    Left(Exit),
}

impl<'a> Watch<'a> {
    pub fn new(client: &'a Client, first: TaskId, context: &'a Context) -> Self {
        Self { client, job: first.job, first, context, stopping: false }
    }

    /// All of a single task's output and the end of the job; of an array the end alone.
    pub async fn until_the_end(&mut self, output: bool, interrupts: &mut Interrupts) -> Result<End, Failure> {
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
