//! What a script says of itself: TOML in comments at its top, between `# /// bramble` and `# ///`.

use std::collections::BTreeMap;

use protocol::script::{About, Language, MayRunOn, Param, ParamKind};
use serde::Deserialize;
use toml::Spanned;

const BEGIN: &str = "# /// bramble";
const END: &str = "# ///";
/// The header begins within so many lines.
const TOP: usize = 20;
const LONGEST_ABOUT: usize = 300;
const MOST_PARAMS: usize = 50;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    about: String,
    #[serde(default)]
    on: Option<Place>,
    #[serde(default)]
    dangerous: bool,
    #[serde(default)]
    params: BTreeMap<String, Spanned<Told>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Manager,
    Workers,
}

/// One parameter as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[serde(default)]
    about: String,
    #[serde(default, rename = "type")]
    kind: Option<Kind>,
    #[serde(default)]
    choices: Option<Vec<String>>,
    #[serde(default)]
    default: Option<Default>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Text,
    Number,
    Flag,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Default {
    Flag(bool),
    Number(i64),
    Text(String),
}

/// By its first line; bash where that does not say.
pub fn language(text: &str) -> Result<Language, String> {
    let Some(program) = text.lines().next().and_then(|line| line.strip_prefix("#!")) else { return Ok(Language::Bash) };
    let mut words = program.split_whitespace();
    let mut name = words.next().unwrap_or_default();
    if name.ends_with("/env") {
        name = words.find(|word| !word.starts_with('-')).unwrap_or_default();
    }
    match name.rsplit('/').next().unwrap_or_default() {
        "bash" | "sh" | "dash" => Ok(Language::Bash),
        python if python.starts_with("python") => Ok(Language::Python),
        _ => Err(format!("line 1 names {name}, but a script is for bash or python3")),
    }
}

/// Nothing where there is no header.
pub fn about(text: &str) -> Result<About, String> {
    let lines: Vec<&str> = text.lines().collect();
    let Some(begin) = lines.iter().take(TOP).position(|line| line.trim_end() == BEGIN) else {
        return match lines.iter().position(|line| line.trim_end() == BEGIN) {
            Some(late) => Err(format!("line {}: {BEGIN} is to stand within the first {TOP} lines", late + 1)),
            None => Ok(About::default()),
        };
    };
    let mut inner = String::new();
    let mut closed = false;
    for (at, line) in lines.iter().enumerate().skip(begin + 1) {
        let line = line.trim_end();
        if line == END {
            closed = true;
            break;
        }
        let Some(rest) = line.strip_prefix('#') else {
            return Err(format!("line {}: the header is not closed before it; end it with the line: {END}", at + 1));
        };
        inner.push_str(rest.strip_prefix(' ').unwrap_or(rest));
        inner.push('\n');
    }
    if !closed {
        return Err(format!("the header that begins in line {} has no end; end it with the line: {END}", begin + 1));
    }
    let line_of =
        |offset: usize| begin + 2 + inner.as_bytes()[..offset.min(inner.len())].iter().filter(|b| **b == b'\n').count();
    let header: Header = toml::from_str(&inner).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        format!("line {line}: {}", error.message().replace('\n', "; "))
    })?;
    take(header, line_of)
}

fn take(header: Header, line_of: impl Fn(usize) -> usize) -> Result<About, String> {
    let about = header.about.trim().to_owned();
    if about.is_empty() || about.chars().count() > LONGEST_ABOUT || about.chars().any(char::is_control) {
        return Err(format!("about says in one line of at most {LONGEST_ABOUT} letters what the script does"));
    }
    if header.params.len() > MOST_PARAMS {
        return Err(format!("a script has at most {MOST_PARAMS} parameters"));
    }
    let mut params: Vec<(String, Spanned<Told>)> = header.params.into_iter().collect();
    params.sort_by_key(|(_, told)| told.span().start);
    let params = params.into_iter().map(|(name, told)| {
        let line = line_of(told.span().start);
        param(name, told.into_inner()).map_err(|why| format!("line {line}: {why}"))
    });
    let on = match header.on {
        None => MayRunOn::Anywhere,
        Some(Place::Manager) => MayRunOn::Manager,
        Some(Place::Workers) => MayRunOn::Workers,
    };
    Ok(About { about, on, dangerous: header.dangerous, params: params.collect::<Result<_, _>>()? })
}

fn param(name: String, told: Told) -> Result<Param, String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 32 || !name.chars().all(letter) {
        return Err(format!(
            "{name:?} is no name for a parameter: a small letter, then small letters, digits and _, at most 32"
        ));
    }
    let kind = match (told.kind, told.choices) {
        (Some(_), Some(_)) => return Err(format!("{name} has a type or choices, not both")),
        (None, Some(choices)) if choices.is_empty() => return Err(format!("{name} has no choices")),
        (None, Some(choices)) => ParamKind::Choice(choices),
        (None | Some(Kind::Text), None) => ParamKind::Text,
        (Some(Kind::Number), None) => ParamKind::Number,
        (Some(Kind::Flag), None) => ParamKind::Flag,
    };
    let default = told.default.map(|default| match default {
        Default::Flag(on) => (if on { "yes" } else { "no" }).to_owned(),
        Default::Number(number) => number.to_string(),
        Default::Text(text) => text,
    });
    let param = Param { name, about: told.about.trim().to_owned(), kind, default };
    if let Some(default) = &param.default {
        param.check(default).map_err(|why| format!("the default of {}: {why}", param.name))?;
    }
    Ok(param)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(header: &str) -> String {
        let header: String = header.lines().map(|line| format!("# {line}\n")).collect();
        format!("#!/usr/bin/env bash\n{BEGIN}\n{header}{END}\necho hi\n")
    }

    #[test]
    fn a_script_says_what_it_does_where_and_with_what() {
        let text = script(
            "about = \"Give addresses\"\non = \"manager\"\ndangerous = true\n[params.interface]\nabout = \"the card\"\n[params.days]\ntype = \"number\"\ndefault = 3\n[params.again]\ntype = \"flag\"\ndefault = false\n[params.a]\nchoices = [\"x\", \"y\"]",
        );
        let about = about(&text).unwrap();
        assert_eq!((about.about.as_str(), about.on, about.dangerous), ("Give addresses", MayRunOn::Manager, true));
        let names: Vec<&str> = about.params.iter().map(|param| param.name.as_str()).collect();
        assert_eq!(names, ["interface", "days", "again", "a"], "in the order they are written in");
        let defaults: Vec<Option<&str>> = about.params.iter().map(|param| param.default.as_deref()).collect();
        assert_eq!(defaults, [None, Some("3"), Some("no"), None]);
        assert_eq!(about.params[3].kind, ParamKind::Choice(vec!["x".into(), "y".into()]));
    }

    #[test]
    fn each_mistake_is_told_with_its_line() {
        for (header, why) in [
            ("about = \"x\"\ncolour = 1", "line 4"),
            ("about = 3", "line 3"),
            ("", "about"),
            ("about = \"x\"\n[params.Bad]", "line 4"),
            ("about = \"x\"\n[params.n]\ntype = \"number\"\ndefault = \"three\"", "whole number"),
            ("about = \"x\"\n[params.n]\nchoices = []", "no choices"),
            ("about = \"x\"\non = \"moon\"", "line 4"),
        ] {
            let said = about(&script(header)).unwrap_err();
            assert!(said.contains(why), "{header}: {said}");
        }
        assert!(about("# /// bramble\n# about = \"x\"\necho\n").unwrap_err().contains("line 3"));
        assert!(about("# /// bramble\n# about = \"x\"\n").unwrap_err().contains("no end"));
        assert!(about(&format!("{}{BEGIN}\n", "\n".repeat(30))).unwrap_err().contains("line 31"));
        assert_eq!(about("echo hi\n").unwrap(), About::default());
    }

    #[test]
    fn the_first_line_says_the_language() {
        for (line, language) in [
            ("#!/bin/bash", Language::Bash),
            ("#!/usr/bin/env bash", Language::Bash),
            ("#!/bin/sh", Language::Bash),
            ("#!/usr/bin/env -S python3 -u", Language::Python),
            ("#!/usr/bin/python3.11", Language::Python),
            ("echo hi", Language::Bash),
        ] {
            assert_eq!(super::language(line), Ok(language), "{line}");
        }
        assert!(super::language("#!/usr/bin/env Rscript").is_err());
    }

    #[test]
    fn no_text_makes_it_panic() {
        let mut seed = 7_u64;
        let pieces =
            ["# ///", " bramble\n", "# ", "about = ", "\"", "[params.", "]", "\n", "é", "#!", "x", "= 1", "'''", "[["];
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..seed % 30 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let _ = (about(&text), super::language(&text));
        }
    }
}
