//! What a database holds, read past the manager.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{JobSpec, Outcome};
use protocol::name::{NodeName, PersonName};
use rusqlite::{Connection, Row};

use crate::history::File;

pub struct Task {
    pub state: String,
    pub attempt: u32,
    pub node: Option<String>,
    pub outcome: Option<Outcome>,
    pub stopping: bool,
}

pub struct Node {
    pub key: String,
    pub revoked: bool,
    pub draining: bool,
}

/// The lengths and bytes of both streams.
pub type Printed = [(u64, Option<Vec<u8>>); 2];

pub struct Image {
    pub last_job: u32,
    pub last_event: u64,
    pub events: u64,
    /// As they are written, the newest of them.
    pub newest_events: Vec<(u64, String)>,
    pub people: BTreeMap<PersonName, u32>,
    pub nodes: BTreeMap<NodeName, Node>,
    /// By the hash of the secret: who used it.
    pub tokens: HashMap<String, Option<(String, String)>>,
    pub jobs: HashMap<JobId, (PersonName, JobSpec)>,
    pub tasks: HashMap<TaskId, Task>,
    pub past: HashMap<AttemptId, (Outcome, Option<Outcome>)>,
    pub outputs: HashMap<AttemptId, Printed>,
    pub files: BTreeMap<u64, File>,
}

const NEWEST: u64 = 200;

pub fn read(database: &Path) -> Result<Image, String> {
    let db = Connection::open(database).map_err(|e| format!("it cannot be opened: {e}"))?;
    // Nothing that is read here has to outlast anything.
    db.execute_batch("PRAGMA synchronous = OFF").map_err(|e| e.to_string())?;
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(|e| e.to_string())?;
    if verdict != "ok" {
        return Err(format!("integrity_check: {verdict}"));
    }
    load(&db).map_err(|e| format!("it cannot be read: {e}"))
}

fn all<T>(db: &Connection, sql: &str, read: impl Fn(&Row<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<Vec<T>> {
    db.prepare(sql)?.query_map([], |row| read(row))?.collect()
}

fn load(db: &Connection) -> rusqlite::Result<Image> {
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).map(positive);
    let last_event = number("SELECT max(no) FROM event")?;
    let newest = last_event.saturating_sub(NEWEST);
    Ok(Image {
        last_job: number("SELECT max(value) FROM number WHERE name = 'job'")? as u32,
        last_event,
        events: number("SELECT count(*) FROM event")?,
        newest_events: all(db, &format!("SELECT no, what FROM event WHERE no > {newest} ORDER BY no"), |row| {
            Ok((positive(row.get(0)?), row.get(1)?))
        })?,
        people: all(db, "SELECT name, serial FROM person", |row| Ok((parsed(row, 0)?, row.get(1)?)))?
            .into_iter()
            .collect(),
        nodes: all(db, "SELECT name, key, revoked, draining FROM node", |row| {
            Ok((parsed(row, 0)?, Node { key: row.get(1)?, revoked: row.get(2)?, draining: row.get(3)? }))
        })?
        .into_iter()
        .collect(),
        tokens: all(db, "SELECT hash, used_key, used_node FROM token", |row| {
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.zip(row.get(2)?)))
        })?
        .into_iter()
        .collect(),
        jobs: all(db, "SELECT id, owner, spec FROM job", |row| {
            Ok((JobId(row.get(0)?), (parsed(row, 1)?, json(row, 2)?)))
        })?
        .into_iter()
        .collect(),
        tasks: all(db, "SELECT job, idx, state, attempt, node, outcome, stopping FROM task", |row| {
            let task = Task {
                state: row.get(2)?,
                attempt: row.get(3)?,
                node: row.get(4)?,
                outcome: json_opt(row, 5)?,
                stopping: row.get::<_, Option<String>>(6)?.is_some(),
            };
            Ok((TaskId::new(row.get(0)?, row.get(1)?), task))
        })?
        .into_iter()
        .collect(),
        past: all(db, "SELECT job, idx, number, outcome, late FROM attempt", |row| {
            Ok((TaskId::new(row.get(0)?, row.get(1)?).attempt(row.get(2)?), (json(row, 3)?, json_opt(row, 4)?)))
        })?
        .into_iter()
        .collect(),
        files: all(db, "SELECT version, owner, name, size, hash FROM file", |row| {
            let (owner, name, size) = (parsed(row, 1)?, parsed(row, 2)?, positive(row.get(3)?));
            Ok((positive(row.get(0)?), File { owner, name, size, hash: parsed(row, 4)? }))
        })?
        .into_iter()
        .collect(),
        outputs: all(db, "SELECT job, idx, number, out_length, out_bytes, err_length, err_bytes FROM output", |row| {
            let attempt = TaskId::new(row.get(0)?, row.get(1)?).attempt(row.get(2)?);
            Ok((attempt, [(positive(row.get(3)?), row.get(4)?), (positive(row.get(5)?), row.get(6)?)]))
        })?
        .into_iter()
        .collect(),
    })
}

fn positive(number: Option<i64>) -> u64 {
    number.unwrap_or_default().unsigned_abs()
}

fn broken(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get::<_, String>(column)?.parse().map_err(|error| broken(column, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(&row.get::<_, String>(column)?).map_err(|error| broken(column, error))
}

fn json_opt<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| serde_json::from_str(&text).map_err(|error| broken(column, error))).transpose()
}
