//! From the bytes of a submission file to a [`Draft`], or to the one sentence about what is wrong in it, and where.

use toml::de::DeTable;

use super::classic;
use super::draft::Draft;
use super::keys::{EXECUTABLE, KEYS};
use super::shape::{At, Key, Wrong, read_table};
use super::start::is_named_like_a_script;
use crate::document::{Document, Mistake};

/// More than any submission needs, and little enough to be read whole.
pub const MOST_BYTES: u64 = 8 << 20;

pub fn document(file: &str, bytes: Vec<u8>) -> Result<Document, Mistake> {
    let file = file.to_owned();
    if bytes.len() as u64 > MOST_BYTES {
        let sentence = "this is too large for a submission file; name large files in it, with data".into();
        return Err(Mistake { file, line: Some(1), sentence });
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Document { file, text }),
        Err(bad) => {
            let good = bad.utf8_error().valid_up_to();
            let line = 1 + bad.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
            let sentence = "this line is not UTF-8; save the file as UTF-8".into();
            Err(Mistake { file, line: Some(line), sentence })
        }
    }
}

pub fn draft(document: &Document) -> Result<Draft, Mistake> {
    let read = match DeTable::parse(&document.text) {
        Ok(table) => read_table(None, KEYS, table.get_ref()),
        Err(error) => match classic::lines(&document.text) {
            Some(lines) => of_lines(lines),
            None => Err(not_toml(document, &error)),
        },
    };
    read.and_then(Draft::whole).map_err(|wrong| mistake(document, &wrong))
}

pub fn mistake(document: &Document, wrong: &Wrong) -> Mistake {
    document.mistake(&wrong.span, wrong.sentence.clone())
}

fn of_lines(lines: Vec<(&'static Key<Draft>, At<String>)>) -> Result<Draft, Wrong> {
    let mut draft = Draft::default();
    let mut names = vec![];
    for (key, value) in lines {
        if names.contains(&key.name) {
            return Err(value.wrong(format!("{} is there twice; leave one out", key.name)));
        }
        names.push(key.name);
        key.shape.read_line(key.name, value, &mut draft)?;
    }
    Ok(draft)
}

fn not_toml(document: &Document, error: &toml::de::Error) -> Wrong {
    let span = error.span().unwrap_or(0..0);
    if document.text.starts_with("#!") || is_named_like_a_script(&document.file) {
        let name = document.file.rsplit('/').next().unwrap_or_default();
        let sentence = format!(
            "this is a script and no submission; write a file beside it that says {EXECUTABLE} = {name:?}, and submit that"
        );
        return Wrong { span, sentence };
    }
    let said = error.message().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    let remedy = match said.contains("duplicate key") {
        true => "leave one of the two out",
        false => "texts stand in quotes and lists in brackets, as in: args = [\"a\", \"b\"]",
    };
    Wrong { span, sentence: format!("this is not TOML: {said}; {remedy}") }
}
