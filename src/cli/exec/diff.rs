//! How one answer differs from another, where that is short.

use std::time::Duration;

use clap::builder::styling::AnsiColor;
use similar::{ChangeTag, TextDiff};

use crate::cli::look::Look;

/// More than so many lines are read more easily as a whole.
const MOST_LINES: usize = 20;
/// Two long texts that have nothing in common are not compared for ever.
const LONGEST: Duration = Duration::from_millis(200);

/// The lines that are gone and those that are new; `None` where the other text as a whole says it as shortly.
pub fn diff(base: &str, other: &str, look: Look) -> Option<String> {
    let compared = TextDiff::configure().timeout(LONGEST).diff_lines(base, other);
    let (mut told, mut lines) = (String::new(), 0);
    for change in compared.iter_all_changes() {
        let (sign, color) = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => ('-', AnsiColor::Red),
            ChangeTag::Insert => ('+', AnsiColor::Green),
        };
        lines += 1;
        let line = change.value();
        told += &look.paint(color, &format!("{sign} {}", line.strip_suffix('\n').unwrap_or(line)));
        told.push('\n');
    }
    (lines <= MOST_LINES && lines < other.lines().count()).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { terminal: false, color: false };

    #[test]
    fn what_differs_is_told_where_it_is_little() {
        let base = "one\ntwo\nthree\nfour\n";
        assert_eq!(diff(base, "one\n2\nthree\nfour\n", PLAIN).as_deref(), Some("- two\n+ 2\n"));
        assert_eq!(diff(base, "one\ntwo\nthree\nfour\nfive", PLAIN).as_deref(), Some("+ five\n"));
        let colored = diff(base, "one\n2\nthree\nfour\n", Look { terminal: true, color: true }).unwrap();
        assert!(colored.contains("\x1b[31m- two\x1b[0m\n"), "{colored:?}");
    }

    #[test]
    fn what_differs_much_is_told_as_a_whole() {
        assert_eq!(diff("6.1\n", "6.6\n", PLAIN), None);
        assert_eq!(diff("a\nb\n", "c\nd\ne\n", PLAIN), None);
        let long: String = (0..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(diff(&long, &long.replace('1', "x"), PLAIN), None);
    }
}
