//! `file_get`: a download, on a connection of its own. First what comes and where it begins, then its bytes; who asked
//! knows by their hash that they are whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use link::{write_chunk, write_end};
use protocol::api::{Body, Refusal, Reply, Request};
use protocol::file::{FileComing, FileGet, FileRef, FileView};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Door;
use super::connection::Ended;
use super::put::{Line, Refused, answer};
use crate::manager::cluster::{Caller, Input, Told};
use crate::manager::heart::unexpected;

const PIECE: usize = 256 * 1024;

/// Whatever goes wrong once bytes were sent can only be told by closing the connection early.
pub async fn get<R, W>(door: &Arc<Door>, caller: Caller, get: FileGet, id: u64, line: Line<'_, R, W>) -> Refused<W>
where
    W: AsyncWrite + Unpin,
{
    let mut out = line.out;
    let _ticket = match door.files.enter(&caller.person) {
        Ok(ticket) => ticket,
        Err(refusal) => return Some((refusal, out)),
    };
    let (view, file, offset) = match find(door, &caller, &get).await {
        Ok(found) => found,
        Err(refusal) => return Some((refusal, out)),
    };
    let size = view.size;
    let coming = Reply::FileComing(FileComing { file: view, offset });
    if let Err(Ended::Gone) = answer(&mut out, id, Body::Reply(coming)).await {
        return None;
    }
    // Who has gone needs no more.
    if let Err(error) = send(door, file, size - offset, &mut out.into_inner()).await {
        tracing::debug!("a download broke off: {error}");
    }
    None
}

async fn find(door: &Arc<Door>, caller: &Caller, get: &FileGet) -> Result<(FileView, File, u64), Refusal> {
    let mut looked_for = None;
    loop {
        let view = look(door, caller, &get.file).await?;
        let offset = if get.hash == Some(view.hash) && get.from <= view.size { get.from } else { 0 };
        let (contents, hash) = (door.files.contents.clone(), view.hash);
        let opened = door.files.work(move || {
            let mut file = contents.open(&hash)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok((file.metadata()?.len(), file))
        });
        let damaged = match opened.await {
            Ok((length, file)) if length == view.size => return Ok((view, file, offset)),
            Ok(_) => "is damaged".to_owned(),
            // It may have been replaced just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && looked_for != Some(hash) => {
                looked_for = Some(hash);
                continue;
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        let told = format!("the content of {:?} on the manager's disk {damaged}", get.file.to_string());
        tracing::error!("{told} ({hash})");
        return Err(Refusal::unavailable(told));
    }
}

async fn look(door: &Arc<Door>, caller: &Caller, file: &FileRef) -> Result<FileView, Refusal> {
    let (caller, request) = (caller.clone(), Request::File { file: file.clone() });
    match door.heart.ask(|call| Input::Request { call, caller, request }).await? {
        Told::Reply(Reply::File(view)) => Ok(view),
        Told::Refused(refusal) => Err(refusal),
        other => Err(unexpected(&other)),
    }
}

async fn send<W: AsyncWrite + Unpin>(door: &Door, mut file: File, mut left: u64, wire: &mut W) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let piece = move || {
            file.read_exact(&mut buffer[..wanted])?;
            Ok((file, buffer))
        };
        (file, buffer) = door.files.work(piece).await?;
        write_chunk(wire, &buffer[..wanted]).await?;
        left -= wanted as u64;
    }
    write_end(wire).await?;
    wire.shutdown().await
}
