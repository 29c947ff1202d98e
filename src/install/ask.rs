//! The one question.

use std::io::{BufRead, IsTerminal, Write};

use super::Stop;

/// A yes of a person at a terminal; anything else stops.
pub fn wanted(out: &mut dyn Write) -> Result<(), Stop> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Stop::Refused("nothing was written: there is no terminal to ask on; --yes does it unasked".into()));
    }
    let asked = write!(out, "\nDo this? [y/N] ").and_then(|()| out.flush());
    asked.map_err(|error| Stop::Failed(format!("the question cannot be shown: {error}")))?;
    let mut answer = String::new();
    let read = stdin.lock().read_line(&mut answer);
    if read.is_ok() && is_yes(&answer) { Ok(()) } else { Err(Stop::Refused("nothing was written".into())) }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes("y\n") && is_yes(" YES\n"));
        assert!(!is_yes("") && !is_yes("\n") && !is_yes("n\n") && !is_yes("yellow\n"));
    }
}
