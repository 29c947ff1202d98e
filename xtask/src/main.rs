//! `cargo xtask …`: the chores of this project, as one small program.
//!
//! It runs for every chore, so it compiles in a moment: no dependencies. What needs some is a program of its own,
//! started from here: the benchmarks in `xtask/bench/`, the pictures in `xtask/screens/`, the stories of
//! the rig in `xtask/rig/`.

mod bench;
mod cross;
mod deb;
mod debian;
mod dist;
mod docs;
mod fuzz;
mod line;
mod rig;
mod run;
mod screenshots;
mod simulate;
mod test;
mod torn;
mod torture;

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
  simulate [--seeds N] [--nodes M] [--seed S]
                        whole clusters without a clock, a network or a disk of this world, one for
                        each seed; --seed alone tells all that happens in that one
  torture [--minutes M] [--seed S] [--seeds N] [--release]
                        a demo under load, its processes killed and frozen and its links cut at
                        random; a checker compares with what clients were told
  dist [--target TRIPLE]
                        build the programs as they are shipped, small, with checksums, into
                        target/dist-packages/; TRIPLE as in aarch64-unknown-linux-gnu for 64-bit Pis
  deb [--target TRIPLE] [--profile PROFILE] [--revision N]
                        the Debian package of what dist builds, into target/deb/; of another
                        profile what is already built
  rig up|ssh|cp|cut|down|rm|list|log|wait|forward|build …
                        real Debian machines in QEMU; see: cargo xtask rig help
  rig test [SCENE...] [--cuts N] [--seed N] [--keep] [--list]
                        the product on such machines: systemd, cgroups, power cuts, clocks,
                        packages; takes an hour where there is no KVM
  screenshots [--out DIR] [--check]
                        draw the pictures in screenshots/ anew, as SVG and PNG, the same on
                        every machine; --check fails where one is out of date
  docs                  write the pages of docs/ that are made from the source: keys.md
  torn [--points N] [--seconds S] [--seed S]
                        keep a manager busy on a disk that writes down every write and sync, then
                        start managers on what power cuts could have left of it; needs root
  fuzz [TARGET...] [--minutes M]
                        look for bytes that break a promise about any bytes: submission files,
                        packed folders, frames; what it finds is in fuzz/artifacts/
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
        Some("deb") => deb::main(&rest),
        Some("rig") => rig::main(&rest),
        Some("simulate") => simulate::main(&rest),
        Some("torture") => torture::main(&rest),
        Some("dist") => dist::main(&rest),
        Some("screenshots") => screenshots::main(&rest),
        Some("docs") => docs::main(),
        Some("torn") => torn::main(&rest),
        Some("fuzz") => fuzz::main(&rest),
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
