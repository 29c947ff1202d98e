//! `cargo xtask test`: the one test command.
//!
//! It gets what tests need, runs all of them, and counts those that could not run here: a green run never hides
//! that something was left out. Setting up may download; tests may not.

mod foreign;
mod left_out;
mod needs;
mod runner;

use std::process::ExitCode;

use left_out::LeftOut;
use runner::Runner;

pub fn main(args: &[String]) -> ExitCode {
    let strict = std::env::var_os("BRAMBLE_CI").is_some_and(|value| value == "1");
    needs::provide();

    let foreign = foreign::worker(args);
    let runner = Runner::find();
    let notes = match left_out::Notes::new() {
        Ok(notes) => notes,
        Err(error) => {
            eprintln!("error: left-out tests cannot be noted in the temporary folder: {error}");
            return ExitCode::FAILURE;
        }
    };
    let passed = runner.run(args, notes.path(), foreign.as_deref());
    let mut left_out = notes.read();
    left_out.extend(runner.ignored(args).into_iter().map(LeftOut::ignored));

    eprintln!();
    eprint!("{}", left_out::report(&left_out));
    if !passed {
        eprintln!("the tests failed");
        return ExitCode::FAILURE;
    }
    if strict && !left_out.is_empty() {
        eprintln!("the tests failed: BRAMBLE_CI=1 allows none to be left out");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
