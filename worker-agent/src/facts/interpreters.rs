//! The interpreters a task would find, and their versions.
//!
//! A version is had by running a program that somebody installed, so each gets two seconds, four kilobytes, no rights
//! and no questions; and is asked again only when its file has changed.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use protocol::node::{INTERPRETERS, Interpreter};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal};

/// Where programs are looked for: the PATH every task starts with.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn asks_version(name: &str) -> &'static str {
    if name == "lua" { "-v" } else { "--version" }
}

const PATIENCE: Duration = Duration::from_secs(2);
const MOST_OUTPUT: usize = 4096;

/// Remembers versions, so that looking again is a few dozen `stat`s.
#[derive(Debug, Default)]
pub struct Finder {
    known: HashMap<PathBuf, (Stamp, Option<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Finder {
    /// Blocks for as long as the programs take: not for a thread that has other work.
    pub fn find(&mut self) -> Vec<Interpreter> {
        self.find_in(PATH)
    }

    fn find_in(&mut self, path: &str) -> Vec<Interpreter> {
        let there = there(path);
        for (name, program, stamp) in &there {
            if !self.known.get(program).is_some_and(|(known, _)| known == stamp) {
                let version = ask(program, asks_version(name)).as_deref().and_then(version_in);
                self.known.insert(program.clone(), (*stamp, version));
            }
        }
        self.told(there)
    }

    /// The same without asking any of them: versions as far as they are known.
    pub fn look(&self) -> Vec<Interpreter> {
        self.told(there(PATH))
    }

    fn told(&self, there: Vec<(&str, PathBuf, Stamp)>) -> Vec<Interpreter> {
        let told = there.into_iter().filter_map(|(name, program, stamp)| {
            let version = self.known.get(&program).filter(|(known, _)| *known == stamp);
            let version = version.and_then(|(_, version)| version.clone());
            Some(Interpreter { name: name.into(), path: program.to_str()?.into(), version })
        });
        told.collect()
    }
}

/// Whether a task would find this program.
pub fn installed(name: &str) -> bool {
    which(PATH, name).is_some()
}

fn there(path: &str) -> Vec<(&'static str, PathBuf, Stamp)> {
    let found = |name| which(path, name).map(|(program, stamp)| (name, program, stamp));
    INTERPRETERS.into_iter().filter_map(found).collect()
}

fn which(path: &str, name: &str) -> Option<(PathBuf, Stamp)> {
    path.split(':').map(|folder| Path::new(folder).join(name)).find_map(|program| {
        let meta: Metadata = std::fs::metadata(&program).ok()?;
        let runs = meta.is_file() && meta.permissions().mode() & 0o111 != 0;
        runs.then(|| {
            (program, Stamp { inode: meta.ino(), size: meta.size(), changed: (meta.mtime(), meta.mtime_nsec()) })
        })
    })
}

/// What it prints first, on either stream.
fn ask(program: &Path, flag: &str) -> Option<String> {
    const NOBODY: u32 = 65_534;
    let (mut reader, writer) = std::io::pipe().ok()?;
    let mut command = Command::new(program);
    command.arg(flag).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8").env("HOME", "/nonexistent");
    command.current_dir("/").process_group(0).stdin(Stdio::null());
    command.stdout(writer.try_clone().ok()?).stderr(writer);
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let mut child = command.spawn().ok()?;
    // The command holds the writing end too: until it is gone there is no end of file.
    drop(command);

    let deadline = Instant::now() + PATIENCE;
    let mut output = Vec::new();
    let mut chunk = [0; 1024];
    while output.len() < MOST_OUTPUT && readable(&reader, deadline) {
        match reader.read(&mut chunk) {
            Ok(n) if n > 0 => output.extend_from_slice(&chunk[..n]),
            _ => break,
        }
    }
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may be gone already, and its children with it.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
    Some(String::from_utf8_lossy(&output).into_owned())
}

fn readable(pipe: &impl AsFd, deadline: Instant) -> bool {
    let left = deadline.saturating_duration_since(Instant::now());
    let Ok(timeout) = Timespec::try_from(left) else { return false };
    let mut fds = [PollFd::new(pipe, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&timeout)), Ok(n) if n > 0)
}

/// The first thing that looks like a version: digits with dots between, perhaps a letter after.
fn version_in(text: &str) -> Option<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'))
        .map(|word| word.trim_start_matches('v').trim_end_matches('.'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') && word.len() <= 32)
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(dir: &Path, name: &str, script: &str) {
        let path = dir.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn found(finder: &mut Finder, dir: &Path) -> Vec<(String, Option<String>)> {
        let found = finder.find_in(dir.to_str().unwrap());
        found.into_iter().map(|i| (i.name, i.version)).collect()
    }

    #[test]
    fn versions_are_asked_once_and_again_when_the_program_changed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        install(dir.path(), "python3", "echo Python 3.11.2");
        install(dir.path(), "Rscript", "echo 'Rscript (R) version 4.2.2 (2022-10-31)' >&2");
        std::fs::write(dir.path().join("perl"), "not executable").unwrap();
        let mut finder = Finder::default();
        let some = |v: &str| Some(v.to_owned());
        assert_eq!(
            found(&mut finder, dir.path()),
            [("python3".to_owned(), some("3.11.2")), ("Rscript".to_owned(), some("4.2.2"))]
        );
        install(dir.path(), "python3", "echo Python 3.12.10");
        assert_eq!(found(&mut finder, dir.path())[0].1, some("3.12.10"));
    }

    #[test]
    fn a_weird_interpreter_costs_a_bounded_time_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        install(dir.path(), "bash", "sleep 1000 & sleep 1000");
        install(dir.path(), "python3", "while :; do echo no version here; done");
        install(dir.path(), "perl", "exec >&- 2>&-; sleep 1000");
        install(dir.path(), "ruby", "exit 1");
        let begun = Instant::now();
        let versions: Vec<_> = found(&mut Finder::default(), dir.path()).into_iter().map(|(_, v)| v).collect();
        assert_eq!(versions, [None, None, None, None]);
        assert!(begun.elapsed() < PATIENCE * 3, "{:?}", begun.elapsed());
    }

    #[test]
    fn versions_are_found_in_what_programs_really_print() {
        for (text, version) in [
            ("GNU bash, version 5.2.15(1)-release (aarch64-unknown-linux-gnu)", "5.2.15"),
            ("This is perl 5, version 36, subversion 0 (v5.36.0) built for x86_64-linux", "5.36.0"),
            ("ruby 3.1.2p20 (2022-04-12 revision 4491bb740a)", "3.1.2p20"),
            ("v22.11.0", "22.11.0"),
            ("Lua 5.4.4  Copyright (C) 1994-2022 Lua.org, PUC-Rio", "5.4.4"),
            ("julia version 1.10.3", "1.10.3"),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version));
        }
        assert_eq!(version_in("command not found"), None);
    }
}
