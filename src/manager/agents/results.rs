//! What attempts left, on its way here: raw bytes, by a stream of its own, before the end of the attempt is told. A stream
//! that brings nothing for a while is let go; what came of it waits for the next.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use link::{FrameReader, FrameWriter};
use protocol::agent::{PutReply, ResultBegin, ResultEnd, ResultReply};
use protocol::api::{Refusal, RefusalKind};
use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::name::NodeName;
use protocol::result::Left;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::manager::cluster::{Input, Told};
use crate::manager::files::{Arriving, PIECE, Part, Room};
use crate::manager::heart::{Heart, unexpected};
use crate::manager::store::Space;

/// Without a byte.
pub const STALLED: Duration = Duration::from_secs(60);
/// Bytes a second that a node reads of what it looks at once more before it goes on, as a worn SD card does. One that is
/// slower has twice the time when it comes again, and so on: what is here stays, so however often the link breaks and
/// however slow the node is, each try gets further or gives the next one longer.
const SLOW: u64 = 4 << 20;
/// Doublings at most: that is 4 kB a second.
const MOST_DOUBLED: u32 = 10;

/// Between two looks at what broke off.
const LOOKED_AFTER: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
pub struct Brought {
    pub attempt: AttemptId,
    pub left: Left,
    pub tag: ContentHash,
}

/// Who takes it in.
pub struct Taker<'a> {
    pub heart: &'a Heart,
    pub files: &'a Room,
    pub space: &'a Space,
    pub node: &'a NodeName,
    pub patience: Duration,
    /// What all that this node has arriving may take together, but for the largest of it: one result may have all the room
    /// there is, and no number of them.
    pub beside: u64,
}

/// Why it goes no further.
enum Ended {
    /// The node is told, and tries again.
    Refused(String),
    /// There is nobody to tell.
    Gone,
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Ended::Refused(format!("the manager could not keep it: {error}"))
    }
}

impl Taker<'_> {
    pub async fn take<R, W>(&self, brought: Brought, read: R, write: W)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut out = FrameWriter::new(write);
        let (part, arriving) = match self.prepare(brought).await {
            Ok(prepared) => prepared,
            Err(reply) => return self.last_words(out, &reply).await,
        };
        let ready = ResultReply::Ready { offset: arriving.length(), hash: arriving.hash() };
        if self.say(&mut out, &ready).await.is_err() {
            return;
        }
        let reply = match self.receive(brought, part, arriving, read).await {
            Ok(()) => PutReply::Kept,
            Err(Ended::Refused(reason)) => {
                tracing::warn!("what {} left on {} was not kept: {reason}", brought.attempt, self.node);
                PutReply::Refused { reason }
            }
            Err(Ended::Gone) => return,
        };
        // A lost answer: the agent brings it again, and hears that it is here.
        self.last_words(out, &reply).await;
    }

    /// What there is of it; or what is to be said instead of taking it.
    async fn prepare(&self, Brought { attempt, left, tag }: Brought) -> Result<(Part, Arriving), ResultReply> {
        let (later, never) = (|reason| refused(reason, false), |reason| refused(reason, true));
        let node = self.node.clone();
        match self.heart.ask(|call| Input::PlanResult { call, node, attempt }).await {
            Ok(Told::Owner(_)) => {}
            Ok(Told::Kept) => return Err(ResultReply::Kept),
            Ok(Told::Refused(Refusal { kind: RefusalKind::NotFound, message })) => {
                let what = format!("what {attempt} left");
                self.heart.lied(self.node.clone(), what, message.clone()).await;
                return Err(never(message));
            }
            Ok(Told::Refused(Refusal { kind: RefusalKind::Refused, message })) => return Err(never(message)),
            Ok(Told::Refused(refusal)) | Err(refusal) => return Err(later(refusal.message)),
            Ok(other) => return Err(later(unexpected(&other).message)),
        }
        // A file of holes may be longer than all disks there are.
        if let Some(why) = self.space.never_has(left.size) {
            return Err(never(why));
        }
        if let Some(why) = self.space.low() {
            return Err(later(why));
        }
        let failed = |error: io::Error| refused(format!("the manager could not keep it: {error}"), false);
        let (halves, node, key) = (self.files.arriving.clone(), self.node.clone(), key(left, tag));
        let beside = self.beside;
        let begun = self.files.work(move || {
            let part = halves.begin_of(node.as_str(), attempt, key, left.size)?;
            Ok((part, halves.all_but_one_fit(node.as_str(), beside)))
        });
        let (mut part, fits) = begun.await.map_err(failed)?;
        if !fits {
            return Err(later(format!("{} is bringing as much as it may at a time already", self.node)));
        }
        let arriving = Arriving::into(self.files, &mut part, left.size).await.map_err(failed)?;
        match self.space.lacks(left.size - arriving.length()) {
            Some(why) => Err(later(why)),
            None => Ok((part, arriving)),
        }
    }

    /// The bytes as they are announced, and not one beyond them.
    async fn receive<R>(
        &self,
        Brought { attempt, left, .. }: Brought,
        part: Part,
        mut arriving: Arriving,
        read: R,
    ) -> Result<(), Ended>
    where
        R: AsyncRead + Unpin,
    {
        let mut frames = FrameReader::new(read);
        let reading = self.patience + Duration::from_secs(arriving.length() / SLOW);
        let looking = reading.saturating_mul(1 << part.slow_looks().min(MOST_DOUBLED));
        let ResultBegin { from } = match timeout(looking, frames.next()).await {
            Ok(Ok(Some(begin))) => begin,
            // The link broke: the next goes on.
            Ok(_) => return Err(Ended::Gone),
            Err(_) => {
                part.looked_at(false);
                return Err(Ended::Gone);
            }
        };
        part.looked_at(true);
        if from == 0 {
            arriving = arriving.begin_anew(self.files).await?;
        } else if from != arriving.length() {
            let known = arriving.length();
            return Err(Ended::Refused(format!("it may begin at 0 or at {known}, and not at {from}")));
        }
        let mut wire = frames.into_rest();
        let mut buffer = vec![0; PIECE];
        while arriving.length() < left.size {
            let filled = self.fill(&mut wire, &mut buffer, left.size - arriving.length()).await?;
            if arriving.is_stretch()
                && let Some(why) = self.space.low()
            {
                // What does not fit would take the room that others need.
                part.discard();
                return Err(Ended::Refused(why));
            }
            (arriving, buffer) = arriving.add(self.files, buffer, filled).await?;
        }
        let ResultEnd { hash } = self.hear(&mut FrameReader::new(wire), self.patience).await?;
        let here = arriving.hash();
        if here != hash {
            part.discard();
            return Err(Ended::Refused(format!("what arrived is not what was sent ({hash} and not {here})")));
        }
        let (held, _) = arriving.keep(self.files, part).await?;
        let node = self.node.clone();
        match self.heart.ask(|call| Input::KeepResult { call, node, attempt, left, hash }).await {
            Ok(Told::Kept) => Ok(()),
            Ok(Told::Refused(refusal)) => Err(Ended::Refused(refusal.message)),
            Ok(other) => Err(Ended::Refused(unexpected(&other).message)),
            Err(refusal) => {
                held.leave();
                Err(Ended::Refused(refusal.message))
            }
        }
    }

    /// As much of the buffer as there is still to come.
    async fn fill<R>(&self, wire: &mut R, buffer: &mut [u8], left: u64) -> Result<usize, Ended>
    where
        R: AsyncRead + Unpin,
    {
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(buffer.len());
        let mut filled = 0;
        while filled < wanted {
            match timeout(self.patience, wire.read(&mut buffer[filled..wanted])).await {
                Ok(Ok(read)) if read > 0 => filled += read,
                _ => return Err(Ended::Gone),
            }
        }
        Ok(filled)
    }

    async fn hear<R, T>(&self, frames: &mut FrameReader<R>, patience: Duration) -> Result<T, Ended>
    where
        R: AsyncRead + Unpin,
        T: DeserializeOwned,
    {
        match timeout(patience, frames.next::<T>()).await {
            Ok(Ok(Some(said))) => Ok(said),
            _ => Err(Ended::Gone),
        }
    }

    async fn say<W, T>(&self, out: &mut FrameWriter<W>, what: &T) -> Result<(), Ended>
    where
        W: AsyncWrite + Unpin,
        T: Serialize,
    {
        match timeout(self.patience, out.send(what)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Ended::Gone),
        }
    }

    async fn last_words<W: AsyncWrite + Unpin, T: Serialize>(&self, mut out: FrameWriter<W>, what: &T) {
        if self.say(&mut out, what).await.is_ok() {
            // Who has gone needs no end.
            let _ = timeout(self.patience, out.into_inner().shutdown()).await;
        }
    }
}

fn refused(reason: String, for_good: bool) -> ResultReply {
    ResultReply::Refused { reason, for_good }
}

/// Stands for what is brought, beside who brings it and of which attempt: what broke off goes on only where this is the
/// same.
fn key(left: Left, tag: ContentHash) -> ContentHash {
    ContentHash(*blake3::hash(format!("{} {tag}", left.size).as_bytes()).as_bytes())
}

/// Looks after what broke off, for as long as the manager is up.
pub async fn look_after(heart: &Heart, files: &Room) {
    loop {
        let (halves, heart) = (files.arriving.of_attempts(), heart.clone());
        if !halves.is_empty() {
            let_go(halves, &heart, files).await;
        }
        tokio::time::sleep(LOOKED_AFTER).await;
    }
}

/// What broke off, and nobody will bring the rest: its attempt has ended without it, or is not remembered any more, or its
/// node is not.
async fn let_go(halves: Vec<(NodeName, AttemptId)>, heart: &Heart, files: &Room) {
    // A manager that cannot say so now is asked again.
    let Ok(Told::Unwanted(gone)) = heart.ask(|call| Input::Unwanted { call, halves }).await else { return };
    let arriving = files.arriving.clone();
    let forgotten = files.work(move || {
        arriving.forget(&gone);
        Ok(())
    });
    if let Err(error) = forgotten.await {
        tracing::warn!("halves of results that nobody will bring stay: {error}");
    }
}
