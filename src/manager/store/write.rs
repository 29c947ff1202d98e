//! One change of the core, as SQL.

use protocol::event::Event;
use protocol::id::{AttemptId, JobId, TaskId};
use rusqlite::{Connection, params};

use super::StoreError;
use super::kinds::{int, json, time};
use crate::manager::cluster::{
    Age, AnswerRow, AttemptRow, Change, FileRow, GrantRow, JobRow, NodeRow, ResultRow, RunRow, SecretRow, TaskRow,
    Text, TokenRow,
};
use crate::manager::history::Page;

pub fn change(db: &Connection, change: &Change) -> Result<(), StoreError> {
    match change {
        Change::Person(person) => {
            let person = params![person.name.as_str(), person.serial, time(person.seen_at)];
            run(db, "INSERT OR REPLACE INTO person VALUES (?1, ?2, ?3)", person)
        }
        Change::Node(row) => node(db, row),
        Change::NodeGone(name) => run(db, "DELETE FROM node WHERE name = ?1", params![name.as_str()]),
        Change::Token(row) => token(db, row),
        Change::TokenGone(hash) => run(db, "DELETE FROM token WHERE hash = ?1", params![&*hash.0]),
        Change::Job(row) => job(db, row),
        Change::JobGone(id) => {
            for sql in [
                "DELETE FROM job WHERE id = ?1",
                "DELETE FROM task WHERE job = ?1",
                "DELETE FROM attempt WHERE job = ?1",
                "DELETE FROM output WHERE job = ?1",
                "DELETE FROM result WHERE job = ?1",
                "DELETE FROM age WHERE job = ?1",
            ] {
                run(db, sql, params![id.0])?;
            }
            Ok(())
        }
        Change::Task(row) => task(db, row),
        Change::Attempt(row) => attempt(db, row),
        Change::File(row) => file(db, row),
        Change::FileGone(version) => run(db, "DELETE FROM file WHERE version = ?1", params![int(*version)]),
        Change::Result(row) => result(db, row),
        Change::ResultGone(attempt) => {
            let AttemptId { task: TaskId { job, index }, number } = *attempt;
            let sql = "DELETE FROM result WHERE job = ?1 AND idx = ?2 AND number = ?3";
            run(db, sql, params![job.0, index, number])
        }
        Change::Age(job, Some(age)) => self::age(db, *job, age),
        Change::Age(job, None) => run(db, "DELETE FROM age WHERE job = ?1", params![job.0]),
        Change::Hours { hours, minutes } => {
            number(db, "hours", *hours)?;
            number(db, "minutes", *minutes)
        }
        Change::Secret(row) => leaving_nothing(db, |db| secret(db, row)),
        Change::SecretGone(owner, name) => leaving_nothing(db, |db| {
            let sql = "DELETE FROM secret WHERE owner = ?1 AND name = ?2";
            run(db, sql, params![owner.as_str(), name.as_str()])
        }),
        // Of bytes no row is kept.
        Change::ContentGone(_) => Ok(()),
        Change::Notice(row) => {
            run(db, "INSERT OR REPLACE INTO notice VALUES (?1, ?2)", params![int(row.no), json(&row.notice)?])
        }
        Change::NoticeGone(no) => run(db, "DELETE FROM notice WHERE no = ?1", params![int(*no)]),
        Change::Run(row) => self::run_row(db, row),
        Change::RunGone(id) => {
            for sql in [
                "DELETE FROM run WHERE id = ?1",
                "DELETE FROM answer WHERE job = ?1",
                "DELETE FROM output WHERE job = ?1",
            ] {
                run(db, sql, params![id.0])?;
            }
            Ok(())
        }
        Change::Answer(row) => answer(db, row),
        Change::Script(row) => {
            let values = params![
                int(row.version),
                row.owner.as_str(),
                row.name.as_str(),
                row.hash.to_string(),
                int(row.kept_at.0)
            ];
            run(db, "INSERT OR REPLACE INTO script VALUES (?1, ?2, ?3, ?4, ?5)", values)
        }
        Change::ScriptGone(version) => run(db, "DELETE FROM script WHERE version = ?1", params![int(*version)]),
        Change::Text(row) => {
            let Text { hash, language, about, text } = &*row.text;
            let values = params![hash.to_string(), json(language)?, json(about)?, &**text];
            run(db, "INSERT OR REPLACE INTO text VALUES (?1, ?2, ?3, ?4)", values)
        }
        Change::TextGone(hash) => run(db, "DELETE FROM text WHERE hash = ?1", params![hash.to_string()]),
        Change::Granted(row) => granted(db, row),
        Change::Output { attempt, stdout, stderr } => {
            // Most tasks print nothing; they cost no row.
            if stdout.length == 0 && stderr.length == 0 {
                return Ok(());
            }
            let AttemptId { task: TaskId { job, index }, number } = *attempt;
            let bytes = |o: &protocol::agent::Output| o.bytes.as_ref().map(|b| b.0.clone());
            run(
                db,
                "INSERT OR REPLACE INTO output VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    job.0,
                    index,
                    number,
                    int(stdout.length),
                    int(stdout.dropped),
                    bytes(stdout),
                    int(stderr.length),
                    int(stderr.dropped),
                    bytes(stderr)
                ],
            )
        }
    }
}

pub fn page(db: &Connection, page: &Page) -> Result<(), StoreError> {
    run(db, "DELETE FROM history WHERE no <= ?1", params![int(page.outdates)])?;
    run(
        db,
        "INSERT OR REPLACE INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![int(page.no), page.end.boot, int(page.end.boot_ms), int(page.end.wall.0), page.len, page.data],
    )
}

pub fn event(db: &Connection, event: &Event) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4)",
        params![int(event.no), int(event.at.0), event.person.as_ref().map(|p| p.as_str()), json(&event.what)?],
    )
}

/// Numbers are never given twice, even where the rows that had them are gone.
pub fn number(db: &Connection, name: &str, value: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO number VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)";
    run(db, sql, params![name, int(value)])
}

fn run(db: &Connection, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
    db.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

fn node(db: &Connection, row: &NodeRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO node VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        params![
            row.name.as_str(),
            row.role.word(),
            row.key.as_ref().map_or("", |key| &*key.0),
            row.revoked,
            row.draining,
            int(row.joined_at.0),
            time(row.seen_at),
            row.address,
            row.version,
            row.cpus,
            row.slots,
            row.shared_uid,
            row.taken_by.as_ref().map(|p| p.as_str()),
            json(&row.facts)?,
            row.ssh.as_ref().map(json).transpose()?
        ],
    )
}

fn token(db: &Connection, row: &TokenRow) -> Result<(), StoreError> {
    let (key, node) = match &row.used {
        Some((key, node)) => (Some(&*key.0), Some(node.as_str())),
        None => (None, None),
    };
    run(
        db,
        "INSERT OR REPLACE INTO token VALUES (?1, ?2, ?3, ?4, ?5)",
        params![&*row.hash.0, row.role.word(), int(row.expires_at.0), key, node],
    )
}

fn job(db: &Connection, row: &JobRow) -> Result<(), StoreError> {
    let given = (!row.given.is_empty()).then(|| json(&row.given)).transpose()?;
    run(
        db,
        "INSERT OR REPLACE INTO job VALUES (?1, ?2, ?3, ?4, ?5)",
        params![row.id.0, row.owner.as_str(), int(row.submitted_at.0), json(&row.spec)?, given],
    )
}

fn task(db: &Connection, row: &TaskRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO task VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            row.id.job.0,
            row.id.index,
            row.state.word(),
            row.attempt,
            row.losses,
            row.node.as_ref().map(|n| n.as_str()),
            time(row.started_at),
            time(row.ended_at),
            row.ran_ms.map(int),
            row.outcome.as_ref().map(json).transpose()?,
            row.stopping
        ],
    )
}

fn file(db: &Connection, row: &FileRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO file VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            int(row.version),
            row.owner.as_str(),
            row.name.as_str(),
            row.kind.word(),
            int(row.size),
            row.hash.to_string(),
            int(row.kept_at.0),
            json(&row.shared_with)?,
            row.executable
        ],
    )
}

fn attempt(db: &Connection, row: &AttemptRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO attempt VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            row.id.task.job.0,
            row.id.task.index,
            row.id.number,
            row.node.as_ref().map(|n| n.as_str()),
            time(row.started_at),
            time(row.ended_at),
            row.ran_ms.map(int),
            json(&row.outcome)?,
            row.late.as_ref().map(json).transpose()?
        ],
    )
}

fn result(db: &Connection, row: &ResultRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO result VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            row.attempt.task.job.0,
            row.attempt.task.index,
            row.attempt.number,
            int(row.left.size),
            int(row.left.entries),
            int(row.left.left_out),
            row.hash.to_string(),
            int(row.kept_at.0),
            time(row.collected.map(|collected| collected.at)),
            row.collected.map(|collected| int(collected.hour))
        ],
    )
}

fn secret(db: &Connection, row: &SecretRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO secret VALUES (?1, ?2, ?3, ?4)",
        params![row.owner.as_str(), row.name.as_str(), row.value.bytes(), int(row.set_at.0)],
    )
}

/// What was there before is overwritten, rather than left in the file until something else needs the place.
fn leaving_nothing(
    db: &Connection,
    write: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let overwrites = |on| db.pragma_update(None, "secure_delete", on);
    overwrites(true)?;
    let written = write(db);
    overwrites(false)?;
    written
}

fn run_row(db: &Connection, row: &RunRow) -> Result<(), StoreError> {
    let text = row.text.map(|hash| hash.to_string());
    run(
        db,
        "INSERT OR REPLACE INTO run VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![row.id.0, row.owner.as_str(), int(row.asked_at.0), json(&row.spec)?, text, row.stdin.0],
    )
}

fn answer(db: &Connection, row: &AnswerRow) -> Result<(), StoreError> {
    run(
        db,
        "INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            row.id.job.0,
            row.id.index,
            row.node.to_string(),
            row.own,
            row.state.word(),
            time(row.started_at),
            time(row.ended_at),
            row.ran_ms.map(int),
            row.outcome.as_ref().map(json).transpose()?,
            row.stopping
        ],
    )
}

fn granted(db: &Connection, row: &GrantRow) -> Result<(), StoreError> {
    let (owner, name, hash) = (row.owner.as_ref().map_or("", |owner| owner.as_str()), &row.name, row.hash.to_string());
    if row.people.is_empty() {
        let sql = "DELETE FROM granted WHERE owner = ?1 AND name = ?2 AND hash = ?3";
        return run(db, sql, params![owner, name.as_str(), hash]);
    }
    let values = params![owner, name.as_str(), hash, json(&row.people)?];
    run(db, "INSERT OR REPLACE INTO granted VALUES (?1, ?2, ?3, ?4)", values)
}

fn age(db: &Connection, job: JobId, age: &Age) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO age VALUES (?1, ?2, ?3)";
    run(db, sql, params![job.0, int(age.since), age.warned.map(int)])
}
