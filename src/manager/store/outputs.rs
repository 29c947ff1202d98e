//! Large outputs, as files beside the database: `outputs/JOB/INDEX-ATTEMPT@NODE.out`. The node is part of the name,
//! so that no node can write what another one's task printed.

use std::collections::HashSet;
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::id::{AttemptId, JobId};
use protocol::job::Stream;

use super::lasting;

#[derive(Debug, Clone)]
pub struct Outputs {
    root: PathBuf,
    /// Each arriving file has a name of its own: the same output may come twice at once, when a link broke in between.
    parts: Arc<AtomicU64>,
}

const PART: &str = "part";

impl Outputs {
    pub fn new(state: &Path) -> Self {
        Self { root: state.join("outputs"), parts: Arc::default() }
    }

    /// To be called before anything arrives: makes the folder, removes what a crash left, halves and files of forgotten jobs.
    pub fn sweep(&self, known: &HashSet<JobId>) -> io::Result<()> {
        // Now, while nobody else makes it, so that who finds it there may rely on it.
        lasting::make(&self.root, 0o700)?;
        let Some(folders) = entries(&self.root)? else { return Ok(()) };
        for folder in folders {
            let job = folder.file_name().and_then(|name| name.to_str()?.parse::<JobId>().ok());
            match job {
                Some(job) if known.contains(&job) => {
                    let parts = entries(&folder)?.unwrap_or_default().into_iter();
                    parts.filter(|file| file.extension().is_some_and(|e| e == PART)).try_for_each(fs::remove_file)?;
                }
                Some(job) => self.forget(job),
                // Not of our making.
                None => {}
            }
        }
        Ok(())
    }

    fn path(&self, attempt: AttemptId, node: &impl Display, stream: Stream) -> PathBuf {
        let kind = match stream {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        };
        let name = format!("{}-{}@{node}.{kind}", attempt.task.index, attempt.number);
        self.root.join(attempt.task.job.to_string()).join(name)
    }

    pub fn open(&self, attempt: AttemptId, node: &impl Display, stream: Stream) -> io::Result<File> {
        File::open(self.path(attempt, node, stream))
    }

    /// A file to write into; it counts only once it is [`Arriving::keep`]ed.
    pub fn arrive(&self, attempt: AttemptId, node: &impl Display, stream: Stream) -> io::Result<Arriving> {
        let path = self.path(attempt, node, stream);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        // What tasks print is for their owners only, whoever may look into the state folder.
        lasting::make(&folder, 0o700)?;
        let number = self.parts.fetch_add(1, Ordering::Relaxed);
        let part = path.with_added_extension(format!("{number}.{PART}"));
        Ok(Arriving { file: File::create_new(&part)?, part: Part(part), path, folder })
    }

    pub fn forget(&self, job: JobId) {
        let folder = self.root.join(job.to_string());
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("output files of forgotten job {job} stay in {}: {error}", folder.display());
            }
            _ => {}
        }
    }
}

/// All in a folder, if there is one.
fn entries(folder: &Path) -> io::Result<Option<Vec<PathBuf>>> {
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map(Some),
    }
}

/// Takes no room any more where the rest does not come: on a full disk, most of all.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Kept, it has another name by now.
        let _ = fs::remove_file(&self.0);
    }
}

pub struct Arriving {
    pub file: File,
    part: Part,
    path: PathBuf,
    folder: PathBuf,
}

impl Arriving {
    /// Whole and on the disk: from here on it survives a power cut.
    pub fn keep(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part.0, &self.path)?;
        lasting::sync_name(&self.path)?;
        // The job's folder may have been made a moment ago by another, who has not synced it yet.
        lasting::sync_name(&self.folder)
    }
}
