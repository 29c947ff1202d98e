//! `cargo xtask fuzz`: looks for bytes that break a promise about any bytes (`fuzz/src/lib.rs`). It begins with those in
//! `fuzz/corpus/`, which have names and are few, and with what it found before that leads anywhere else, in the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::line::{number, understood};
use crate::run::{cargo, output, run, target};

const TARGETS: [&str; 3] = ["submission", "folder", "frames"];

/// What to do, as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    targets: Vec<&'static str>,
    minutes: u64,
}

pub fn main(args: &[String]) -> ExitCode {
    let wish = match understood(parse(args)) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let Some((tool, found)) = target().and_then(|target| Some((tool(&target)?, target.join("fuzz-found")))) else {
        eprintln!("error: cargo-fuzz could not be built");
        return ExitCode::FAILURE;
    };
    let seconds = wish.minutes * 60 / wish.targets.len() as u64;
    for name in wish.targets {
        if !fuzz(&tool, &found, name, seconds) {
            eprintln!(
                "fuzz: failed; the bytes are in fuzz/artifacts/{name}/: put into fuzz/corpus/{name}/, they fail the tests too"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// For so long.
fn fuzz(tool: &Path, found: &Path, name: &str, seconds: u64) -> bool {
    let found = found.join(name);
    if let Err(error) = std::fs::create_dir_all(&found) {
        eprintln!("error: {} cannot be made: {error}", found.display());
        return false;
    }
    let mut look = Command::new(tool);
    // The sanitizer finds faults of unsafe code, of which there is none here, and costs two thirds of the tries.
    look.args(["fuzz", "run", "--sanitizer", "none", name]).arg(found).arg(format!("fuzz/corpus/{name}"));
    // What it asks of the compiler is not for everybody yet.
    look.env("RUSTC_BOOTSTRAP", "1");
    look.args(["--", "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    look.arg(format!("-max_total_time={seconds}"));
    run(look)
}

/// cargo-fuzz, on the PATH or built once into the target folder.
fn tool(target: &Path) -> Option<PathBuf> {
    let mut asked = Command::new("cargo-fuzz");
    asked.arg("--version");
    if output(asked).is_some() {
        return Some("cargo-fuzz".into());
    }
    let tools = target.join("tools");
    let tool = tools.join("bin/cargo-fuzz");
    let mut install = cargo(["install", "--locked", "cargo-fuzz", "--root"]);
    install.arg(&tools);
    (tool.is_file() || run(install)).then_some(tool)
}

fn parse(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish { targets: vec![], minutes: 3 };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if word == "--minutes" {
            wish.minutes = number(word, &mut words)?;
            continue;
        }
        let known = TARGETS.into_iter().find(|name| name == word);
        let all = TARGETS.join(", ");
        wish.targets.push(known.ok_or_else(|| {
            format!("there is no {word}; it fuzzes {all}, as in: cargo xtask fuzz frames --minutes 5")
        })?);
    }
    if wish.targets.is_empty() {
        wish.targets = TARGETS.to_vec();
    }
    if wish.minutes == 0 {
        return Err("at least one minute, or nothing is found".into());
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Wish, String> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_not_said_is_a_minute_of_each() {
        assert_eq!(parsed(""), Ok(Wish { targets: TARGETS.to_vec(), minutes: 3 }));
        assert_eq!(parsed("frames --minutes 9"), Ok(Wish { targets: vec!["frames"], minutes: 9 }));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for line in ["frame", "--minutes", "--minutes many", "--minutes 0"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
