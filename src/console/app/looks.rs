//! Where themes and keymaps come from, and what this terminal can show.

use std::sync::Arc;

use super::{ConsoleError, Options};
use crate::console::actions;
use crate::console::keep::Folders;
use crate::console::keymap::{self, Keymap};
use crate::console::state::settings::Settings;
use crate::console::theme::{self, Depth, Theme};

pub struct Looks {
    pub themes: theme::Source,
    pub keymaps: keymap::Source,
    depth: Depth,
    ascii: bool,
}

impl Looks {
    pub fn new(options: &Options, folders: &Folders) -> Looks {
        let env = |name: &str| std::env::var(name).ok();
        Looks {
            themes: theme::Source { dir: folders.themes.clone() },
            keymaps: keymap::Source { dir: folders.keymaps.clone() },
            depth: Depth::detect(options.color, &env),
            ascii: !theme::locale_is_utf8(&env),
        }
    }

    pub fn theme(&self, name: &str) -> Result<Arc<Theme>, theme::ThemeError> {
        self.themes.load(name, self.depth, self.ascii).map(Arc::new)
    }

    pub fn keymap(&self, name: &str) -> Result<Arc<Keymap>, keymap::KeymapError> {
        actions::vocabulary(|words| self.keymaps.load(name, words)).map(Arc::new)
    }

    /// What is asked for on the command line must be right; what was chosen last time and is broken now is said, and
    /// the built-in one taken instead.
    pub fn first_theme(
        &self,
        options: &Options,
        settings: &Settings,
        mistakes: &mut Vec<String>,
    ) -> Result<Arc<Theme>, ConsoleError> {
        if let Some(name) = &options.theme {
            return Ok(self.theme(name)?);
        }
        self.theme(&settings.theme).or_else(|error| {
            mistakes.push(error.to_string());
            Ok(theme::Source::default().load("default", self.depth, self.ascii).map(Arc::new)?)
        })
    }

    pub fn first_keymap(
        &self,
        options: &Options,
        settings: &Settings,
        mistakes: &mut Vec<String>,
    ) -> Result<Arc<Keymap>, ConsoleError> {
        if let Some(name) = &options.keymap {
            return Ok(self.keymap(name)?);
        }
        self.keymap(&settings.keymap).or_else(|error| {
            mistakes.push(error.to_string());
            Ok(actions::vocabulary(|words| keymap::Source::default().load("default", words)).map(Arc::new)?)
        })
    }
}
