//! The output of a task, followed through restarts of the manager: each byte comes once.

use protocol::api::{LogChunk, LogQuery, More, Reply, Request};
use protocol::bytes::Blob;
use protocol::id::Target;
use protocol::time::UnixMillis;

use super::context::Context;
use super::text::now;
use crate::client::{Client, ClientError, Flow};

pub struct Following<'a> {
    client: Client,
    query: LogQuery,
    context: &'a Context,
    flow: Option<Flow>,
    /// Where the last piece of each stream ended.
    told: [u64; 2],
    /// Up to where a manager that begins again tells what was told before.
    known: [u64; 2],
    notes: Vec<String>,
    known_notes: Vec<String>,
    lost: Option<(ClientError, UnixMillis)>,
}

impl<'a> Following<'a> {
    pub async fn open(client: &Client, query: LogQuery, context: &'a Context) -> Result<Following<'a>, ClientError> {
        let (flow, lost) = match client.stream(Request::Logs(query.clone())).await {
            Ok(flow) => (Some(flow), None),
            // The manager may have died since its answer before this.
            Err(error) if query.follow => (None, Some((error, now()))),
            Err(error) => return Err(error),
        };
        Ok(Following {
            client: client.clone(),
            query,
            context,
            flow,
            told: [0; 2],
            known: [0; 2],
            notes: vec![],
            known_notes: vec![],
            lost,
        })
    }

    /// The next piece; `None` after the last. May be dropped at any time without losing a piece.
    pub async fn next(&mut self) -> Result<Option<More>, ClientError> {
        loop {
            if let Some((error, at)) = self.lost.clone() {
                self.again(error, at).await?;
                self.lost = None;
            }
            let Some(flow) = &mut self.flow else { return Ok(None) };
            match flow.next().await {
                Ok(Some(piece)) => {
                    if let Some(fresh) = self.fresh(piece) {
                        return Ok(Some(fresh));
                    }
                }
                Ok(None) => {
                    self.flow = None;
                    return Ok(None);
                }
                Err(error) if self.query.follow => self.lost = Some((error, now())),
                Err(error) => return Err(error),
            }
        }
    }

    async fn again(&mut self, mut error: ClientError, lost_at: UnixMillis) -> Result<(), ClientError> {
        loop {
            let client = self.context.comeback.after(error, &self.client, self.context).await?;
            match self.reopen(&client, lost_at).await {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
    }

    async fn reopen(&mut self, client: &Client, lost_at: UnixMillis) -> Result<(), ClientError> {
        let same = self.is_same_attempt(client, lost_at).await?;
        self.flow = Some(client.stream(Request::Logs(self.query.clone())).await?);
        if !same {
            self.told = [0; 2];
        }
        self.known = self.told;
        self.known_notes = self.notes.clone();
        Ok(())
    }

    /// Offsets are of one attempt; a task's newest may have begun while nobody was there to tell.
    async fn is_same_attempt(&self, client: &Client, lost_at: UnixMillis) -> Result<bool, ClientError> {
        let Target::Task(id) = self.query.target else { return Ok(true) };
        match client.call(Request::Task { id }).await {
            Ok(Reply::Task { task, .. }) if task.attempt <= 1 => Ok(true),
            Ok(Reply::Task { attempts, .. }) => {
                Ok(attempts.last().and_then(|latest| latest.started_at).is_some_and(|at| at <= lost_at))
            }
            Ok(_) | Err(ClientError::Refused(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn fresh(&mut self, piece: More) -> Option<More> {
        match piece {
            More::Log(chunk) => self.rest_of(chunk).map(More::Log),
            More::LogNote { text } => self.new_note(text).map(|text| More::LogNote { text }),
            other => Some(other),
        }
    }

    fn new_note(&mut self, text: String) -> Option<String> {
        if let Some(at) = self.known_notes.iter().position(|known| *known == text) {
            self.known_notes.remove(at);
            return None;
        }
        self.notes.push(text.clone());
        Some(text)
    }

    fn rest_of(&mut self, mut chunk: LogChunk) -> Option<LogChunk> {
        let stream = chunk.stream as usize;
        let (known, end) = (self.known[stream], chunk.offset + chunk.bytes.0.len() as u64);
        if end <= known {
            return None;
        }
        // Past what was known: from here on a smaller offset is that of another attempt.
        self.known[stream] = 0;
        self.told[stream] = end;
        if chunk.offset < known {
            chunk.bytes = Blob(chunk.bytes.0.split_off((known - chunk.offset) as usize));
            chunk.offset = known;
        }
        Some(chunk)
    }
}
