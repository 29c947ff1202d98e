//! What tests of several crates share: [dice](Dice) under a seed, and a way to say "this cannot be tested here".
//!
//! A test that needs root, a program or a kernel feature says so with [`leave_out!`] and ends. Rust's own test
//! runner calls that a pass; `cargo xtask test` counts it, prints it with its reason, and under `BRAMBLE_CI=1`
//! fails. Nothing of ours is imported here, so that every crate may use it.

mod dice;

use std::io::Write;

pub use dice::Dice;

/// The file that left-out tests are written to, one a line; `cargo xtask test` sets it.
pub const FILE: &str = "BRAMBLE_LEFT_OUT";

/// Ends the test here and counts it as left out, with the reason: what is missing, and what to do about it.
///
/// ```no_run
/// # fn is_root() -> bool { false }
/// // in a test
/// if !is_root() {
///     test_support::leave_out!("giving tasks their own uid needs root");
/// }
/// ```
#[macro_export]
macro_rules! leave_out {
    ($($why:tt)*) => {{
        fn here() {}
        $crate::left_out(::std::any::type_name_of_val(&here), &::std::format!($($why)*));
        return;
    }};
}

/// Writes down that the test named by a path inside it is left out.
#[doc(hidden)]
pub fn left_out(place: &str, why: &str) {
    let line = line(place, why);
    eprintln!("left out: {line}");
    let Some(path) = std::env::var_os(FILE) else { return };
    // One write with O_APPEND: lines of tests in other processes do not mix.
    let written = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    if let Err(error) = written.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes())) {
        panic!("{line}; and that could not be written to {}: {error}", path.display());
    }
}

/// Whether a program is on the PATH.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// `NAME: reason`, on one line.
fn line(place: &str, why: &str) -> String {
    // `crate::tests::a_test::here`, with `::{{closure}}` before `here` where the test is async.
    let name = place.strip_suffix("::here").unwrap_or(place).trim_end_matches("::{{closure}}");
    format!("{name}: {}", why.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_left_out_test_is_named_with_its_reason_on_one_line() {
        let said = line("keeper::tests::a_task_has_its_uid::here", "not root;\n  run it as root");
        assert_eq!(said, "keeper::tests::a_task_has_its_uid: not root; run it as root");
        let said = line("link::tests::dials::{{closure}}::here", "no network");
        assert_eq!(said, "link::tests::dials: no network");
    }

    #[test]
    fn the_macro_names_the_function_it_stands_in() {
        let mut name = "";
        let mut outer = || {
            fn here() {}
            name = std::any::type_name_of_val(&here);
        };
        outer();
        assert!(line(name, "x").starts_with("test_support::tests::the_macro_names_the_function_it_stands_in: "));
    }

    #[test]
    fn a_program_is_found_on_the_path_or_not() {
        assert!(has_program("sh"));
        assert!(!has_program("no-such-program-anywhere"));
    }
}
