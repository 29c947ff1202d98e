//! `cargo xtask fuzz`: looks for bytes that break a promise about any bytes (`fuzz/src/lib.rs`), and keeps what leads
//! anywhere new in `fuzz/corpus/`, as little of it as does.

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
    let Some(tool) = target().and_then(|target| tool(&target)) else {
        eprintln!("error: cargo-fuzz could not be built");
        return ExitCode::FAILURE;
    };
    let seconds = wish.minutes * 60 / wish.targets.len() as u64;
    for name in wish.targets {
        if !fuzz(&tool, name, seconds) {
            eprintln!(
                "fuzz: failed; the bytes are in fuzz/artifacts/{name}/, and with them in fuzz/corpus/{name}/ the tests fail too"
            );
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// For so long, and then only what is worth it is kept.
fn fuzz(tool: &Path, name: &str, seconds: u64) -> bool {
    let chore = |word: &str| {
        let mut chore = Command::new(tool);
        // The sanitizer finds faults of unsafe code, of which there is none here, and costs two thirds of the tries.
        chore.args(["fuzz", word, "--sanitizer", "none", name]);
        // What it asks of the compiler is not for everybody yet.
        chore.env("RUSTC_BOOTSTRAP", "1");
        chore
    };
    let mut look = chore("run");
    look.args(["--", "-max_len=16384", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    look.arg(format!("-max_total_time={seconds}"));
    run(look) && run(chore("cmin"))
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
