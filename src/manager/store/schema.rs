//! Tables, and how an older file is brought forward.

use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// One step a version; a step is never changed once released, only followed by another.
const STEPS: [&str; 9] = ["
CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE person (name TEXT PRIMARY KEY, serial INTEGER NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE node (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, key TEXT NOT NULL, revoked INTEGER NOT NULL, draining INTEGER NOT NULL,
    joined_at INTEGER NOT NULL, seen_at INTEGER, address TEXT, version TEXT, cpus INTEGER NOT NULL, slots INTEGER NOT NULL,
    shared_uid INTEGER NOT NULL, taken_by TEXT, facts TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE token (
    hash TEXT PRIMARY KEY, role TEXT NOT NULL, expires_at INTEGER NOT NULL, used_key TEXT, used_node TEXT
) WITHOUT ROWID;
CREATE TABLE job (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, submitted_at INTEGER NOT NULL, spec TEXT NOT NULL);
-- A task without a row is queued and was never tried.
CREATE TABLE task (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL, losses INTEGER NOT NULL,
    node TEXT, started_at INTEGER, ended_at INTEGER, ran_ms INTEGER, outcome TEXT, stopping TEXT, PRIMARY KEY (job, idx)
) WITHOUT ROWID;
-- Attempts that were replaced by a later one.
CREATE TABLE attempt (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, number INTEGER NOT NULL, node TEXT, started_at INTEGER, ended_at INTEGER,
    ran_ms INTEGER, outcome TEXT NOT NULL, late TEXT, PRIMARY KEY (job, idx, number)
) WITHOUT ROWID;
-- An ended attempt without a row printed nothing. Without bytes, what it printed lies in a file.
CREATE TABLE output (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, number INTEGER NOT NULL,
    out_length INTEGER NOT NULL, out_dropped INTEGER NOT NULL, out_bytes BLOB,
    err_length INTEGER NOT NULL, err_dropped INTEGER NOT NULL, err_bytes BLOB, PRIMARY KEY (job, idx, number)
) WITHOUT ROWID;
CREATE TABLE event (
    no INTEGER PRIMARY KEY, at INTEGER NOT NULL, person TEXT, what TEXT NOT NULL
);
", "
-- Samples of all nodes, some minutes in one row; no 0 is the last hour before a clean end.
CREATE TABLE history (
    no INTEGER PRIMARY KEY, boot TEXT NOT NULL, boot_ms INTEGER NOT NULL, at INTEGER NOT NULL, len INTEGER NOT NULL,
    data BLOB NOT NULL
);
", "
-- An outcome may be out_of_memory, which older ones cannot read.
", "
-- Each row is a version. What was put lies in content/, by its hash.
CREATE TABLE file (
    version INTEGER PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, size INTEGER NOT NULL,
    hash TEXT NOT NULL, kept_at INTEGER NOT NULL, shared_with TEXT NOT NULL
);
", "
-- What a job was given, by content; NULL where it was given nothing.
ALTER TABLE job ADD COLUMN given TEXT;
", "
ALTER TABLE file ADD COLUMN executable INTEGER NOT NULL DEFAULT 0;
", "
-- What attempts left lies in content/, by its hash.
CREATE TABLE result (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, entries INTEGER NOT NULL,
    left_out INTEGER NOT NULL, hash TEXT NOT NULL, kept_at INTEGER NOT NULL, collected_at INTEGER, collected_hour INTEGER,
    PRIMARY KEY (job, idx, number)
) WITHOUT ROWID;
-- Of ended jobs that have results, in hours as the number `hours` counts them.
CREATE TABLE age (job INTEGER PRIMARY KEY, since INTEGER NOT NULL, warned INTEGER);
", "
-- Whom it is still to be told that a job has ended.
CREATE TABLE notice (no INTEGER PRIMARY KEY, what TEXT NOT NULL);
-- Given to tasks, and shown to nobody.
CREATE TABLE secret (
    owner TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, set_at INTEGER NOT NULL, PRIMARY KEY (owner, name)
) WITHOUT ROWID;
-- When the last console of a person was opened or closed.
ALTER TABLE person ADD COLUMN seen_at INTEGER;
", "
-- How a node is asked where no agent of it is linked. One that never had an agent has an empty key.
ALTER TABLE node ADD COLUMN ssh TEXT;
-- One command or script on some nodes, numbered with jobs; what its answers printed is in output, as of their first attempts.
CREATE TABLE run (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, asked_at INTEGER NOT NULL, spec TEXT NOT NULL, text TEXT, stdin BLOB NOT NULL
);
CREATE TABLE answer (
    job INTEGER NOT NULL, idx INTEGER NOT NULL, node TEXT NOT NULL, own INTEGER NOT NULL, state TEXT NOT NULL,
    started_at INTEGER, ended_at INTEGER, ran_ms INTEGER, outcome TEXT, stopping TEXT, PRIMARY KEY (job, idx)
) WITHOUT ROWID;
-- The library. Each row is a version of a script; its text, and that of what ran, is kept once.
CREATE TABLE script (
    version INTEGER PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, kept_at INTEGER NOT NULL
);
CREATE TABLE text (
    hash TEXT PRIMARY KEY, language TEXT NOT NULL, about TEXT NOT NULL, text TEXT NOT NULL
) WITHOUT ROWID;
-- Who may run which version as root; no owner is what comes with the program.
CREATE TABLE granted (
    owner TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, people TEXT NOT NULL, PRIMARY KEY (owner, name, hash)
) WITHOUT ROWID;
"];

pub fn migrate(db: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = STEPS.len() as u32;
    if found > known {
        return Err(StoreError::Newer { path: path.into(), found, known });
    }
    for (version, step) in STEPS.iter().enumerate().skip(found as usize) {
        let change = db.transaction()?;
        change.execute_batch(step)?;
        change.pragma_update(None, "user_version", version as u32 + 1)?;
        change.commit()?;
    }
    Ok(())
}
