//! Where themes come from: the person's own folder first, then those built in.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::read::{self, Palette};
use super::{Depth, Glyphs, Styles, Theme, ThemeError};
use crate::console::document::{Document, did_you_mean, names_in};

pub const EMBEDDED: [(&str, &str, &str); 6] = [
    ("default", "themes/default.toml", include_str!("../../../themes/default.toml")),
    ("dark", "themes/dark.toml", include_str!("../../../themes/dark.toml")),
    ("light", "themes/light.toml", include_str!("../../../themes/light.toml")),
    ("high-contrast", "themes/high-contrast.toml", include_str!("../../../themes/high-contrast.toml")),
    ("colour-blind", "themes/colour-blind.toml", include_str!("../../../themes/colour-blind.toml")),
    ("mono", "themes/mono.toml", include_str!("../../../themes/mono.toml")),
];

/// What a theme is reduced to where there are no colours.
const MONO: &str = "mono";

#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The person's own themes; a file there stands before a built-in one of the same name.
    pub dir: Option<PathBuf>,
}

impl Source {
    /// The built-in ones in their order, then the person's own.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = EMBEDDED.iter().map(|(name, ..)| (*name).to_owned()).collect();
        let own: BTreeSet<String> = names_in(self.dir.as_deref()).into_iter().collect();
        names.extend(own.into_iter().filter(|name| !EMBEDDED.iter().any(|(embedded, ..)| embedded == name)));
        names
    }

    pub fn load(&self, name: &str, depth: Depth, ascii: bool) -> Result<Theme, ThemeError> {
        let mut styles = self.styles(name)?;
        if depth == Depth::Mono {
            // A theme that tells states by colour alone would tell nothing here.
            styles = self.styles(MONO)?;
        }
        let styles = styles.map(|style| depth.adapt(style));
        Ok(Theme { name: name.to_owned(), styles, glyphs: Glyphs::of(ascii), depth })
    }

    fn styles(&self, name: &str) -> Result<Styles, ThemeError> {
        let mut chain = vec![];
        let mut next = self.find(name)?.ok_or_else(|| self.unknown(name))?;
        let mut names = vec![name.to_owned()];
        loop {
            let parent = read::inherits(&next, &next.table()?)?;
            let Some((parent, span)) = parent else {
                chain.push(next);
                break;
            };
            // A theme may change a built-in one of its own name.
            let own_name = names.last().is_some_and(|last| *last == parent) && self.is_own(&next);
            let found = if own_name { embedded(&parent) } else { self.find(&parent)? };
            if names.contains(&parent) && !own_name {
                let path = format!("{} inherits {parent}", names.join(" inherits "));
                return Err(next.mistake(&span, format!("Themes may not inherit in a circle, and here {path}.")));
            }
            let Some(found) = found else {
                return Err(next.mistake(&span, self.unknown(&parent).sentence));
            };
            names.push(parent);
            chain.push(std::mem::replace(&mut next, found));
        }
        let (mut palette, mut styles) = (Palette::new(), Styles::default());
        for document in chain.iter().rev() {
            read::lay(document, &document.table()?, &mut palette, &mut styles)?;
        }
        Ok(styles)
    }

    fn find(&self, name: &str) -> Result<Option<Document>, ThemeError> {
        let own = self.dir.as_ref().filter(|_| is_a_name(name)).map(|dir| dir.join(format!("{name}.toml")));
        match own.map(|path| Document::of_person(&path)).transpose()?.flatten() {
            Some(own) => Ok(Some(own)),
            None => Ok(embedded(name)),
        }
    }

    fn is_own(&self, document: &Document) -> bool {
        !EMBEDDED.iter().any(|(_, file, _)| *file == document.file)
    }

    fn unknown(&self, name: &str) -> ThemeError {
        let names = self.names();
        let near = did_you_mean(name, names.iter().map(String::as_str));
        let near = if near.is_empty() { format!(" There are {}.", names.join(", ")) } else { near };
        let file = self.dir.as_ref().map_or("themes".to_owned(), |dir| dir.display().to_string());
        ThemeError { file, line: None, sentence: format!("There is no theme {name}.{near}") }
    }
}

fn embedded(name: &str) -> Option<Document> {
    EMBEDDED.iter().find(|(embedded, ..)| *embedded == name).map(|(_, file, text)| Document::embedded(file, text))
}

/// A name, not a way to another folder.
fn is_a_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains('/')
}
