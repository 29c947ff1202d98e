//! What is brought along from this machine, each under a name of its own in the folder of a task.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use packing::MOST_ENTRIES;
use protocol::name::FileName;
use protocol::result::OUT;

use super::shape::{At, Wrong};
use super::start::{Start, is_named_like_a_script};
use crate::cli::file::source::Source;
use crate::document::did_you_mean;

/// So many names of a folder are looked through for one that was meant.
const LOOKED_THROUGH: usize = 2000;

/// A file or folder of this machine.
#[derive(Debug)]
pub struct Upload {
    /// What it is kept as.
    pub name: FileName,
    /// As the submission file names it.
    pub written: String,
    pub source: Source,
    /// The part of a split that the task with this index is given; kept only until the job has it.
    pub part: Option<Part>,
}

#[derive(Debug)]
pub struct Part {
    pub index: u32,
    /// In the folder of its task.
    pub called: FileName,
}

#[derive(Debug)]
pub struct Bring<'a> {
    /// The folder that paths begin in.
    beside: &'a Path,
    names: BTreeSet<FileName>,
    /// Programs that were brought already: from where, and as what.
    programs: Vec<(PathBuf, String, Start)>,
    pub uploads: Vec<Upload>,
}

impl<'a> Bring<'a> {
    pub fn beside(beside: &'a Path) -> Self {
        Self { beside, names: BTreeSet::new(), programs: vec![], uploads: vec![] }
    }

    /// The first words of a command that runs this, and how it is started; it comes along where it is a file of this machine.
    pub fn program(&mut self, executable: &At<String>) -> Result<(Start, Vec<String>), Wrong> {
        let Some(path) = program(executable, self.beside)? else {
            return Ok((Start::ByTheNode, Start::ByTheNode.command(&executable.value)));
        };
        let whole = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if let Some((_, name, start)) = self.programs.iter().find(|(known, ..)| *known == whole) {
            return Ok((start.clone(), start.command(name)));
        }
        let start = Start::of(&path, &executable.value).map_err(|why| executable.wrong(why))?;
        let upload = upload(executable, &path, start.executable())?;
        let name = upload.name.to_string();
        self.once(&upload.name, executable)?;
        self.uploads.push(upload);
        self.programs.push((whole, name.clone(), start.clone()));
        Ok((start.clone(), start.command(&name)))
    }

    pub fn data(&mut self, data: &At<String>) -> Result<(), Wrong> {
        let upload = upload(data, &self.beside.join(&data.value), false)?;
        self.once(&upload.name, data)?;
        self.uploads.push(upload);
        Ok(())
    }

    /// The script that a program of the node is to run, as in `python3 map.py`, where it is a file beside the submission
    /// and does not come along otherwise.
    pub fn script(&mut self, word: &At<String>) -> Result<(), Wrong> {
        let path = self.beside.join(&word.value);
        let plain = !word.value.contains(['/', '{']);
        if !plain || !path.is_file() || self.names.iter().any(|name| name.as_str() == word.value) {
            return Ok(());
        }
        self.data(word)
    }

    /// The file that is to be split, which comes along in parts, each called as the whole.
    pub fn whole(&mut self, file: &At<String>) -> Result<(PathBuf, FileName, Source), Wrong> {
        let path = self.beside.join(&file.value);
        let Upload { name, source, .. } = upload(file, &path, false)?;
        if !matches!(source, Source::File { .. }) {
            return Err(file.wrong(format!("{} is a folder; name a file to be split", file.value)));
        }
        self.once(&name, file)?;
        Ok((path, name, source))
    }

    /// Each name once in the folder of a task.
    pub fn once<T>(&mut self, name: &FileName, at: &At<T>) -> Result<(), Wrong> {
        if name.as_str() == OUT {
            return Err(at.wrong(format!(
                "{OUT} is the folder in which a task leaves its results, and nothing else can be called so; bring it under another name"
            )));
        }
        if self.names.insert(name.clone()) {
            return Ok(());
        }
        Err(at.wrong(format!(
            "two things would be called {name:?} in the task's folder; leave one out, or rename one of them, which files can \
             do: {{ file = {name:?}, as = \"other\" }}"
        )))
    }
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
    Ok(Upload { name, written: written.clone(), source, part: None })
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
