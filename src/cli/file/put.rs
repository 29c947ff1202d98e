//! `file put`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use blake3::Hasher;
use clap::Args;
use packing::MOST_ENTRIES;
use protocol::file::{ContentHash, FileKept, FilePut, FileReady, FileView};
use protocol::name::FileName;
use protocol::unit::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::change::shown;
use super::source::{Piece, Source};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::many::{self, Outcome};
use crate::cli::transfer::progress::Progress;
use crate::cli::transfer::tries::Tries;
use crate::client::{ClientError, ManagerAddress, Upload};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble file put data.csv
  bramble file put data.csv fit.py experiment/
  bramble file put results/ --name results-of-may
  pg_dump db | bramble file put - --name db.sql

What had that name before is replaced, but for jobs that were given it. A folder is packed on
the way; devices, sockets and links that lead out of it are refused. A program stays one: who
gets it may run it. Should the connection break, it is taken up again for about a minute; after
that, the same command goes on where it stopped, except from stdin.")]
pub struct PutArgs {
    /// Files, folders, or - for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Keep it under this name, where there is one path [default: its own]
    #[arg(long, alias = "as", value_name = "NAME")]
    name: Option<FileName>,
    /// The most that may be in a folder
    #[arg(long, value_name = "N", default_value_t = MOST_ENTRIES)]
    most: u64,
}

pub async fn put(args: PutArgs, context: &Context) -> Result<Exit, Failure> {
    let PutArgs { paths, name, most } = args;
    if name.is_some() && paths.len() > 1 {
        return Err(Failure::usage("--name is for one path; put the others by a command of their own"));
    }
    // Before anything is sent.
    let named = |path: PathBuf| Ok((name.clone().map_or_else(|| name_of(&path), Ok)?, path));
    let named = paths.into_iter().map(named).collect::<Result<Vec<_>, Failure>>()?;
    let mut names = BTreeSet::new();
    if let Some((twice, _)) = named.iter().find(|(name, _)| !names.insert(name)) {
        let told =
            format!("two of these would be kept as {:?}; put one of them by itself, with --name", twice.as_str());
        return Err(Failure::usage(told));
    }
    if let [(name, path)] = &named[..] {
        let kept = one(name, path, most, context).await?;
        return tell(&kept, context);
    }
    let mut outcomes = vec![];
    for (name, path) in named {
        let result = one(&name, &path, most, context).await;
        outcomes.push(Outcome { target: path.display().to_string(), result });
    }
    many::tell(context, "path", &outcomes, |_, kept| sentence(kept))
}

/// The file as it is kept now, and whether these bytes were there before.
#[derive(Debug, Serialize)]
struct Put {
    #[serde(flatten)]
    file: FileView,
    known: bool,
}

async fn one(name: &FileName, path: &Path, most: u64, context: &Context) -> Result<Put, Failure> {
    let address = context.address()?;
    let source = Source::look(path, most)?;
    let FileKept { file, known } = keep(&address, name, &source, context).await?;
    Ok(Put { file, known })
}

/// Keeps it under this name, in place of what had that name before.
pub async fn keep(
    address: &ManagerAddress,
    name: &FileName,
    source: &Source,
    context: &Context,
) -> Result<FileKept, Failure> {
    let mut progress = Progress::new(name.as_str(), source.size(), context);
    until_kept(address, name, source, &mut progress, context).await
}

fn name_of(path: &Path) -> Result<FileName, Failure> {
    if path == Path::new("-") {
        return Err(Failure::usage("what comes from stdin has no name; give it one with --name"));
    }
    // Of `.` and `..` too.
    let whole = std::fs::canonicalize(path).ok();
    let last = path.file_name().or_else(|| whole.as_ref()?.file_name());
    let name = last.and_then(|last| last.to_str()?.parse().ok());
    name.ok_or_else(|| {
        Failure::usage(format_args!(
            "the name of {} is none that can be kept; give it another with --name",
            path.display()
        ))
    })
}

fn tell(kept: &Put, context: &Context) -> Result<Exit, Failure> {
    if context.json {
        context.print_json(kept)?;
    } else {
        context.print(sentence(kept) + "\n")?;
    }
    Ok(Exit::OK)
}

fn sentence(Put { file, known }: &Put) -> String {
    let again = if *known { ", these bytes were there already" } else { "" };
    shown(format!("{}: kept, {}{again}", file.name, Bytes(file.size)))
}

async fn until_kept(
    address: &ManagerAddress,
    name: &FileName,
    source: &Source,
    progress: &mut Progress,
    context: &Context,
) -> Result<FileKept, Failure> {
    let mut tries = Tries::new(context);
    loop {
        match once(address, name, source, progress, &mut tries).await {
            Ok(kept) => return Ok(kept),
            Err(Stopped::Here(failure)) => return Err(failure),
            Err(Stopped::There(ClientError::Lost { .. })) if matches!(source, Source::Stdin) => {
                let told = "the manager went away in the middle, and what came from stdin cannot be sent again; put it once more";
                return Err(Failure::new(Kind::Unavailable, told));
            }
            Err(Stopped::There(error)) => {
                progress.clear();
                tries.after(error).await?;
            }
        }
    }
}

/// Why a try came to nothing.
enum Stopped {
    Here(Failure),
    There(ClientError),
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Stopped::Here(failure)
    }
}

impl From<ClientError> for Stopped {
    fn from(error: ClientError) -> Self {
        Stopped::There(error)
    }
}

async fn once(
    address: &ManagerAddress,
    name: &FileName,
    source: &Source,
    progress: &mut Progress,
    tries: &mut Tries<'_>,
) -> Result<FileKept, Stopped> {
    let put = FilePut {
        name: name.clone(),
        kind: source.kind(),
        executable: source.executable(),
        size: source.size(),
        tag: source.tag(),
    };
    let (mut upload, ready) = Upload::begin(address, put).await?;
    tries.went_on();
    let Begun { mut pieces, mut hasher, from, rest } = begin(source, &ready).await?;
    upload.send_from(from).await?;
    progress.begin_at(from);
    let mut next: Option<Piece> = Some(Ok(rest));
    while let Some(piece) = next {
        let piece = match piece {
            Ok(piece) => piece,
            Err(failure) => {
                // Where that cannot be told, it is thrown away after a day.
                let _ = upload.throw_away().await;
                return Err(failure.into());
            }
        };
        if !piece.is_empty() {
            hasher.update(&piece);
            upload.chunk(&piece).await?;
            progress.add(piece.len());
        }
        next = pieces.recv().await;
    }
    Ok(upload.keep(ContentHash(*hasher.finalize().as_bytes())).await?)
}

struct Begun {
    pieces: mpsc::Receiver<Piece>,
    /// Of all before `from`.
    hasher: Hasher,
    from: u64,
    /// What was read beyond that.
    rest: Vec<u8>,
}

/// Goes on where the manager stopped, if what it has is the beginning of this.
async fn begin(source: &Source, ready: &FileReady) -> Result<Begun, Failure> {
    let mut pieces = source.read()?;
    let mut hasher = Hasher::new();
    let mut left = ready.offset;
    while left > 0 {
        let Some(piece) = pieces.recv().await.transpose()? else { break };
        let known = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        hasher.update(&piece[..known]);
        left -= known as u64;
        if left == 0 && *hasher.finalize().as_bytes() == ready.hash.0 {
            return Ok(Begun { pieces, hasher, from: ready.offset, rest: piece[known..].to_vec() });
        }
    }
    if ready.offset > 0 {
        pieces = source.read()?;
    }
    Ok(Begun { pieces, hasher: Hasher::new(), from: 0, rest: vec![] })
}
