//! Small forms of what there is a hundred thousand times.

use std::sync::Arc;

use protocol::time::UnixMillis;

/// A time that may not have come yet, in eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(u64);

impl Moment {
    pub const NEVER: Moment = Moment(u64::MAX);

    pub fn get(self) -> Option<UnixMillis> {
        (self != Self::NEVER).then_some(UnixMillis(self.0))
    }
}

impl From<Option<UnixMillis>> for Moment {
    fn from(at: Option<UnixMillis>) -> Self {
        at.map_or(Self::NEVER, |at| Moment(at.0))
    }
}

/// A program and its arguments.
#[derive(Debug)]
pub enum Command {
    /// One task needs it once: the words in one piece, a zero byte between them, which no word can have.
    Packed(Box<str>),
    /// An array hands the same words out again and again.
    Shared(Arc<[String]>),
}

impl Command {
    pub fn new(words: &[String], tasks: u32) -> Self {
        if tasks > 1 { Self::Shared(words.into()) } else { Self::Packed(words.join("\0").into()) }
    }

    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Packed(text) => text.split('\0').map(str::to_owned).collect(),
            Self::Shared(words) => words.to_vec(),
        }
    }

    pub fn shared(&self) -> Arc<[String]> {
        match self {
            Self::Packed(_) => self.words().into(),
            Self::Shared(words) => words.clone(),
        }
    }

    /// About as many as it takes written out.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Packed(text) => text.len() + 3,
            Self::Shared(words) => words.iter().map(|word| word.len() + 3).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_comes_out_as_it_went_in() {
        for words in [&["true"][..], &["echo", "", "two words\n"], &["sh", "-c", ""]] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            for tasks in [1, 2] {
                let command = Command::new(&words, tasks);
                assert_eq!(command.words(), words);
                assert_eq!(*command.shared(), words);
            }
        }
    }
}
