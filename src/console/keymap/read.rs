//! A keymap's file is checked row by row and laid over the one it inherits.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Binding, Chord, KeymapError, Layer, Vocabulary};
use crate::document::{Document, did_you_mean, rows};

/// Bound to this, keys do nothing.
const NOOP: &str = "noop";

/// A binding as one file says it, and where.
struct Row {
    /// `None`: it is a noop.
    binding: Option<Binding>,
    on: Vec<Chord>,
    at: Range<usize>,
}

pub fn lay(
    document: &Document,
    table: &DeTable<'_>,
    vocabulary: &Vocabulary<'_>,
    layers: &mut BTreeMap<String, Layer>,
) -> Result<(), KeymapError> {
    for (key, value) in rows(table) {
        let name = key.get_ref().as_ref();
        if name == "inherits" {
            continue;
        }
        if !vocabulary.layers.contains(&name) {
            let near = did_you_mean(name, vocabulary.layers.iter().copied());
            let near = if near.is_empty() { format!(" There are {}.", vocabulary.layers.join(", ")) } else { near };
            return Err(document.mistake(&key.span(), format!("There is no layer {name}.{near}")));
        }
        let said = Said::read(document, name, document.inner(name, value)?, vocabulary)?;
        let under = layers.remove(name).unwrap_or_default();
        layers.insert(name.to_owned(), said.over(under));
    }
    Ok(())
}

/// What one file says about one layer.
#[derive(Default)]
struct Said {
    prepend: Vec<Row>,
    /// In place of all that is inherited.
    whole: Option<Vec<Row>>,
    append: Vec<Row>,
}

impl Said {
    fn read(
        document: &Document,
        layer: &str,
        table: &DeTable<'_>,
        words: &Vocabulary<'_>,
    ) -> Result<Self, KeymapError> {
        let mut said = Self::default();
        for (key, value) in rows(table) {
            let list = || read_rows(document, layer, value, words);
            match key.get_ref().as_ref() {
                "prepend_keymap" => said.prepend = list()?,
                "keymap" => said.whole = Some(list()?),
                "append_keymap" => said.append = list()?,
                other => {
                    let sentence = format!(
                        "{other} is no part of a layer; a layer has keymap, or prepend_keymap and append_keymap."
                    );
                    return Err(document.mistake(&key.span(), sentence));
                }
            }
        }
        said.check(document, layer)?;
        Ok(said)
    }

    /// No file may contradict itself.
    fn check(&self, document: &Document, layer: &str) -> Result<(), KeymapError> {
        let mut rows: Vec<&Row> = self.prepend.iter().chain(self.whole.iter().flatten()).chain(&self.append).collect();
        rows.sort_by_key(|row| row.at.start);
        for (index, row) in rows.iter().enumerate() {
            for earlier in &rows[..index] {
                if !collide(&row.on, &earlier.on) {
                    continue;
                }
                let line = document.mistake(&earlier.at, "").line.unwrap_or_default();
                let (this, that) = (written(&row.on), written(&earlier.on));
                let sentence = if row.on == earlier.on {
                    format!("{this} is bound twice in {layer}; line {line} binds it already.")
                } else if row.on.len() < earlier.on.len() {
                    format!("{this} is how {that} begins, bound in {layer} on line {line}; only one of them can be.")
                } else {
                    format!("{this} begins with {that}, bound in {layer} on line {line}; only one of them can be.")
                };
                return Err(document.mistake(&row.at, sentence));
            }
        }
        Ok(())
    }

    fn over(self, under: Layer) -> Layer {
        let mut layer = Layer::default();
        for row in self.prepend {
            layer.take(row);
        }
        match self.whole {
            Some(rows) => rows.into_iter().for_each(|row| layer.take(row)),
            None => {
                let said = layer.clone();
                layer.bindings.extend(under.bindings.into_iter().filter(|binding| said.is_free(&binding.on)));
                layer.silent.extend(under.silent.into_iter().filter(|on| said.is_free(on)));
            }
        }
        for row in self.append {
            if layer.is_free(&row.on) {
                layer.take(row);
            }
        }
        layer
    }
}

impl Layer {
    fn take(&mut self, row: Row) {
        match row.binding {
            Some(binding) => self.bindings.push(binding),
            None => self.silent.push(row.on),
        }
    }

    fn is_free(&self, on: &[Chord]) -> bool {
        let bound = self.bindings.iter().map(|binding| &binding.on).chain(&self.silent);
        !bound.into_iter().any(|bound| collide(bound, on))
    }
}

fn collide(one: &[Chord], other: &[Chord]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn written(on: &[Chord]) -> String {
    on.iter().map(Chord::to_string).collect::<Vec<_>>().join(" ")
}

fn read_rows(
    document: &Document,
    layer: &str,
    value: &Spanned<DeValue<'_>>,
    vocabulary: &Vocabulary<'_>,
) -> Result<Vec<Row>, KeymapError> {
    let wrong = || document.mistake(&value.span(), "A keymap is a list of { on = \"KEY\", run = \"ACTION\" }.");
    let list = value.get_ref().as_array().ok_or_else(wrong)?;
    list.iter().map(|row| read_row(document, layer, row, vocabulary)).collect()
}

fn read_row(
    document: &Document,
    layer: &str,
    row: &Spanned<DeValue<'_>>,
    vocabulary: &Vocabulary<'_>,
) -> Result<Row, KeymapError> {
    let table = document.inner("A row of a keymap", row)?;
    let (mut on, mut run, mut desc) = (None, None, None);
    for (key, value) in rows(table) {
        match key.get_ref().as_ref() {
            "on" => on = Some(read_keys(document, value)?),
            "run" => run = Some((read_words(document, value)?, value.span())),
            "desc" => desc = Some(document.string("desc", value)?.to_owned()),
            other => {
                let sentence = format!("{other} is no part of a binding; a binding has on, run and desc.");
                return Err(document.mistake(&key.span(), sentence));
            }
        }
    }
    let (Some(on), Some((mut words, at_run))) = (on, run) else {
        return Err(document.mistake(&row.span(), "A binding needs both on, the keys, and run, the action."));
    };
    let action = words.remove(0);
    if action == NOOP && words.is_empty() {
        return Ok(Row { binding: None, on, at: row.span() });
    }
    (vocabulary.action)(layer, &action, &words).map_err(|sentence| document.mistake(&at_run, sentence))?;
    let binding = Binding { on: on.clone(), action, args: words, desc };
    Ok(Row { binding: Some(binding), on, at: row.span() })
}

fn read_keys(document: &Document, value: &Spanned<DeValue<'_>>) -> Result<Vec<Chord>, KeymapError> {
    let chord = |value: &Spanned<DeValue<'_>>| {
        let said = document.string("A key", value)?;
        Chord::parse(said).map_err(|sentence| document.mistake(&value.span(), sentence))
    };
    let Some(list) = value.get_ref().as_array() else { return Ok(vec![chord(value)?]) };
    let keys = list.iter().map(chord).collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        return Err(document.mistake(&value.span(), "on needs at least one key."));
    }
    Ok(keys)
}

/// The action and its arguments; never empty.
fn read_words(document: &Document, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, KeymapError> {
    let words: Vec<String> = match value.get_ref().as_array() {
        None => document.string("run", value)?.split_whitespace().map(str::to_owned).collect(),
        Some(list) => {
            let words = list.iter().map(|word| document.string("A word of run", word).map(str::to_owned));
            words.collect::<Result<_, _>>()?
        }
    };
    if words.is_empty() {
        return Err(document.mistake(&value.span(), "run needs the name of an action, or noop."));
    }
    Ok(words)
}
