//! Becoming another binary while the tasks run on: the new one is tried first, then this process turns into it by exec
//! and so keeps its children.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};

use super::clock::Moment;
use super::control::ClientId;
use super::lock::{INHERITED, Lock};
use super::spawn::{Launch, Output, Spawner};
use super::tasks::How;

/// For `--version` to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A run of `PATH --version`, to see whether this is a worker that works on this machine.
pub struct Trial {
    pub pid: i32,
    pub until: Moment,
    pub client: ClientId,
    path: PathBuf,
    output: File,
}

/// A worker to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    pub path: PathBuf,
    /// As it calls itself: `worker-agent 1.2.3`.
    pub version: String,
    /// The words before `run`.
    prefix: &'static [&'static str],
}

impl Trial {
    pub fn begin(path: &str, client: ClientId, spawner: &mut Spawner) -> Result<Self, String> {
        let path = PathBuf::from(path);
        check_file(&path)?;
        let cannot = |error: io::Error| format!("{} cannot be tried: {error}", path.display());
        let output = File::from(memfd_create(c"version", MemfdFlags::CLOEXEC).map_err(|error| cannot(error.into()))?);
        let launch = Launch {
            command: vec![path.clone().into(), "--version".into()],
            environment: environment([]),
            folder: None,
            input: None,
            uid: None,
            outputs: [Output::Open(output.as_raw_fd()), Output::Ours],
            third: None,
            privileged: false,
            own: true,
        };
        let pid = spawner.spawn(&launch, None).map_err(|error| error.to_string())?;
        Ok(Self { pid, until: Moment::now() + PATIENCE, client, path, output })
    }

    /// After its end: whether to become it.
    pub fn judge(mut self, how: How) -> Result<Binary, String> {
        let path = self.path.display();
        if how != How::Exited(0) {
            return Err(format!("{path} does not work here: {path} --version {how}"));
        }
        let mut said = String::new();
        let read = self.output.rewind().and_then(|()| (&mut self.output).take(1024).read_to_string(&mut said));
        read.map_err(|error| format!("{path} --version printed what cannot be read: {error}"))?;
        let version = said.lines().next().unwrap_or_default().trim();
        let prefix: &[&str] = match version.split(' ').next() {
            Some("worker-agent") => &[],
            Some("bramble") => &["worker-agent"],
            _ => return Err(format!("{path} is not a worker: {path} --version printed {version:?}")),
        };
        Ok(Binary { version: version.to_owned(), prefix, path: self.path })
    }
}

fn check_file(path: &std::path::Path) -> Result<(), String> {
    if !path.is_absolute() {
        return Err(format!("{} is not absolute; write the path from /", path.display()));
    }
    let of = std::fs::metadata(path).map_err(|error| format!("{} cannot be used: {error}", path.display()))?;
    if !of.is_file() || of.permissions().mode() & 0o111 == 0 {
        return Err(format!("{} is not a program; chmod +x makes it one", path.display()));
    }
    Ok(())
}

impl Binary {
    /// Turns this process into it, with these words and this entry in its environment. Returns only if that failed; then nothing has changed.
    pub fn become_it(&self, run: &[OsString], lock: &Lock, token: Option<OsString>) -> io::Error {
        let kept = match lock.keep_through_exec(true) {
            Ok(number) => OsString::from(format!("{INHERITED}={number}")),
            Err(error) => return error,
        };
        let mut words: Vec<OsString> = vec![self.path.clone().into()];
        words.extend(self.prefix.iter().map(OsString::from));
        words.extend_from_slice(run);
        let error = exec(&words, &environment([Some(kept), token]));
        // What cannot be taken back here would only matter to a task: descriptors of ours must not reach it.
        let _ = lock.keep_through_exec(false);
        error
    }
}

/// Ours, with these entries in the place of those of the same name.
pub fn environment(more: impl IntoIterator<Item = Option<OsString>>) -> Vec<OsString> {
    let more: Vec<OsString> = more.into_iter().flatten().collect();
    let name = |entry: &OsString| entry.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::to_vec);
    let replaced: Vec<_> = more.iter().map(name).collect();
    let ours = std::env::vars_os().map(|(key, value)| {
        let mut entry = key;
        entry.push("=");
        entry.push(value);
        entry
    });
    ours.filter(|entry| !replaced.contains(&name(entry))).chain(more).collect()
}

/// The mask of blocked signals stays: a signal that comes meanwhile waits for the new self. (std's exec empties it.)
fn exec(words: &[OsString], environment: &[OsString]) -> io::Error {
    let strings =
        |list: &[OsString]| list.iter().map(|one| CString::new(one.as_bytes())).collect::<Result<Vec<CString>, _>>();
    let (Ok(words), Ok(environment)) = (strings(words), strings(environment)) else {
        return io::ErrorKind::InvalidInput.into();
    };
    let pointers = |list: &[CString]| list.iter().map(|one| one.as_ptr()).chain([std::ptr::null()]).collect::<Vec<_>>();
    let (argv, envp) = (pointers(&words), pointers(&environment));
    // SAFETY: both lists end with a null pointer, and their strings live until the end of this function.
    unsafe { libc::execve(words[0].as_ptr(), argv.as_ptr(), envp.as_ptr()) };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_the_place_of_ours_with_the_same_name() {
        let before = environment([]);
        let path = before.iter().find(|entry| entry.as_bytes().starts_with(b"PATH="));
        assert!(path.is_some_and(|path| path != "PATH=/x"));
        let after = environment([Some("PATH=/x".into()), None, Some("BRAMBLE_TEST_NEW=1".into())]);
        assert_eq!(after.iter().filter(|entry| entry.as_bytes().starts_with(b"PATH=")).count(), 1);
        assert!(after.contains(&"PATH=/x".into()) && after.contains(&"BRAMBLE_TEST_NEW=1".into()));
        assert_eq!(after.len(), before.len() + 1);
    }
}
