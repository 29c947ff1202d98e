//! Reading the kernel's small files, without trusting that they are there, small, text, or files at all.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{Mode, OFlags};

/// Where /sys and /proc/device-tree are looked for: `/`, or the folder of a simulated board.
#[derive(Debug, Clone)]
pub struct Root(Option<PathBuf>);

impl Root {
    pub fn new(root: Option<&Path>) -> Self {
        Self(root.map(Path::to_owned))
    }

    pub fn simulated(&self) -> bool {
        self.0.is_some()
    }

    /// `below` is relative: `sys/class/thermal`.
    pub fn join(&self, below: &str) -> PathBuf {
        self.0.as_deref().unwrap_or(Path::new("/")).join(below)
    }
}

/// The longest file worth reading here; anything of the kernel's is far shorter.
const LONGEST: u64 = 256 * 1024;

/// The trimmed text of a file, where there is one and it says something.
pub fn text(path: &Path) -> Option<String> {
    // A simulated board may hold anything, even a FIFO: never wait in open or read.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty()).ok()?);
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(LONGEST).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!text.is_empty()).then(|| text.to_owned())
}

/// As [`text`], but one line that a person may be shown.
pub fn line(path: &Path) -> Option<String> {
    text(path).filter(|text| text.len() <= 256 && !text.contains(|c: char| c.is_control()))
}

pub fn number<T: FromStr>(path: &Path) -> Option<T> {
    text(path)?.parse().ok()
}

/// The entries of a folder in a lasting order (2 before 10), or none.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = found.flatten().take(4096).map(|entry| entry.path()).collect();
    found.sort_by_cached_key(|path| (path.as_os_str().len(), path.clone()));
    found
}

pub fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// A file read again and again: opened once, into one buffer.
#[derive(Debug)]
pub struct Again {
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Again {
    pub fn open(path: &str) -> Self {
        Self { file: File::open(path).ok(), buffer: Vec::new() }
    }

    /// What it says now, up to `most` bytes.
    pub fn read(&mut self, most: usize) -> Option<&str> {
        let file = self.file.as_ref()?;
        self.buffer.resize(most, 0);
        let mut have = 0;
        while have < most {
            match file.read_at(&mut self.buffer[have..], have as u64) {
                Ok(0) => break,
                Ok(n) => have += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        std::str::from_utf8(&self.buffer[..have]).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        assert_eq!(text(&write("a", b" Pi 4\0\n")).as_deref(), Some("Pi 4"));
        assert_eq!(text(&write("b", b"\0\n")), None);
        assert_eq!(text(&write("c", b"\xff\xfe")), None);
        assert_eq!(text(&dir.path().join("missing")), None);
        assert_eq!(text(dir.path()), None);
        assert_eq!(line(&write("d", b"a\x1b[2Jb")), None, "nothing that a terminal would obey");
        assert_eq!(number::<i64>(&write("e", b"99999999999999999999")), None);
        assert_eq!(number::<u32>(&write("f", b"-1")), None);
    }

    #[test]
    fn a_pipe_where_a_file_should_be_blocks_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("temp");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert_eq!(text(&path), None);
    }

    #[test]
    fn entries_are_in_the_order_a_person_counts() {
        let dir = tempfile::tempdir().unwrap();
        for zone in ["zone10", "zone2", "zone1"] {
            std::fs::create_dir(dir.path().join(zone)).unwrap();
        }
        let names: Vec<String> = entries(dir.path()).iter().map(|path| name(path).to_owned()).collect();
        assert_eq!(names, ["zone1", "zone2", "zone10"]);
    }
}
