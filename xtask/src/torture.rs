//! `cargo xtask torture`: runs the one test that tortures a demo, for as long and with whatever seeds one likes.

use std::process::ExitCode;

use crate::line::{number, understood};
use crate::run::{cargo, run};

const TEST: &str = "whatever_is_killed_frozen_or_cut_no_promise_is_broken";

/// What to do, as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    minutes: u64,
    seed: u64,
    /// So many seeds, one after the other, each for its share of the time.
    seeds: u64,
    release: bool,
}

pub fn main(args: &[String]) -> ExitCode {
    let wish = match understood(parse(args)) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let seconds = (wish.minutes * 60 / wish.seeds).max(1);
    let mut failed = vec![];
    for seed in wish.seed..wish.seed + wish.seeds {
        let mut test = cargo(["test", "--quiet", "--package", "bramble", "--test", "torture"]);
        if wish.release {
            test.arg("--release");
        }
        test.args(["--", "--exact", TEST, "--nocapture"]);
        test.env("BRAMBLE_TORTURE_SECONDS", seconds.to_string()).env("BRAMBLE_TORTURE_SEED", seed.to_string());
        if !run(test) {
            failed.push(seed);
        }
    }
    if failed.is_empty() {
        eprintln!("torture: {} seeds of {seconds} s each, no promise was broken", wish.seeds);
        return ExitCode::SUCCESS;
    }
    for seed in failed {
        eprintln!("torture: seed {seed} failed; to see it again:");
        let release = if wish.release { " --release" } else { "" };
        eprintln!("  cargo xtask torture --minutes {} --seed {seed}{release}", seconds.div_ceil(60));
    }
    ExitCode::FAILURE
}

fn parse(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish { minutes: 2, seed: 20, seeds: 1, release: false };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--minutes" => wish.minutes = number::<u64>(word, &mut words)?.max(1),
            "--seed" => wish.seed = number(word, &mut words)?,
            "--seeds" => wish.seeds = number::<u64>(word, &mut words)?.max(1),
            "--release" => wish.release = true,
            other => {
                return Err(format!("there is no {other}; as in: cargo xtask torture --minutes 10 --seed 7 --seeds 5"));
            }
        }
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
    fn the_line_says_how_long_and_what_seed() {
        assert_eq!(parsed(""), Ok(Wish { minutes: 2, seed: 20, seeds: 1, release: false }));
        let all = parsed("--minutes 9 --seed 7 --seeds 3 --release");
        assert_eq!(all, Ok(Wish { minutes: 9, seed: 7, seeds: 3, release: true }));
        assert!(parsed("--minutes").unwrap_err().contains("a number after it"));
        assert!(parsed("--seed x").unwrap_err().contains("not \"x\""));
        assert!(parsed("--hours 2").unwrap_err().contains("--minutes"));
    }

    #[test]
    fn the_test_it_runs_is_there() {
        let text = std::fs::read_to_string(crate::run::workspace().join("tests/torture/main.rs")).unwrap();
        assert!(text.contains(&format!("fn {TEST}(")));
    }
}
