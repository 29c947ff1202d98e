//! What an attempt was given, on its way to its node: raw bytes, by a stream of its own. A node that takes them slowly
//! holds up nothing but this stream, and one that takes nothing for a while is let go.

#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use link::FrameWriter;
use protocol::agent::FetchReply;
use protocol::api::{Refusal, RefusalKind};
use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::name::NodeName;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::Agents;
use crate::manager::cluster::{Input, Told};
use crate::manager::files::{Pieces, Room};
use crate::manager::heart::{Heart, unexpected};

/// Without a byte taken.
const STALLED: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub attempt: AttemptId,
    pub hash: ContentHash,
    pub from: u64,
}

/// Why it does not come.
#[derive(Debug)]
enum NotComing {
    /// No honest node asks for it.
    Lie(String),
    /// It will not come by asking again.
    Gone(String),
    /// It may, the next time.
    Failed(String),
}

pub async fn serve<W: AsyncWrite + Unpin>(agents: &Agents, node: &NodeName, wanted: Wanted, wire: W) {
    give(&agents.heart, &agents.files, node, wanted, wire, STALLED).await;
}

async fn give<W: AsyncWrite + Unpin>(
    heart: &Heart,
    files: &Room,
    node: &NodeName,
    wanted: Wanted,
    wire: W,
    patience: Duration,
) {
    let mut writer = FrameWriter::new(wire);
    let (reply, content) = match find(heart, files, node, wanted).await {
        Ok(content) => (FetchReply::Coming { bytes: content.left() }, Some(content)),
        Err(NotComing::Lie(reason)) => {
            let what = format!("the files of {}", wanted.attempt);
            heart.lied(node.clone(), what, reason.clone()).await;
            (FetchReply::Refused { reason, gone: true }, None)
        }
        Err(NotComing::Gone(reason)) => (FetchReply::Refused { reason, gone: true }, None),
        Err(NotComing::Failed(reason)) => (FetchReply::Refused { reason, gone: false }, None),
    };
    // A node that is gone, or takes nothing, asks again when it can.
    let Ok(Ok(())) = timeout(patience, writer.send(&reply)).await else { return };
    let mut wire = writer.into_inner();
    let sent = match content {
        Some(content) => send(content, &mut wire, patience).await,
        None => Ok(()),
    };
    match sent {
        Ok(()) => drop(timeout(patience, wire.shutdown()).await),
        // That it ends early tells the node.
        Err(error) => tracing::debug!("a file for {} on {node} broke off: {error}", wanted.attempt),
    }
}

/// Its content from there on.
async fn find(heart: &Heart, files: &Room, node: &NodeName, wanted: Wanted) -> Result<Pieces, NotComing> {
    let Wanted { attempt, hash, from } = wanted;
    let asking = node.clone();
    let told = heart.ask(|call| Input::FindGiven { call, node: asking, attempt, hash }).await;
    let size = match told {
        Ok(Told::Given(size)) => size,
        Ok(Told::Refused(Refusal { kind: RefusalKind::NotFound, message })) => return Err(NotComing::Lie(message)),
        Ok(Told::Refused(Refusal { kind: RefusalKind::Refused, message })) => return Err(NotComing::Gone(message)),
        Ok(Told::Refused(refusal)) | Err(refusal) => return Err(NotComing::Failed(refusal.message)),
        Ok(other) => return Err(NotComing::Failed(unexpected(&other).message)),
    };
    if from > size {
        return Err(NotComing::Lie(format!("it has {size} bytes, and was asked for from byte {from} on")));
    }
    let damaged = match files.read(hash, from).await {
        Ok((length, pieces)) if length == size => return Ok(pieces),
        Ok((length, _)) => format!("is damaged: it has {length} bytes, and was kept with {size}"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "is gone".to_owned(),
        Err(error) => {
            let told = format!("a file of {attempt} cannot be read on the manager's disk: {error}");
            tracing::warn!("{told} ({hash})");
            return Err(NotComing::Failed(told));
        }
    };
    let told = format!("a file of {attempt} on the manager's disk {damaged}; put it there again, and submit anew");
    tracing::error!("{told} ({hash})");
    Err(NotComing::Gone(told))
}

async fn send<W: AsyncWrite + Unpin>(mut pieces: Pieces, wire: &mut W, patience: Duration) -> io::Result<()> {
    while let Some(mut rest) = pieces.next().await? {
        while !rest.is_empty() {
            let taken = timeout(patience, wire.write(rest)).await??;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[taken..];
        }
    }
    timeout(patience, wire.flush()).await?
}
