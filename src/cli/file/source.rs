//! What is put: a file, a folder or stdin, as pieces that a thread of its own reads ahead, a few at most.

use std::fs::{self, File, Metadata};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use blake3::Hasher;
use packing::{Measured, PackError};
use protocol::file::{ContentHash, FileKind};
use tokio::sync::mpsc;

use crate::cli::exit::{Failure, Kind};

/// Bytes in one piece, and pieces read ahead.
const PIECE: usize = 256 * 1024;
const AHEAD: usize = 4;

#[derive(Debug, Clone)]
pub enum Source {
    Stdin,
    File {
        path: PathBuf,
        looked: Looked,
        executable: bool,
    },
    /// Some bytes of a file.
    Part {
        path: PathBuf,
        looked: Looked,
        range: Range<u64>,
    },
    Folder {
        path: PathBuf,
        measured: Measured,
        most: u64,
    },
}

/// What tells whether a file changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    size: u64,
    changed: (i64, i64),
    place: (u64, u64),
}

impl Looked {
    fn at(meta: &Metadata) -> Self {
        Self { size: meta.len(), changed: (meta.mtime(), meta.mtime_nsec()), place: (meta.dev(), meta.ino()) }
    }
}

pub type Piece = Result<Vec<u8>, Failure>;

impl Source {
    pub fn look(path: &Path, most: u64) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Source::Stdin);
        }
        let meta = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        let whole = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        if meta.is_dir() {
            let measured = packing::measure(path, most).map_err(failed)?;
            return Ok(Source::Folder { path: whole, measured, most });
        }
        if !meta.is_file() {
            let told =
                format!("{} is neither a file nor a folder; put what comes out of it with: file put -", path.display());
            return Err(Failure::usage(told));
        }
        let executable = meta.permissions().mode() & 0o100 != 0;
        Ok(Source::File { path: whole, looked: Looked::at(&meta), executable })
    }

    /// A program, whatever its mode says here.
    pub fn started_as_it_is(mut self) -> Self {
        if let Source::File { executable, .. } = &mut self {
            *executable = true;
        }
        self
    }

    /// Of a file, as it was when it was looked at.
    pub fn part(&self, range: Range<u64>) -> Option<Self> {
        let Source::File { path, looked, .. } = self else { return None };
        Some(Source::Part { path: path.clone(), looked: looked.clone(), range })
    }

    pub fn kind(&self) -> FileKind {
        if matches!(self, Source::Folder { .. }) { FileKind::Folder } else { FileKind::File }
    }

    /// Its owner may run it. A folder keeps this for each file in it.
    pub fn executable(&self) -> bool {
        matches!(self, Source::File { executable: true, .. })
    }

    pub fn size(&self) -> Option<u64> {
        match self {
            Source::Stdin => None,
            Source::File { looked, .. } => Some(looked.size),
            Source::Part { range, .. } => Some(range.end - range.start),
            Source::Folder { measured, .. } => Some(measured.size),
        }
    }

    /// Stands for what it is now. Stdin is never the same twice.
    pub fn tag(&self) -> Option<String> {
        let mut hasher = Hasher::new();
        match self {
            Source::Stdin => return None,
            Source::File { path, looked, .. } => {
                hasher.update(path.as_os_str().as_encoded_bytes()).update(format!("\0{looked:?}").as_bytes());
            }
            Source::Part { path, looked, range } => {
                hasher.update(path.as_os_str().as_encoded_bytes());
                hasher.update(format!("\0{looked:?}\0{range:?}").as_bytes());
            }
            Source::Folder { path, measured, .. } => {
                hasher.update(path.as_os_str().as_encoded_bytes()).update(b"\0").update(&measured.fingerprint);
            }
        }
        Some(ContentHash(*hasher.finalize().as_bytes()).to_string())
    }

    /// From its first byte. The last piece is followed by an end, or by what went wrong.
    pub fn read(&self) -> Result<mpsc::Receiver<Piece>, Failure> {
        let (to, pieces) = mpsc::channel(AHEAD);
        let source = self.clone();
        let thread = std::thread::Builder::new().name("reads".into()).spawn(move || {
            if let Err(failure) = source.pass_on(&to) {
                // Nobody waits for it any more, where it cannot be sent.
                let _ = to.blocking_send(Err(failure));
            }
        });
        thread.map_err(|error| Failure::new(Kind::Fault, format_args!("this machine is out of resources: {error}")))?;
        Ok(pieces)
    }

    fn pass_on(&self, to: &mpsc::Sender<Piece>) -> Result<(), Failure> {
        match self {
            Source::Stdin => {
                let told = |error: io::Error| Failure::new(Kind::Fault, format_args!("stdin cannot be read: {error}"));
                copy(io::stdin().lock(), to).map_err(told)
            }
            Source::File { path, looked, .. } => pass_on_file(path, looked, 0..u64::MAX, to),
            Source::Part { path, looked, range } => pass_on_file(path, looked, range.clone(), to),
            Source::Folder { path, measured, most } => {
                let mut pieces = Pieces { to, piece: Vec::with_capacity(PIECE) };
                packing::pack(path, *most, measured, &mut pieces).map_err(failed)?;
                pieces.flush().map_err(|error| Failure::new(Kind::Fault, error))
            }
        }
    }
}

fn pass_on_file(path: &Path, looked: &Looked, range: Range<u64>, to: &mpsc::Sender<Piece>) -> Result<(), Failure> {
    let failed = |error: io::Error| unreadable(path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let same = |file: &File| Ok(Looked::at(&file.metadata()?) == *looked);
    if !same(&file).map_err(failed)? {
        return Err(changed(path));
    }
    file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
    copy((&file).take(range.end - range.start), to).map_err(failed)?;
    // Also where another one was put in its place.
    let there = fs::metadata(path).map_err(failed)?;
    if same(&file).map_err(failed)? && Looked::at(&there) == *looked { Ok(()) } else { Err(changed(path)) }
}

fn copy(mut from: impl Read, to: &mpsc::Sender<Piece>) -> io::Result<()> {
    loop {
        let mut piece = Vec::with_capacity(PIECE);
        (&mut from).take(PIECE as u64).read_to_end(&mut piece)?;
        // Whoever takes them has had enough, and knows why.
        if piece.is_empty() || to.blocking_send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

struct Pieces<'a> {
    to: &'a mpsc::Sender<Piece>,
    piece: Vec<u8>,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let fits = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend_from_slice(&bytes[..fits]);
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.to.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

fn failed(error: PackError) -> Failure {
    match error {
        PackError::Changed(path) => changed(&path),
        PackError::Read { path, source } => unreadable(&path, &source),
        PackError::Special { .. }
        | PackError::LeadsOut { .. }
        | PackError::TooMany { .. }
        | PackError::LongNames(_)
        | PackError::TooDeep(_) => Failure::new(Kind::Refused, error),
        PackError::Write(_) => Failure::new(Kind::Fault, error),
    }
}

fn changed(path: &Path) -> Failure {
    let told = format!("{} changed while it was put; nothing was kept, put it again when it rests", path.display());
    Failure::new(Kind::Refused, told)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Refused };
    Failure::new(kind, format_args!("{} cannot be read: {error}", path.display()))
}
