//! `logs`: what a task printed, from wherever it is. While the task runs, from its node by a bulk connection of
//! its own; once it has ended, from the store. Offsets make the joins seamless: when a node goes away in the middle,
//! the rest is told from the place reached.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use protocol::agent::{Follow, FollowFrame, Output, ToAgent};
use protocol::api::{LogChunk, LogQuery, More, Refusal};
use protocol::bytes::Blob;
use protocol::id::{AttemptId, Target};
use protocol::job::Stream;
use protocol::name::NodeName;
use protocol::unit::Bytes;

use super::Door;
use super::connection::{Ended, Outlet};
use crate::manager::cluster::{Caller, LinkId, Place};

const CHUNK: usize = 64 * 1024;
/// How long a node may take to dial back.
const DIAL_BACK: Duration = Duration::from_secs(10);
/// Follows that broke without telling anything new before the end of the task is waited for instead.
const MOST_BREAKS: u32 = 3;

pub async fn stream(door: &Arc<Door>, caller: Caller, query: LogQuery, out: &Outlet) -> Ended {
    let mut telling =
        Telling { door, out, only: query.stream, follow: query.follow, attempt: None, reached: [0; 2], breaks: 0 };
    match telling.tell(&caller, query.target).await {
        Ok(()) => Ended::Well,
        Err(ended) => ended,
    }
}

struct Telling<'a> {
    door: &'a Arc<Door>,
    out: &'a Outlet,
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
                Place::Kept { attempt, last } => {
                    self.turn_to(*attempt);
                    self.kept(*attempt, caller).await?;
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
        Ok(self.out.more(More::LogNote { text }).await?)
    }

    async fn chunk(&mut self, stream: Stream, offset: u64, bytes: Vec<u8>) -> Result<(), Ended> {
        let reached = &mut self.reached[stream as usize];
        let dropped = offset.saturating_sub(*reached);
        *reached = offset + bytes.len() as u64;
        if dropped > 0 && self.wants(stream) {
            self.note(dropped_note(dropped)).await?;
        }
        if !self.wants(stream) {
            return Ok(());
        }
        Ok(self.out.more(More::Log(LogChunk { stream, offset, bytes: Blob(bytes) })).await?)
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

    /// From the store: the rest of what an ended attempt printed.
    async fn kept(&mut self, attempt: AttemptId, caller: &Caller) -> Result<(), Ended> {
        let outputs = read(self.door, attempt).await?;
        for (stream, output) in [Stream::Stdout, Stream::Stderr].into_iter().zip(outputs) {
            if !self.wants(stream) || output.length <= self.reached[stream as usize] {
                continue;
            }
            match output.bytes {
                Some(Blob(bytes)) => {
                    let skip = self.reached[stream as usize].saturating_sub(output.dropped);
                    let rest = bytes.get(skip as usize..).unwrap_or_default();
                    for (n, part) in rest.chunks(CHUNK).enumerate() {
                        self.chunk(stream, output.dropped + skip + (n * CHUNK) as u64, part.to_vec()).await?;
                    }
                    if self.reached[stream as usize] < output.length {
                        self.note(dropped_note(output.length - self.reached[stream as usize])).await?;
                    }
                }
                None => self.file(attempt, stream, &output, caller).await?,
            }
        }
        Ok(())
    }

    async fn file(
        &mut self,
        attempt: AttemptId,
        stream: Stream,
        output: &Output,
        caller: &Caller,
    ) -> Result<(), Ended> {
        let gone = |why: String| {
            Refusal::not_found(format!("the {stream:?} of {attempt} is not on the manager any more: {why}"))
        };
        let node = self.door.heart.node_of(caller, attempt).await?;
        let mut file = self.door.outputs.open(attempt, &node, stream).map_err(|e| gone(e.to_string()))?;
        let skip = self.reached[stream as usize].saturating_sub(output.dropped);
        file.seek(SeekFrom::Start(skip)).map_err(|e| gone(e.to_string()))?;
        let mut offset = output.dropped + skip;
        loop {
            let mut part = vec![0; CHUNK];
            let read = file.read(&mut part).map_err(|e| gone(e.to_string()))?;
            if read == 0 {
                return Ok(());
            }
            part.truncate(read);
            self.chunk(stream, offset, part).await?;
            offset += read as u64;
        }
    }
}

fn dropped_note(dropped: u64) -> String {
    format!("the oldest {} are not here any more: the limit for a task's output was reached", Bytes(dropped))
}

async fn read(door: &Arc<Door>, attempt: AttemptId) -> Result<[Output; 2], Refusal> {
    let door = door.clone();
    match tokio::task::spawn_blocking(move || door.reader.blocking_lock().output(attempt)).await {
        Ok(read) => read.map_err(|e| Refusal::unavailable(e.to_string())),
        Err(_) => Err(Refusal::unavailable("the output could not be read; see the manager's log")),
    }
}
