//! `[sweep]`: what is tried, each name with its values or with a range of numbers.

use protocol::job::MOST_TASKS;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::decimal::Decimal;
use super::shape::{At, Wrong, named, table_of};
use super::value::{said, wrong};
use crate::document::{did_you_mean, rows};

/// One name, and its values as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swept {
    pub name: String,
    pub values: Vec<String>,
}

/// The keys of a range.
pub const FROM: &str = "from";
pub const TO: &str = "to";
pub const STEP: &str = "step";

/// What stands in braces for something else.
const TAKEN: &[&str] = &["input", "output", "inputs"];

pub fn read(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<At<Swept>>, Wrong> {
    let shape = || {
        format!("{key} is a table of names and what is tried of each; write [{key}] and below it: rate = [0.1, 0.01]")
    };
    let table = table_of(value, shape)?;
    if table.is_empty() {
        return Err(wrong(value, shape()));
    }
    let row = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let name: At<String> = At::new(named(name).to_owned(), name.span());
        check(&name)?;
        let path = format!("{key}.{}", name.value);
        let values = match value.get_ref() {
            DeValue::Array(array) if !array.is_empty() => {
                array.iter().map(|one| tried(&path, one)).collect::<Result<_, _>>()?
            }
            DeValue::Table(table) => range(&path, value, table)?,
            _ => return Err(wrong(value, shape_of(&path))),
        };
        Ok(At::new(Swept { name: name.value, values }, name.span))
    };
    rows(table).into_iter().map(row).collect()
}

fn shape_of(path: &str) -> String {
    format!("{path} is a list of values or a range; write {path} = [0.1, 0.01] or {path} = {{ {FROM} = 1, {TO} = 10 }}")
}

fn check(name: &At<String>) -> Result<(), Wrong> {
    let said = &name.value;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !said.chars().all(plain) || !said.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Err(name.wrong(format!(
            "{said:?} cannot be swept over; its name has letters, digits and _ and begins with no digit"
        )));
    }
    if TAKEN.contains(&said.as_str()) {
        return Err(name.wrong(format!("{{{said}}} has a meaning of its own; call what is swept over otherwise")));
    }
    Ok(())
}

/// A text, or a number as it is written.
fn tried(path: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Wrong> {
    match value.get_ref() {
        DeValue::String(text) if text.contains('\0') => {
            Err(wrong(value, format!("a value of {path} has a zero byte, which no program can be given; leave it out")))
        }
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(yes) => {
            Err(wrong(value, format!("each value of {path} is a text or a number; put it in quotes: \"{yes}\"")))
        }
        other => Err(wrong(
            value,
            format!("each value of {path} is a text or a number, and not {}; write {path} = [0.1, 0.01]", said(other)),
        )),
    }
}

fn range(path: &str, value: &Spanned<DeValue<'_>>, table: &DeTable<'_>) -> Result<Vec<String>, Wrong> {
    let shape = format!("a range is written as {path} = {{ {FROM} = 1, {TO} = 10, {STEP} = 2 }}");
    let (mut from, mut to, mut step) = (None, None, None);
    for (name, value) in rows(table) {
        let slot = match named(name) {
            FROM => &mut from,
            TO => &mut to,
            STEP => &mut step,
            other => {
                let near = did_you_mean(other, [FROM, TO, STEP]);
                return Err(At::new((), name.span()).wrong(format!("a range has no key {other:?}; {shape}.{near}")));
            }
        };
        *slot = Some(decimal(&format!("{path}.{}", named(name)), value)?);
    }
    let (Some(from), Some(to)) = (from, to) else {
        return Err(wrong(value, format!("a range has a beginning and an end; {shape}")));
    };
    let step = step.unwrap_or(Decimal::ONE);
    let most = MOST_TASKS as usize;
    match Decimal::range(from, to, step, most) {
        Ok(values) if values.is_empty() => Err(wrong(
            value,
            format!(
                "from {from} by steps of {step} one never comes to {to}; turn {FROM} and {TO} around, or the sign of {STEP}"
            ),
        )),
        Ok(values) => Ok(values),
        Err(_) if step.is_zero() => {
            Err(wrong(value, format!("{path}.{STEP} is 0, and leads nowhere; write {STEP} = 1")))
        }
        Err(_) => Err(wrong(
            value,
            format!("the range from {from} to {to} by {step} is too long; at most {most} tasks fit into a job"),
        )),
    }
}

fn decimal(path: &str, value: &Spanned<DeValue<'_>>) -> Result<Decimal, Wrong> {
    let text = match value.get_ref() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => return Err(wrong(value, format!("{path} is a number; write it without quotes, as 10 or 0.5"))),
    };
    Decimal::of(text).ok_or_else(|| {
        wrong(
            value,
            format!("{path} is {text}, which is no plain number; write it as 10 or 0.5, with 18 digits at most"),
        )
    })
}
