//! What is going to be done: shown whole, then carried out as shown.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Stop;
use super::binary::Binary;
use super::disk::Disk;

pub struct Plan {
    disk: Disk,
    title: String,
    steps: Vec<Step>,
    next: String,
}

pub enum Step {
    /// Already as it should be, or the owner's own.
    Keep {
        path: PathBuf,
        why: &'static str,
    },
    Folder {
        path: PathBuf,
        mode: u32,
    },
    Binary {
        path: PathBuf,
        binary: Binary,
    },
    File(File),
    Link {
        path: PathBuf,
        to: PathBuf,
    },
    Remove {
        path: PathBuf,
        why: &'static str,
        /// Where it is kept.
        old: Option<PathBuf>,
    },
    Run {
        words: Vec<String>,
    },
}

pub struct File {
    pub path: PathBuf,
    pub mode: u32,
    pub text: String,
    pub why: &'static str,
    /// Not to be shown.
    pub secret: bool,
    /// Where the file that is replaced goes.
    pub old: Option<PathBuf>,
}

impl Plan {
    pub fn new(disk: &Disk, title: impl Into<String>) -> Self {
        Self { disk: disk.clone(), title: title.into(), steps: vec![], next: String::new() }
    }

    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// A folder with exactly this mode.
    pub fn folder(&mut self, path: impl Into<PathBuf>, mode: u32) {
        let path = path.into();
        match self.disk.mode(&path) {
            Some(is) if is == mode => self.push(Step::Keep { path, why: "" }),
            _ => self.push(Step::Folder { path, mode }),
        }
    }

    /// A folder that is made where it is missing and otherwise left with the mode its owner gave it.
    pub fn folder_at_least(&mut self, path: impl Into<PathBuf>, mode: u32) {
        let path = path.into();
        match self.disk.is_there(&path) {
            true => self.push(Step::Keep { path, why: "" }),
            false => self.push(Step::Folder { path, mode }),
        }
    }

    pub fn run<S: Into<String>>(&mut self, words: impl IntoIterator<Item = S>) {
        self.push(Step::Run { words: words.into_iter().map(Into::into).collect() });
    }

    /// What to say when all is done.
    pub fn then(&mut self, next: String) {
        self.next = next;
    }

    pub fn next(&self) -> &str {
        &self.next
    }

    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| matches!(step, Step::Keep { .. }))
    }

    /// Whether this path is going to be written.
    pub fn writes(&self, wanted: &Path) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Binary { path, .. } => path == wanted,
            Step::File(file) => file.path == wanted,
            _ => false,
        })
    }

    /// Whether this path is going to be another than it is, or none.
    pub fn changes(&self, wanted: &Path) -> bool {
        self.writes(wanted) || self.steps.iter().any(|step| matches!(step, Step::Remove { path, .. } if path == wanted))
    }

    pub fn carry_out(&self, out: &mut dyn Write) -> Result<(), Stop> {
        for step in &self.steps {
            step.carry_out(&self.disk)?;
            if !matches!(step, Step::Keep { .. }) {
                // Whoever closed the pipe has seen the plan; what was begun is finished all the same.
                let _ = writeln!(out, "done: {}", step.headline());
            }
        }
        Ok(())
    }
}

impl Step {
    fn headline(&self) -> String {
        let because = |why: &str| if why.is_empty() { String::new() } else { format!("  ({why})") };
        match self {
            Step::Keep { path, why } => format!("keep    {}{}", path.display(), because(why)),
            Step::Folder { path, mode } => format!("folder  {}  {mode:04o}", path.display()),
            Step::Binary { path, binary } => format!("write   {}  0755  ({binary})", path.display()),
            Step::File(file) => {
                format!("write   {}  {:04o}{}", file.path.display(), file.mode, because(file.why))
            }
            Step::Link { path, to } => format!("link    {} -> {}", path.display(), to.display()),
            Step::Remove { path, why, .. } => format!("remove  {}{}", path.display(), because(why)),
            Step::Run { words } => format!("run     {}", words.join(" ")),
        }
    }

    fn carry_out(&self, disk: &Disk) -> Result<(), Stop> {
        match self {
            Step::Keep { .. } => Ok(()),
            Step::Folder { path, mode } => disk.make_folder(path, *mode),
            Step::Binary { path, binary } => disk.write(path, 0o755, &mut binary.open()?),
            Step::File(file) => {
                if let Some(old) = &file.old {
                    disk.keep_as(&file.path, old)?;
                }
                disk.write(&file.path, file.mode, &mut file.text.as_bytes())
            }
            Step::Link { path, to } => disk.link(path, to),
            Step::Remove { path, old, .. } => {
                old.iter().try_for_each(|old| disk.keep_as(path, old))?;
                disk.remove(path)
            }
            Step::Run { words } => run(words),
        }
    }
}

fn run(words: &[String]) -> Result<(), Stop> {
    let [program, args @ ..] = words else { return Ok(()) };
    let line = words.join(" ");
    match Command::new(program).args(args).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Stop::Failed(format!("`{line}` failed ({status}); everything before it is in place"))),
        Err(error) => Err(Stop::Failed(format!("`{line}` cannot be started: {error}"))),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        for step in &self.steps {
            writeln!(f, "  {}", step.headline())?;
            let Step::File(file) = step else { continue };
            if file.secret {
                writeln!(f, "          | (kept secret)")?;
                continue;
            }
            for line in file.text.lines() {
                writeln!(f, "          | {line}")?;
            }
        }
        writeln!(f)
    }
}
