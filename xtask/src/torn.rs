//! `cargo xtask torn`: runs the one test that cuts the power of a manager's disk, for longer and at more points.

use std::process::ExitCode;

use crate::line::{number, understood};
use crate::run::{cargo, run};

const TEST: &str = "whatever_a_power_cut_leaves_opens_and_holds_all_that_was_told";

/// What to do, as it was typed.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    points: u64,
    seconds: u64,
    seed: u64,
}

pub fn main(args: &[String]) -> ExitCode {
    let wish = match understood(parse(args)) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let mut test = cargo(["test", "--quiet", "--package", "bramble", "--test", "torn"]);
    test.args(["--", "--exact", TEST, "--nocapture"]);
    test.env("BRAMBLE_TORN_POINTS", wish.points.to_string());
    test.env("BRAMBLE_TORN_SECONDS", wish.seconds.to_string());
    test.env("BRAMBLE_TORN_SEED", wish.seed.to_string());
    if run(test) {
        return ExitCode::SUCCESS;
    }
    let Wish { points, seconds, seed } = wish;
    eprintln!("torn: failed; to play it again: cargo xtask torn --points {points} --seconds {seconds} --seed {seed}");
    ExitCode::FAILURE
}

fn parse(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish { points: 300, seconds: 60, seed: 1 };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let place = match word.as_str() {
            "--points" => &mut wish.points,
            "--seconds" => &mut wish.seconds,
            "--seed" => &mut wish.seed,
            other => {
                return Err(format!("there is no {other}; as in: cargo xtask torn --points 300 --seconds 60 --seed 7"));
            }
        };
        *place = number(word, &mut words)?;
    }
    if wish.points == 0 || wish.seconds == 0 {
        return Err("at least one point and one second, or nothing is shown".into());
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
    fn what_is_not_said_is_three_hundred_points_of_a_minute() {
        assert_eq!(parsed(""), Ok(Wish { points: 300, seconds: 60, seed: 1 }));
        assert_eq!(parsed("--seed 7 --points 20 --seconds 3"), Ok(Wish { points: 20, seconds: 3, seed: 7 }));
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for line in ["--pints 3", "--points", "--points many", "--seconds 0"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
