//! Large outputs, as files beside the database: `outputs/JOB/INDEX-ATTEMPT@NODE.out`. The node is part of the name,
//! so that no node can write what another one's task printed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use protocol::id::{AttemptId, JobId};
use protocol::job::Stream;
use protocol::name::NodeName;

#[derive(Debug, Clone)]
pub struct Outputs {
    root: PathBuf,
}

impl Outputs {
    pub fn new(state: &Path) -> Self {
        Self { root: state.join("outputs") }
    }

    fn path(&self, attempt: AttemptId, node: &NodeName, stream: Stream) -> PathBuf {
        let kind = match stream {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        };
        let name = format!("{}-{}@{node}.{kind}", attempt.task.index, attempt.number);
        self.root.join(attempt.task.job.to_string()).join(name)
    }

    pub fn open(&self, attempt: AttemptId, node: &NodeName, stream: Stream) -> io::Result<File> {
        File::open(self.path(attempt, node, stream))
    }

    /// A file to write into; it counts only once it is [`Arriving::keep`]ed.
    pub fn arrive(&self, attempt: AttemptId, node: &NodeName, stream: Stream) -> io::Result<Arriving> {
        let path = self.path(attempt, node, stream);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        fs::create_dir_all(&folder)?;
        let part = path.with_extension(match stream {
            Stream::Stdout => "out.part",
            Stream::Stderr => "err.part",
        });
        Ok(Arriving { file: File::create(&part)?, part, path, folder })
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

pub struct Arriving {
    pub file: File,
    part: PathBuf,
    path: PathBuf,
    folder: PathBuf,
}

impl Arriving {
    /// Whole and on the disk: from here on it survives a power cut.
    pub fn keep(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        File::open(&self.folder)?.sync_all()
    }
}
