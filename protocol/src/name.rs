//! Names of nodes, people, jobs and files: checked once, where they enter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a name: one clear sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(String);

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(std::sync::Arc<str>);

        impl $type {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                $check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A node's name, as a host name is written: letters, digits, `-`, `.` and `_`, at most 63.
    NodeName,
    check_node
);
name!(
    /// A person's name, as the system or an SSH key knows it.
    PersonName,
    check_person
);
name!(
    /// What a person calls a job: one line, at most 128 bytes.
    JobName,
    check_job
);
name!(
    /// What a person calls a file, as a folder of Linux could hold it: at most 255 bytes, no `/`, no zero byte. Anything
    /// else goes, so whoever shows it escapes what would command a terminal.
    FileName,
    check_file
);

name!(
    /// What a script is called: letters, digits, `-`, `.` and `_`, at most 64.
    ScriptName,
    check_script
);

name!(
    /// What a person calls a secret: letters, digits, `-`, `.` and `_`, at most 64.
    SecretName,
    check_secret
);

fn check_word(what: &str, text: &str, longest: usize) -> Result<(), BadName> {
    if text.is_empty() {
        return Err(BadName(format!("a {what} name cannot be empty")));
    }
    if text.len() > longest {
        return Err(BadName(format!("a {what} name has at most {longest} characters, this one has {}", text.len())));
    }
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if let Some(bad) = text.chars().find(|&c| !good(c)) {
        return Err(BadName(format!("a {what} name has letters, digits, '-', '.' and '_'; {text:?} has {bad:?}")));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Err(BadName(format!("a {what} name starts with a letter or a digit, unlike {text:?}")));
    }
    Ok(())
}

fn check_node(text: &str) -> Result<(), BadName> {
    if matches!(text, "all" | "manager" | "cooler") {
        return Err(BadName(format!("{text:?} has a meaning of its own and cannot be a node's name")));
    }
    check_word("node", text, 63)
}

fn check_person(text: &str) -> Result<(), BadName> {
    check_word("person's", text, 64)
}

fn check_script(text: &str) -> Result<(), BadName> {
    check_word("script", text, 64)
}

fn check_secret(text: &str) -> Result<(), BadName> {
    check_word("secret's", text, 64)
}

fn check_job(text: &str) -> Result<(), BadName> {
    if text.trim().is_empty() {
        return Err(BadName("a job's name cannot be empty".into()));
    }
    if text.len() > 128 {
        return Err(BadName(format!("a job's name has at most 128 bytes, this one has {}", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(BadName("a job's name is one line without control characters".into()));
    }
    Ok(())
}

fn check_file(text: &str) -> Result<(), BadName> {
    match text {
        "" => return Err(BadName("a file's name cannot be empty".into())),
        "." | ".." => return Err(BadName(format!("{text:?} is the name of every folder, and of no file"))),
        _ => {}
    }
    if text.len() > 255 {
        return Err(BadName(format!("a file's name has at most 255 bytes, this one has {}", text.len())));
    }
    if let Some(bad) = text.chars().find(|c| matches!(c, '/' | '\0')) {
        return Err(BadName(format!("a file's name has no {bad:?}, unlike {text:?}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_called_whatever_a_folder_can_hold() {
        let longest = "é".repeat(127) + "x";
        for good in ["data.csv", "two words", "new\nline", "-rf", "ünïcode ✓", "...", "\u{1b}[2J", &longest] {
            assert_eq!(good.parse::<FileName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "/etc/passwd", "../up", "nul\0", &"x".repeat(256)] {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn hostile_node_names_are_refused_with_a_sentence() {
        for bad in ["", "-pi", "../pi", "pi 1", "pi\n", "all", "manager", &"x".repeat(64), "pi;rm", "π"] {
            let why = bad.parse::<NodeName>().unwrap_err().to_string();
            assert!(why.contains("name"), "{bad:?}: {why}");
        }
        for good in ["pi-1", "rack2.pi_07", "7"] {
            assert_eq!(good.parse::<NodeName>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn a_bad_name_in_a_message_does_not_parse() {
        assert!(serde_json::from_str::<NodeName>("\"a/b\"").is_err());
        assert!(serde_json::from_str::<JobName>("\"two\\nlines\"").is_err());
        assert_eq!(serde_json::from_str::<JobName>("\"night run, ünïcode\"").unwrap().as_str(), "night run, ünïcode");
    }
}
