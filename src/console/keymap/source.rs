//! Where keymaps come from: the person's own folder first, then those built in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{Keymap, KeymapError, Vocabulary, read};
use crate::console::library::Library;

const EMBEDDED: &[(&str, &str, &str)] = &[
    ("default", "keymaps/default.toml", include_str!("../../../keymaps/default.toml")),
    ("emacs", "keymaps/emacs.toml", include_str!("../../../keymaps/emacs.toml")),
    ("k9s", "keymaps/k9s.toml", include_str!("../../../keymaps/k9s.toml")),
];

/// The file of a person who wants one keymap and no names for it.
const OWN: &str = "keymap";

#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The person's own keymaps; a file there stands before a built-in one of the same name.
    pub dir: Option<PathBuf>,
}

impl Source {
    pub fn names(&self) -> Vec<String> {
        self.library().names()
    }

    /// What to load for a person who named none: their own `keymap.toml`, or else the default.
    pub fn usual(&self) -> &'static str {
        if self.library().has_own(OWN) { OWN } else { "default" }
    }

    pub fn load(&self, name: &str, vocabulary: &Vocabulary<'_>) -> Result<Keymap, KeymapError> {
        let mut layers = BTreeMap::new();
        for document in self.library().pile(name)? {
            read::lay(&document, &document.table()?, vocabulary, &mut layers)?;
        }
        Ok(Keymap { name: name.to_owned(), layers })
    }

    fn library(&self) -> Library<'_> {
        Library { kind: "keymap", embedded: EMBEDDED, dir: self.dir.as_deref() }
    }
}
