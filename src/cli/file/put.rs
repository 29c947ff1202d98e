//! `file put`.

use std::path::{Path, PathBuf};

use blake3::Hasher;
use clap::Args;
use protocol::file::{ContentHash, FileKept, FilePut, FileReady};
use protocol::name::FileName;
use protocol::unit::Bytes;
use serde_json::json;
use tokio::sync::mpsc;

use super::change::shown;
use super::progress::Progress;
use super::source::{Piece, Source};
use super::tries::Tries;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::client::{ClientError, ManagerAddress, Upload};
use crate::packing::MOST_ENTRIES;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble file put data.csv
  bramble file put results/ --name results-of-may
  pg_dump db | bramble file put - --name db.sql

What had that name before is replaced. A folder is packed on the way; devices, sockets and
links that lead out of it are refused. Should the connection break, it is taken up again for
about a minute; after that, the same command goes on where it stopped, except from stdin.")]
pub struct PutArgs {
    /// A file, a folder, or - for stdin
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Keep it under this name [default: its own]
    #[arg(long, value_name = "NAME")]
    name: Option<FileName>,
    /// The most that may be in a folder
    #[arg(long, value_name = "N", default_value_t = MOST_ENTRIES)]
    most: u64,
}

pub async fn put(args: PutArgs, context: &Context) -> Result<Exit, Failure> {
    let address = context.address()?;
    let name = match args.name {
        Some(name) => name,
        None => name_of(&args.path)?,
    };
    let source = Source::look(&args.path, args.most)?;
    let kept = keep(&address, &name, &source, context).await?;
    tell(&kept, context)
}

/// Keeps it under this name, in place of what had that name before.
pub async fn keep(
    address: &ManagerAddress,
    name: &FileName,
    source: &Source,
    context: &Context,
) -> Result<FileKept, Failure> {
    let mut progress = Progress::new(name.as_str(), source.size(), context);
    let kept = until_kept(address, name, source, &mut progress, context).await?;
    progress.clear();
    Ok(kept)
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

fn tell(kept: &FileKept, context: &Context) -> Result<Exit, Failure> {
    let FileKept { file, known } = kept;
    if context.json {
        let mut view = serde_json::to_value(file).unwrap_or_default();
        if let Some(fields) = view.as_object_mut() {
            fields.insert("known".into(), json!(known));
        }
        context.print_json(&view)?;
    } else {
        let again = if *known { ", these bytes were there already" } else { "" };
        context.print(shown(format!("{}: kept, {}{again}", file.name, Bytes(file.size))) + "\n")?;
    }
    Ok(Exit::OK)
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
