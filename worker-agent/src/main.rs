use std::process::ExitCode;

use clap::Parser;

/// Runs tasks on this machine for a Bramble manager.
#[derive(Parser)]
#[command(name = "worker-agent", version)]
struct Line {
    #[command(flatten)]
    args: worker_agent::Args,
}

fn main() -> ExitCode {
    worker_agent::main(Line::parse().args, &[])
}
