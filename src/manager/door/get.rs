//! `file_get` and `result_get`: a download, on a connection of its own. First what comes and where it begins, then its
//! bytes; who asked knows by their hash that they are whole.

use std::io;
use std::sync::Arc;

use link::{write_chunk, write_end};
use protocol::api::{Body, Refusal, Reply, Request};
use protocol::file::{ContentHash, FileComing, FileGet, FileView};
use protocol::id::Target;
use protocol::result::{ResultComing, ResultGet, ResultQuery, ResultView};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Door;
use super::connection::Ended;
use super::put::{Line, Refused, answer};
use crate::manager::cluster::{Caller, Input, Told};
use crate::manager::files::Pieces;
use crate::manager::heart::unexpected;

pub enum Asked {
    File(FileGet),
    Result(ResultGet),
}

enum Found {
    File(FileView),
    Result(ResultView),
}

/// Whatever goes wrong once bytes were sent can only be told by closing the connection early.
pub async fn get<R, W>(door: &Arc<Door>, caller: Caller, asked: Asked, id: u64, line: Line<'_, R, W>) -> Refused<W>
where
    W: AsyncWrite + Unpin,
{
    let mut out = line.out;
    let _ticket = match door.files.enter(&caller.person) {
        Ok(ticket) => ticket,
        Err(refusal) => return Some((refusal, out)),
    };
    let (found, pieces, offset) = match find(door, &caller, &asked).await {
        Ok(found) => found,
        Err(refusal) => return Some((refusal, out)),
    };
    if let Err(Ended::Gone) = answer(&mut out, id, Body::Reply(found.coming(offset))).await {
        return None;
    }
    // Who has gone needs no more.
    if let Err(error) = send(pieces, &mut out.into_inner()).await {
        tracing::debug!("a download broke off: {error}");
    }
    None
}

async fn find(door: &Arc<Door>, caller: &Caller, asked: &Asked) -> Result<(Found, Pieces, u64), Refusal> {
    let mut looked_for = None;
    loop {
        let found = asked.look(door, caller).await?;
        let (size, hash) = found.content();
        let offset = match asked.known() {
            (from, Some(known)) if known == hash && from <= size => from,
            _ => 0,
        };
        let damaged = match door.files.read(hash, offset).await {
            Ok((length, pieces)) if length == size => return Ok((found, pieces, offset)),
            Ok(_) => "is damaged".to_owned(),
            // It may have been replaced just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound && looked_for != Some(hash) => {
                looked_for = Some(hash);
                continue;
            }
            Err(error) => format!("cannot be read: {error}"),
        };
        let told = format!("{} on the manager's disk {damaged}", asked.what());
        tracing::error!("{told} ({hash})");
        return Err(Refusal::unavailable(told));
    }
}

impl Asked {
    fn what(&self) -> String {
        match self {
            Asked::File(get) => format!("the content of {:?}", get.file.to_string()),
            Asked::Result(get) => format!("the result of {}", get.attempt),
        }
    }

    /// How much of which content the caller has.
    fn known(&self) -> (u64, Option<ContentHash>) {
        match self {
            Asked::File(get) => (get.from, get.hash),
            Asked::Result(get) => (get.from, get.hash),
        }
    }

    async fn look(&self, door: &Arc<Door>, caller: &Caller) -> Result<Found, Refusal> {
        let request = match self {
            Asked::File(get) => Request::File { file: get.file.clone() },
            Asked::Result(get) => {
                Request::Results(ResultQuery { targets: vec![Target::Attempt(get.attempt)], ..ResultQuery::default() })
            }
        };
        let caller = caller.clone();
        match door.heart.ask(|call| Input::Request { call, caller, request }).await? {
            Told::Reply(Reply::File(view)) => Ok(Found::File(view)),
            Told::Reply(Reply::Results(mut list)) => list.results.pop().map(Found::Result).ok_or_else(|| {
                let what = self.what();
                Refusal::not_found(format!("{what} is not kept here; see what there is with: bramble result"))
            }),
            Told::Refused(refusal) => Err(refusal),
            other => Err(unexpected(&other)),
        }
    }
}

impl Found {
    fn content(&self) -> (u64, ContentHash) {
        match self {
            Found::File(file) => (file.size, file.hash),
            Found::Result(result) => (result.left.size, result.hash),
        }
    }

    fn coming(self, offset: u64) -> Reply {
        match self {
            Found::File(file) => Reply::FileComing(FileComing { file, offset }),
            Found::Result(result) => Reply::ResultComing(ResultComing { result, offset }),
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(mut pieces: Pieces, wire: &mut W) -> io::Result<()> {
    while let Some(piece) = pieces.next().await? {
        write_chunk(wire, piece).await?;
    }
    write_end(wire).await?;
    wire.shutdown().await
}
