//! Steps as one command: a script for `sh` that runs each as a program of its own and ends with the first that fails.

/// Longer than what Linux takes as one word of a command.
const LONGEST: usize = 128 * 1024 - 1;

pub struct Part {
    pub words: Vec<String>,
    pub name: Option<String>,
}

/// `None` where that is longer than a command can be.
///
/// What is tried in place of a word in braces is anything at all, and comes later: such a word is not written into the
/// script but handed to it.
pub fn command(parts: &[Part], is_tried: impl Fn(&str) -> bool) -> Option<Vec<String>> {
    let mut handed = vec![];
    let mut word = |word: &str| {
        if !is_tried(word) {
            return quoted(word);
        }
        handed.push(word.to_owned());
        format!("\"${{{}}}\"", handed.len())
    };
    let many = parts.len();
    let mut lines = vec![];
    for (number, part) in (1..).zip(parts) {
        let words: Vec<String> = part.words.iter().map(|said| word(said)).collect();
        let said = match &part.name {
            None => format!("'bramble: step {number} of {many} ended with exit code %s\\n'"),
            Some(name) => format!("'bramble: step {number} of {many} (%s) ended with exit code %s\\n' {}", word(name)),
        };
        // By exec, so that no word of the shell itself is run in place of a program of that name.
        lines.push(format!("(exec {}) || {{ c=$?; printf {said} \"$c\" >&2; exit \"$c\"; }}", words.join(" ")));
    }
    let script = lines.join("\n");
    if script.len() > LONGEST {
        return None;
    }
    let mut command = vec!["sh".to_owned(), "-c".to_owned(), script];
    if !handed.is_empty() {
        command.push("sh".to_owned());
        command.append(&mut handed);
    }
    Some(command)
}

/// As one word, whatever is in it.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Command, Output};

    use super::*;

    fn part(words: &[&str]) -> Part {
        Part { words: words.iter().map(|&word| word.into()).collect(), name: None }
    }

    fn run(command: &[String], folder: &std::path::Path) -> Output {
        Command::new(&command[0]).args(&command[1..]).current_dir(folder).output().unwrap()
    }

    /// A folder with a program that prints what it is given, each word in brackets.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("say");
        std::fs::write(&path, "#!/bin/sh\nprintf '[%s]' \"$@\"\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        folder
    }

    const HOSTILE: &[&str] = &[
        "",
        "it's",
        "''",
        "two  words",
        "a\nb\n",
        "$HOME `id` $(id)",
        "-n",
        "--",
        "\\",
        "\"",
        "a'b\"c\\",
        "; exit 9 #",
        "|| true",
        "*",
        "~",
        "A=b",
        "${1}",
        "%s",
        "ünï ✓",
        "\u{1b}[2J",
    ];

    #[test]
    fn every_word_arrives_as_it_is() {
        let folder = folder();
        let words: Vec<&str> = [&["./say"], HOSTILE].concat();
        let command = command(&[part(&words), part(&["./say", "end"])], |_| false).unwrap();
        assert_eq!(command.len(), 3);
        let expected: String = HOSTILE.iter().map(|word| format!("[{word}]")).collect();
        let output = run(&command, folder.path());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected + "[end]");
        assert_eq!((output.stderr, output.status.code()), (vec![], Some(0)));
    }

    #[test]
    fn what_is_tried_arrives_as_it_is_whatever_it_is() {
        let folder = folder();
        let many: Vec<String> = (0..12).map(|n| format!("{n}{{rate}}")).collect();
        let words: Vec<&str> = ["./say"].into_iter().chain(many.iter().map(String::as_str)).collect();
        let named = Part { name: Some("at {rate}".into()), ..part(&["false"]) };
        let command = command(&[part(&words), named], |word| word.contains("{rate}")).unwrap();
        for value in HOSTILE {
            let filled: Vec<String> = command.iter().map(|word| word.replace("{rate}", value)).collect();
            let output = run(&filled, folder.path());
            let expected: String = (0..12).map(|n| format!("[{n}{value}]")).collect();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), expected, "{value:?}");
            let said = format!("bramble: step 2 of 2 (at {value}) ended with exit code 1\n");
            assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
        }
    }

    #[test]
    fn the_first_that_fails_is_the_last_and_says_so() {
        let folder = folder();
        let named = |words: &[&str], name: &str| Part { name: Some(name.into()), ..part(words) };
        let parts = [part(&["./say", "1"]), named(&["sh", "-c", "exit 7"], "it's %s $(id)"), part(&["./say", "3"])];
        let output = run(&command(&parts, |_| false).unwrap(), folder.path());
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"[1]"[..], Some(7)));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, "bramble: step 2 of 3 (it's %s $(id)) ended with exit code 7\n");
    }

    #[test]
    fn a_step_is_a_program_and_no_word_of_the_shell() {
        let folder = folder();
        let after = |words: &[&str]| {
            let output = run(&command(&[part(words), part(&["./say", "end"])], |_| false).unwrap(), folder.path());
            (String::from_utf8(output.stdout).unwrap(), output.status.code())
        };
        assert_eq!(after(&["exit", "0"]), (String::new(), Some(127)));
        assert_eq!(after(&["nothing-like-it"]), (String::new(), Some(127)));
        assert_eq!(after(&["true"]), ("[end]".into(), Some(0)));
        assert_eq!(after(&["sh", "-c", "kill -9 $$"]), (String::new(), Some(137)));
    }

    #[test]
    fn more_than_a_command_can_hold_is_none() {
        let long = "x".repeat(130_000);
        assert!(command(&[part(&["echo", &long])], |_| false).is_some());
        assert!(command(&[part(&["echo", &long, "y", &long])], |_| false).is_none());
    }
}
