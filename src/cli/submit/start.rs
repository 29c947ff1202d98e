//! How a file that is brought along is started.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use protocol::node::INTERPRETERS;

/// Linux itself reads no more of a first line.
const FIRST_LINE: usize = 256;

const BY_EXTENSION: &[(&str, &str)] = &[("py", "python3"), ("sh", "bash")];

/// What every program that Linux can load begins with.
const ELF: &[u8] = b"\x7fELF";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// The node has a program of this name.
    ByTheNode,
    Itself,
    /// What its first line names.
    FirstLine(String),
    Interpreter(&'static str),
}

impl Start {
    /// Of a file; else why it cannot be started, and what to do.
    pub fn of(path: &Path, written: &str) -> Result<Self, String> {
        let head = head(path).map_err(|error| format!("{written} cannot be read: {error}"))?;
        if head.starts_with(ELF) {
            return Ok(Start::Itself);
        }
        if let Some(line) = head.strip_prefix(b"#!") {
            return first_line(line, written);
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let known = BY_EXTENSION.iter().find(|(known, _)| extension == Some(known));
        known.map(|(_, interpreter)| Start::Interpreter(interpreter)).ok_or_else(|| {
            format!(
                "nothing says what runs {written}: it has no first line that does, and is no .py or .sh; \
                 begin it with a line as #!/usr/bin/env perl, or name what runs it as executable, and {written} in args and data"
            )
        })
    }

    /// The first words of its command.
    pub fn command(&self, name: &str) -> Vec<String> {
        match self {
            Start::ByTheNode => vec![name.to_owned()],
            // With its folder, so that neither PATH nor a name as -c.py makes it something else.
            Start::Itself | Start::FirstLine(_) => vec![format!("./{name}")],
            Start::Interpreter(interpreter) => vec![(*interpreter).to_owned(), format!("./{name}")],
        }
    }

    /// What a node must have for it, as far as nodes tell of that; `name`: what is started.
    pub fn needs(&self, name: &str) -> Option<&'static str> {
        let named = match self {
            Start::Itself => return None,
            Start::ByTheNode => name,
            Start::Interpreter(interpreter) => interpreter,
            Start::FirstLine(line) => {
                let mut words = line.split_whitespace();
                let first = words.next().map_or("", last_part);
                // Options and variables of `env` itself.
                if first == "env" {
                    words.find(|word| !word.starts_with('-') && !word.contains('=')).map_or("", last_part)
                } else {
                    first
                }
            }
        };
        INTERPRETERS.into_iter().find(|known| *known == named)
    }

    /// Whether a node must be allowed to run it as it is.
    pub fn executable(&self) -> bool {
        matches!(self, Start::Itself | Start::FirstLine(_))
    }
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn first_line(line: &[u8], written: &str) -> Result<Start, String> {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.ends_with(b"\r") {
        return Err(format!(
            "the first line of {written} ends as on Windows, and Linux would look for a program of that name; \
             save it with Unix line ends, or take that line out"
        ));
    }
    let line = String::from_utf8_lossy(line).trim().to_owned();
    if line.is_empty() {
        return Err(format!("the first line of {written} names no program; write it as #!/usr/bin/env python3"));
    }
    Ok(Start::FirstLine(line))
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(FIRST_LINE);
    File::open(path)?.take(FIRST_LINE as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Would be looked for on the node, where hardly anybody keeps scripts.
pub fn is_named_like_a_script(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, extension)| BY_EXTENSION.iter().any(|(known, _)| extension == *known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_needs_what_its_first_line_or_its_extension_names() {
        let line = |line: &str| Start::FirstLine(line.into()).needs("run");
        for python in
            ["/usr/bin/env python3", "/usr/bin/env -S A=b python3 -u", "/usr/bin/python3", "/opt/bin/python3 -u"]
        {
            assert_eq!(line(python), Some("python3"), "{python}");
        }
        // Of these no node tells.
        for unknown in ["/bin/sh", "/usr/bin/env python3.11", "/usr/bin/env", "/usr/bin/awk -f", ""] {
            assert_eq!(line(unknown), None, "{unknown}");
        }
        assert_eq!(Start::Interpreter("bash").needs("run.sh"), Some("bash"));
        assert_eq!((Start::ByTheNode.needs("Rscript"), Start::ByTheNode.needs("ffmpeg")), (Some("Rscript"), None));
        assert_eq!(Start::Itself.needs("python3"), None);
    }
}
