//! `file rm`, `file mv`, `file share`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::file::{FileRef, FileView};
use protocol::name::{FileName, PersonName};

use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure};
use crate::cli::many::{Repeat, ask_each, tell};

#[derive(Debug, Args)]
pub struct RmArgs {
    /// Which
    #[arg(required = true, value_name = "NAME")]
    names: Vec<FileRef>,
}

#[derive(Debug, Args)]
pub struct MvArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: FileRef,
    /// Its new name; it stays with its owner
    #[arg(value_name = "NEW")]
    to: FileName,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble file share data.csv bo cy          both may list it, get it and print it
  bramble file share data.csv bo --remove    bo no longer")]
pub struct ShareArgs {
    /// Which
    #[arg(value_name = "NAME")]
    name: FileRef,
    /// With whom, by system name
    #[arg(required = true, value_name = "PERSON")]
    with: Vec<PersonName>,
    /// Not any more
    #[arg(long)]
    remove: bool,
}

pub async fn rm(args: RmArgs, context: &Context) -> Result<Exit, Failure> {
    let request = |file: &FileRef| Request::FileRemove { file: file.clone() };
    let outcomes = ask_each(context, Repeat::Never, args.names, request, taken).await?;
    tell(context, "file", &outcomes, |name, _| shown(format!("{name}: kept no longer")))
}

pub async fn mv(args: MvArgs, context: &Context) -> Result<Exit, Failure> {
    let MvArgs { name, to } = args;
    let client = context.client().await?;
    let request = Request::FileRename { file: name.clone(), to: to.clone() };
    let view = ask!(client, request, Reply::File(view) => view)?;
    said(context, &view, format!("{name}: is {to} now"))
}

pub async fn share(args: ShareArgs, context: &Context) -> Result<Exit, Failure> {
    let ShareArgs { name, with, remove } = args;
    let client = context.client().await?;
    let request = Request::FileShare { file: name.clone(), with, on: !remove };
    let view = ask!(client, request, Reply::File(view) => view)?;
    let readers: Vec<&str> = view.shared_with.iter().map(PersonName::as_str).collect();
    let now =
        if readers.is_empty() { "shared with nobody".into() } else { format!("shared with {}", readers.join(", ")) };
    said(context, &view, format!("{name}: {now}"))
}

fn said(context: &Context, view: &FileView, sentence: String) -> Result<Exit, Failure> {
    if context.json {
        context.print_json(view)?
    } else {
        context.print(shown(sentence) + "\n")?
    }
    Ok(Exit::OK)
}

/// A name may hold what would command a terminal.
pub fn shown(sentence: String) -> String {
    crate::text::clean(&sentence).into_owned()
}

fn taken(reply: Reply) -> Result<FileView, Box<Reply>> {
    match reply {
        Reply::File(view) => Ok(view),
        other => Err(Box::new(other)),
    }
}
