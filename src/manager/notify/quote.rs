//! The last lines a task printed to stderr, from where the store has them.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use protocol::id::AttemptId;
use protocol::job::Stream;
use protocol::name::NodeName;
use tokio::sync::Mutex;

use super::super::store::{Outputs, Reader};
use crate::text::clean;

const MOST_LINES: usize = 20;
const MOST_BYTES: usize = 4096;

pub struct Source {
    pub reader: Arc<Mutex<Reader>>,
    pub outputs: Outputs,
}

impl Source {
    /// `None` where it printed nothing, or nothing of it is kept.
    pub async fn last_lines(&self, attempt: AttemptId, node: &NodeName) -> Option<String> {
        let (reader, outputs, node) = (self.reader.clone().lock_owned().await, self.outputs.clone(), node.clone());
        let look = move || -> anyhow::Result<Vec<u8>> {
            let [_, stderr] = reader.output(attempt)?;
            drop(reader);
            match stderr.bytes {
                Some(bytes) => Ok(bytes.0),
                None if stderr.length > 0 => Ok(end_of(outputs.open(attempt, &node, Stream::Stderr)?)?),
                None => Ok(vec![]),
            }
        };
        let read = tokio::task::spawn_blocking(look).await.map_err(anyhow::Error::from).flatten();
        let bytes = read.unwrap_or_else(|error| {
            tracing::warn!("what {attempt} printed last is not told, since it cannot be read: {error:#}");
            vec![]
        });
        Some(last_lines(&bytes)).filter(|lines| !lines.is_empty())
    }
}

/// A little more than will be told, so that a line which begins before it is known to be cut.
fn end_of(mut file: std::fs::File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(2 * MOST_BYTES as u64)))?;
    let mut end = vec![];
    file.take(2 * MOST_BYTES as u64).read_to_end(&mut end)?;
    Ok(end)
}

/// As they would stand on a screen in the end, without colours or anything else that commands one.
fn last_lines(bytes: &[u8]) -> String {
    let end = &bytes[bytes.len().saturating_sub(2 * MOST_BYTES)..];
    let text = String::from_utf8_lossy(end);
    let plain = anstream::adapter::strip_str(&text).to_string();
    let lines: Vec<String> = plain.trim_end().lines().map(shown).collect();
    let mut room = MOST_BYTES;
    let fitting = lines.iter().rev().take(MOST_LINES).take_while(|line| {
        let fits = line.len() < room;
        room = room.saturating_sub(line.len() + 1);
        fits
    });
    match (fitting.count(), lines.last()) {
        (0, Some(long)) => format!("…{}", &long[long.ceil_char_boundary(long.len() - MOST_BYTES.min(long.len()))..]),
        (count, _) => lines[lines.len() - count..].join("\n"),
    }
}

/// A progress bar paints over itself: only how it stands in the end is told.
fn shown(line: &str) -> String {
    let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    last.trim_end().split('\t').map(clean).collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_told_as_they_stand_on_a_screen() {
        assert_eq!(last_lines(b""), "");
        assert_eq!(last_lines(b"\n\n"), "");
        assert_eq!(last_lines(b"one\n\ttwo\r\nthree\n\n"), "one\n\ttwo\nthree");
        assert_eq!(last_lines(b"\x1b[31mred\x1b[0m \x1b]0;title\x07alert\x07"), r"red alert");
        assert_eq!(last_lines(b" 10%\r 90%\r100%\r\ndone"), "100%\ndone");
        assert_eq!(last_lines(b"caf\xc3\xa9 \xff \xe2\x80\xaex"), "café \u{fffd} \\u{202e}x");
    }

    #[test]
    fn many_lines_and_long_ones_are_cut_at_their_beginning() {
        let many: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let told = last_lines(many.as_bytes());
        assert_eq!((told.lines().count(), told.lines().next()), (MOST_LINES, Some("line 80")));
        let wide: String = (0..30).map(|n| format!("{n} {}\n", "x".repeat(1000))).collect();
        assert_eq!(last_lines(wide.as_bytes()).lines().count(), 4);
        let long = last_lines("ü".repeat(100_000).as_bytes());
        assert!(long.starts_with('…') && long.len() <= MOST_BYTES + 3 && long.ends_with('ü'), "{}", long.len());
    }

    #[test]
    fn of_a_large_file_only_its_end_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("err");
        std::fs::write(&path, [&b"x".repeat(1 << 20)[..], b"\nthe end\n"].concat()).unwrap();
        let end = end_of(std::fs::File::open(&path).unwrap()).unwrap();
        assert_eq!((end.len(), &*last_lines(&end)), (2 * MOST_BYTES, "the end"));
    }
}
