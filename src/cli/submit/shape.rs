//! What the value of a key looks like, and what it is made into. The same shapes make the JSON Schema, so that an
//! editor and `bramble submit` agree.

use std::ops::Range;

use protocol::secret::JobSecret;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Indices, Kept};
use super::split::{By, Split};
use super::step::{self, Step};
use super::sweep::{self, Swept};
use super::value::{self, files, indices, number, some, text, texts, variables};
use super::{keys, secret, split};
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

type Take<D, T> = fn(&mut D, T) -> Result<(), Wrong>;

/// One of the keys of a table that becomes a `D`.
pub struct Key<D: 'static> {
    pub name: &'static str,
    pub shape: Shape<D>,
    /// For editors, which show it beside the key.
    pub means: &'static str,
    /// One of the classic four lines.
    pub classic: bool,
}

pub const fn key<D>(name: &'static str, shape: Shape<D>, means: &'static str) -> Key<D> {
    Key { name, shape, means, classic: false }
}

/// Whose value it is takes it.
pub enum Shape<D: 'static> {
    Text(Take<D, At<String>>),
    Texts(Take<D, Vec<At<String>>>),
    /// One text, or several in brackets.
    OneOrMore(Take<D, Vec<At<String>>>),
    /// From 1 to so many.
    Number(u32, Take<D, At<u32>>),
    /// How many, or from where to where.
    Indices(Take<D, At<Indices>>),
    Variables(Take<D, Vec<Variable>>),
    Files(Take<D, Vec<Kept>>),
    Secrets(Take<D, Vec<At<JobSecret>>>),
    /// Tables, one a step.
    Steps(Take<D, Vec<At<Step>>>),
    /// A table of names, each with what is tried of it.
    Sweep(Take<D, Vec<At<Swept>>>),
    Split(Take<D, At<Split>>),
    /// Where something is cut.
    By(Take<D, At<By>>),
}

/// The keys of one of `files`, where it is more than a name.
pub const FILE: &str = "file";
pub const CALLED: &str = "as";
pub const WRITABLE: &str = "writable";

impl<D> Shape<D> {
    /// Reads a value of this shape, and gives it to the draft.
    pub fn read(&self, key: &str, value: &Spanned<DeValue<'_>>, draft: &mut D) -> Result<(), Wrong> {
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
            Shape::Number(most, take) => take(draft, number(key, *most, value)?),
            Shape::Indices(take) => take(draft, indices(key, value)?),
            Shape::Variables(take) => take(draft, variables(key, value)?),
            Shape::Files(take) => take(draft, files(key, value)?),
            Shape::Secrets(take) => take(draft, secret::read(key, value)?),
            Shape::Steps(take) => take(draft, step::read(key, value)?),
            Shape::Sweep(take) => take(draft, sweep::read(key, value)?),
            Shape::Split(take) => take(draft, split::read(key, value)?),
            Shape::By(take) => take(draft, split::by(key, value)?),
        }
    }

    /// The same of a classic line, whose value is a text and nothing else.
    pub fn read_line(&self, key: &str, value: At<String>, draft: &mut D) -> Result<(), Wrong> {
        match self {
            Shape::Text(take) => take(draft, value),
            Shape::OneOrMore(take) => take(draft, some(value)),
            _ => Err(value.wrong(format!("{key} cannot be written on a line of this kind; write the file as TOML"))),
        }
    }
}

/// A table by its keys, those of the whole file or of a table in it, which is then named.
pub fn read_table<D: Default>(whole: Option<&str>, keys: &[Key<D>], table: &DeTable<'_>) -> Result<D, Wrong> {
    let mut draft = D::default();
    for (name, value) in rows(table) {
        let said = named(name);
        let Some(key) = keys.iter().find(|key| key.name == said) else {
            return Err(At::new((), name.span()).wrong(unknown(whole, keys, said)));
        };
        // Of a table in the file it is told whose key it is.
        let path = whole.map_or_else(|| key.name.to_owned(), |whole| format!("{whole}.{}", key.name));
        key.shape.read(&path, value, &mut draft)?;
    }
    Ok(draft)
}

fn unknown<D>(whole: Option<&str>, keys: &[Key<D>], said: &str) -> String {
    if let Some((name, instead)) = keys::LATER.iter().find(|(name, _)| whole.is_none() && *name == said) {
        return format!("{name} has no meaning yet; {instead}");
    }
    let near = did_you_mean(said, keys.iter().filter(|key| key.name != "client").map(|key| key.name));
    let all = keys.iter().map(|key| key.name).collect::<Vec<_>>().join(", ");
    let remedy = if near.is_empty() { format!("the keys are {all}") } else { near.trim().replacen("Did", "did", 1) };
    let of = whole.map_or_else(String::new, |whole| format!("{whole} has "));
    let there = if whole.is_none() { "there is " } else { "" };
    format!("{of}{there}no key {said:?}; {remedy}")
}

/// Where a table is meant and there is something else.
pub fn table_of<'t, 'i>(
    value: &'t Spanned<DeValue<'i>>,
    remedy: impl FnOnce() -> String,
) -> Result<&'t DeTable<'i>, Wrong> {
    value.get_ref().as_table().ok_or_else(|| value::wrong(value, remedy()))
}

/// A key as it is, whatever quotes it is written in.
pub fn named<'t>(key: &'t Spanned<toml::de::DeString<'_>>) -> &'t str {
    key.get_ref()
}
