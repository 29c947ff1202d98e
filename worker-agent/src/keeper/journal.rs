//! What the keeper has seen, one JSON line each, only ever appended. Synced only when the keeper ends: what a power cut takes
//! from it, the manager runs again, and says so.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use protocol::id::AttemptId;
use protocol::keeper::{Ended, Limit, Record};
use protocol::time::UnixMillis;
use serde_json::Value;

/// Rewritten when it has at least so many lines and most of them are about what is forgotten.
const WORN_LINES: usize = 1000;

pub struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines on disk.
    length: u64,
    lines: usize,
    /// Noted and not yet written.
    pending: Vec<u8>,
    pending_lines: usize,
}

/// What a journal says of one attempt that is not forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub boot_id: String,
    pub started_at: UnixMillis,
    pub limit: Option<Limit>,
    pub note: Value,
    /// Pid and start time.
    pub process: Option<(i32, u64)>,
    pub stop: Option<PastStop>,
    pub ended: Option<Ended>,
    /// Its output is on disk.
    pub safe: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PastStop {
    pub reason: String,
    /// Milliseconds since the boot.
    pub kill_at: u64,
    pub late: bool,
}

impl Past {
    fn beginning(boot_id: String, started_at: UnixMillis, note: Value) -> Self {
        Self { boot_id, started_at, limit: None, note, process: None, stop: None, ended: None, safe: false }
    }
}

impl Journal {
    /// Opens or makes it. Lines that make no sense are skipped, and told to whoever reads the log.
    pub fn open(path: &Path) -> anyhow::Result<(Self, BTreeMap<AttemptId, Past>)> {
        let unreadable = || format!("the journal {} cannot be read", path.display());
        let text = match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => vec![],
            read => read.with_context(unreadable)?,
        };
        let file = open_file(path, false).with_context(unreadable)?;
        // What follows the last line end was being written when the keeper died.
        let length = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        if length < text.len() {
            file.set_len(length as u64).with_context(unreadable)?;
        }
        let mut past = BTreeMap::new();
        let mut lines = 0;
        for line in text[..length].split_inclusive(|byte| *byte == b'\n') {
            lines += 1;
            match serde_json::from_slice(line) {
                Ok(record) => replay(record, &mut past),
                Err(error) => tracing::warn!("line {lines} of {} is skipped: {error}", path.display()),
            }
        }
        let length = length as u64;
        let journal = Self { path: path.to_owned(), file, length, lines, pending: vec![], pending_lines: 0 };
        Ok((journal, past))
    }

    /// To be written with the next [`flush`](Self::flush).
    pub fn note(&mut self, record: &Record) {
        serde_json::to_writer(&mut self.pending, record)
            .expect("a record is always JSON, and memory takes every write");
        self.pending.push(b'\n');
        self.pending_lines += 1;
    }

    /// After an error nothing is lost: all of it is tried again by the next flush.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_all(&self.pending) {
            // Half a line must not stay in the middle of the file.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += self.pending.len() as u64;
        self.lines += self.pending_lines;
        self.pending.clear();
        self.pending_lines = 0;
        Ok(())
    }

    /// All that was written stays, whatever happens.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Whether most of it is about what is forgotten, given how many attempts are not.
    pub fn is_worn(&self, kept: usize) -> bool {
        self.lines >= WORN_LINES && self.lines / 8 > kept
    }

    /// Puts these records in the place of all there is.
    pub fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let path = self.path.with_extension("new");
        let mut fresh =
            Self { file: open_file(&path, true)?, path, length: 0, lines: 0, pending: vec![], pending_lines: 0 };
        records.for_each(|record| fresh.note(&record));
        fresh.flush()?;
        std::fs::rename(&fresh.path, &self.path)?;
        *self = Self { path: std::mem::take(&mut self.path), ..fresh };
        Ok(())
    }
}

fn open_file(path: &Path, empty: bool) -> io::Result<File> {
    if empty
        && let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn replay(record: Record, past: &mut BTreeMap<AttemptId, Past>) {
    match record {
        Record::Starting { attempt, boot_id, at, limit, note } => {
            past.insert(attempt, Past { limit, ..Past::beginning(boot_id, at, note) });
        }
        Record::Running { attempt, pid, start_ticks } => {
            if let Some(one) = past.get_mut(&attempt) {
                one.process = Some((pid, start_ticks));
            }
        }
        Record::Stopping { attempt, reason, kill_at, late } => {
            if let Some(one) = past.get_mut(&attempt) {
                one.stop = Some(PastStop { reason, kill_at, late });
            }
        }
        Record::Ended(ended) => {
            // An end counts even where the line of its beginning was damaged.
            let started_at = ended.started_at.unwrap_or(ended.ended_at);
            let unseen = || Past::beginning(String::new(), started_at, Value::Null);
            let attempt = ended.attempt;
            past.entry(attempt).or_insert_with(unseen).ended = Some(ended);
        }
        Record::Safe { attempts } => {
            for attempt in attempts {
                if let Some(one) = past.get_mut(&attempt) {
                    one.safe = true;
                }
            }
        }
        Record::Forgotten { attempts } => attempts.iter().for_each(|attempt| drop(past.remove(attempt))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::TaskId;
    use protocol::job::Outcome;

    fn attempt(index: u32) -> AttemptId {
        TaskId::new(1, index).attempt(1)
    }

    fn starting(index: u32) -> Record {
        Record::Starting {
            attempt: attempt(index),
            boot_id: "boot".into(),
            at: UnixMillis(5),
            limit: None,
            note: index.into(),
        }
    }

    fn running(index: u32) -> Record {
        Record::Running { attempt: attempt(index), pid: 100 + index as i32, start_ticks: 7 }
    }

    fn ended(index: u32) -> Record {
        Record::Ended(Ended {
            attempt: attempt(index),
            outcome: Outcome::Exited(3),
            out_of_memory: false,
            started_at: Some(UnixMillis(5)),
            ended_at: UnixMillis(9),
            ran_ms: Some(4),
        })
    }

    fn written(path: &Path, records: &[Record]) -> Journal {
        let (mut journal, _) = Journal::open(path).unwrap();
        records.iter().for_each(|record| journal.note(record));
        journal.flush().unwrap();
        journal
    }

    #[test]
    fn what_was_noted_is_read_again_and_what_was_forgotten_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let stopping = Record::Stopping { attempt: attempt(1), reason: "by ana".into(), kill_at: 12, late: false };
        let forgotten = Record::Forgotten { attempts: vec![attempt(2)] };
        written(&path, &[starting(0), running(0), starting(1), running(1), stopping, starting(2), ended(0), forgotten]);
        let (_, past) = Journal::open(&path).unwrap();
        assert_eq!(past.keys().copied().collect::<Vec<_>>(), [attempt(0), attempt(1)]);
        assert_eq!(past[&attempt(0)].ended.as_ref().unwrap().outcome, Outcome::Exited(3));
        assert_eq!(past[&attempt(1)].process, Some((101, 7)));
        assert_eq!(past[&attempt(1)].note, Value::from(1));
        assert_eq!(past[&attempt(1)].stop, Some(PastStop { reason: "by ana".into(), kill_at: 12, late: false }));
    }

    #[test]
    fn a_torn_last_line_is_ignored_and_the_next_record_does_not_run_into_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        written(&path, &[starting(0), running(0)]);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        written(&path, &[starting(1)]);
        let (_, past) = Journal::open(&path).unwrap();
        assert_eq!(past[&attempt(0)].process, None);
        assert!(past.contains_key(&attempt(1)));
    }

    #[test]
    fn a_corrupt_line_in_the_middle_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        written(&path, &[starting(0), starting(1), ended(1)]);
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1] = "\u{0}\u{0}{\"dance\":1}";
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        let (_, past) = Journal::open(&path).unwrap();
        assert!(past.contains_key(&attempt(0)));
        assert!(past[&attempt(1)].ended.is_some());
    }

    /// It is never synced: any of its sectors may be there or be zeros, and it may be cut off anywhere.
    #[test]
    fn whatever_a_power_cut_leaves_of_it_opens_takes_more_and_says_nothing_that_was_not_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let records: Vec<Record> =
            (0..24).flat_map(|n| [starting(n), running(n)].into_iter().chain((n % 2 == 0).then(|| ended(n)))).collect();
        written(&path, &records);
        let (_, truth) = Journal::open(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let sectors = whole.len().div_ceil(512);
        assert!(sectors > 8, "too short to be torn");
        let mut lost = 0;
        for gone in 0..sectors {
            for upto in [whole.len(), gone * 512 + 300, whole.len() - 7] {
                let mut torn = whole[..upto.min(whole.len())].to_vec();
                let end = torn.len().min(gone * 512 + 512);
                torn[gone * 512..end].fill(0);
                std::fs::write(&path, &torn).unwrap();
                written(&path, &[starting(1000)]);
                let (_, past) = Journal::open(&path).unwrap();
                assert!(past.contains_key(&attempt(1000)), "what is written after it is read");
                for (id, one) in past.iter().filter(|(id, _)| **id != attempt(1000)) {
                    let so = truth.get(id).unwrap_or_else(|| panic!("{id} never was"));
                    assert!(one.ended.is_none() || one.ended == so.ended, "{id} did not end like that");
                    assert!(one.process.is_none() || one.process == so.process, "{id} was another process");
                }
                lost += usize::from(past.len() <= truth.len());
            }
        }
        assert!(lost > sectors, "nothing was ever lost: {lost} of {sectors}");
    }

    #[test]
    fn a_worn_journal_is_rewritten_with_what_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = written(&path, &[]);
        for index in 0..WORN_LINES as u32 {
            journal.note(&starting(index));
        }
        journal.flush().unwrap();
        assert!(!journal.is_worn(WORN_LINES));
        assert!(journal.is_worn(1));
        journal.rewrite([starting(7)].into_iter()).unwrap();
        assert!(!journal.is_worn(1));
        journal.note(&running(7));
        journal.flush().unwrap();
        let (_, past) = Journal::open(&path).unwrap();
        assert_eq!((past.len(), past[&attempt(7)].process), (1, Some((107, 7))));
    }

    #[test]
    fn a_full_disk_leaves_no_half_line_and_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = written(&path, &[starting(0)]);
        let good = std::mem::replace(&mut journal.file, OpenOptions::new().write(true).open("/dev/full").unwrap());
        journal.note(&starting(1));
        assert!(journal.flush().is_err());
        journal.file = good;
        journal.flush().unwrap();
        assert_eq!(Journal::open(&path).unwrap().1.len(), 2);
    }
}
