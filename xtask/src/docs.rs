//! `cargo xtask docs`: writes the pages of `docs/` that are made from the source.
//!
//! The tests that compare those pages write them when they are told to, so that no other program needs to be built.

use std::process::ExitCode;

use crate::run::{cargo, run};

pub fn main() -> ExitCode {
    let mut write = cargo(["test", "--quiet", "--package", "bramble", "--lib", "the_page_of_keys_is_up_to_date"]);
    write.env("BRAMBLE_WRITE_DOCS", "1");
    if run(write) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
