//! Two ways to run the tests: nextest where it is installed, `cargo test` where it is not.

use std::path::Path;

use super::left_out::VARIABLE;
use crate::run::{cargo, output, run};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    Nextest,
    Cargo,
}

impl Runner {
    pub fn find() -> Self {
        if output(cargo(["nextest", "--version"])).is_some() {
            return Runner::Nextest;
        }
        eprintln!("cargo-nextest is not installed; running the tests with cargo test");
        Runner::Cargo
    }

    /// Runs the tests, all of them or the chosen ones; `notes` is the file left-out tests are written to,
    /// `foreign` a worker for another kind of machine.
    pub fn run(self, chosen: &[String], notes: &Path, foreign: Option<&Path>) -> bool {
        let mut passed = true;
        for args in self.commands(chosen) {
            let mut command = cargo(args);
            command.env(VARIABLE, notes);
            if let Some(worker) = foreign {
                command.env(super::foreign::VARIABLE, worker);
            }
            passed &= run(command);
        }
        passed
    }

    fn commands(self, chosen: &[String]) -> Vec<Vec<String>> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).chain(chosen.to_vec()).collect();
        match self {
            Runner::Nextest if chosen.is_empty() => {
                // nextest does not run the examples in documentation. They come first: the summary of the many
                // is what one wants to read at the end.
                vec![words(&["test", "--workspace", "--doc", "--quiet"]), words(&["nextest", "run", "--workspace"])]
            }
            Runner::Nextest => vec![words(&["nextest", "run"])],
            Runner::Cargo if chosen.is_empty() => vec![words(&["test", "--workspace", "--no-fail-fast"])],
            Runner::Cargo => vec![words(&["test"])],
        }
    }

    /// The tests that say `#[ignore]`: nobody ran them, so they are left out like the others.
    pub fn ignored(self, chosen: &[String]) -> Vec<String> {
        if !chosen.is_empty() {
            return vec![];
        }
        let listed = match self {
            Runner::Nextest => output(cargo([
                "nextest",
                "list",
                "--workspace",
                "--run-ignored",
                "only",
                "--message-format",
                "oneline",
            ])),
            Runner::Cargo => output(cargo(["test", "--workspace", "--quiet", "--", "--list", "--ignored"])),
        };
        names(&listed.unwrap_or_default())
    }
}

/// The names in either list: `bramble cli::tests::a_test`, or `cli::tests::a_test: test`.
fn names(list: &str) -> Vec<String> {
    let name = |line: &str| {
        if let Some(name) = line.strip_suffix(": test") {
            return Some(name.to_owned());
        }
        let (_, name) = line.split_once(' ')?;
        let is_one = !name.is_empty() && !name.contains(' ') && !line.ends_with(':');
        is_one.then(|| name.to_owned())
    };
    list.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_choice_the_whole_workspace_runs_examples_included() {
        for runner in [Runner::Nextest, Runner::Cargo] {
            let all = runner.commands(&[]);
            assert!(all.iter().all(|command| command.contains(&"--workspace".into())), "{all:?}");
        }
        assert!(Runner::Nextest.commands(&[]).iter().any(|command| command.contains(&"--doc".into())));
    }

    #[test]
    fn a_choice_is_handed_on_as_it_is() {
        let chosen = ["-p".to_owned(), "link".to_owned()];
        assert_eq!(Runner::Nextest.commands(&chosen), [["nextest", "run", "-p", "link"]]);
        assert_eq!(Runner::Cargo.commands(&chosen), [["test", "-p", "link"]]);
    }

    #[test]
    fn ignored_tests_are_read_from_the_list_of_either_runner() {
        assert_eq!(names("bramble tests::slow\nlink::it dials::far\n"), ["tests::slow", "dials::far"]);
        assert_eq!(names("tests::slow: test\n\n1 test, 0 benchmarks\n"), ["tests::slow"]);
        assert!(names("0 tests, 0 benchmarks\n").is_empty());
    }
}
