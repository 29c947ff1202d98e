//! The question before something is gone for good.

use std::io::{self, IsTerminal, Write};

use super::exit::{Failure, Kind};

/// A yes of a person at a terminal; anything else stops.
pub fn confirm(question: &str) -> Result<(), Failure> {
    confirm_or(question, "nothing was removed")
}

/// The same of what removes nothing; what did not happen without a yes is said in other words.
pub fn confirm_or(question: &str, nothing: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let told = format!("{nothing}: there is no terminal to ask on; --yes does it unasked");
        return Err(Failure::new(Kind::Refused, told));
    }
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{question} [y/N] ").and_then(|()| io::stdin().read_line(&mut answer));
    if asked.is_ok() && is_yes(&answer) { Ok(()) } else { Err(Failure::new(Kind::Refused, nothing)) }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
