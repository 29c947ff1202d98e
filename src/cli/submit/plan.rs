//! What a submission file comes to, with a look at the files it names: the job, and what is to be kept for it first.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use protocol::file::FileRef;
use protocol::job::{JobFile, JobSpec};
use protocol::name::FileName;

use super::draft::{Draft, KeptFile};
use super::shape::{At, Wrong};
use super::start::{Start, is_named_like_a_script};
use crate::cli::file::source::Source;
use crate::document::did_you_mean;
use packing::MOST_ENTRIES;

/// So many names of a folder are looked through for one that was meant.
const LOOKED_THROUGH: usize = 2000;

#[derive(Debug)]
pub struct Plan {
    /// Its first files are the uploads, in their order.
    pub spec: JobSpec,
    pub start: Start,
    pub uploads: Vec<Upload>,
}

/// A file or folder of this machine.
#[derive(Debug)]
pub struct Upload {
    pub name: FileName,
    /// As the submission file names it.
    pub written: String,
    pub source: Source,
}

impl Plan {
    /// `beside`: the folder that paths begin in.
    pub fn of(draft: Draft, beside: &Path) -> Result<Self, Wrong> {
        let executable = draft.executable.unwrap_or_else(|| At::new(String::new(), 0..0));
        let mut names = BTreeSet::new();
        let mut uploads = vec![];
        let (start, first) = match program(&executable, beside)? {
            None => (Start::ByTheNode, executable.value.clone()),
            Some(path) => {
                let start = Start::of(&path, &executable.value).map_err(|why| executable.wrong(why))?;
                let upload = upload(&executable, &path, start.executable())?;
                let first = upload.name.to_string();
                once(&mut names, &upload.name, &executable)?;
                uploads.push(upload);
                (start, first)
            }
        };
        for data in &draft.data {
            let upload = upload(data, &beside.join(&data.value), false)?;
            once(&mut names, &upload.name, data)?;
            uploads.push(upload);
        }
        let mut files: Vec<JobFile> = uploads.iter().map(|upload| JobFile::of(own(&upload.name))).collect();
        for kept in draft.files {
            let KeptFile { file, called, writable } = kept.value;
            let file = JobFile { called, writable, ..JobFile::of(file) };
            let at = At::new((), kept.span);
            if uploads.iter().any(|upload| own(&upload.name) == file.file) {
                let name = &file.file.name;
                return Err(at.wrong(format!(
                    "{name:?} is kept anew from this machine first, and this would be the new one; leave one out, or keep \
                     the older under another name first: bramble file mv {name:?} NAME"
                )));
            }
            once(&mut names, file.name(), &at)?;
            files.push(file);
        }
        let spec = JobSpec {
            name: draft.name.map(|name| name.value),
            command: start.command(&first).into_iter().chain(draft.args.into_iter().map(|arg| arg.value)).collect(),
            env: draft.env.into_iter().map(|(name, value)| (name.value, value.value)).collect(),
            cpus: draft.cpus.unwrap_or(1),
            node: draft.node,
            array: draft.array,
            sweep: vec![],
            files,
            reduce: None,
        };
        spec.check().map_err(|bad| executable.wrong(bad.to_string()))?;
        Ok(Self { spec, start, uploads })
    }
}

fn own(name: &FileName) -> FileRef {
    FileRef { owner: None, name: name.clone() }
}

/// Each name once in the folder of a task.
fn once<T>(names: &mut BTreeSet<FileName>, name: &FileName, at: &At<T>) -> Result<(), Wrong> {
    if names.insert(name.clone()) {
        return Ok(());
    }
    Err(at.wrong(format!(
        "two things would be called {name:?} in the task's folder; leave one out, or rename one of them, which files can \
         do: {{ file = {name:?}, as = \"other\" }}"
    )))
}

/// The file that is meant, or `None` where the node has the program.
fn program(executable: &At<String>, beside: &Path) -> Result<Option<PathBuf>, Wrong> {
    let written = &executable.value;
    let path = beside.join(written);
    let whole = written.contains('/');
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => Ok(Some(path)),
        Ok(_) if !whole => Ok(None),
        Ok(meta) if meta.is_dir() => Err(executable.wrong(format!(
            "{written} is a folder; name the file in it that is to be started, and bring the rest with data"
        ))),
        Ok(_) => Err(executable.wrong(format!("{written} is no file; name the file that is to be started"))),
        Err(error) if is_missing(&error) && !whole && !is_named_like_a_script(written) => Ok(None),
        Err(error) if is_missing(&error) => {
            let other = "a program that the node has is named without its folder, or as executable = \"env\", args = [\"/its/path\"]";
            Err(executable.wrong(format!("{}; {other}", missing(written, &path))))
        }
        Err(error) => Err(executable.wrong(unreadable(written, &error))),
    }
}

fn upload(path: &At<String>, at: &Path, starts: bool) -> Result<Upload, Wrong> {
    let written = &path.value;
    if let Err(error) = fs::metadata(at) {
        let sentence = match is_missing(&error) {
            true => format!("{}; paths begin in the folder of the submission file", missing(written, at)),
            false => unreadable(written, &error),
        };
        return Err(path.wrong(sentence));
    }
    let name = name_of(at).ok_or_else(|| {
        path.wrong(format!("the name of {written} is none that can be kept; bring it under another name"))
    })?;
    let source = Source::look(at, MOST_ENTRIES).map_err(|failure| path.wrong(failure.message))?;
    let source = if starts { source.started_as_it_is() } else { source };
    Ok(Upload { name, written: written.clone(), source })
}

/// Its own, also of `.` and `..`.
fn name_of(path: &Path) -> Option<FileName> {
    let whole = fs::canonicalize(path).ok();
    let last = path.file_name().or_else(|| whole.as_ref()?.file_name())?;
    last.to_str()?.parse().ok()
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unreadable(written: &str, error: &io::Error) -> String {
    format!("{written} cannot be read: {error}; see to it that you may, or name another")
}

/// With the name beside it that was meant, or what is not done to a path.
fn missing(written: &str, path: &Path) -> String {
    if written.starts_with("~/") {
        return format!("{written} is not there, since only a shell knows what ~ is; write the whole path");
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return format!("{written} is not there");
    };
    let beside = fs::read_dir(folder).into_iter().flatten().take(LOOKED_THROUGH).flatten();
    let names: Vec<String> = beside.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let near = did_you_mean(name, names.iter().map(String::as_str));
    let near = near.trim().replacen("Did", "did", 1);
    if near.is_empty() { format!("{written} is not there") } else { format!("{written} is not there, {near}") }
}
