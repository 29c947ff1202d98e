//! Everything the core is loaded from.

use protocol::agent::Given;
use protocol::bytes::Blob;
use protocol::file::FileKind;
use protocol::id::{JobId, TaskId};
use protocol::job::TaskState;
use protocol::result::Left;
use protocol::secret::Hidden;
use rusqlite::Connection;

use super::StoreError;
use super::kinds::Columns;
use crate::manager::cluster::{
    Age, AnswerRow, AttemptRow, Collected, FileRow, GrantRow, Image, JobRow, KeyPrint, NodeRow, NoticeRow, PersonRow,
    ResultRow, RunRow, ScriptRow, SecretHash, SecretRow, TaskRow, Text, TextRow, TokenRow,
};

pub fn load(db: &Connection) -> Result<Image, StoreError> {
    Ok(Image {
        people: all(db, "person", person)?,
        nodes: all(db, "node", node)?,
        tokens: all(db, "token", token)?,
        jobs: all(db, "job", job)?,
        tasks: all(db, "task", task)?,
        attempts: all(db, "attempt", attempt)?,
        files: all(db, "file", file)?,
        results: all(db, "result", result)?,
        ages: all(db, "age", age)?,
        notices: all(db, "notice", |c| Ok(NoticeRow { no: c.number("no")?, notice: c.json("what")? }))?,
        secrets: all(db, "secret", secret)?,
        runs: all(db, "run", run)?,
        answers: all(db, "answer", answer)?,
        scripts: all(db, "script", script)?,
        texts: all(db, "text", text)?,
        grants: all(db, "granted", granted)?,
        hours: number(db, "hours")?,
        minutes: number(db, "minutes")?,
        last_job: u32::try_from(number(db, "job")?).unwrap_or(u32::MAX),
        // Written down now and then only: the newest events are always there.
        last_event: number(db, "event")?.max(newest_event(db)?),
        last_file: number(db, "file")?,
        last_notice: number(db, "notice")?,
        last_script: number(db, "script")?,
    })
}

fn all<T>(
    db: &Connection,
    table: &'static str,
    read: fn(&Columns) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = db.prepare(&format!("SELECT * FROM {table}"))?;
    let mut rows = statement.query([])?;
    let mut found = vec![];
    while let Some(row) = rows.next()? {
        found.push(read(&Columns { table, row })?);
    }
    Ok(found)
}

fn number(db: &Connection, name: &str) -> Result<u64, StoreError> {
    use rusqlite::OptionalExtension;
    let value: Option<i64> =
        db.query_row("SELECT value FROM number WHERE name = ?1", [name], |row| row.get(0)).optional()?;
    Ok(value.unwrap_or(0).unsigned_abs())
}

fn newest_event(db: &Connection) -> Result<u64, StoreError> {
    let no: Option<i64> = db.query_row("SELECT max(no) FROM event", [], |row| row.get(0))?;
    Ok(no.unwrap_or(0).unsigned_abs())
}

fn person(c: &Columns) -> Result<PersonRow, StoreError> {
    Ok(PersonRow { name: c.parse("name")?, serial: c.get("serial")?, seen_at: c.time_opt("seen_at")? })
}

fn node(c: &Columns) -> Result<NodeRow, StoreError> {
    Ok(NodeRow {
        name: c.parse("name")?,
        role: c.parse("role")?,
        key: Some(c.get::<String>("key")?).filter(|key| !key.is_empty()).map(|key| KeyPrint(key.into())),
        revoked: c.get("revoked")?,
        draining: c.get("draining")?,
        joined_at: c.time("joined_at")?,
        seen_at: c.time_opt("seen_at")?,
        address: c.get("address")?,
        version: c.get("version")?,
        cpus: c.get("cpus")?,
        slots: c.get("slots")?,
        shared_uid: c.get("shared_uid")?,
        taken_by: c.parse_opt("taken_by")?,
        facts: c.json("facts")?,
        ssh: c.json_opt("ssh")?,
    })
}

fn token(c: &Columns) -> Result<TokenRow, StoreError> {
    let key: Option<String> = c.get("used_key")?;
    let node = c.parse_opt("used_node")?;
    Ok(TokenRow {
        hash: SecretHash(c.get::<String>("hash")?.into()),
        role: c.parse("role")?,
        expires_at: c.time("expires_at")?,
        used: key.map(|key| KeyPrint(key.into())).zip(node),
    })
}

fn job(c: &Columns) -> Result<JobRow, StoreError> {
    Ok(JobRow {
        id: JobId(c.get("id")?),
        owner: c.parse("owner")?,
        submitted_at: c.time("submitted_at")?,
        spec: c.json("spec")?,
        given: c.json_opt::<Vec<Given>>("given")?.unwrap_or_default().into(),
    })
}

fn state(c: &Columns) -> Result<TaskState, StoreError> {
    let word: String = c.get("state")?;
    let state = TaskState::ALL.into_iter().find(|state| state.word() == word);
    state.ok_or_else(|| StoreError::Unreadable { table: c.table, what: format!("state: {word}") })
}

fn task(c: &Columns) -> Result<TaskRow, StoreError> {
    Ok(TaskRow {
        id: task_id(c)?,
        state: state(c)?,
        attempt: c.get("attempt")?,
        losses: c.get("losses")?,
        node: c.parse_opt("node")?,
        started_at: c.time_opt("started_at")?,
        ended_at: c.time_opt("ended_at")?,
        ran_ms: c.get::<Option<i64>>("ran_ms")?.map(i64::unsigned_abs),
        outcome: c.json_opt("outcome")?,
        stopping: c.get("stopping")?,
    })
}

fn attempt(c: &Columns) -> Result<AttemptRow, StoreError> {
    Ok(AttemptRow {
        id: task_id(c)?.attempt(c.get("number")?),
        node: c.parse_opt("node")?,
        started_at: c.time_opt("started_at")?,
        ended_at: c.time_opt("ended_at")?,
        ran_ms: c.get::<Option<i64>>("ran_ms")?.map(i64::unsigned_abs),
        outcome: c.json("outcome")?,
        late: c.json_opt("late")?,
    })
}

fn file(c: &Columns) -> Result<FileRow, StoreError> {
    let word: String = c.get("kind")?;
    let kind = FileKind::ALL.into_iter().find(|kind| kind.word() == word);
    Ok(FileRow {
        version: c.number("version")?,
        owner: c.parse("owner")?,
        name: c.parse("name")?,
        kind: kind.ok_or_else(|| StoreError::Unreadable { table: c.table, what: format!("kind: {word}") })?,
        executable: c.get("executable")?,
        size: c.number("size")?,
        hash: c.parse("hash")?,
        kept_at: c.time("kept_at")?,
        shared_with: c.json("shared_with")?,
    })
}

fn result(c: &Columns) -> Result<ResultRow, StoreError> {
    let hour: Option<i64> = c.get("collected_hour")?;
    let collected = c.time_opt("collected_at")?.zip(hour);
    Ok(ResultRow {
        attempt: task_id(c)?.attempt(c.get("number")?),
        left: Left { size: c.number("size")?, entries: c.number("entries")?, left_out: c.number("left_out")? },
        hash: c.parse("hash")?,
        kept_at: c.time("kept_at")?,
        collected: collected.map(|(at, hour)| Collected { at, hour: hour.unsigned_abs() }),
    })
}

fn age(c: &Columns) -> Result<(JobId, Age), StoreError> {
    let warned: Option<i64> = c.get("warned")?;
    Ok((JobId(c.get("job")?), Age { since: c.number("since")?, warned: warned.map(i64::unsigned_abs) }))
}

fn secret(c: &Columns) -> Result<SecretRow, StoreError> {
    Ok(SecretRow {
        owner: c.parse("owner")?,
        name: c.parse("name")?,
        value: Hidden::of(c.get("value")?),
        set_at: c.time("set_at")?,
    })
}

fn run(c: &Columns) -> Result<RunRow, StoreError> {
    Ok(RunRow {
        id: JobId(c.get("id")?),
        owner: c.parse("owner")?,
        asked_at: c.time("asked_at")?,
        spec: c.json("spec")?,
        text: c.parse_opt("text")?,
        stdin: Blob(c.get("stdin")?),
    })
}

fn answer(c: &Columns) -> Result<AnswerRow, StoreError> {
    Ok(AnswerRow {
        id: task_id(c)?,
        node: c.parse("node")?,
        own: c.get("own")?,
        state: state(c)?,
        started_at: c.time_opt("started_at")?,
        ended_at: c.time_opt("ended_at")?,
        ran_ms: c.get::<Option<i64>>("ran_ms")?.map(i64::unsigned_abs),
        outcome: c.json_opt("outcome")?,
        stopping: c.get("stopping")?,
    })
}

fn text(c: &Columns) -> Result<TextRow, StoreError> {
    let text = Text {
        hash: c.parse("hash")?,
        language: c.json("language")?,
        about: c.json("about")?,
        text: c.get::<String>("text")?.into(),
    };
    Ok(TextRow { text: text.into() })
}

fn script(c: &Columns) -> Result<ScriptRow, StoreError> {
    Ok(ScriptRow {
        version: c.number("version")?,
        owner: c.parse("owner")?,
        name: c.parse("name")?,
        hash: c.parse("hash")?,
        kept_at: c.time("kept_at")?,
    })
}

fn granted(c: &Columns) -> Result<GrantRow, StoreError> {
    let owner: String = c.get("owner")?;
    Ok(GrantRow {
        owner: (!owner.is_empty()).then(|| c.parse("owner")).transpose()?,
        name: c.parse("name")?,
        hash: c.parse("hash")?,
        people: c.json("people")?,
    })
}

fn task_id(c: &Columns) -> Result<TaskId, StoreError> {
    Ok(TaskId::new(c.get("job")?, c.get("idx")?))
}
