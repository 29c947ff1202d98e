//! What runs scripts: which of them a node has, and a job needs.

use protocol::node::{Facts, INTERPRETERS};

/// A bit for each of [`INTERPRETERS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Interpreters(u16);

const _: () = assert!(INTERPRETERS.len() <= u16::BITS as usize);

impl Interpreters {
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let bit = |name: &str| INTERPRETERS.iter().position(|known| *known == name).map_or(0, |at| 1 << at);
        Self(names.into_iter().fold(0, |all, name| all | bit(name)))
    }

    pub fn told(facts: &Facts) -> Self {
        Self::of(facts.interpreters.iter().map(|one| one.name.as_str()))
    }

    pub fn has(self, needed: Self) -> bool {
        self.without(needed).is_none()
    }

    /// One that is needed and is not among these.
    pub fn without(self, needed: Self) -> Option<&'static str> {
        let missing = needed.0 & !self.0;
        INTERPRETERS.get(missing.trailing_zeros() as usize).copied()
    }

    pub fn names(self) -> impl Iterator<Item = &'static str> {
        INTERPRETERS.into_iter().enumerate().filter(move |(at, _)| self.0 & 1 << at != 0).map(|(_, name)| name)
    }
}
