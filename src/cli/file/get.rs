//! `file get` and `file cat`.

mod place;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use blake3::Hasher;
use clap::Args;
use packing::MOST_ENTRIES;
use protocol::file::{FileKind, FileRef, FileView};
use protocol::unit::Bytes;
use serde_json::json;

use super::change::shown;
use super::list::find;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::interrupt::Interrupts;
use crate::cli::transfer::fetch::{Fetch, Wanted};
use crate::cli::transfer::progress::Progress;
use crate::cli::transfer::rename::{parent, rename};
use crate::cli::transfer::unpack::unpack;
use place::Partial;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble file get data.csv            into this folder
  bramble file get ana/data.csv x.csv  somebody else's, under another name
  bramble file get results /tmp        a folder: it becomes /tmp/results

Until it is whole and its hash is right, a file has another name beside the one it will
have, which ends in .part; the same command goes on with that. A folder is unpacked beside
its place, and moved there when it is whole.")]
pub struct GetArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: FileRef,
    /// Where to: a folder, or a new name [default: its own, in this folder]
    #[arg(value_name = "TO")]
    to: Option<PathBuf>,
    /// Write over a file that is there and is another
    #[arg(long)]
    force: bool,
    /// The most that may be in a folder
    #[arg(long, value_name = "N", default_value_t = MOST_ENTRIES)]
    most: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble file cat data.csv | head
  bramble file cat results | tar t     a folder is a tar archive")]
pub struct CatArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: FileRef,
}

pub async fn get(args: GetArgs, context: &Context) -> Result<Exit, Failure> {
    let GetArgs { name, to, force, most } = args;
    let view = find(&context.client().await?, name.clone()).await?;
    let target = target(&view, to);
    let mut interrupts = Interrupts::watch().map_err(|error| Failure::new(Kind::Fault, error))?;
    let getting = async {
        match view.kind {
            FileKind::File => file(&name, &view, &target, force, context).await,
            FileKind::Folder => folder(&name, &view, &target, most, context).await,
        }
    };
    let there = tokio::select! {
        there = getting => there?,
        // What is unpacked so far goes with us.
        () = interrupts.next() => return Ok(Exit::INTERRUPTED),
    };
    if context.json {
        let mut told = serde_json::to_value(&view).unwrap_or_default();
        if let Some(fields) = told.as_object_mut() {
            fields.insert("path".into(), json!(target.display().to_string()));
        }
        context.print_json(&told)?;
    } else {
        let done = if there { "was there already" } else { "here" };
        context.print(shown(format!("{}: {done}, {}", target.display(), Bytes(view.size))) + "\n")?;
    }
    Ok(Exit::OK)
}

fn target(view: &FileView, to: Option<PathBuf>) -> PathBuf {
    match to {
        None => PathBuf::from(view.name.as_str()),
        Some(to) if to.is_dir() => to.join(view.name.as_str()),
        Some(to) => to,
    }
}

/// Whether it was there already.
async fn file(name: &FileRef, view: &FileView, target: &Path, force: bool, context: &Context) -> Result<bool, Failure> {
    if let Ok(meta) = target.symlink_metadata() {
        if meta.is_file() && meta.len() == view.size && place::hash(target)? == view.hash {
            return Ok(true);
        }
        if !meta.is_file() || !force {
            return Err(taken(target, meta.is_file()));
        }
    }
    let mut partial = Partial::open(target, &view.hash)?;
    let mut progress = Progress::new(view.name.as_str(), Some(view.size), context);
    let (from, hasher) = partial.there(view.size)?;
    let fetch = Fetch { wanted: Wanted::File(name, view), context };
    let came = fetch.run(from, hasher, &mut progress, async |bytes| partial.write(bytes)).await;
    drop(progress);
    match came? == view.hash {
        true => partial.finish(force, view.executable).map(|()| false),
        false => {
            partial.throw_away();
            Err(fetch.wanted.damaged())
        }
    }
}

fn taken(target: &Path, is_a_file: bool) -> Failure {
    let (what, way) = if is_a_file { ("another file", ", or --force") } else { ("something else", "") };
    let told = format!("{} is there already and is {what}; name another place{way}", target.display());
    Failure::new(Kind::Refused, told)
}

async fn folder(name: &FileRef, view: &FileView, target: &Path, most: u64, context: &Context) -> Result<bool, Failure> {
    if target.symlink_metadata().is_ok() {
        return Err(taken(target, false));
    }
    let parent = parent(target);
    let failed = |error: io::Error| Failure::new(Kind::Refused, format_args!("{}: {error}", parent.display()));
    let beside = tempfile::Builder::new().prefix(".bramble-").suffix(".part").tempdir_in(parent).map_err(failed)?;
    let into = beside.path().join("folder");
    std::fs::create_dir(&into).map_err(failed)?;

    let mut progress = Progress::new(view.name.as_str(), Some(view.size), context);
    let fetch = Fetch { wanted: Wanted::File(name, view), context };
    let _beside = unpack(&fetch, into.clone(), beside, most, &mut progress).await?;
    rename(&into, target, false)?;
    Ok(false)
}

pub async fn cat(args: CatArgs, context: &Context) -> Result<Exit, Failure> {
    let view = find(&context.client().await?, args.name.clone()).await?;
    if view.kind == FileKind::Folder && io::stdout().is_terminal() {
        let told = format!("{:?} is a folder, a tar archive; bring it here with: bramble file get", view.name.as_str());
        return Err(Failure::usage(told));
    }
    // A line of progress would run into what is printed.
    let mut progress = Progress::new(view.name.as_str(), Some(view.size), context);
    progress.be_quiet();
    let mut out = io::stdout().lock();
    let fetch = Fetch { wanted: Wanted::File(&args.name, &view), context };
    let print = async |bytes: &[u8]| out.write_all(bytes).map_err(|error| Failure::output(&error));
    let hash = fetch.run(0, Hasher::new(), &mut progress, print).await?;
    out.flush().map_err(|error| Failure::output(&error))?;
    if hash == view.hash { Ok(Exit::OK) } else { Err(fetch.wanted.damaged()) }
}
