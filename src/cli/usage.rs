//! What is told to a person who typed nothing, or something else than a verb.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};

use clap::Command;
use clap::builder::styling::AnsiColor;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::context::Context;
use super::exit::{Exit, Failure, Kind};
use super::look::{Look, When};
use super::text::{clean, command};

pub fn on_a_terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Without a verb and without a terminal for the console: the few that a beginner needs.
pub fn welcome(context: &Context) -> Result<Exit, Failure> {
    let verbs = [
        ("bramble", "the console, on a terminal"),
        ("bramble node", "the nodes, and what they are doing"),
        ("bramble run -- hostname", "run something on one of them"),
        ("bramble job", "what was run, and what came of it"),
        ("bramble logs 17 -f", "what job 17 prints, as it comes"),
        ("bramble --help", "every verb"),
    ];
    let mut text = String::from("Bramble: a console for clusters of Raspberry Pis.\n\n");
    for (verb, what) in verbs {
        text += &format!("  {}  {what}\n", context.look.bold(&format!("{verb:<24}")));
    }
    context.print(text)?;
    Ok(Exit::OK)
}

/// `bramble help run` is `bramble run --help`.
pub fn asks_for_help(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

/// Help and version go to stdout; anything else was typed wrong.
pub fn tell(error: &clap::Error, words: &[OsString], verbs: &Command) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::OK;
    }
    let mut stderr = std::io::stderr();
    let look = Look::of(When::Auto, &stderr);
    let message = sentence(error, words, verbs);
    let _ = if words.iter().take_while(|word| *word != "--").any(|word| word == "--json") {
        writeln!(stderr, "{}", serde_json::json!({ "error": Failure::new(Kind::Usage, on_one_line(&message)) }))
    } else {
        write!(stderr, "{} {message}", look.paint(AnsiColor::Red, "bramble:"))
    };
    Kind::Usage.exit()
}

/// As clap says it, without its `error:`; better where we know what was meant.
fn sentence(error: &clap::Error, words: &[OsString], verbs: &Command) -> String {
    if let Some(known) = no_dashes(error, words).or_else(|| no_verb(error, words, verbs)) {
        return known + "\n";
    }
    if error.kind() == ErrorKind::InvalidUtf8
        && let Some(bad) = words.iter().find(|word| word.to_str().is_none())
    {
        let shown = bad.to_string_lossy();
        return format!("the argument \"{}\" is not UTF-8, which everything given to bramble must be\n", clean(&shown));
    }
    let text = error.render().to_string();
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// `run hostname`, where `run -- hostname` was meant; `exec` the same.
fn no_dashes(error: &clap::Error, words: &[OsString]) -> Option<String> {
    let words: Vec<String> = words.iter().map(|word| word.to_str().map(str::to_owned)).collect::<Option<_>>()?;
    let surplus = surplus(error)?;
    let run = words.iter().position(|word| word == "run" || word == "exec")?;
    let at = run + words[run..].iter().position(|word| word == surplus)?;
    if words.iter().any(|word| word == "--") || !of_verb(error, &words[run]) {
        return None;
    }
    let (ours, theirs) = (command(&words[run..at]), command(&words[at..]));
    Some(format!("write the command after --: bramble {ours} -- {theirs}"))
}

/// A verb that is none, with the one that was meant.
fn no_verb(error: &clap::Error, words: &[OsString], verbs: &Command) -> Option<String> {
    if error.kind() == ErrorKind::InvalidSubcommand {
        let Some(ContextValue::String(verb)) = error.get(ContextKind::InvalidSubcommand) else { return None };
        return Some(did_you_mean(verb, error, verbs, "bramble --help"));
    }
    // `node drian pi-1`: what should be a verb was taken for a node.
    let node = verbs.find_subcommand("node").filter(|_| surplus(error).is_some() && of_verb(error, "node"))?;
    let at = words.iter().position(|word| word == "node" || word == "nodes")?;
    let verb = words[at + 1..].iter().filter_map(|word| word.to_str()).find(|word| !word.starts_with('-'))?;
    // Asked again with verbs alone, clap looks for what is like it.
    let alone = Command::new("node")
        .subcommands(node.get_subcommands().cloned())
        .disable_help_subcommand(true)
        .subcommand_required(true);
    let error =
        alone.try_get_matches_from(["node", verb]).err().filter(|e| e.kind() == ErrorKind::InvalidSubcommand)?;
    Some(did_you_mean(verb, &error, node, "bramble node --help"))
}

fn did_you_mean(verb: &str, error: &clap::Error, verbs: &Command, help: &str) -> String {
    let alike = match error.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(alike)) => &alike[..],
        Some(ContextValue::String(one)) => std::slice::from_ref(one),
        _ => &[],
    };
    // By its own name, where an alias is alike; the most alike comes last.
    let named = alike.iter().rev().filter_map(|word| verbs.find_subcommand(word)).map(Command::get_name);
    let verb = clean(verb);
    match named.clone().next() {
        Some(meant) => format!("there is no verb {verb}, did you mean {meant}? See them all with: {help}"),
        None => format!("there is no verb {verb}; see them all with: {help}"),
    }
}

/// The word too many, where it is no option.
fn surplus(error: &clap::Error) -> Option<&String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(word)) if error.kind() == ErrorKind::UnknownArgument && !word.starts_with('-') => {
            Some(word)
        }
        _ => None,
    }
}

fn of_verb(error: &clap::Error, verb: &str) -> bool {
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string().contains(&format!("bramble {verb}")),
        _ => false,
    }
}

/// What was wrong, without the pages that follow it.
fn on_one_line(message: &str) -> String {
    let wrong = message.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    wrong.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
