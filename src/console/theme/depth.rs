//! How much colour the terminal shows, and whether it takes UTF-8.

use ratatui::style::Style;
use termprofile::{DetectorSettings, EnvVarSource, IsTerminal, TermMetaVars, TermProfile, TermVar, TermVars};

/// From none to all; a style made for more is brought down to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    Mono,
    Sixteen,
    Indexed,
    True,
}

/// What was asked for, before the terminal is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// `--color auto` or no such flag.
    #[default]
    Auto,
    /// `--color always`: not even NO_COLOR is listened to.
    Always,
    /// `--color never`.
    Never,
    /// As `Auto`, and the configuration names a depth.
    Configured(Depth),
}

impl Depth {
    /// In this order: `--color`, NO_COLOR, the configuration, COLORTERM, TERM.
    pub fn detect(choice: ColorChoice, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let no_color = env("NO_COLOR").is_some_and(|value| !value.is_empty());
        match choice {
            ColorChoice::Never => Self::Mono,
            ColorChoice::Always => Self::of_terminal(env).max(Self::Sixteen),
            _ if no_color => Self::Mono,
            ColorChoice::Configured(depth) => depth,
            ColorChoice::Auto => Self::of_terminal(env),
        }
    }

    fn of_terminal(env: &dyn Fn(&str) -> Option<String>) -> Self {
        // Only what the terminal says of itself: a CI variable in a person's shell is no news about their terminal.
        let mut vars = TermVars::default();
        vars.meta = TermMetaVars::from_source(&Env(env), &Shown, &mut DetectorSettings::new());
        vars.tmux.tmux = env("TMUX").map(TermVar::new).unwrap_or_default();
        match TermProfile::detect_with_vars(vars) {
            TermProfile::NoTty | TermProfile::NoColor => Self::Mono,
            TermProfile::Ansi16 => Self::Sixteen,
            TermProfile::Ansi256 => Self::Indexed,
            TermProfile::TrueColor => Self::True,
        }
    }

    /// The nearest this depth can show. Colours a terminal has names for stay as they are.
    pub fn adapt(self, style: Style) -> Style {
        let profile = match self {
            Self::Mono => TermProfile::NoColor,
            Self::Sixteen => TermProfile::Ansi16,
            Self::Indexed => TermProfile::Ansi256,
            Self::True => TermProfile::TrueColor,
        };
        profile.adapt_style(style)
    }
}

/// Whether what the terminal is given is read as UTF-8, as LC_ALL, LC_CTYPE and LANG say it.
pub fn locale_is_utf8(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| env(name).filter(|value| !value.is_empty()));
    said.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

struct Env<'a>(&'a dyn Fn(&str) -> Option<String>);

impl EnvVarSource for Env<'_> {
    fn var(&self, key: &str) -> Option<String> {
        (self.0)(key)
    }
}

/// The console runs on a terminal or not at all.
struct Shown;

impl IsTerminal for Shown {
    fn is_terminal(&self) -> bool {
        true
    }
}
