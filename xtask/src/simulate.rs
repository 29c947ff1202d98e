//! `cargo xtask simulate`: runs the one test that lives through simulated clusters, of whatever seeds one likes.

use std::process::ExitCode;

use crate::line::{number, understood};
use crate::run::{cargo, run};

const TEST: &str = "manager::cluster::tests::simulator::seeds::what_was_asked_for";

/// Worlds where nothing else was said.
const SEEDS: u64 = 1_000;

/// What to do, as it was typed.
#[derive(Debug, PartialEq, Eq, Default)]
struct Wish {
    seeds: Option<u64>,
    nodes: Option<u64>,
    seed: Option<u64>,
}

pub fn main(args: &[String]) -> ExitCode {
    let wish = match understood(parse(args)) {
        Ok(wish) => wish,
        Err(code) => return code,
    };
    let mut test = cargo(["test", "--quiet", "--package", "bramble", "--lib", "--", "--exact", TEST, "--nocapture"]);
    for (name, number) in [("SEEDS", wish.seeds), ("NODES", wish.nodes), ("SEED", wish.seed)] {
        let name = format!("BRAMBLE_SIMULATE_{name}");
        match number {
            Some(number) => test.env(name, number.to_string()),
            None => test.env_remove(name),
        };
    }
    if run(test) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One seed alone is told in full; otherwise there are so many of them.
fn parse(args: &[String]) -> Result<Wish, String> {
    let mut wish = Wish::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--seeds" => wish.seeds = Some(number(word, &mut words)?),
            "--nodes" => wish.nodes = Some(number::<u64>(word, &mut words)?.max(1)),
            "--seed" => wish.seed = Some(number(word, &mut words)?),
            other => {
                return Err(format!("there is no {other}; as in: cargo xtask simulate --seeds 5000, or --seed 17"));
            }
        }
    }
    if wish.seed.is_none() {
        wish.seeds.get_or_insert(SEEDS);
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
    fn the_line_says_which_worlds() {
        assert_eq!(parsed(""), Ok(Wish { seeds: Some(1_000), ..Wish::default() }));
        assert_eq!(parsed("--seed 7 --nodes 500"), Ok(Wish { seeds: None, nodes: Some(500), seed: Some(7) }));
        assert_eq!(parsed("--seed 7 --seeds 9"), Ok(Wish { seeds: Some(9), nodes: None, seed: Some(7) }));
        assert!(parsed("--seeds").unwrap_err().contains("a number after it"));
        assert!(parsed("--nodes x").unwrap_err().contains("not \"x\""));
        assert!(parsed("--hours 2").unwrap_err().contains("--seeds"));
    }

    #[test]
    fn the_test_it_runs_is_there() {
        let (path, test) = TEST.rsplit_once("::").unwrap();
        let file = crate::run::workspace().join("src").join(path.replace("::", "/")).with_extension("rs");
        assert!(std::fs::read_to_string(file).unwrap().contains(&format!("fn {test}(")));
    }
}
