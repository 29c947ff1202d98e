//! Where themes come from: the person's own folder first, then those built in.

use std::path::PathBuf;

use super::read::{self, Palette};
use super::{Depth, Glyphs, Styles, Theme, ThemeError};
use crate::console::library::Library;

const EMBEDDED: &[(&str, &str, &str)] = &[
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
    pub fn names(&self) -> Vec<String> {
        self.library().names()
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
        let (mut palette, mut styles) = (Palette::new(), Styles::default());
        for document in self.library().pile(name)? {
            read::lay(&document, &document.table()?, &mut palette, &mut styles)?;
        }
        Ok(styles)
    }

    fn library(&self) -> Library<'_> {
        Library { kind: "theme", embedded: EMBEDDED, dir: self.dir.as_deref() }
    }
}
