//! What `/` takes: words that must all be there, `!word` for what must not, `state:failed`, `node:pi-2` for a field.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    not: bool,
    /// Lower case.
    field: Option<String>,
    /// Lower case.
    word: String,
}

/// Something that can be filtered: what it has in a field, and in all of them together.
pub trait Filtered {
    /// The fields there are, as a person types them.
    const FIELDS: &'static [&'static str];
    /// Calls with each value a word may be found in.
    fn texts(&self, found: &mut dyn FnMut(&str));
    /// `None`: there is no such field here, so that a term for it never holds.
    fn field(&self, name: &str, value: &str) -> Option<bool>;
}

impl Filter {
    pub fn parse(text: &str) -> Filter {
        let terms = text.split_whitespace().filter_map(|word| {
            let (not, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            let word = word.to_lowercase();
            let (field, word) = match word.split_once(':') {
                Some((field, value)) if !field.is_empty() => (Some(field.to_owned()), value.to_owned()),
                _ => (None, word),
            };
            (!word.is_empty()).then_some(Term { not, field, word })
        });
        Filter { text: text.trim().to_owned(), terms: terms.collect() }
    }

    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn holds(&self, of: &impl Filtered) -> bool {
        self.terms.iter().all(|term| term.holds(of) != term.not)
    }

    /// Whether every term that is not for one of these fields holds.
    pub fn holds_beside(&self, fields: &[&str], of: &impl Filtered) -> bool {
        let other = |term: &&Term| !term.field.as_deref().is_some_and(|field| fields.contains(&field));
        self.terms.iter().filter(other).all(|term| term.holds(of) != term.not)
    }

    /// Whether there are terms that are not for one of these fields.
    pub fn has_beside(&self, fields: &[&str]) -> bool {
        self.terms.iter().any(|term| !term.field.as_deref().is_some_and(|field| fields.contains(&field)))
    }

    /// Whether the terms for a field let this value through.
    pub fn lets(&self, field: &str, value: &str) -> bool {
        let own = self.terms.iter().filter(|term| term.field.as_deref() == Some(field));
        own.into_iter().all(|term| contains(value, &term.word) != term.not)
    }

    /// The values asked of a field, without those that must not be.
    pub fn values(&self, field: &str) -> impl Iterator<Item = &str> {
        let wanted = self.terms.iter().filter(move |term| !term.not && term.field.as_deref() == Some(field));
        wanted.map(|term| term.word.as_str())
    }

    /// Why none of these is shown.
    pub fn nothing<T: Filtered>(&self, one: &str) -> String {
        let asked = self.terms.iter().filter_map(|term| term.field.as_deref());
        match asked.into_iter().find(|field| !T::FIELDS.contains(field)) {
            Some(unknown) => format!("{unknown}: is not known of a {one}; there are {}:", T::FIELDS.join(": ")),
            None => format!("no {one} has these words"),
        }
    }

    /// The plain words, to be shown where they are found.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter(|term| !term.not && term.field.is_none()).map(|term| term.word.as_str())
    }
}

impl Term {
    fn holds(&self, of: &impl Filtered) -> bool {
        if let Some(field) = &self.field {
            return of.field(field, &self.word).unwrap_or(false);
        }
        let mut there = false;
        of.texts(&mut |text| there = there || contains(text, &self.word));
        there
    }
}

/// Without regard to case; `word` is in lower case already.
pub fn contains(text: &str, word: &str) -> bool {
    if text.is_ascii() && word.is_ascii() {
        let (text, word) = (text.as_bytes(), word.as_bytes());
        return word.is_empty() || text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    }
    text.to_lowercase().contains(word)
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use protocol::event::What;

    use super::*;
    use crate::console::sample;

    struct Node(&'static str, &'static str);

    impl Filtered for Node {
        const FIELDS: &'static [&'static str] = &["state"];
        fn texts(&self, found: &mut dyn FnMut(&str)) {
            found(self.0);
        }
        fn field(&self, name: &str, value: &str) -> Option<bool> {
            (name == "state").then(|| contains(self.1, value))
        }
    }

    #[test]
    fn every_term_must_hold() {
        let pi = Node("Pi-2", "up");
        for (text, holds) in [
            ("", true),
            ("pi", true),
            ("PI 2", true),
            ("!pi", false),
            ("!shelf state:up", true),
            ("state:down", false),
            ("!state:down", true),
            ("nothing:here", false),
            ("!nothing:here", true),
            ("state:", true),
            ("!", true),
            (":", false),
        ] {
            assert_eq!(Filter::parse(text).holds(&pi), holds, "{text:?}");
        }
    }

    #[test]
    fn a_field_that_does_not_exist_is_named_with_those_that_do() {
        let nothing = |text| Filter::parse(text).nothing::<Node>("node");
        assert_eq!(nothing("pi state:up"), "no node has these words");
        assert_eq!(nothing("owner:ana"), "owner: is not known of a node; there are state:");
    }

    #[test]
    fn every_field_that_is_named_exists() {
        fn known<T: Filtered>(one: &T) {
            for field in T::FIELDS {
                assert!(one.field(field, "").is_some(), "{field}");
            }
            assert_eq!(one.field("nothing", ""), None);
        }
        let picture = sample::picture(2, 2);
        known(&picture.nodes[0]);
        known(&picture.jobs[0]);
        let ended = sample::events().into_iter().find(|event| matches!(event.what, What::TaskEnded { .. }));
        known(&ended.unwrap());
    }

    #[test]
    fn case_does_not_matter_in_any_language() {
        assert!(contains("KÜHLER", "kühler") && contains("Fan", "fan") && !contains("fan", "fans"));
    }
}
