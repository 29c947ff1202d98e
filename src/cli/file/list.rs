//! `file ls`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::file::{FileKind, FileList, FileQuery, FileRef, FileView};
use protocol::name::PersonName;
use protocol::unit::Bytes;

use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure};
use crate::cli::pages;
use crate::cli::table::{Cell, Grid, Sheet};
use crate::cli::text::{age, local, now};
use crate::client::Client;

#[derive(Debug, Default, Args)]
pub struct LsArgs {
    /// Everything about this one
    #[arg(value_name = "NAME")]
    name: Option<FileRef>,
    /// Only this person's
    #[arg(long, value_name = "PERSON", conflicts_with = "name")]
    owner: Option<PersonName>,
}

pub async fn ls(args: LsArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    match args.name {
        Some(file) => one(&client, file, context).await,
        None => list(&client, args.owner, context).await,
    }
}

pub async fn find(client: &Client, file: FileRef) -> Result<FileView, Failure> {
    ask!(client, Request::File { file }, Reply::File(view) => view)
}

async fn one(client: &Client, file: FileRef, context: &Context) -> Result<Exit, Failure> {
    let view = find(client, file).await?;
    if context.json {
        context.print_json(&view)?;
        return Ok(Exit::OK);
    }
    let mut sheet = Sheet::default();
    sheet.line("file", view.name.as_str());
    sheet.line("owner", view.owner.as_str());
    sheet.line("kind", if view.executable { "file, executable" } else { view.kind.word() });
    sheet.line("size", format!("{} ({} bytes)", Bytes(view.size), view.size));
    sheet.line("BLAKE3", view.hash.to_string());
    sheet.line("version", view.version.to_string());
    sheet.line("kept", format!("{} ({} ago)", local(view.kept_at), age(now(), view.kept_at)));
    sheet.line("shared with", readers(&view));
    context.print(sheet.render(context.look))?;
    Ok(Exit::OK)
}

async fn list(client: &Client, owner: Option<PersonName>, context: &Context) -> Result<Exit, Failure> {
    let (mut used, mut quota) = (0, 0);
    let (total, files) = pages::fetch(
        u32::MAX,
        |file: &FileView| file.version,
        async |skip, limit| {
            let query = FileQuery { owner: owner.clone(), skip, limit };
            let list = ask!(client, Request::Files(query), Reply::Files(list) => list)?;
            (used, quota) = (list.used, list.quota);
            Ok((list.total, list.files))
        },
    )
    .await?;
    if context.json {
        context.print_json(&FileList { total, files, used, quota })?;
        return Ok(Exit::OK);
    }
    if files.is_empty() {
        context.hint("no files; keep one with: bramble file put PATH");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&files, context))?;
    context.hint(format_args!("yours take {} of the {} you may keep", Bytes(used), Bytes(quota)));
    Ok(Exit::OK)
}

fn grid(files: &[FileView], context: &Context) -> String {
    let now = now();
    let mut grid =
        Grid::new(&["SIZE", "KIND", "AGE", "OWNER", "SHARED", "FILE"]).spare(&["KIND", "SHARED", "OWNER", "AGE"]);
    for file in files {
        grid.row(vec![
            Cell::number(Bytes(file.size).to_string().replace(' ', "")),
            file.kind.word().into(),
            Cell::number(age(now, file.kept_at)),
            file.owner.as_str().into(),
            readers(file).into(),
            match file.kind {
                // As ls -F shows it.
                FileKind::File if file.executable => format!("{}*", file.name).into(),
                FileKind::File => file.name.to_string().into(),
                FileKind::Folder => format!("{}/", file.name).into(),
            },
        ]);
    }
    grid.render(context.look)
}

fn readers(file: &FileView) -> String {
    file.shared_with.iter().map(PersonName::as_str).collect::<Vec<_>>().join(",")
}
