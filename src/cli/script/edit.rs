//! `script new` and `script edit`. What was typed is never lost: whatever goes wrong, it stays in a file that is named.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use protocol::api::{RefusalKind, Reply, Request};
use protocol::name::ScriptName;
use protocol::script::{Language, MOST_SCRIPT_BYTES, Over, ScriptKeep, ScriptRef, ScriptView};

use super::check::check;
use crate::cli::confirm::confirm_or;
use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::client::ClientError;

/// Write a script of one's own
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble script new tidy                    in $VISUAL or $EDITOR, with a header to fill in
  bramble script new tidy --from tidy.sh     what is in a file already
  bramble script new tidy --from -           or comes by a pipe

It is checked before it is kept: its header, and with bash -n or python3 whether it can be read at all; what shellcheck \
says is told where there is one. How a header is written is in docs/scripts.md.")]
pub struct NewArgs {
    /// What it is called
    name: ScriptName,
    /// A file instead of an editor; - is stdin
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Begin with python instead of bash
    #[arg(long, conflicts_with = "from")]
    python: bool,
}

/// Change a script in $VISUAL or $EDITOR
#[derive(Debug, Args)]
#[command(
    after_help = "One that comes with the program is kept as your own of the same name, and goes before it from then on."
)]
pub struct EditArgs {
    /// Which
    #[arg(value_name = "NAME")]
    script: ScriptRef,
}

pub async fn new(args: NewArgs, context: &Context) -> Result<Exit, Failure> {
    let NewArgs { name, from, python } = args;
    if let Some(from) = from {
        let text = read(&from)?;
        check(&text, context)?;
        let view = keep(&name, &text, None, context).await?;
        return told(&view, context);
    }
    let client = context.client().await?;
    // Before anybody has typed for an hour.
    let own = Request::Scripts;
    let scripts = ask!(client, own, Reply::Scripts(scripts) => scripts)?;
    if scripts.iter().any(|script| script.owner.is_some() && script.name == name) {
        let there = format!("there is a script {name} already; change it with: bramble script edit {name}");
        return Err(Failure::new(Kind::Refused, there));
    }
    let template = if python { PYTHON } else { BASH };
    let language = if python { Language::Python } else { Language::Bash };
    written(&name, template, language, Over::Nothing, context).await
}

pub async fn edit(args: EditArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let request = Request::Script { script: args.script.clone() };
    let (view, text) = ask!(client, request, Reply::Script { script, text } => (script, text))?;
    let own = view.owner.is_some() && args.script.owner.is_none();
    if !own {
        context.note(format_args!("{} is not yours: what you write is kept as your own {}", args.script, view.name));
    }
    let over = if own { Over::Version(view.hash) } else { Over::Nothing };
    written(&view.name, &text, view.language, over, context).await
}

/// In an editor, until it is kept or given up.
async fn written(
    name: &ScriptName,
    begin: &str,
    language: Language,
    over: Over,
    context: &Context,
) -> Result<Exit, Failure> {
    let draft = Draft::begin(name, begin, language)?;
    loop {
        draft.open()?;
        let text = draft.text()?;
        if text == begin {
            draft.remove();
            context.note("nothing was changed, so nothing was kept");
            return Ok(Exit::OK);
        }
        let kept = match check(&text, context) {
            Ok(()) => keep(name, &text, Some(over), context).await,
            Err(failure) => Err(failure),
        };
        match kept {
            Ok(view) => {
                draft.remove();
                return told(&view, context);
            }
            Err(mut failure) => {
                let stays = format!("what you wrote is in {}", draft.path.display());
                let again = failure.kind == Kind::Usage && io::stdin().is_terminal();
                if again {
                    context.note(&failure.message);
                    if confirm_or("go on writing?", &stays).is_ok() {
                        continue;
                    }
                }
                failure.message =
                    format!("{}; {stays}; bramble script new {name} --from FILE keeps it", failure.message);
                return Err(failure);
            }
        }
    }
}

async fn keep(name: &ScriptName, text: &str, over: Option<Over>, context: &Context) -> Result<ScriptView, Failure> {
    let client = context.client().await?;
    let keep = ScriptKeep { name: name.clone(), text: text.to_owned(), over };
    match client.call(Request::ScriptKeep(keep)).await {
        Ok(Reply::ScriptKept(view)) => Ok(*view),
        Ok(other) => Err(crate::cli::context::unfit(&other)),
        Err(ClientError::Refused(refusal)) if refusal.kind == RefusalKind::Usage => {
            Err(Failure::usage(format_args!("{name} was not kept: {}", refusal.message)))
        }
        Err(error) => Err(error.into()),
    }
}

fn told(view: &ScriptView, context: &Context) -> Result<Exit, Failure> {
    if context.json {
        context.print_json(view)?;
    } else {
        context.print(format_args!("{}: kept\n", view.name))?;
        if view.about.about.is_empty() {
            context.hint("it does not say what it does; a header would: docs/scripts.md");
        }
    }
    Ok(Exit::OK)
}

fn read(from: &Path) -> Result<String, Failure> {
    let mut bytes = vec![];
    let most = MOST_SCRIPT_BYTES as u64 + 1;
    let read = match from.as_os_str() == "-" {
        true => io::stdin().lock().take(most).read_to_end(&mut bytes),
        false => fs::File::open(from).and_then(|file| file.take(most).read_to_end(&mut bytes)),
    };
    let shown = from.display();
    read.map_err(|error| Failure::usage(format_args!("{shown} cannot be read: {error}")))?;
    if bytes.len() > MOST_SCRIPT_BYTES {
        let most = MOST_SCRIPT_BYTES / 1024;
        return Err(Failure::usage(format_args!("{shown} is longer than a script may be, which is {most} KiB")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format_args!("{shown} is no text in UTF-8, as a script is")))
}

/// A file that is there until what is in it has been kept.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn begin(name: &ScriptName, text: &str, language: Language) -> Result<Self, Failure> {
        let ending = if language == Language::Python { ".py" } else { ".sh" };
        let made = tempfile::Builder::new().prefix(&format!("bramble-{name}-")).suffix(ending).tempfile();
        let path = made.and_then(|file| {
            fs::write(file.path(), text)?;
            file.into_temp_path().keep().map_err(io::Error::from)
        });
        let path =
            path.map_err(|error| Failure::new(Kind::Fault, format_args!("no file to write in can be made: {error}")))?;
        Ok(Self { path })
    }

    fn open(&self) -> Result<(), Failure> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let editor = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned());
        // It may have arguments of its own, as everywhere.
        let ended = Command::new("sh").args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&self.path).status();
        let path = self.path.display();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Failure::new(
                Kind::Fault,
                format_args!(
                    "the editor {editor} ended with {status}, so nothing was kept; what you wrote is in {path}"
                ),
            )),
            Err(error) => Err(Failure::new(
                Kind::Fault,
                format_args!(
                    "the editor {editor} cannot be run: {error}; set EDITOR, or write {path} and keep it with --from"
                ),
            )),
        }
    }

    fn text(&self) -> Result<String, Failure> {
        read(&self.path)
    }

    fn remove(&self) {
        // In a folder of temporary files it does no harm.
        let _ = fs::remove_file(&self.path);
    }
}

const BASH: &str = r#"#!/usr/bin/env bash
# /// bramble
# about = ""
# # on = "workers"          # or "manager"; anywhere without it
# # dangerous = true        # whoever runs it is asked first
# # [params.days]
# # about = "how old they are at least"
# # type = "number"         # text without it, or flag; or choices = ["a", "b"]
# # default = 30            # it has to be given without one
# ///
set -euo pipefail

"#;

const PYTHON: &str = r#"#!/usr/bin/env python3
# /// bramble
# about = ""
# # on = "workers"          # or "manager"; anywhere without it
# # dangerous = true        # whoever runs it is asked first
# # [params.days]
# # about = "how old they are at least"
# # type = "number"         # text without it, or flag; or choices = ["a", "b"]
# # default = 30            # it has to be given without one
# ///
import os

"#;
