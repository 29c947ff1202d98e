//! `cargo xtask rig …`: real Debian machines in QEMU. `xtask/rig/machine.sh` makes and runs them; `rig test` builds the
//! product and lets the program in `xtask/rig/` tell its stories with them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use crate::deb::{self, Wanted};
use crate::run::{cargo, run, target, workspace};

const HELP: &str = "\
Usage: cargo xtask rig VERB

  up NAME [--mem MB] [--smp N] [--disk-cache writeback|none] [--lan SEGMENT] [--arch amd64|arm64] [-- QEMU-ARGUMENTS]
                          boot NAME and wait for ssh; again after a cut: same disk, same options.
                          The first one builds the image everything starts from, once
  ssh NAME [COMMAND…]     run a command as root, or open a shell
  cp NAME SOURCE… TARGET  copy into the machine
  forward NAME LOCAL-SOCKET SOCKET
                          a unix socket of the machine as one of this one, until it goes down
  log NAME                what its serial console said
  down NAME               clean shutdown
  cut NAME                power cut
  rm NAME                 cut and forget, with its disk
  wait NAME               wait for ssh after the machine reset itself
  list                    machines: state, ssh port, memory
  build [--arch …]        only the image
  test [SCENE…]           the product on such machines; test --help says more

Everything is below /var/tmp/bramble-rig, or RIG_HOME. More: xtask/rig/README.md";

pub fn main(args: &[String]) -> ExitCode {
    match args {
        [] => help(),
        [verb, ..] if ["help", "--help", "-h"].contains(&verb.as_str()) => help(),
        [verb, rest @ ..] if verb == "test" => match stories(rest) {
            Ok(code) => code,
            Err(why) => {
                eprintln!("error: {why}");
                ExitCode::FAILURE
            }
        },
        // Its shell and its questions are the person's.
        _ => ended(Command::new(script()).args(args)),
    }
}

fn help() -> ExitCode {
    println!("{HELP}");
    ExitCode::SUCCESS
}

fn script() -> PathBuf {
    workspace().join("xtask/rig/machine.sh")
}

fn stories(args: &[String]) -> Result<ExitCode, String> {
    if !run(cargo(["build", "--package", "rig"])) {
        return Err("the stories cannot be built".into());
    }
    let target = target().ok_or("the folder that cargo builds in cannot be found")?;
    let mut stories = Command::new(target.join("debug/rig"));
    stories.args(args).stdin(Stdio::null());
    if !args.iter().any(|arg| ["--list", "--help", "-h"].contains(&arg.as_str())) {
        provide(&mut stories, &target)?;
    }
    Ok(ended(&mut stories))
}

/// What the stories are about: the program, and two packages of it, the second newer than the first.
fn provide(stories: &mut Command, target: &Path) -> Result<(), String> {
    if !run(cargo(["build", "--release", "--package", "bramble"])) {
        return Err("bramble cannot be built".into());
    }
    let package = |revision| deb::make(&Wanted { triple: None, profile: "release".into(), revision });
    stories.env("BRAMBLE_RIG_PACKAGE", package(1)?);
    stories.env("BRAMBLE_RIG_NEWER_PACKAGE", package(2)?);
    stories.env("BRAMBLE_RIG_PROGRAM", target.join("release/bramble"));
    stories.env("BRAMBLE_RIG_MACHINE", script());
    if !run_quietly(Command::new(script()).arg("build")) {
        return Err("the image of the machines cannot be built".into());
    }
    Ok(())
}

fn run_quietly(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Its exit code as ours.
fn ended(command: &mut Command) -> ExitCode {
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: {:?} cannot be started: {error}", command.get_program());
            ExitCode::FAILURE
        }
    }
}
