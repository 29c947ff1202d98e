//! Bulk streams: live output on its way to a follower, large outputs of ended attempts, what attempts are given
//! ([`fetch`]) and what they left ([`results`]).

use std::io::Write;

use link::{FrameReader, FrameWriter, Incoming, Stream as Wire};
use protocol::agent::{BulkHello, PutReply};
use protocol::id::AttemptId;
use protocol::job::Stream;
use protocol::name::NodeName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Agents, FIRST_FRAME, fetch, results};

const PART: usize = 256 * 1024;

pub async fn receive(agents: &Agents, one: Incoming, node: NodeName) {
    let mut reader = FrameReader::within(one.stream, &agents.budgets.of(&node));
    match timeout(FIRST_FRAME, reader.next::<BulkHello>()).await {
        Ok(Ok(Some(BulkHello::Follow { id }))) => agents.follows.arrived(id, &node, reader),
        Ok(Ok(Some(BulkHello::Put { attempt, stream, length, dropped }))) => {
            let (ahead, mut wire) = reader.into_parts();
            let put = Put { attempt, stream, bytes: length.saturating_sub(dropped) };
            let reply = match keep(agents, &node, put, &ahead, &mut wire).await {
                Ok(()) => PutReply::Kept,
                Err(NotKept::Lie(reason)) => {
                    agents
                        .heart
                        .lied(node.clone(), format!("the {stream:?} of {attempt}").to_lowercase(), reason.clone())
                        .await;
                    PutReply::Refused { reason }
                }
                Err(NotKept::Failed(reason)) => {
                    tracing::warn!("output of {attempt} from {node} was not kept: {reason}");
                    PutReply::Refused { reason }
                }
            };
            let mut writer = FrameWriter::new(wire);
            // A lost answer: the agent puts it again, which replaces what was kept.
            if writer.send(&reply).await.is_ok() {
                let _ = writer.into_inner().shutdown().await;
            }
        }
        Ok(Ok(Some(BulkHello::Fetch { attempt, hash, from }))) => {
            let (_, wire) = reader.into_parts();
            fetch::serve(agents, &node, fetch::Wanted { attempt, hash, from }, wire).await;
        }
        Ok(Ok(Some(BulkHello::Result { attempt, left, tag }))) => {
            let Agents { heart, files, space, .. } = agents;
            let (patience, beside) = (results::STALLED, space.of_one_node());
            let taker = results::Taker { heart, files, space, node: &node, patience, beside };
            let (ahead, wire) = reader.into_parts();
            let (read, write) = tokio::io::split(wire);
            let read = AsyncReadExt::chain(std::io::Cursor::new(ahead), read);
            taker.take(results::Brought { attempt, left, tag }, read, write).await;
        }
        Ok(Ok(None)) | Err(_) => {}
        Ok(Err(error)) => tracing::warn!("a bulk stream of {node} made no sense: {error}"),
    }
}

struct Put {
    attempt: AttemptId,
    stream: Stream,
    bytes: u64,
}

/// Why a put came to nothing.
enum NotKept {
    /// Nobody asked for it.
    Lie(String),
    /// It may go well the next time.
    Failed(String),
}

async fn keep(agents: &Agents, node: &NodeName, put: Put, ahead: &[u8], wire: &mut Wire) -> Result<(), NotKept> {
    use NotKept::{Failed, Lie};
    if put.bytes > agents.output_limit {
        let (bytes, limit) = (put.bytes, agents.output_limit);
        return Err(Lie(format!("{bytes} bytes are more than this manager keeps of one, which is {limit}")));
    }
    // Also of an attempt that was replaced meanwhile: its late result is kept apart.
    let on = agents.heart.node_of(put.attempt).await.map_err(|refusal| Failed(refusal.message))?;
    if on.node() != Some(node) {
        return Err(Lie(format!("it was not given to {node}")));
    }
    let failed = |error: std::io::Error| Failed(format!("the manager could not keep it: {error}"));
    let mut arriving = agents.outputs.arrive(put.attempt, node, put.stream).map_err(failed)?;
    let first = ahead.get(..usize::try_from(put.bytes).unwrap_or(usize::MAX).min(ahead.len())).unwrap_or_default();
    arriving.file.write_all(first).map_err(failed)?;
    let mut left = put.bytes - first.len() as u64;
    let mut part = vec![0; PART];
    while left > 0 {
        let room = usize::try_from(left).unwrap_or(PART).min(PART);
        let read = wire.read(&mut part[..room]).await.map_err(|e| Failed(format!("the stream broke: {e}")))?;
        if read == 0 {
            return Err(Failed(format!("the stream ended {left} bytes early")));
        }
        tokio::task::block_in_place(|| arriving.file.write_all(&part[..read])).map_err(failed)?;
        left -= read as u64;
    }
    tokio::task::block_in_place(|| arriving.keep()).map_err(failed)
}
