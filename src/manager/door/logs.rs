//! `logs`: what a task printed, from wherever it is. While the task runs, from its node by a bulk connection of
//! its own; once it has ended, from the store. Offsets make the joins seamless: when a node goes away in the middle,
//! the rest is told from the place reached.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use protocol::agent::{Follow, FollowFrame, Output, ToAgent};
use protocol::api::{LogChunk, LogQuery, More, Refusal};
use protocol::bytes::Blob;
use protocol::id::{AttemptId, Target};
use protocol::job::Stream;
use protocol::name::NodeName;
use protocol::run::OutputChunk;
use protocol::unit::Bytes;

use super::Door;
use super::connection::{Ended, Outlet};
use crate::manager::cluster::{Caller, LinkId, Place};

const CHUNK: usize = 64 * 1024;
/// Read at once from a file.
const READ: usize = 4 * CHUNK;
/// How long a node may take to dial back.
const DIAL_BACK: Duration = Duration::from_secs(10);
/// Follows that broke without telling anything new before the end of the task is waited for instead.
const MOST_BREAKS: u32 = 3;

pub async fn stream(door: &Arc<Door>, caller: Caller, query: LogQuery, out: &Outlet) -> Ended {
    let (only, follow) = (query.stream, query.follow);
    let mut telling = Telling { door, out, index: None, only, follow, attempt: None, reached: [0; 2], breaks: 0 };
    match telling.tell(&caller, query.target).await {
        Ok(()) => Ended::Well,
        Err(ended) => ended,
    }
}

/// One answer of a run, from where its output was told before.
pub struct Answer {
    pub attempt: AttemptId,
    pub index: u32,
    pub reached: [u64; 2],
}

/// Tells all of an answer's output, to its end. Returns whether nobody hears it any more; what cannot be had is not told.
pub async fn answer(door: &Arc<Door>, caller: &Caller, answer: Answer, out: &Outlet) -> bool {
    let Answer { attempt, index, reached } = answer;
    let mut telling =
        Telling { door, out, index: Some(index), only: None, follow: true, attempt: Some(attempt), reached, breaks: 0 };
    match telling.tell(caller, Target::Attempt(attempt)).await {
        Ok(()) => false,
        Err(Ended::Refused(refusal)) => {
            tracing::warn!("the output of {attempt} cannot be told: {refusal}");
            false
        }
        Err(_) => true,
    }
}

struct Telling<'a> {
    door: &'a Arc<Door>,
    out: &'a Outlet,
    /// Of which answer of a run; of a task otherwise.
    index: Option<u32>,
    only: Option<Stream>,
    follow: bool,
    /// Whose output the offsets are of.
    attempt: Option<AttemptId>,
    reached: [u64; 2],
    breaks: u32,
}

impl Telling<'_> {
    async fn tell(&mut self, caller: &Caller, target: Target) -> Result<(), Ended> {
        let mut unlike = None;
        loop {
            let place = self.door.heart.find_output(caller, target, unlike.take()).await?;
            match &place {
                Place::Nowhere if !self.follow => return Ok(()),
                Place::Nowhere => {}
                Place::Away { node, attempt } => {
                    self.turn_to(*attempt);
                    self.note(format!("{node} is down; what {attempt} prints there comes when it is back")).await?;
                    if !self.follow {
                        return Ok(());
                    }
                }
                Place::Live { attempt, node, link } => {
                    self.turn_to(*attempt);
                    let before = self.reached;
                    let whole = self.relay(*attempt, node, *link).await?;
                    if whole && !self.follow {
                        return Ok(());
                    }
                    if !whole {
                        self.breaks = if self.reached == before { self.breaks + 1 } else { 0 };
                        if self.breaks < MOST_BREAKS {
                            continue;
                        }
                        if !self.follow {
                            return Err(Refusal::unavailable(format!(
                                "{node} does not hand out what {attempt} prints"
                            ))
                            .into());
                        }
                    }
                }
                Place::Here { attempt } => {
                    self.turn_to(*attempt);
                    self.here(*attempt).await?;
                    if !self.follow {
                        return Ok(());
                    }
                }
                Place::Kept { attempt, last } => {
                    self.turn_to(*attempt);
                    self.kept(*attempt).await?;
                    if *last || !self.follow || matches!(target, Target::Attempt(_)) {
                        return Ok(());
                    }
                    self.note(format!("attempt {attempt} is over without an end; its task is tried again")).await?;
                }
            }
            unlike = Some(place);
        }
    }

    fn turn_to(&mut self, attempt: AttemptId) {
        if self.attempt.replace(attempt) != Some(attempt) {
            self.reached = [0; 2];
            self.breaks = 0;
        }
    }

    fn wants(&self, stream: Stream) -> bool {
        self.only.is_none_or(|only| only == stream)
    }

    async fn note(&self, text: String) -> Result<(), Ended> {
        if self.index.is_some() {
            // Its answer says it, or the gap does.
            return Ok(());
        }
        Ok(self.out.more(More::LogNote { text }).await?)
    }

    async fn chunk(&mut self, stream: Stream, offset: u64, bytes: Vec<u8>) -> Result<(), Ended> {
        let reached = &mut self.reached[stream as usize];
        let dropped = offset.saturating_sub(*reached);
        // An agent may say what it likes.
        *reached = offset.saturating_add(bytes.len() as u64);
        if dropped > 0 && self.wants(stream) {
            self.note(dropped_note(dropped)).await?;
        }
        if !self.wants(stream) {
            return Ok(());
        }
        let bytes = Blob(bytes);
        let more = match self.index {
            None => More::Log(LogChunk { stream, offset, bytes }),
            Some(index) => More::Output(OutputChunk { index, stream, offset, bytes }),
        };
        Ok(self.out.more(more).await?)
    }

    /// From the node itself. `true`: told whole, to the task's end or to what is there now.
    async fn relay(&mut self, attempt: AttemptId, node: &NodeName, link: LinkId) -> Result<bool, Ended> {
        let (id, dialled) = self.door.follows.expect(node.clone());
        let [stdout_from, stderr_from] = self.reached;
        let order = Follow { id, attempt, stdout_from, stderr_from, follow: self.follow };
        self.door.heart.order(link, ToAgent::Follow(order)).await;
        let mut frames = match tokio::time::timeout(DIAL_BACK, dialled).await {
            Ok(Some(frames)) => frames,
            Ok(None) | Err(_) => return Ok(false),
        };
        loop {
            match frames.next::<FollowFrame>().await {
                Ok(Some(FollowFrame::Chunk { stream, offset, bytes })) => self.chunk(stream, offset, bytes.0).await?,
                Ok(Some(FollowFrame::End)) => return Ok(true),
                Ok(None) | Err(_) => return Ok(false),
            }
        }
    }

    /// From the manager itself, which runs it; what is not told here is in the store when it has ended.
    async fn here(&mut self, attempt: AttemptId) -> Result<(), Ended> {
        let Some(mut tail) = self.door.own_runs.tail(attempt) else { return Ok(()) };
        loop {
            let reached = tail.reached();
            for (stream, length) in [(Stream::Stdout, reached.stdout), (Stream::Stderr, reached.stderr)] {
                while self.reached[stream as usize] < length {
                    let read = tail.read(stream, self.reached[stream as usize], CHUNK).await;
                    let Ok((at, bytes)) = read else { return Ok(()) };
                    if bytes.is_empty() {
                        break;
                    }
                    self.chunk(stream, at, bytes).await?;
                }
            }
            if reached.ended || !self.follow {
                return Ok(());
            }
            tail.beyond(reached).await;
        }
    }

    /// From the store: the rest of what an ended attempt printed.
    async fn kept(&mut self, attempt: AttemptId) -> Result<(), Ended> {
        let outputs = self.door.read(move |reader| reader.output(attempt)).await?;
        for (stream, output) in [Stream::Stdout, Stream::Stderr].into_iter().zip(outputs) {
            if !self.wants(stream) || output.length <= self.reached[stream as usize] {
                continue;
            }
            match output.bytes {
                Some(Blob(bytes)) => {
                    let skip = self.reached[stream as usize].saturating_sub(output.dropped);
                    let rest = usize::try_from(skip).ok().and_then(|skip| bytes.get(skip..)).unwrap_or_default();
                    for (n, part) in rest.chunks(CHUNK).enumerate() {
                        self.chunk(stream, output.dropped.saturating_add(skip + (n * CHUNK) as u64), part.to_vec())
                            .await?;
                    }
                    if self.reached[stream as usize] < output.length {
                        self.note(dropped_note(output.length - self.reached[stream as usize])).await?;
                    }
                }
                None => self.file(attempt, stream, &output).await?,
            }
        }
        Ok(())
    }

    async fn file(&mut self, attempt: AttemptId, stream: Stream, output: &Output) -> Result<(), Ended> {
        let gone = |why: String| {
            Refusal::not_found(format!("the {stream:?} of {attempt} is not on the manager any more: {why}"))
        };
        let node = self.door.heart.node_of(attempt).await?;
        let skip = self.reached[stream as usize].saturating_sub(output.dropped);
        let outputs = self.door.outputs.clone();
        let opened = away(move || {
            let mut file = outputs.open(attempt, &node, stream)?;
            file.seek(SeekFrom::Start(skip))?;
            Ok(file)
        });
        let mut file = opened.await.map_err(|e| gone(e.to_string()))?;
        let mut offset = output.dropped.saturating_add(skip);
        loop {
            let read = away(move || {
                let mut part = Vec::with_capacity(READ);
                (&file).take(READ as u64).read_to_end(&mut part)?;
                Ok((file, part))
            });
            let (again, part) = read.await.map_err(|e| gone(e.to_string()))?;
            if part.is_empty() {
                return Ok(());
            }
            file = again;
            for some in part.chunks(CHUNK) {
                self.chunk(stream, offset, some.to_vec()).await?;
                offset = offset.saturating_add(some.len() as u64);
            }
        }
    }
}

/// Where a slow disk holds up nobody else.
async fn away<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| Err(io::Error::other(failed)))
}

fn dropped_note(dropped: u64) -> String {
    format!("the oldest {} are not here any more: the limit for a task's output was reached", Bytes(dropped))
}
