//! A worker for another kind of machine, built before the tests: `tests/aarch64.rs` runs it under an emulator.

use std::path::PathBuf;

use crate::cross::AARCH64;
use crate::run::run;

/// Where the test looks for it.
pub const VARIABLE: &str = "BRAMBLE_AARCH64_WORKER";

/// Builds it if a test of this choice needs it. Where that is not possible the test says so itself.
pub fn worker(chosen: &[String]) -> Option<PathBuf> {
    if cfg!(target_arch = "aarch64") || !concerns(chosen) {
        return None;
    }
    if let Err(why) = AARCH64.provide() {
        eprintln!("the worker for {} is not built: {why}", AARCH64.triple);
        return None;
    }
    let mut build = AARCH64.cargo_build();
    // Quick to build is all that counts here.
    build.args(["--package", "worker-agent"]).env("CARGO_PROFILE_DEV_DEBUG", "false");
    let built = run(build);
    AARCH64.folder("debug").map(|folder| folder.join("worker-agent")).filter(|file| built && file.is_file())
}

/// Everything, or what is named after it.
fn concerns(chosen: &[String]) -> bool {
    chosen.is_empty() || chosen.iter().any(|word| word.contains("aarch64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_built_for_all_tests_and_for_its_own_and_for_no_others() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert!(concerns(&[]) && concerns(&words(&["--test", "aarch64"])));
        assert!(!concerns(&words(&["-p", "link"])));
    }
}
