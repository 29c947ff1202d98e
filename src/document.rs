//! A TOML file of ours or of the person's, read so that whatever is wrong in it can be said with its file and line.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One sentence about one place in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    /// `None`: the file as a whole.
    pub line: Option<usize>,
    pub sentence: String,
}

impl std::error::Error for Mistake {}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.sentence),
            None => write!(f, "{}: {}", self.file, self.sentence),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Document {
    pub file: String,
    pub text: String,
}

impl Document {
    /// `None`: there is no such file.
    pub fn of_person(path: &Path) -> Result<Option<Self>, Mistake> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Ok(Some(Self { file, text })),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(Mistake { file, line: None, sentence: format!("This file cannot be read: {error}.") }),
        }
    }

    pub fn table(&self) -> Result<DeTable<'_>, Mistake> {
        DeTable::parse(&self.text).map(Spanned::into_inner).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let said = error.message().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
            self.mistake(&span, format!("This is not TOML: {said}."))
        })
    }

    pub fn mistake(&self, span: &Range<usize>, sentence: impl Into<String>) -> Mistake {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Mistake { file: self.file.clone(), line: Some(line), sentence: sentence.into() }
    }

    pub fn string<'t>(&self, what: &str, value: &'t Spanned<DeValue<'_>>) -> Result<&'t str, Mistake> {
        value.get_ref().as_str().ok_or_else(|| self.mistake(&value.span(), format!("{what} is a text in quotes.")))
    }

    pub fn inner<'t, 'i>(&self, what: &str, value: &'t Spanned<DeValue<'i>>) -> Result<&'t DeTable<'i>, Mistake> {
        value.get_ref().as_table().ok_or_else(|| self.mistake(&value.span(), format!("{what} is a table.")))
    }
}

/// The rows of a table in the order they were written.
pub fn rows<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut rows: Vec<_> = table.iter().collect();
    rows.sort_by_key(|(key, _)| key.span().start);
    rows
}

/// ` Did you mean NAME?`, or nothing when no known name is near.
pub fn did_you_mean<'n>(said: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let near = known.into_iter().map(|name| (strsim::jaro_winkler(said, name), name));
    let best = near.filter(|(likeness, _)| *likeness > 0.7).max_by(|one, other| one.0.total_cmp(&other.0));
    best.map(|(_, name)| format!(" Did you mean {name}?")).unwrap_or_default()
}
