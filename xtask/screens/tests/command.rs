//! The command as it is typed.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn screens(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_screens")).args(args).current_dir(folder).output().unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_captured_pane_becomes_the_kind_of_picture_its_name_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pane.ansi"), "\x1b[32mup\x1b[0m\n").unwrap();
    let render =
        |out: &str| screens(folder.path(), &["render", "pane.ansi", "--cols", "10", "--rows", "2", "--out", out]);
    for (out, start) in [("pane.svg", &b"<svg "[..]), ("pane.png", b"\x89PNG")] {
        let done = render(out);
        assert!(done.status.success(), "{}", complaint(&done));
        assert!(std::fs::read(folder.path().join(out)).unwrap().starts_with(start), "{out}");
    }
    let other = render("pane.jpg");
    assert!(complaint(&other).contains("neither .png nor .svg"), "{}", complaint(&other));
}
