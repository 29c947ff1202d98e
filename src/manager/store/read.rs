//! Looking at what is committed: events and outputs. Readers never hold up the writer.

use std::path::{Path, PathBuf};

use protocol::agent::Output;
use protocol::api::EventQuery;
use protocol::bytes::Blob;
use protocol::event::Event;
use protocol::id::AttemptId;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::StoreError;
use super::kinds::{Columns, int};
use crate::manager::history::{Page, Stamp};

pub struct Reader {
    db: Connection,
    path: PathBuf,
}

/// The most events one answer carries.
const MOST_EVENTS: u32 = 10_000;

impl Reader {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags)
            .map_err(|source| StoreError::Open { path: path.into(), source })?;
        db.busy_timeout(std::time::Duration::from_secs(10))?;
        db.pragma_update(None, "cache_size", -512)?;
        Ok(Self { db, path: path.into() })
    }

    /// Names the file where that is what helps.
    pub fn explained(&self, error: StoreError) -> StoreError {
        error.of(&self.path)
    }

    /// The newest events that fit, oldest of them first.
    pub fn events(&self, query: &EventQuery) -> Result<Vec<Event>, StoreError> {
        let limit = if query.limit == 0 { 1000 } else { query.limit.min(MOST_EVENTS) };
        let since = query.since.map_or(0, |t| int(t.0));
        let mut events = self.select(
            "SELECT no, at, person, what FROM event WHERE no > ?1 AND at >= ?2 ORDER BY no DESC LIMIT ?3",
            params![int(query.after.unwrap_or(0)), since, limit],
        )?;
        events.reverse();
        Ok(events)
    }

    /// Those that come next after this one, for who reads all of them.
    pub fn events_after(&self, no: u64) -> Result<Vec<Event>, StoreError> {
        self.select("SELECT no, at, person, what FROM event WHERE no > ?1 ORDER BY no LIMIT 1000", params![int(no)])
    }

    fn select(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Event>, StoreError> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut events = vec![];
        while let Some(row) = rows.next()? {
            let c = Columns { table: "event", row };
            events.push(Event {
                no: c.number("no")?,
                at: c.time("at")?,
                person: c.parse_opt("person")?,
                what: c.json("what")?,
            });
        }
        Ok(events)
    }

    /// How nodes have been doing, as it was written down.
    pub fn history(&self) -> Result<Vec<Page>, StoreError> {
        let mut statement = self.db.prepare("SELECT no, boot, boot_ms, at, len, data FROM history ORDER BY no")?;
        let mut rows = statement.query([])?;
        let mut pages = vec![];
        while let Some(row) = rows.next()? {
            let c = Columns { table: "history", row };
            let end = Stamp { boot: c.get("boot")?, boot_ms: c.number("boot_ms")?, wall: c.time("at")? };
            pages.push(Page { no: c.number("no")?, end, len: c.get("len")?, data: c.get("data")?, outdates: 0 });
        }
        Ok(pages)
    }

    /// What an ended attempt printed, stdout and stderr; empty where it printed nothing.
    pub fn output(&self, attempt: AttemptId) -> Result<[Output; 2], StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT out_length, out_dropped, out_bytes, err_length, err_dropped, err_bytes FROM output
             WHERE job = ?1 AND idx = ?2 AND number = ?3",
        )?;
        let stream = |row: &rusqlite::Row, length, dropped, bytes| -> rusqlite::Result<Output> {
            Ok(Output {
                length: row.get::<_, i64>(length)?.unsigned_abs(),
                dropped: row.get::<_, i64>(dropped)?.unsigned_abs(),
                bytes: row.get::<_, Option<Vec<u8>>>(bytes)?.map(Blob),
            })
        };
        let found = statement
            .query_row(params![attempt.task.job.0, attempt.task.index, attempt.number], |row| {
                Ok([
                    stream(row, "out_length", "out_dropped", "out_bytes")?,
                    stream(row, "err_length", "err_dropped", "err_bytes")?,
                ])
            })
            .optional()?;
        Ok(found.unwrap_or_default())
    }
}
