//! `cargo xtask …`: the chores of this project, as one small program.
//!
//! It runs for every chore, so it compiles in a moment: no dependencies. What needs some is a program of its own,
//! started from here: the benchmarks in `xtask/bench/`, the pictures in `xtask/screens/`.

mod bench;
mod cross;
mod debian;
mod dist;
mod docs;
mod run;
mod screenshots;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask CHORE

Chores:
  test [ARG...]         run every test of the workspace; ARGs go to `cargo nextest run`
                        (or to `cargo test`) to choose some, as in: cargo xtask test -p link
  bench spine [--quick] [--json] [--runs N] [--state DIR] [--peers] [--growth] [--report]
                        measure the spine beside the numbers to reach: throughput, CPU per
                        task, latency, memory; takes some minutes, wants a quiet machine;
                        --peers: beside GNU parallel, task-spooler and dask; --growth: how cost
                        grows with agents and tasks; --report: all of it, into docs/performance.md
  bench console [--quick] [--json] [--runs N]
                        measure the console on a terminal: first paint, keys, bytes, CPU
  dist [--target TRIPLE]
                        build the programs as they are shipped, small, with checksums, into
                        target/dist-packages/; TRIPLE as in aarch64-unknown-linux-gnu for 64-bit Pis
  screenshots [--out DIR] [--check]
                        draw the pictures in screenshots/ anew, as SVG and PNG, the same on
                        every machine; --check fails where one is out of date
  docs                  write the pages of docs/ that are made from the source: keys.md
  help                  show this

Environment:
  BRAMBLE_CI=1          a test that had to be left out fails the run";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chore = args.next();
    let rest: Vec<String> = args.collect();
    match chore.as_deref() {
        Some("test") => test::main(&rest),
        Some("bench") => bench::main(&rest),
        Some("dist") => dist::main(&rest),
        Some("screenshots") => screenshots::main(&rest),
        Some("docs") => docs::main(),
        None | Some("help" | "--help" | "-h") => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(other) => {
            eprintln!("error: there is no chore {other:?}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}
