//! The sentence for a program that did not start. Not in a hurry: it looks again at what the child found.

use std::ffi::{CString, OsStr};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use protocol::job::NotStarted;

use super::child::{Failure, Step};
use super::{Launch, Output, Refusal};

pub fn refusal(launch: &Launch, candidates: &[CString], failure: Failure) -> Refusal {
    let error = reason(failure.errno);
    match failure.step {
        Step::Exec => not_run(launch, candidates, failure),
        Step::Output => {
            let file = match launch.outputs.get(failure.which) {
                Some(Output::File(path)) => path.display().to_string(),
                _ => String::new(),
            };
            Refusal::fault(format!("the output file {file} cannot be made: {error}"))
        }
        Step::Folder => {
            let folder = launch.folder.as_deref().unwrap_or(Path::new(""));
            Refusal::fault(format!("the work folder {} cannot be entered: {error}", folder.display()))
        }
        Step::Uid => {
            let uid = launch.uid.unwrap_or_default();
            Refusal::fault(format!("the worker cannot become uid {uid}: {error}; it has to run as root"))
        }
        Step::Session | Step::Descriptors | Step::OomScore | Step::Privileges => {
            let step = match failure.step {
                Step::Session => "its session",
                Step::Descriptors => "its input and output",
                Step::OomScore => "its oom_score_adj",
                _ => "no_new_privs",
            };
            Refusal::fault(format!("a new process was made, but not {step}: {error}"))
        }
    }
}

fn not_run(launch: &Launch, candidates: &[CString], failure: Failure) -> Refusal {
    let name = launch.command.first().map_or("".into(), |word| word.to_string_lossy());
    let path_of = |candidate: &CString| {
        let path = Path::new(OsStr::from_bytes(candidate.as_bytes()));
        launch.folder.as_deref().map_or_else(|| path.to_owned(), |folder| folder.join(path))
    };
    let refused = |why: String| {
        let message = format!("not executable: {name}: {why}");
        Refusal { kind: NotStarted::NotExecutable, message }
    };
    let missing = |message: String| Refusal { kind: NotStarted::NotFound, message };
    match failure.errno {
        libc::ENOENT => match candidates.iter().map(path_of).find(|path| path.exists()) {
            // It is there, so something else is not.
            Some(path) => missing(format!("{name} cannot be run: {}", missing_helper(&path))),
            None => missing(format!("command not found: {name}")),
        },
        // A folder of the PATH that may not be looked into hides nothing that we can see to be there.
        libc::EACCES if !name.contains('/') => match candidates.iter().map(path_of).find(|path| path.exists()) {
            Some(path) => refused(no_access(&path)),
            None => missing(format!("command not found: {name}")),
        },
        libc::EACCES => refused(no_access(&candidates.get(failure.which).map(path_of).unwrap_or_default())),
        libc::ENOEXEC => refused("neither a program for this kind of machine nor a script that begins with #!".into()),
        libc::E2BIG => refused("its arguments and environment are longer than this system allows".into()),
        libc::ETXTBSY => refused("somebody has it open for writing".into()),
        libc::EPERM | libc::EINVAL | libc::EISDIR | libc::ELIBBAD => refused(reason(failure.errno)),
        errno => Refusal::fault(format!("{name} cannot be run: {}", reason(errno))),
    }
}

fn no_access(path: &Path) -> String {
    match std::fs::metadata(path) {
        Ok(of) if of.is_dir() => "it is a folder".into(),
        Ok(of) if of.permissions().mode() & 0o111 == 0 => "permission denied; chmod +x makes it a program".into(),
        _ => "permission denied".into(),
    }
}

/// The program that should have run this file, where its first line names one.
fn missing_helper(path: &Path) -> String {
    let mut head = vec![];
    let read = std::fs::File::open(path).and_then(|file| file.take(256).read_to_end(&mut head));
    match (read, shebang(&head)) {
        (Ok(_), Some(interpreter)) => format!("its interpreter {} is not on this node", interpreter.display()),
        (Ok(_), None) if head.starts_with(b"\x7fELF") => {
            "its loader is not on this node: it was built for another system".into()
        }
        _ => "what it needs to run is not on this node".into(),
    }
}

fn shebang(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let interpreter = line.split(|byte| byte.is_ascii_whitespace()).next()?;
    // A carriage return is part of the name: the classic of scripts written on Windows.
    let windows = head.split(|byte| *byte == b'\n').next()?.ends_with(b"\r");
    let name = String::from_utf8_lossy(interpreter).into_owned() + if windows { "\\r" } else { "" };
    (!interpreter.is_empty()).then(|| name.into())
}

/// `No such file or directory`, without the number.
fn reason(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
