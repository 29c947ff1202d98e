//! Whether a script can be read at all, by those who will read it. As the person, and without running anything of it.

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};

use crate::cli::context::Context;
use crate::cli::exit::{Failure, Kind};

const PYTHON: &str = "import sys; compile(sys.stdin.buffer.read(), 'script', 'exec', dont_inherit=True)";
/// Of what a checker says.
const MOST_LINES: usize = 20;

pub fn check(text: &str, context: &Context) -> Result<(), Failure> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("#!") && first.contains("python") {
        return match said("python3", &["-I", "-c", PYTHON], text)? {
            Said::Nothing => Ok(()),
            // The last line says what, the ones before where.
            Said::Something(lines) => Err(unreadable("python3", &lines)),
            Said::NotHere => {
                context.note("python3 is not here, so nothing was checked");
                Ok(())
            }
        };
    }
    match said("bash", &["-n"], text)? {
        Said::Nothing => {}
        Said::Something(lines) => return Err(unreadable("bash", &lines)),
        Said::NotHere => {
            context.note("bash is not here, so nothing was checked");
            return Ok(());
        }
    }
    // Parameters come as variables, and a header may be all that a script begins with.
    let leave = if text.contains("# /// bramble") { "SC1113,SC2246,SC2154" } else { "SC1113,SC2246" };
    let shellcheck = said("shellcheck", &["-s", "bash", "-e", leave, "-f", "gcc", "-"], text)?;
    if matches!(shellcheck, Said::NotHere) {
        context.hint("shellcheck is not here; it would find more than bash does");
    }
    if let Said::Something(lines) = shellcheck {
        let errors: Vec<String> = lines.iter().filter(|line| line.contains(": error: ")).cloned().collect();
        if !errors.is_empty() {
            return Err(unreadable("shellcheck", &errors));
        }
        lines
            .iter()
            .take(MOST_LINES)
            .for_each(|line| context.note(format_args!("shellcheck: {}", line.trim_start_matches("-:"))));
    }
    Ok(())
}

enum Said {
    Nothing,
    Something(Vec<String>),
    NotHere,
}

fn said(program: &str, args: &[&str], text: &str) -> Result<Said, Failure> {
    let piped = || Stdio::piped();
    let started = Command::new(program).args(args).stdin(piped()).stdout(piped()).stderr(piped()).spawn();
    let mut child = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Said::NotHere),
        started => started.map_err(|error| fault(program, &error))?,
    };
    let stdin = child.stdin.take();
    let ended = std::thread::scope(|scope| {
        // One that has read enough closes its end.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(text.as_bytes())));
        child.wait_with_output()
    });
    let output = ended.map_err(|error| fault(program, &error))?;
    let all = [output.stdout, output.stderr].concat();
    let lines: Vec<String> =
        String::from_utf8_lossy(&all).lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
    if output.status.success() {
        return Ok(Said::Nothing);
    }
    Ok(Said::Something(if lines.is_empty() { vec![format!("it ended with {}", output.status)] } else { lines }))
}

fn fault(program: &str, error: &std::io::Error) -> Failure {
    Failure::new(Kind::Fault, format_args!("{program} cannot check the script: {error}"))
}

fn unreadable(program: &str, lines: &[String]) -> Failure {
    let some: Vec<&str> = lines.iter().rev().take(3).rev().map(|line| line.trim()).collect();
    Failure::usage(format_args!("{program} does not understand the script: {}", some.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Said, Failure> {
        said("bash", &["-n"], text)
    }

    #[test]
    fn what_bash_cannot_read_is_told_with_its_line_and_nothing_of_it_runs() {
        assert!(matches!(of("echo hi\n"), Ok(Said::Nothing)));
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("ran");
        let Ok(Said::Something(lines)) = of(&format!("touch {}\nif true; then\n", mark.display())) else { panic!() };
        assert!(unreadable("bash", &lines).message.contains("line"), "{lines:?}");
        assert!(!mark.exists());
    }

    #[test]
    fn a_checker_that_is_not_here_is_no_mistake_of_the_script() {
        assert!(matches!(said("no-such-checker", &[], "x"), Ok(Said::NotHere)));
    }

    #[test]
    fn a_long_script_is_checked_whole() {
        let long = "echo hi\n".repeat(30_000);
        assert!(matches!(of(&long), Ok(Said::Nothing)));
        assert!(matches!(of(&format!("{long}fi\n")), Ok(Said::Something(_))));
    }
}
