//! Files of one kind by name: the person's own folder first, then those built in. One may be laid over another.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use toml::de::DeTable;

use crate::document::{Document, Mistake, did_you_mean};

/// What is laid under a person's file that does not say over what it is laid.
const ROOT: &str = "default";

pub struct Library<'a> {
    /// `theme` or `keymap`.
    pub kind: &'static str,
    /// Name, file and text of each built-in one.
    pub embedded: &'static [(&'static str, &'static str, &'static str)],
    pub dir: Option<&'a Path>,
}

impl Library<'_> {
    /// The built-in ones in their order, then the person's own.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.embedded.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let own = self.dir.map(toml_files_in).unwrap_or_default();
        names.extend(own.into_iter().filter(|name| self.built_in(name).is_none()));
        names
    }

    pub fn has_own(&self, name: &str) -> bool {
        self.dir.is_some_and(|dir| dir.join(format!("{name}.toml")).is_file())
    }

    /// The named file and all it is laid over, the lowest first.
    pub fn pile(&self, name: &str) -> Result<Vec<Document>, Mistake> {
        let mut own = self.own(name)?;
        let mut top = own.clone().or_else(|| self.built_in(name)).ok_or_else(|| self.unknown(name))?;
        let (mut pile, mut names) = (vec![], vec![name.to_owned()]);
        loop {
            let said = inherits(&top, &top.table()?)?;
            let last = names.last().map_or(name, String::as_str);
            let parent = match (&said, &own) {
                (Some((parent, _)), _) => parent.clone(),
                (None, Some(_)) => ROOT.to_owned(),
                (None, None) => break,
            };
            let span = said.map_or(0..0, |(_, span)| span);
            // A person's file may change the built-in one of its own name.
            let next = if own.is_some() && parent == last {
                own = None;
                self.built_in(&parent)
            } else if names.contains(&parent) {
                let circle = format!("{} inherits {parent}", names.join(" inherits "));
                return Err(top.mistake(&span, format!("A {} may not inherit in a circle: {circle}.", self.kind)));
            } else {
                own = self.own(&parent)?;
                own.clone().or_else(|| self.built_in(&parent))
            };
            let Some(next) = next else { return Err(top.mistake(&span, self.unknown(&parent).sentence)) };
            names.push(parent);
            pile.push(std::mem::replace(&mut top, next));
        }
        pile.push(top);
        pile.reverse();
        Ok(pile)
    }

    fn own(&self, name: &str) -> Result<Option<Document>, Mistake> {
        let is_a_name = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        let path = self.dir.filter(|_| is_a_name).map(|dir| dir.join(format!("{name}.toml")));
        Ok(path.map(|path| Document::of_person(&path)).transpose()?.flatten())
    }

    fn built_in(&self, name: &str) -> Option<Document> {
        let (_, file, text) = self.embedded.iter().find(|(embedded, ..)| *embedded == name)?;
        Some(Document { file: (*file).to_owned(), text: (*text).to_owned() })
    }

    fn unknown(&self, name: &str) -> Mistake {
        let names = self.names();
        let near = did_you_mean(name, names.iter().map(String::as_str));
        let near = if near.is_empty() { format!(" There are {}.", names.join(", ")) } else { near };
        let file = self.dir.map_or_else(|| format!("{}s", self.kind), |dir| dir.display().to_string());
        Mistake { file, line: None, sentence: format!("There is no {} {name}.{near}", self.kind) }
    }
}

fn inherits(document: &Document, table: &DeTable<'_>) -> Result<Option<(String, std::ops::Range<usize>)>, Mistake> {
    let Some(value) = table.get("inherits") else { return Ok(None) };
    Ok(Some((document.string("inherits", value)?.to_owned(), value.span())))
}

fn toml_files_in(dir: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeSet::new() };
    let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let toml = paths.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
    toml.filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned)).collect()
}
