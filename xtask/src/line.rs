//! The command lines of chores that take numbers: `--seed 7 --minutes 9`.

use std::process::ExitCode;
use std::str::FromStr;

/// The number behind a word.
pub fn number<T: FromStr>(word: &str, rest: &mut std::slice::Iter<'_, String>) -> Result<T, String> {
    let text = rest.next().ok_or_else(|| format!("{word} wants a number after it"))?;
    text.parse().map_err(|_| format!("{word} wants a number, not {text:?}"))
}

/// What makes no sense as it is typed is said, and nothing is done.
pub fn understood<T>(wish: Result<T, String>) -> Result<T, ExitCode> {
    wish.map_err(|why| {
        eprintln!("error: {why}");
        ExitCode::from(2)
    })
}
