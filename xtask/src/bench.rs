//! `cargo xtask bench …`: builds what is measured as it is shipped, then lets `xtask/bench/` measure it.

use std::process::ExitCode;

use crate::run::{cargo, run, target, workspace};

pub fn main(args: &[String]) -> ExitCode {
    // Who only asks does not wait for what is measured.
    if args.is_empty() || args.iter().any(|arg| ["--help", "-h", "help"].contains(&arg.as_str())) {
        let mut ask = cargo(["run", "--quiet", "--package", "bench", "--"]);
        ask.args(args);
        return if run(ask) { ExitCode::SUCCESS } else { ExitCode::from(2) };
    }
    // One command for what shares a profile, so that their dependencies are built once.
    let release = cargo(["build", "--release", "--package", "bramble", "--package", "bench"]);
    let dist = cargo(["build", "--profile", "dist", "--package", "worker-agent"]);
    for build in [release, dist] {
        if !run(build) {
            return ExitCode::FAILURE;
        }
    }
    let Some(target) = target() else {
        eprintln!("error: the folder that cargo builds in cannot be found");
        return ExitCode::FAILURE;
    };
    let mut bench = std::process::Command::new(target.join("release/bench"));
    bench.args(args);
    bench.env("BRAMBLE_BENCH_MANAGER", target.join("release/bramble"));
    bench.env("BRAMBLE_BENCH_DOCS", workspace().join("docs"));
    bench.env("BRAMBLE_BENCH_WORKER", target.join("dist/worker-agent"));
    match bench.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {:?} cannot be started: {error}", bench.get_program());
            ExitCode::FAILURE
        }
    }
}
