//! What the value of a key looks like, and what it is made into. The same shapes make the JSON Schema, so that an
//! editor and `bramble submit` agree.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Draft, Indices, Kept};
use crate::document::{did_you_mean, rows};

/// Something, and where in the file it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

impl<T> At<T> {
    pub fn new(value: T, span: Range<usize>) -> Self {
        Self { value, span }
    }

    pub fn wrong(&self, sentence: impl Into<String>) -> Wrong {
        Wrong { span: self.span.clone(), sentence: sentence.into() }
    }
}

/// One sentence about one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    pub span: Range<usize>,
    pub sentence: String,
}

/// Its name and its value.
pub type Variable = (At<String>, At<String>);

type Take<T> = fn(&mut Draft, T) -> Result<(), Wrong>;

/// Whose value it is takes it.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    Text(Take<At<String>>),
    Texts(Take<Vec<At<String>>>),
    /// One text, or several in brackets.
    OneOrMore(Take<Vec<At<String>>>),
    /// From 1 to so many.
    Number(u32, Take<At<u32>>),
    /// How many, or from where to where.
    Indices(Take<At<Indices>>),
    Variables(Take<Vec<Variable>>),
    Files(Take<Vec<Kept>>),
}

/// The keys of one of `files`, where it is more than a name.
pub const FILE: &str = "file";
pub const CALLED: &str = "as";
pub const WRITABLE: &str = "writable";

impl Shape {
    /// Reads a value of this shape, and gives it to the draft.
    pub fn read(self, key: &str, value: &Spanned<DeValue<'_>>, draft: &mut Draft) -> Result<(), Wrong> {
        match self {
            Shape::Text(take) => take(draft, text(key, value)?),
            Shape::Texts(take) => take(draft, texts(key, value)?),
            Shape::OneOrMore(take) if value.get_ref().is_array() => take(draft, texts(key, value)?),
            Shape::OneOrMore(take) => {
                let one = text(key, value).map_err(|wrong| Wrong {
                    sentence: format!("{}, or several in brackets: {key} = [\"a\", \"b\"]", wrong.sentence),
                    ..wrong
                })?;
                take(draft, some(one))
            }
            Shape::Number(most, take) => take(draft, number(key, most, value)?),
            Shape::Indices(take) => take(draft, indices(key, value)?),
            Shape::Variables(take) => take(draft, variables(key, value)?),
            Shape::Files(take) => take(draft, files(key, value)?),
        }
    }

    /// The same of a classic line, whose value is a text and nothing else.
    pub fn read_line(self, key: &str, value: At<String>, draft: &mut Draft) -> Result<(), Wrong> {
        match self {
            Shape::Text(take) => take(draft, value),
            Shape::OneOrMore(take) => take(draft, some(value)),
            _ => Err(value.wrong(format!("{key} cannot be written on a line of this kind; write the file as TOML"))),
        }
    }
}

/// Who writes nothing between the quotes, or after the `=` of a classic line, has none of it.
fn some(one: At<String>) -> Vec<At<String>> {
    if one.value.is_empty() { vec![] } else { vec![one] }
}

fn text(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<String>, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(At::new(text.clone().into_owned(), value.span())),
        DeValue::Integer(number) => Err(wrong(value, format!("{key} is a text; put it in quotes: \"{number}\""))),
        DeValue::Float(number) => Err(wrong(value, format!("{key} is a text; put it in quotes: \"{number}\""))),
        DeValue::Boolean(yes) => Err(wrong(value, format!("{key} is a text; put it in quotes: \"{yes}\""))),
        other => Err(wrong(value, format!("{key} is a text in quotes, and not {}", said(other)))),
    }
}

fn texts(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<At<String>>, Wrong> {
    let Some(array) = value.get_ref().as_array() else {
        let sentence = format!("{key} is a list of texts; write {key} = [\"a\", \"b\"]");
        return Err(wrong(value, sentence));
    };
    array.iter().map(|one| text(&format!("each of {key}"), one)).collect()
}

fn number(key: &str, most: u32, value: &Spanned<DeValue<'_>>) -> Result<At<u32>, Wrong> {
    let DeValue::Integer(number) = value.get_ref() else {
        return Err(wrong(value, format!("{key} is a whole number; write {key} = 2")));
    };
    let fits = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| (1..=most).contains(n));
    let n = fits.ok_or_else(|| wrong(value, format!("{key} is a number from 1 to {most}, and not {number}")))?;
    Ok(At::new(n, value.span()))
}

fn indices(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<Indices>, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(At::new(Indices::Range(text.clone().into_owned()), value.span())),
        DeValue::Integer(_) => {
            let n = number(key, protocol::job::MOST_TASKS, value)?;
            Ok(At::new(Indices::Count(n.value), n.span))
        }
        _ => {
            let sentence = format!("{key} is a number of tasks or a range; write {key} = 10 or {key} = \"5-9\"");
            Err(wrong(value, sentence))
        }
    }
}

fn variables(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<Variable>, Wrong> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(wrong(value, format!("{key} is a table; write {key} = {{ RATE = \"0.1\" }}")));
    };
    let row = |(name, value): (&Spanned<_>, _)| {
        let name: At<String> = At::new(named(name).to_owned(), name.span());
        let value = text(&format!("{key}.{}", name.value), value)?;
        Ok((name, value))
    };
    rows(table).into_iter().map(row).collect()
}

fn files(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<Kept>, Wrong> {
    let Some(array) = value.get_ref().as_array() else {
        let sentence = format!("{key} is a list of what is kept already; write {key} = [\"data.csv\", \"ana/set\"]");
        return Err(wrong(value, sentence));
    };
    array.iter().map(|one| file(key, one)).collect()
}

fn file(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Kept, Wrong> {
    let shape = format!("each of {key} is a name, or as {{ file = \"ana/set\", as = \"input\", writable = true }}");
    match value.get_ref() {
        DeValue::String(_) => Ok(Kept { file: text(key, value)?, called: None, writable: false }),
        DeValue::Table(table) => file_table(value, table, &shape),
        _ => Err(wrong(value, shape)),
    }
}

fn file_table(value: &Spanned<DeValue<'_>>, table: &DeTable<'_>, shape: &str) -> Result<Kept, Wrong> {
    let (mut file, mut called, mut writable) = (None, None, false);
    for (name, value) in rows(table) {
        match named(name) {
            FILE => file = Some(text(FILE, value)?),
            CALLED => called = Some(text(CALLED, value)?),
            WRITABLE => {
                let yes = value.get_ref().as_bool();
                writable = yes.ok_or_else(|| wrong(value, format!("{WRITABLE} is true or false, without quotes")))?;
            }
            other => {
                let near = did_you_mean(other, [FILE, CALLED, WRITABLE]);
                return Err(At::new((), name.span()).wrong(format!("a file has no key {other:?}; {shape}.{near}")));
            }
        }
    }
    let file = file.ok_or_else(|| wrong(value, format!("a file is missing its name; {shape}")))?;
    Ok(Kept { file, called, writable })
}

/// A key as it is, whatever quotes it is written in.
pub fn named<'t>(key: &'t Spanned<toml::de::DeString<'_>>) -> &'t str {
    key.get_ref()
}

fn wrong(value: &Spanned<DeValue<'_>>, sentence: String) -> Wrong {
    Wrong { span: value.span(), sentence }
}

fn said(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Datetime(_) => "a date",
        DeValue::Boolean(_) => "true or false",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::String(_) => "a text",
    }
}
