//! The values of a submission file, each read into what it stands for, or into what is wrong with it.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::draft::{Indices, Kept};
use super::shape::{At, CALLED, FILE, Variable, WRITABLE, Wrong, named};
use crate::document::{did_you_mean, rows};

/// Who writes nothing between the quotes, or after the `=` of a classic line, has none of it.
pub fn some(one: At<String>) -> Vec<At<String>> {
    if one.value.is_empty() { vec![] } else { vec![one] }
}

pub fn text(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<String>, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(At::new(text.clone().into_owned(), value.span())),
        DeValue::Integer(number) => Err(wrong(value, format!("{key} is a text; put it in quotes: \"{number}\""))),
        DeValue::Float(number) => Err(wrong(value, format!("{key} is a text; put it in quotes: \"{number}\""))),
        DeValue::Boolean(yes) => Err(wrong(value, format!("{key} is a text; put it in quotes: \"{yes}\""))),
        other => Err(wrong(value, format!("{key} is a text in quotes, and not {}", said(other)))),
    }
}

pub fn texts(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<At<String>>, Wrong> {
    let Some(array) = value.get_ref().as_array() else {
        let sentence = format!("{key} is a list of texts; write {key} = [\"a\", \"b\"]");
        return Err(wrong(value, sentence));
    };
    array.iter().map(|one| text(&format!("each of {key}"), one)).collect()
}

pub fn number(key: &str, most: u32, value: &Spanned<DeValue<'_>>) -> Result<At<u32>, Wrong> {
    let DeValue::Integer(number) = value.get_ref() else {
        return Err(wrong(value, format!("{key} is a whole number; write {key} = 2")));
    };
    let fits = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|n| (1..=most).contains(n));
    let n = fits.ok_or_else(|| wrong(value, format!("{key} is a number from 1 to {most}, and not {number}")))?;
    Ok(At::new(n, value.span()))
}

pub fn indices(key: &str, value: &Spanned<DeValue<'_>>) -> Result<At<Indices>, Wrong> {
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

pub fn variables(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<Variable>, Wrong> {
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

pub fn files(key: &str, value: &Spanned<DeValue<'_>>) -> Result<Vec<Kept>, Wrong> {
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

pub fn wrong(value: &Spanned<DeValue<'_>>, sentence: String) -> Wrong {
    Wrong { span: value.span(), sentence }
}

pub fn said(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
        DeValue::Datetime(_) => "a date",
        DeValue::Boolean(_) => "true or false",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::String(_) => "a text",
    }
}
