//! What is told to a person who typed nothing, or something else than a verb.

use std::ffi::OsString;
use std::io::Write;

use clap::builder::styling::AnsiColor;
use clap::error::ErrorKind;

use super::context::Context;
use super::exit::{Exit, Failure, Kind};
use super::look::{Look, When};
use super::text::clean;

/// Without a verb: the few that a beginner needs.
pub fn welcome(context: &Context) -> Result<Exit, Failure> {
    let verbs = [
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

/// Help and version go to stdout; anything else was typed wrong.
pub fn tell(error: &clap::Error, words: &[OsString]) -> Exit {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = error.print();
        return Exit::OK;
    }
    let mut stderr = std::io::stderr();
    let look = Look::of(When::Auto, &stderr);
    let message = sentence(error, words);
    let _ = if words.iter().take_while(|word| *word != "--").any(|word| word == "--json") {
        writeln!(stderr, "{}", serde_json::json!({ "error": Failure::new(Kind::Usage, on_one_line(&message)) }))
    } else {
        write!(stderr, "{} {message}", look.paint(AnsiColor::Red, "bramble:"))
    };
    Kind::Usage.exit()
}

/// As clap says it, without its `error:`.
fn sentence(error: &clap::Error, words: &[OsString]) -> String {
    if error.kind() == ErrorKind::InvalidUtf8
        && let Some(bad) = words.iter().find(|word| word.to_str().is_none())
    {
        let shown = bad.to_string_lossy();
        return format!("the argument \"{}\" is not UTF-8, which everything given to bramble must be\n", clean(&shown));
    }
    let text = error.render().to_string();
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

/// What was wrong, without the pages that follow it.
fn on_one_line(message: &str) -> String {
    let wrong = message.split("\n\n").take_while(|part| !part.starts_with("Usage:") && !part.starts_with("For more"));
    wrong.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}
