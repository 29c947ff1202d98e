//! Starting other programs: each is shown before it runs, none reads our input.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The top of the workspace; every command is run from there.
pub fn workspace() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// The folder cargo builds in, wherever that was configured: we were built there ourselves, as `TARGET/debug/xtask`.
pub fn target() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.parent()?.to_owned())
}

/// The cargo that runs us.
pub fn cargo<S: Into<String>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.into_iter().map(Into::into));
    command
}

/// Shows a command, runs it to its end and says whether it succeeded. Not being able to start it is a failure.
pub fn run(mut command: Command) -> bool {
    eprintln!("+ {}", shown(&command));
    match command.current_dir(workspace()).stdin(Stdio::null()).status() {
        Ok(status) => status.success(),
        Err(error) => {
            eprintln!("error: {:?} cannot be started: {error}", command.get_program());
            false
        }
    }
}

/// What a command prints, or nothing where it fails.
pub fn output(mut command: Command) -> Option<String> {
    command.current_dir(workspace()).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// As a person would type it.
fn shown(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/cargo");
        command.args(["test", "--workspace"]);
        assert_eq!(shown(&command), "cargo test --workspace");
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_failure_and_not_a_panic() {
        assert!(!run(Command::new("/no/such/program")));
        assert_eq!(output(Command::new("/no/such/program")), None);
        assert!(run(Command::new("true")));
    }

    #[test]
    fn the_workspace_is_where_its_manifest_is() {
        assert!(workspace().join("xtask/Cargo.toml").is_file());
    }
}
