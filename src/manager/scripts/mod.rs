//! The texts of scripts: those that come with the program, and reading what a script says of itself.

mod header;

use std::sync::Arc;

use protocol::file::ContentHash;
use protocol::name::ScriptName;
use protocol::script::MOST_SCRIPT_BYTES;

use super::cluster::Text;

/// Name and text of each; a new one in `scripts/` is added here.
const SHIPPED: &[(&str, &str)] = &[
    ("backup", include_str!("../../../scripts/backup.py")),
    ("node-report", include_str!("../../../scripts/node-report.sh")),
    ("restore", include_str!("../../../scripts/restore.py")),
    ("setup-dhcp", include_str!("../../../scripts/setup-dhcp.sh")),
    ("setup-firewall", include_str!("../../../scripts/setup-firewall.sh")),
    ("setup-package-cache", include_str!("../../../scripts/setup-package-cache.sh")),
    ("setup-time", include_str!("../../../scripts/setup-time.sh")),
];

/// What comes with the program. What is wrong with one of them is a fault of this build, and it is left out.
pub fn shipped() -> Vec<(ScriptName, Arc<Text>)> {
    let read_one = |(name, text): &(&str, &str)| {
        let read = name.parse().map_err(|error| format!("{error}")).and_then(|name| Ok((name, read(text)?)));
        read.inspect_err(|why| tracing::error!("the script {name} of this program cannot be used: {why}")).ok()
    };
    SHIPPED.iter().filter_map(read_one).collect()
}

/// A script as it was sent, or the sentence why it is none.
pub fn read(text: &str) -> Result<Arc<Text>, String> {
    if text.trim().is_empty() {
        return Err("the script is empty".into());
    }
    if text.len() > MOST_SCRIPT_BYTES {
        let most = MOST_SCRIPT_BYTES / 1024;
        return Err(format!("the script is {} bytes long, and may have {most} KiB", text.len()));
    }
    if text.contains('\0') {
        return Err("the script has a zero byte, which no script can have".into());
    }
    if let Some(line) = text.split('\n').position(|line| line.ends_with('\r')) {
        let line = line + 1;
        return Err(format!(
            "line {line} ends as lines do on Windows, which bash does not understand; dos2unix mends it"
        ));
    }
    let language = header::language(text)?;
    let about = header::about(text)?;
    let hash = ContentHash(*blake3::hash(text.as_bytes()).as_bytes());
    Ok(Arc::new(Text { hash, language, about, text: text.into() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_ships_can_be_used_and_says_what_it_does() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
        let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut files: Vec<String> = files
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| Some(name.strip_suffix(".sh").or_else(|| name.strip_suffix(".py"))?.to_owned()))
            .collect();
        files.sort_unstable();
        let shipped = shipped();
        assert_eq!(shipped.len(), SHIPPED.len(), "one of them cannot be used");
        let mut names: Vec<String> = shipped.iter().map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        assert_eq!(names, files, "scripts/ and the list of what ships differ");
        for (name, text) in shipped {
            assert!(!text.about.about.is_empty(), "{name} does not say what it does");
            let silent = text.about.params.iter().find(|param| param.about.is_empty());
            assert!(silent.is_none(), "{name} does not say what {silent:?} is");
        }
    }

    #[test]
    fn what_is_no_script_is_refused_with_a_sentence() {
        for (text, why) in [
            ("", "empty"),
            ("echo a\0b", "zero byte"),
            ("#!/bin/bash\necho a\r\n", "line 2"),
            ("#!/usr/bin/perl\n", "bash or python3"),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        assert!(read(&"x".repeat(MOST_SCRIPT_BYTES + 1)).unwrap_err().contains("256 KiB"));
        assert!(read("echo hi\n").is_ok(), "people's own need no header");
    }
}
