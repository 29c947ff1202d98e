//! The classic submission: four lines, without quotes. `executable = run.py`, `data = a.csv`, `email = x@y.z`,
//! `client = name`.

use super::draft::Draft;
use super::keys::KEYS;
use super::shape::{At, Key};

/// Its lines, or `None` where this is something else. Whatever is TOML was read as such before.
pub fn lines(text: &str) -> Option<Vec<(&'static Key<Draft>, At<String>)>> {
    let mut lines = vec![];
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let at = start;
        start += line.len();
        // Editors of Windows begin a file with a mark that no other sees.
        let said = line.trim_start_matches('\u{feff}').trim();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        let (name, value) = said.split_once('=')?;
        let key = KEYS.iter().find(|key| key.classic && key.name == name.trim())?;
        lines.push((key, At::new(unquoted(value.trim())?.to_owned(), at..start)));
    }
    Some(lines)
}

/// `None` where TOML was meant, and is broken: its own reader knows better what is wrong.
fn unquoted(value: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.strip_suffix(quote).filter(|inner| !inner.contains(quote));
        }
    }
    (!value.starts_with(['[', '{'])).then_some(value)
}
