//! What comes of a run, followed through restarts of the manager: each byte and each end comes once.

use std::collections::BTreeMap;

use protocol::api::{More, Request};
use protocol::bytes::Blob;
use protocol::id::JobId;
use protocol::job::Stream;
use protocol::run::{AnswerView, Had, OutputChunk, RunFollow, RunView, WhichOutput};

use crate::cli::context::Context;
use crate::client::{Client, ClientError, Flow};

/// What is told next.
#[derive(Debug)]
pub enum Told {
    /// A piece of output, and how many bytes before it are not there any more.
    Output {
        chunk: OutputChunk,
        missing: u64,
    },
    /// Answers that have changed; one that has ended is told once more at most.
    Answers(Vec<AnswerView>),
    /// The manager went away; it is waited for.
    Away,
    /// And is here again.
    Back,
    End,
}

pub struct Follow<'a> {
    client: Client,
    run: JobId,
    output: WhichOutput,
    context: &'a Context,
    flow: Option<Flow>,
    /// Of each answer that there is.
    had: BTreeMap<u32, Had>,
    away: Option<ClientError>,
}

impl<'a> Follow<'a> {
    pub fn new(client: &Client, run: &RunView, output: WhichOutput, context: &'a Context) -> Self {
        let had = |answer: &AnswerView| (answer.index, had_nothing(answer.index));
        Self {
            client: client.clone(),
            run: run.id,
            output,
            context,
            flow: None,
            had: run.answers.iter().map(had).collect(),
            away: None,
        }
    }

    /// Of one answer alone what it printed until its end, or only one of its outputs.
    pub fn of_one(client: &Client, run: &RunView, index: u32, only: Option<Stream>, context: &'a Context) -> Self {
        let mut follow = Self::new(client, run, WhichOutput::Ended, context);
        for had in follow.had.values_mut() {
            let ended = had.index != index;
            let from = |stream| if ended || only.is_some_and(|only| only != stream) { u64::MAX } else { 0 };
            *had = Had { index: had.index, stdout: from(Stream::Stdout), stderr: from(Stream::Stderr), ended };
        }
        follow
    }

    /// May be dropped at any time without losing anything.
    pub async fn next(&mut self) -> Result<Told, ClientError> {
        loop {
            if let Some(error) = &self.away {
                self.client = self.context.comeback.after(error.clone(), &self.client, self.context).await?;
                self.away = None;
                return Ok(Told::Back);
            }
            let outcome = match &mut self.flow {
                Some(flow) => flow.next().await,
                None => match self.client.stream(self.request()).await {
                    Ok(flow) => {
                        self.flow = Some(flow);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match outcome {
                Ok(Some(More::Output(chunk))) => {
                    if let Some(told) = self.rest_of(chunk) {
                        return Ok(told);
                    }
                }
                Ok(Some(More::Answers(answers))) => {
                    let news = self.news_of(answers);
                    if !news.is_empty() {
                        return Ok(Told::Answers(news));
                    }
                }
                Ok(Some(More::LogNote { text })) => self.context.note(text),
                // Of other streams; not asked for here.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(Told::End),
                Err(error) => {
                    self.flow = None;
                    self.away = Some(error);
                    return Ok(Told::Away);
                }
            }
        }
    }

    fn request(&self) -> Request {
        let had = self.had.values().filter(|had| **had != had_nothing(had.index)).copied().collect();
        Request::RunFollow(RunFollow { run: self.run, output: self.output, had })
    }

    /// Told twice is told once, and of what there is no answer there is no output.
    fn rest_of(&mut self, mut chunk: OutputChunk) -> Option<Told> {
        let had = self.had.get_mut(&chunk.index).filter(|had| !had.ended)?;
        let reached = match chunk.stream {
            Stream::Stdout => &mut had.stdout,
            Stream::Stderr => &mut had.stderr,
        };
        let end = chunk.offset.saturating_add(chunk.bytes.0.len() as u64);
        if end <= *reached {
            return None;
        }
        let missing = chunk.offset.saturating_sub(*reached);
        if chunk.offset < *reached {
            let known = usize::try_from(*reached - chunk.offset).ok()?;
            chunk.bytes = Blob(chunk.bytes.0.split_off(known));
            chunk.offset = *reached;
        }
        *reached = end;
        Some(Told::Output { chunk, missing })
    }

    fn news_of(&mut self, mut answers: Vec<AnswerView>) -> Vec<AnswerView> {
        answers.retain(|answer| match self.had.get_mut(&answer.index) {
            Some(had) if !had.ended => {
                had.ended = answer.state.ended();
                true
            }
            _ => false,
        });
        answers
    }
}

fn had_nothing(index: u32) -> Had {
    Had { index, stdout: 0, stderr: 0, ended: false }
}
