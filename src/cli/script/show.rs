//! `script show`.

use clap::Args;
use protocol::api::{Reply, Request};
use protocol::script::{MayRunOn, Param, ParamKind, ScriptRef, ScriptView};

use super::list::on;
use crate::cli::context::{Context, ask};
use crate::cli::exit::{Exit, Failure};
use crate::cli::table::{Cell, Grid, Sheet};
use crate::cli::text::{clean, local};

/// Show what a script does, where it may run and what it is given
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble script show setup-time
  bramble script show setup-time --text > mine.sh")]
pub struct ShowArgs {
    /// One's own or one that comes with the program; somebody else's as ana/tidy
    script: ScriptRef,
    /// The script itself, byte for byte
    #[arg(long)]
    text: bool,
}

pub async fn show(args: ShowArgs, context: &Context) -> Result<Exit, Failure> {
    let client = context.client().await?;
    let request = Request::Script { script: args.script.clone() };
    let (view, text) = ask!(client, request, Reply::Script { script, text } => (script, text))?;
    if context.json {
        let mut value = serde_json::to_value(&view).unwrap_or_default();
        if args.text {
            value["text"] = text.into();
        }
        context.print_json(&value)?;
    } else if args.text {
        // To a pipe as it is; a terminal is told nothing that would command it.
        let shown = if context.look.terminal { clean(&text).into_owned() } else { text };
        context.print(shown)?;
    } else {
        context.print(sheet(&view, context))?;
        if !view.about.params.is_empty() {
            context.print(format_args!("\n{}", params(&view.about.params, context)))?;
        }
        context.hint(format_args!("\nbramble script run {}", example(&args.script, &view)));
    }
    Ok(Exit::OK)
}

fn sheet(view: &ScriptView, context: &Context) -> String {
    let mut sheet = Sheet::default();
    sheet.line("script", view.name.as_str());
    sheet.line("does", clean(&view.about.about).into_owned());
    sheet.line("runs on", on(view.about.on));
    if view.about.dangerous {
        sheet.line("dangerous", "yes: whoever runs it is asked first");
    }
    sheet.line("language", view.language.word());
    match (&view.owner, view.kept_at) {
        (Some(owner), Some(at)) => sheet.line("kept", format!("by {owner}, {}", local(at))),
        _ => sheet.line("kept", "comes with the program"),
    }
    if view.versions > 1 {
        sheet.line("versions", format!("{}, older ones for the runs they ran in", view.versions));
    }
    if !view.granted.is_empty() {
        let people: Vec<&str> = view.granted.iter().map(|person| person.as_str()).collect();
        sheet.line("as root by", people.join(", "));
    }
    sheet.line("hash", view.hash.to_string());
    sheet.render(context.look)
}

fn params(params: &[Param], context: &Context) -> String {
    let mut grid = Grid::new(&["PARAMETER", "KIND", "DEFAULT", "WHAT IT IS"]).spare(&["KIND"]);
    for param in params {
        let default =
            param.default.as_deref().map(|default| if default.is_empty() { "\"\"".into() } else { clean(default) });
        grid.row(vec![
            param.name.as_str().into(),
            kind(&param.kind).into(),
            Cell::maybe(default),
            clean(&param.about).into_owned().into(),
        ]);
    }
    grid.render(context.look)
}

fn kind(kind: &ParamKind) -> String {
    match kind {
        ParamKind::Text => "text".into(),
        ParamKind::Number => "number".into(),
        ParamKind::Flag => "yes or no".into(),
        ParamKind::Choice(choices) => clean(&choices.join(" | ")).into_owned(),
    }
}

/// How it may be run, with what has to be given.
fn example(script: &ScriptRef, view: &ScriptView) -> String {
    let on = if view.about.on == MayRunOn::Manager { "manager" } else { "all" };
    let needed = view.about.params.iter().filter(|param| param.default.is_none());
    let needed: String = needed.map(|param| format!(" {}=…", param.name)).collect();
    format!("{script} --on {on}{needed}")
}
