//! Reads the command line and opens a room; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    bramble::cli::main()
}
