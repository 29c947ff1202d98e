//! `cargo xtask screenshots …`: builds what draws the pictures in `screenshots/`, then lets it draw them.

use std::process::ExitCode;

use crate::run::{cargo, run};

pub fn main(args: &[String]) -> ExitCode {
    let mut draw = cargo(["run", "--quiet", "--package", "screens", "--", "all"]);
    draw.args(args);
    if run(draw) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
