//! What an attempt was given, on its way to its node: raw bytes, by a stream of its own. A node that takes them slowly
//! holds up nothing but this stream, and one that takes nothing for a while is let go.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
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
use crate::manager::files::Room;
use crate::manager::heart::{Heart, unexpected};

/// Bytes in memory, of each stream.
const PIECE: usize = 256 * 1024;
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
        Ok((content, bytes)) => (FetchReply::Coming { bytes }, Some((content, bytes))),
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
        Some((content, bytes)) => send(files, content, bytes, &mut wire, patience).await,
        None => Ok(()),
    };
    match sent {
        Ok(()) => drop(timeout(patience, wire.shutdown()).await),
        // That it ends early tells the node.
        Err(error) => tracing::debug!("a file for {} on {node} broke off: {error}", wanted.attempt),
    }
}

/// Its content from there on, and how much that is.
async fn find(heart: &Heart, files: &Room, node: &NodeName, wanted: Wanted) -> Result<(File, u64), NotComing> {
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
    let Some(left) = size.checked_sub(from) else {
        return Err(NotComing::Lie(format!("it has {size} bytes, and was asked for from byte {from} on")));
    };
    let contents = files.contents.clone();
    let opened = files.work(move || {
        let mut file = contents.open(&hash)?;
        file.seek(SeekFrom::Start(from))?;
        Ok((file.metadata()?.len(), file))
    });
    let damaged = match opened.await {
        Ok((length, file)) if length == size => return Ok((file, left)),
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

async fn send<W>(files: &Room, mut file: File, mut left: u64, wire: &mut W, patience: Duration) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; PIECE];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = move || {
            file.read_exact(&mut buffer[..wanted])?;
            Ok((file, buffer))
        };
        (file, buffer) = files.work(piece).await?;
        let mut rest = &buffer[..wanted];
        while !rest.is_empty() {
            let taken = timeout(patience, wire.write(rest)).await??;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[taken..];
        }
        left -= wanted as u64;
    }
    timeout(patience, wire.flush()).await?
}
