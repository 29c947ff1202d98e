//! What tasks print: files that only grow at the end, and lose their oldest part at the limit.
//!
//! The dropped part is a hole at the beginning, so the file itself says how much it is, to an agent that was
//! restarted as well: `SEEK_DATA` finds where the data begins.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use protocol::agent::{INLINE_OUTPUT, Output};
use protocol::bytes::Blob;
use protocol::id::AttemptId;
use rustix::fs::{FallocateFlags, Mode, OFlags, SeekFrom};
use rustix::io::Errno;

use crate::layout::Layout;

/// What there is of one stream: bytes `dropped..length` of what was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    pub length: u64,
    pub dropped: u64,
}

impl Extent {
    pub fn kept(self) -> u64 {
        self.length - self.dropped
    }
}

/// The outputs of an attempt that has ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Small: they travel with the news of the end.
    Inline { stdout: Output, stderr: Output },
    /// Each that has something goes ahead by itself.
    Large { stdout: Extent, stderr: Extent },
}

pub fn outputs(layout: &Layout, attempt: AttemptId, limit: u64) -> io::Result<Outputs> {
    let (stdout_file, stdout) = extent_at(&layout.stdout(attempt), limit)?;
    let (stderr_file, stderr) = extent_at(&layout.stderr(attempt), limit)?;
    if stdout.kept() + stderr.kept() > INLINE_OUTPUT as u64 {
        return Ok(Outputs::Large { stdout, stderr });
    }
    let inline = |file: Option<File>, extent: Extent| -> io::Result<Output> {
        // Checked above: it fits.
        let mut bytes = vec![0; extent.kept() as usize];
        if let Some(file) = file {
            file.read_exact_at(&mut bytes, extent.dropped)?;
        }
        Ok(Output { length: extent.length, dropped: extent.dropped, bytes: Some(Blob(bytes)) })
    };
    Ok(Outputs::Inline { stdout: inline(stdout_file, stdout)?, stderr: inline(stderr_file, stderr)? })
}

/// A task that never started printed nothing, and has no files.
fn extent_at(path: &Path, limit: u64) -> io::Result<(Option<File>, Extent)> {
    // Most streams of most tasks are empty: not worth opening.
    if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.len() == 0) {
        return Ok((None, Extent::default()));
    }
    match open(path, OFlags::RDONLY) {
        Ok(file) => {
            let extent = extent(&file, limit)?;
            Ok((Some(file), extent))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, Extent::default())),
        Err(error) => Err(error),
    }
}

/// Never follows a link: what is not our own file is not read.
pub fn open(path: &Path, access: OFlags) -> io::Result<File> {
    let flags = access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

pub fn extent(file: &File, limit: u64) -> io::Result<Extent> {
    let meta = file.metadata()?;
    let length = meta.len();
    // Only a file with fewer blocks than bytes can have a hole.
    let hole = if meta.blocks().saturating_mul(512) >= length { 0 } else { data_from(file, 0)?.unwrap_or(length) };
    Ok(Extent { length, dropped: hole.min(length).max(length.saturating_sub(limit)) })
}

/// The next offset at or after `from` that was not dropped; `None` at the end of what there is.
pub fn data_from(file: &File, from: u64) -> io::Result<Option<u64>> {
    match rustix::fs::seek(file, SeekFrom::Data(from)) {
        Ok(offset) => Ok(Some(offset)),
        Err(Errno::NXIO) => Ok(None),
        // A file system that knows no holes has none.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((from < file.metadata()?.len()).then_some(from)),
        Err(error) => Err(error.into()),
    }
}

/// Gives the oldest part back to the file system where a stream has outgrown its limit. Says how many bytes went.
pub fn trim(path: &Path, limit: u64) -> io::Result<u64> {
    let too_long = |length: u64| length > limit;
    match std::fs::symlink_metadata(path) {
        Ok(meta) if too_long(meta.len()) => {}
        Ok(_) => return Ok(0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    }
    let file = open(path, OFlags::RDWR)?;
    let meta = file.metadata()?;
    let block = meta.blksize().clamp(4096, 1 << 20);
    let end = meta.len().saturating_sub(limit) / block * block;
    let begin = data_from(&file, 0)?.unwrap_or(meta.len()) / block * block;
    if end <= begin {
        return Ok(0);
    }
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, hole, begin, end - begin)?;
    Ok(end - begin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn place() -> (tempfile::TempDir, Layout, AttemptId) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::of(Some(dir.path().join("state")), None).unwrap();
        crate::agent::folder::prepare(&layout).unwrap();
        (dir, layout, "17.3#2".parse().unwrap())
    }

    fn print(path: &Path, bytes: &[u8]) {
        File::options().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
    }

    const NO_LIMIT: u64 = 64 << 20;

    #[test]
    fn small_outputs_are_inline_and_no_file_is_nothing_printed() {
        let (_dir, layout, attempt) = place();
        print(&layout.stdout(attempt), b"hello\xff");
        let Outputs::Inline { stdout, stderr } = outputs(&layout, attempt, NO_LIMIT).unwrap() else { panic!() };
        assert_eq!(stdout, Output { length: 6, dropped: 0, bytes: Some(Blob(b"hello\xff".to_vec())) });
        assert_eq!(stderr, Output { length: 0, dropped: 0, bytes: Some(Blob::default()) });
    }

    #[test]
    fn both_streams_together_decide_what_is_large() {
        let (_dir, layout, attempt) = place();
        print(&layout.stdout(attempt), &[b'x'; INLINE_OUTPUT - 1]);
        print(&layout.stderr(attempt), b"y");
        assert!(matches!(outputs(&layout, attempt, NO_LIMIT).unwrap(), Outputs::Inline { .. }));
        print(&layout.stderr(attempt), b"y");
        assert!(matches!(outputs(&layout, attempt, NO_LIMIT).unwrap(), Outputs::Large { .. }));
    }

    #[test]
    fn the_oldest_part_goes_and_the_file_itself_remembers_how_much() {
        let (_dir, layout, attempt) = place();
        let path = layout.stdout(attempt);
        let limit = 100_000;
        let mut printed = Vec::new();
        for number in 0..10_000 {
            writeln!(printed, "line {number} of many").unwrap();
        }
        assert_eq!(trim(&path, limit).unwrap(), 0, "nothing printed yet");
        for part in printed.chunks(50_000) {
            print(&path, part);
            trim(&path, limit).unwrap();
        }
        let length = printed.len() as u64;
        let file = open(&path, OFlags::RDONLY).unwrap();
        let there = data_from(&file, 0).unwrap().unwrap();
        assert!(there <= length - limit && there + (1 << 20) > length - limit, "{there} of {length}");
        assert_eq!(extent(&file, limit).unwrap(), Extent { length, dropped: length - limit });
        assert_eq!(extent(&file, NO_LIMIT).unwrap(), Extent { length, dropped: there }, "the hole is remembered");
        let Outputs::Inline { stdout, .. } = outputs(&layout, attempt, 1000).unwrap() else { panic!() };
        assert_eq!(stdout.bytes.unwrap().0, printed[printed.len() - 1000..]);
        assert!(file.metadata().unwrap().blocks() * 512 < length, "the disk has it back");
        assert_eq!(trim(&path, limit).unwrap(), 0, "once is enough");
    }

    #[test]
    fn a_task_that_empties_its_own_output_confuses_nobody() {
        let (_dir, layout, attempt) = place();
        let path = layout.stdout(attempt);
        print(&path, &[b'x'; 50_000]);
        trim(&path, 8192).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        let file = open(&path, OFlags::RDONLY).unwrap();
        assert_eq!(extent(&file, 8192).unwrap(), Extent::default());
        assert_eq!(data_from(&file, 500).unwrap(), None);
        File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(extent(&file, 8192).unwrap().kept(), 0);
        assert_eq!(outputs(&layout, attempt, 8192).unwrap().kept_of_stdout(), 0);
    }

    impl Outputs {
        fn kept_of_stdout(&self) -> u64 {
            match self {
                Outputs::Inline { stdout, .. } => stdout.length - stdout.dropped,
                Outputs::Large { stdout, .. } => stdout.kept(),
            }
        }
    }
}
