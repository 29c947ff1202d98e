//! Tests that could not run here: they note themselves in a file (see the crate `test-support`), we count them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where `test-support` looks for the file.
pub const VARIABLE: &str = "BRAMBLE_LEFT_OUT";

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    name: String,
    reason: String,
}

impl LeftOut {
    /// A test that says `#[ignore]` of itself.
    pub fn ignored(name: String) -> Self {
        Self { name, reason: "marked #[ignore]".into() }
    }

    fn parse(line: &str) -> Self {
        let (name, reason) = line.split_once(": ").unwrap_or((line, "it does not say why"));
        Self { name: name.into(), reason: reason.into() }
    }
}

/// The file of one run; gone with this value.
pub struct Notes {
    path: PathBuf,
}

impl Notes {
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bramble-left-out-{}-{count}", std::process::id()));
        std::fs::write(&path, "")?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn read(&self) -> Vec<LeftOut> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let mut all: Vec<LeftOut> = text.lines().map(LeftOut::parse).collect();
        // A test that was tried twice is still one test.
        all.sort();
        all.dedup();
        all
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// What is printed at the end of a run.
pub fn report(left_out: &[LeftOut]) -> String {
    let count = match left_out.len() {
        0 => return "left out: no tests\n".into(),
        1 => "1 test".to_owned(),
        n => format!("{n} tests"),
    };
    let lines: String = left_out.iter().map(|one| format!("  {}: {}\n", one.name, one.reason)).collect();
    format!("left out: {count}\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_left_out_test_is_counted_once_and_printed_with_its_reason() {
        let notes = Notes::new().unwrap();
        std::fs::write(notes.path(), "a::b: not root\nc::d: no systemd-analyze: install systemd\na::b: not root\n")
            .unwrap();
        let mut all = notes.read();
        all.push(LeftOut::ignored("e::f".into()));
        assert_eq!(
            report(&all),
            "left out: 3 tests\n  a::b: not root\n  c::d: no systemd-analyze: install systemd\n  e::f: marked #[ignore]\n"
        );
    }

    #[test]
    fn a_run_without_left_out_tests_says_so() {
        let notes = Notes::new().unwrap();
        assert_eq!(report(&notes.read()), "left out: no tests\n");
    }

    #[test]
    fn the_variable_is_the_one_tests_write_to() {
        assert_eq!(VARIABLE, test_support::FILE);
    }
}
