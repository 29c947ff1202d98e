//! `file_put`: an upload, on a connection of its own. First what is there of it, then its bytes, then its hash. The
//! answer to that leaves when the file is on the disk and in the table, and never before.

use std::io;
use std::sync::Arc;

use blake3::Hasher;
use link::{Budget, ChunkReader, FrameReader, FrameWriter};
use protocol::api::{Answer, Body, Call, Refusal, RefusalKind, Reply, Request};
use protocol::file::{ContentHash, FileKind, FilePut, FileReady};
use protocol::unit;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Door;
use super::connection::Ended;
use crate::manager::cluster::{Caller, Input, Told, Upload};
use crate::manager::files::{Arriving, PIECE, Part};
use crate::manager::heart::{stopping, unexpected};

/// A connection that is a transfer's own.
pub struct Line<'a, R, W> {
    pub read: R,
    pub out: FrameWriter<W>,
    pub budget: &'a Budget,
}

/// What is left to be told, and the way to tell it.
pub type Refused<W> = Option<(Refusal, FrameWriter<W>)>;

pub async fn put<R, W>(door: &Arc<Door>, caller: Caller, put: FilePut, id: u64, line: Line<'_, R, W>) -> Refused<W>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut out = line.out;
    match receive(door, caller, id, put, line.read, &mut out, line.budget).await {
        Err(Ended::Refused(refusal)) => Some((refusal, out)),
        Ok(()) | Err(_) => None,
    }
}

async fn receive<R, W>(
    door: &Arc<Door>,
    caller: Caller,
    id: u64,
    put: FilePut,
    wire: R,
    out: &mut FrameWriter<W>,
    budget: &Budget,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let _ticket = door.files.enter(&caller.person)?;
    if let Some(why) = door.space.low() {
        return Err(Refusal::unavailable(why).into());
    }
    let (owner, name, size) = (caller.person.clone(), put.name.clone(), put.size);
    let ask = |call| Input::PlanPut { call, caller: caller.clone(), name, size };
    let most = match door.heart.ask(ask).await? {
        Told::Room(room) => room,
        Told::Refused(refusal) => return Err(refusal.into()),
        other => return Err(unexpected(&other).into()),
    };
    let (uploads, key, spare) = (door.files.uploads.clone(), key(&put), most.saturating_sub(size.unwrap_or(0)));
    let begun = door.files.work(move || {
        let part = uploads.begin(owner.as_str(), key)?;
        let taken = uploads.others(owner.as_str(), &part, spare);
        Ok((part, taken))
    });
    let (mut part, taken) = begun.await.map_err(failed)?;
    let most = size.unwrap_or(most.saturating_sub(taken));
    if let Some(why) = size.and_then(|size| door.space.lacks(size)) {
        return Err(Refusal::unavailable(why).into());
    }
    let mut arriving = Arriving::into(&door.files, &mut part, most).await.map_err(failed)?;
    let ready = FileReady { offset: arriving.length(), hash: arriving.hash() };
    reply(out, id, Reply::FileReady(ready)).await?;

    let mut frames = FrameReader::within(wire, budget);
    let from = match frames.next::<Call>().await {
        Ok(Some(Call { request: Request::FileSend { from }, .. })) => from,
        Ok(Some(_)) => return Err(Refusal::usage("after file_put comes file_send").into()),
        Ok(None) | Err(_) => return Err(Ended::Gone),
    };
    if from == 0 {
        arriving = arriving.begin_anew(&door.files).await.map_err(failed)?;
    } else if from != arriving.length() {
        let known = arriving.length();
        return Err(Refusal::usage(format!("begin at 0 or at {known}, and not at {from}")).into());
    }
    let mut wire = frames.into_rest();
    let came = take_in(door, arriving, most, &mut wire).await;
    // What does not fit would take the room that others need.
    let came = match came {
        Err(Ended::Refused(refusal)) => {
            part.discard();
            return Err(refusal.into());
        }
        came => came?,
    };
    finish(door, caller, put, part, came, FrameReader::within(wire, budget), out).await
}

/// All chunks are here: what is to become of them?
async fn finish<R, W>(
    door: &Arc<Door>,
    caller: Caller,
    put: FilePut,
    part: Part,
    came: Arriving,
    mut frames: FrameReader<R>,
    out: &mut FrameWriter<W>,
) -> Result<(), Ended>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (id, sent) = match frames.next::<Call>().await {
        Ok(Some(Call { id, request: Request::FileKeep { hash } })) => (id, hash),
        Ok(Some(Call { id, request: Request::FileDrop })) => {
            part.discard();
            return reply(out, id, Reply::End).await;
        }
        Ok(Some(_)) => return Err(Refusal::usage("after the last chunk comes file_keep or file_drop").into()),
        Ok(None) | Err(_) => return Err(Ended::Gone),
    };
    let (hash, size) = (came.hash(), came.length());
    let wrong = if sent != hash {
        Some(format!("what arrived of {:?} is not what was sent ({hash} and not {sent})", put.name))
    } else {
        let short = put.size.filter(|announced| *announced != size);
        short.map(|announced| format!("{:?} was to have {announced} bytes, and {size} came", put.name))
    };
    if let Some(wrong) = wrong {
        part.discard();
        let told = Refusal::refused(format!("{wrong}; nothing was kept, put it once more"));
        return answer(out, id, Body::Error(told)).await;
    }
    let (held, known) = match came.keep(&door.files, part).await {
        Ok(kept) => kept,
        Err(error) => return answer(out, id, Body::Error(failed(error))).await,
    };
    let FilePut { name, kind, executable, .. } = put;
    let executable = executable && kind == FileKind::File;
    let upload = Upload { name, kind, executable, size, hash, known };
    let body = match door.heart.ask(|call| Input::KeepFile { call, caller, upload }).await {
        Ok(Told::Reply(reply)) => Body::Reply(reply),
        Ok(Told::Refused(refusal)) => Body::Error(refusal),
        Ok(other) => Body::Error(unexpected(&other)),
        Err(refusal) => {
            held.leave();
            if refusal == stopping() {
                return Err(Ended::Gone);
            }
            return answer(out, id, Body::Error(refusal)).await;
        }
    };
    drop(held);
    answer(out, id, body).await
}

/// Up to the last chunk. A refusal says that it cannot be kept.
async fn take_in<R>(door: &Door, mut arriving: Arriving, most: u64, wire: R) -> Result<Arriving, Ended>
where
    R: AsyncRead + Unpin,
{
    let mut chunks = ChunkReader::new(wire);
    let mut buffer = vec![0; PIECE];
    loop {
        // Who sends nothing more holds up only themselves.
        let filled = chunks.fill(&mut buffer).await.map_err(|_| Ended::Gone)?;
        if filled == 0 {
            return Ok(arriving);
        }
        if arriving.length() + filled as u64 > most {
            let told = format!("it has more than {}, which is all that there is room for", unit::Bytes(most));
            return Err(Refusal::refused(told).into());
        }
        if arriving.is_stretch()
            && let Some(why) = door.space.low()
        {
            return Err(Refusal::unavailable(why).into());
        }
        (arriving, buffer) = arriving.add(&door.files, buffer, filled).await.map_err(failed)?;
    }
}

/// Stands for what is uploaded, beside whose it is.
fn key(put: &FilePut) -> Option<ContentHash> {
    let tag = put.tag.as_ref()?;
    let mut hasher = Hasher::new();
    for part in [put.name.as_str(), put.kind.word(), &format!("{:?}", put.size), tag] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    Some(ContentHash(*hasher.finalize().as_bytes()))
}

fn failed(error: io::Error) -> Refusal {
    let what = match error.kind() {
        io::ErrorKind::StorageFull => "the manager's disk is full",
        io::ErrorKind::QuotaExceeded => "the manager may write no more to its disk",
        _ => return Refusal::unavailable(format!("the manager could not keep it: {error}")),
    };
    Refusal {
        kind: RefusalKind::Unavailable,
        message: format!("{what}; nothing of it was kept, try again when there is room"),
    }
}

async fn reply<W: AsyncWrite + Unpin>(out: &mut FrameWriter<W>, id: u64, reply: Reply) -> Result<(), Ended> {
    answer(out, id, Body::Reply(reply)).await
}

pub async fn answer<W: AsyncWrite + Unpin>(out: &mut FrameWriter<W>, id: u64, body: Body) -> Result<(), Ended> {
    out.send(&Answer { id, body }).await.map_err(|_| Ended::Gone)
}
