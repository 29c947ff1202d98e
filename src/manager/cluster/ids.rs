//! Small numbers the core gives to what has a name, so that rows and indexes stay small. They mean nothing outside
//! and are given anew at each load.

use std::num::NonZeroU32;

/// A node's name, known or once known. A name keeps its number while the core lives, even if its node is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeIx(NonZeroU32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonIx(u32);

/// Tasks that wait for the same: see `queue`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClassIx(u32);

impl NodeIx {
    /// Names beyond four thousand millions would share the last number; no memory holds so many.
    pub fn of(position: usize) -> Self {
        let number = u32::try_from(position).unwrap_or(u32::MAX - 1);
        Self(NonZeroU32::MIN.saturating_add(number))
    }

    pub fn position(self) -> usize {
        self.0.get() as usize - 1
    }
}

impl PersonIx {
    pub fn of(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    pub fn position(self) -> usize {
        self.0 as usize
    }
}

impl ClassIx {
    pub fn of(position: usize) -> Self {
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    pub fn position(self) -> usize {
        self.0 as usize
    }
}
