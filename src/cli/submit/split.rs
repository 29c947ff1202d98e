//! `[split]`: a file that is [`cut`] into parts, a task for each of them, and one more for what came of all.

pub mod cut;

use toml::Spanned;
use toml::de::DeValue;

use super::draft::without_zero;
use super::shape::{At, Key, Shape, Wrong, key, named, read_table, table_of};
use super::value::{text, wrong};
use crate::document::{did_you_mean, rows};

/// Leaves room for what else a job is given.
pub const MOST_CHUNKS: u32 = 900;
const LONGEST_SEPARATOR: usize = 1024;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Split {
    pub file: Option<At<String>>,
    pub by: Option<At<By>>,
    pub chunks: Option<At<u32>>,
    pub map: Option<At<Vec<At<String>>>>,
    pub reduce: Option<At<Vec<At<String>>>>,
}

/// Where it may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    Lines,
    Bytes,
    /// After each of these.
    Separator(String),
}

pub const LINES: &str = "lines";
pub const BYTES: &str = "bytes";
pub const SEPARATOR: &str = "separator";

/// Stand for the part that a task is given, for where it writes what it makes of it, and for all that was so written.
pub const INPUT: &str = "{input}";
pub const OUTPUT: &str = "{output}";

pub const KEYS: &[Key<Split>] = &[
    key("file", Shape::Text(Split::file), "A file of this machine"),
    key(
        "by",
        Shape::By(Split::by),
        "Where it may be cut: \"lines\", \"bytes\", or after each { separator = \"\\n\\n\" }",
    ),
    key(
        "chunks",
        Shape::Number(MOST_CHUNKS, Split::chunks),
        "How many parts; fewer where there is less, and none is empty",
    ),
    key(
        "map",
        Shape::Texts(Split::map),
        "The command for each part: {input} is the part, {output} where to write; else stdin and stdout are these",
    ),
    key(
        "reduce",
        Shape::Texts(Split::reduce),
        "The command for what came of all: the word {inputs} is their paths, in order",
    ),
];

impl Split {
    fn file(&mut self, path: At<String>) -> Result<(), Wrong> {
        if path.value.is_empty() {
            return Err(path.wrong("the file to be split is empty text; name a file of this machine"));
        }
        self.file = Some(without_zero("the path of the file", path)?);
        Ok(())
    }

    fn by(&mut self, by: At<By>) -> Result<(), Wrong> {
        self.by = Some(by);
        Ok(())
    }

    fn chunks(&mut self, chunks: At<u32>) -> Result<(), Wrong> {
        self.chunks = Some(chunks);
        Ok(())
    }

    fn map(&mut self, words: Vec<At<String>>) -> Result<(), Wrong> {
        self.map = Some(command("map", words)?);
        Ok(())
    }

    fn reduce(&mut self, words: Vec<At<String>>) -> Result<(), Wrong> {
        // Nothing is reduced where nothing does it.
        self.reduce = if words.is_empty() { None } else { Some(command("reduce", words)?) };
        Ok(())
    }
}

fn command(what: &str, words: Vec<At<String>>) -> Result<At<Vec<At<String>>>, Wrong> {
    let words =
        words.into_iter().map(|word| without_zero("a word of the command", word)).collect::<Result<Vec<_>, _>>()?;
    match words.first() {
        Some(first) if first.value.trim().is_empty() => {
            Err(first.wrong(format!("{what} begins with nothing; name a program or a script first")))
        }
        Some(first) => {
            let span = first.span.clone();
            Ok(At::new(words, span))
        }
        None => Ok(At::new(words, 0..0)),
    }
}

pub fn read(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<Split>, Wrong> {
    let shape =
        || format!("{key} is a table; begin it with a line [{key}], and below it name file, by, chunks and map");
    let mut split: Split = read_table(Some(key), KEYS, table_of(value, shape)?)?;
    split.map = split.map.filter(|map| !map.value.is_empty());
    for (there, is, remedy) in [
        (split.file.is_some(), "file", "name the file to be cut, as in: file = \"numbers.txt\""),
        (split.by.is_some(), "by", "say where it may be cut, as in: by = \"lines\""),
        (split.chunks.is_some(), "chunks", "say into how many parts, as in: chunks = 10"),
        (split.map.is_some(), "map", "say what runs for each part, as in: map = [\"wc\", \"-l\", \"{input}\"]"),
    ] {
        if !there {
            return Err(wrong(value, format!("{key} has no {is}; {remedy}")));
        }
    }
    Ok(At::new(split, value.span()))
}

pub fn by(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<By>, Wrong> {
    let shape = format!(
        "{key} is where the file may be cut; write {key} = \"{LINES}\", {key} = \"{BYTES}\" or {key} = {{ {SEPARATOR} = \"\\n\\n\" }}"
    );
    let by = match value.get_ref() {
        DeValue::String(text) => match text.as_ref() {
            LINES => By::Lines,
            BYTES => By::Bytes,
            other => return Err(wrong(value, shape + &did_you_mean(other, [LINES, BYTES]))),
        },
        DeValue::Table(table) => {
            let [(name, separator)] = rows(table)[..] else { return Err(wrong(value, shape)) };
            if named(name) != SEPARATOR {
                return Err(At::new((), name.span()).wrong(shape));
            }
            let separator = text(&format!("{key}.{SEPARATOR}"), separator)?;
            if separator.value.is_empty() || separator.value.len() > LONGEST_SEPARATOR {
                return Err(separator.wrong(format!(
                    "a separator has 1 to {LONGEST_SEPARATOR} bytes; write {key} = \"{BYTES}\" to cut anywhere"
                )));
            }
            By::Separator(separator.value)
        }
        _ => return Err(wrong(value, shape)),
    };
    Ok(At::new(by, value.span()))
}
