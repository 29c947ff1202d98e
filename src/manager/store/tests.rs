use std::path::Path;
use std::sync::{Arc, mpsc as sync};

use protocol::agent::{Given, Output};
use protocol::api::EventQuery;
use protocol::bytes::Blob;
use protocol::event::{Event, What};
use protocol::file::{ContentHash, FileKind};
use protocol::id::{JobId, TaskId};
use protocol::job::{Counts, JobSpec, Outcome, Stream, TaskState};
use protocol::node::{Facts, Role};
use protocol::notify::{Ended, JobEnd, Notice};
use protocol::result::Left;
use protocol::secret::{Hidden, MOST_SECRET_BYTES};
use protocol::time::UnixMillis;
use tokio::sync::mpsc;

use super::writer::{Batch, Writer};
use super::{Outputs, Reader, StoreError, database};
use crate::manager::cluster::{
    Age, AttemptRow, Change, Collected, FileRow, Image, JobRow, KeyPrint, NodeRow, NoticeRow, PersonRow, ResultRow,
    SecretHash, SecretRow, TaskRow, TokenRow,
};
use crate::manager::history::{Page, Stamp};

fn start(state: &Path) -> (Writer, Image, mpsc::Receiver<String>) {
    let (alarm_to, alarm) = mpsc::channel(1);
    let (writer, image) = Writer::start(state, alarm_to).unwrap();
    (writer, image, alarm)
}

fn job(id: u32) -> JobRow {
    JobRow {
        id: JobId(id),
        owner: "ana".parse().unwrap(),
        submitted_at: UnixMillis(5),
        spec: JobSpec::of(["echo", "ünïcode \n 'quotes'"]),
        given: given(id),
    }
}

/// Nothing where the number is even.
fn given(job: u32) -> Arc<[Given]> {
    let one = Given {
        name: "data".parse().unwrap(),
        kind: FileKind::File,
        size: 7,
        hash: ContentHash([9; 32]),
        executable: true,
        writable: true,
    };
    if job.is_multiple_of(2) { Arc::new([]) } else { Arc::new([one]) }
}

fn task(id: TaskId) -> TaskRow {
    TaskRow {
        id,
        state: TaskState::Failed,
        attempt: 2,
        losses: 1,
        node: Some("pi-1".parse().unwrap()),
        started_at: Some(UnixMillis(6)),
        ended_at: None,
        ran_ms: Some(u64::MAX),
        outcome: Some(Outcome::Exited(3)),
        stopping: Some("by ana".into()),
    }
}

fn secret(name: &str, value: Vec<u8>) -> SecretRow {
    let (owner, name) = ("ana".parse().unwrap(), name.parse().unwrap());
    SecretRow { owner, name, value: Hidden::of(value), set_at: UnixMillis(6) }
}

/// One of everything.
fn rows() -> Image {
    let node = NodeRow {
        ssh: None,
        name: "pi-1".parse().unwrap(),
        role: Role::Worker,
        key: Some(KeyPrint("SHA256:abc".into())),
        revoked: true,
        draining: true,
        joined_at: UnixMillis(1),
        seen_at: Some(UnixMillis(2)),
        address: Some("10.0.0.1".into()),
        version: None,
        cpus: 4,
        slots: 3,
        shared_uid: true,
        taken_by: Some("ana".parse().unwrap()),
        facts: Facts { hostname: Some("x".into()), ..Default::default() },
    };
    let token = TokenRow {
        hash: SecretHash("0f".into()),
        role: Role::Worker,
        expires_at: UnixMillis(9),
        used: Some((KeyPrint("SHA256:abc".into()), "pi-1".parse().unwrap())),
    };
    let attempt = AttemptRow {
        id: TaskId::new(7, 3).attempt(1),
        node: None,
        started_at: None,
        ended_at: Some(UnixMillis(8)),
        ran_ms: None,
        outcome: Outcome::Lost { reason: "lease".into(), again: true },
        late: Some(Outcome::Signaled(9)),
    };
    let file = FileRow {
        version: 5,
        owner: "ana".parse().unwrap(),
        name: "two\nlines".parse().unwrap(),
        kind: FileKind::Folder,
        executable: true,
        size: 1 << 40,
        hash: ContentHash([7; 32]),
        kept_at: UnixMillis(3),
        shared_with: vec!["bo".parse().unwrap()],
    };
    let result = ResultRow {
        attempt: TaskId::new(7, 3).attempt(2),
        left: Left { size: 1 << 41, entries: 3, left_out: 1 },
        hash: ContentHash([8; 32]),
        kept_at: UnixMillis(4),
        collected: Some(Collected { at: UnixMillis(5), hour: 30 }),
    };
    Image {
        runs: vec![],
        scripts: vec![],
        texts: vec![],
        answers: vec![],
        grants: vec![],
        last_script: 0,
        people: vec![PersonRow { name: "ana".parse().unwrap(), serial: 1, seen_at: Some(UnixMillis(7)) }],
        nodes: vec![node],
        tokens: vec![token],
        jobs: vec![job(7)],
        tasks: vec![task(TaskId::new(7, 3))],
        attempts: vec![attempt],
        files: vec![file],
        results: vec![result],
        ages: vec![(JobId(7), Age { since: 30, warned: Some(31) })],
        notices: vec![notice(3)],
        secrets: vec![secret("token", b"x".to_vec())],
        hours: 32,
        minutes: 50,
        last_job: 7,
        last_event: 41,
        last_file: 5,
        last_notice: 3,
    }
}

fn notice(no: u64) -> NoticeRow {
    let task = Ended {
        task: TaskId::new(7, 3),
        attempt: 0,
        state: TaskState::Failed,
        node: Some("pi-1".parse().unwrap()),
        code: Some(3),
        reason: "exit code 3".into(),
    };
    let end = JobEnd {
        job: JobId(7),
        name: Some("night run".parse().unwrap()),
        owner: "ana".parse().unwrap(),
        command: vec!["echo".into(), "ü".into()],
        state: TaskState::Failed,
        counts: Counts { failed: 1, ..Counts::default() },
        submitted_at: UnixMillis(5),
        started_at: None,
        ended_at: UnixMillis(9),
        ran_ms: Some(3),
        tasks: vec![task],
        results: 1,
        results_size: 2,
    };
    NoticeRow { no, notice: Notice { to: "mail:ana@example.org".parse().unwrap(), end: end.into() } }
}

fn changes(image: &Image) -> Vec<Change> {
    let mut changes = vec![];
    changes.extend(image.people.iter().cloned().map(Change::Person));
    changes.extend(image.nodes.iter().cloned().map(|node| Change::Node(Box::new(node))));
    changes.extend(image.tokens.iter().cloned().map(Change::Token));
    changes.extend(image.jobs.iter().cloned().map(|job| Change::Job(job.into())));
    changes.extend(image.tasks.iter().cloned().map(Change::Task));
    changes.extend(image.attempts.iter().cloned().map(Change::Attempt));
    changes.extend(image.files.iter().cloned().map(Change::File));
    changes.extend(image.results.iter().cloned().map(Change::Result));
    changes.extend(image.ages.iter().map(|(job, age)| Change::Age(*job, Some(*age))));
    changes.extend(image.notices.iter().cloned().map(|row| Change::Notice(row.into())));
    changes.extend(image.secrets.iter().cloned().map(Change::Secret));
    changes.push(Change::Hours { hours: image.hours, minutes: image.minutes });
    changes
}

fn event(no: u64) -> Event {
    Event { no, at: UnixMillis(no * 10), person: None, what: What::NodeUp { node: "pi-1".parse().unwrap() } }
}

/// Commits, and waits until what had to be let out was let out.
async fn commit(writer: &Writer, changes: Vec<Change>, events: Vec<Event>) {
    let (done, is_done) = tokio::sync::oneshot::channel();
    let release = Box::new(move || done.send(()).unwrap());
    writer.commit(Batch { changes, events, releases: vec![release], ..Batch::default() }).await;
    is_done.await.unwrap();
}

#[tokio::test]
async fn every_row_is_loaded_as_it_was_kept() {
    let state = tempfile::tempdir().unwrap();
    let (writer, empty, _alarm) = start(state.path());
    assert!(empty.jobs.is_empty() && empty.last_event == 0);
    let rows = rows();
    commit(&writer, changes(&rows), vec![event(41)]).await;
    writer.close().await;
    let (writer, mut loaded, _alarm) = start(state.path());
    assert_eq!(loaded.tasks[0].ran_ms, Some(i64::MAX as u64), "absurd numbers are kept as the largest there is");
    loaded.tasks[0].ran_ms = Some(u64::MAX);
    assert_eq!(format!("{loaded:?}"), format!("{rows:?}"));
    writer.close().await;
}

#[tokio::test]
async fn a_number_is_never_given_twice_even_where_its_rows_are_gone() {
    let state = tempfile::tempdir().unwrap();
    let (writer, _, _alarm) = start(state.path());
    commit(&writer, vec![Change::Job(job(9).into()), Change::JobGone(JobId(9))], vec![]).await;
    commit(&writer, vec![Change::Job(job(4).into())], vec![]).await;
    writer.close().await;
    let (writer, image, _alarm) = start(state.path());
    assert_eq!(image.jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [4]);
    assert!(image.last_job >= 9, "job 9 could come again: {}", image.last_job);
    commit(&writer, vec![Change::Notice(notice(6).into()), Change::NoticeGone(6)], vec![]).await;
    writer.close().await;
    let (writer, image, _alarm) = start(state.path());
    assert_eq!((image.notices.len(), image.last_notice), (0, 6));
    writer.close().await;
}

#[tokio::test]
async fn events_are_numbered_on_from_the_newest_that_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let (writer, _, _alarm) = start(state.path());
    commit(&writer, vec![], (1..=7).map(event).collect()).await;
    writer.close().await;
    let (writer, image, _alarm) = start(state.path());
    assert_eq!(image.last_event, 7);
    writer.close().await;
}

#[test]
fn of_a_task_that_changes_twice_in_a_row_only_the_second_is_written() {
    let mut batch = Batch::default();
    let mut row = task(TaskId::new(1, 0));
    for state in [TaskState::Running, TaskState::Succeeded] {
        row.state = state;
        batch.keep(Change::Task(row.clone()));
    }
    batch.keep(Change::Task(task(TaskId::new(1, 1))));
    let states: Vec<_> =
        batch.changes.iter().map(|one| matches!(one, Change::Task(row) if row.state == TaskState::Succeeded)).collect();
    assert_eq!(states, [true, false]);
}

#[tokio::test]
async fn nothing_is_let_out_by_a_commit_that_failed_until_memory_and_disk_agree_again() {
    let state = tempfile::tempdir().unwrap();
    let (writer, _, mut alarm) = start(state.path());
    commit(&writer, vec![Change::Job(job(1).into())], vec![]).await;
    // Another program holds the table away: any failure of SQLite will do.
    let other = rusqlite::Connection::open(database(state.path())).unwrap();
    other.execute_batch("ALTER TABLE job RENAME TO away").unwrap();
    let (let_out, was_let_out) = sync::channel();
    let failing = |n: u32| {
        let let_out = let_out.clone();
        let releases: Vec<super::writer::Release> = vec![Box::new(move || let_out.send(n).unwrap())];
        Batch { changes: vec![Change::Job(job(n).into())], releases, ..Batch::default() }
    };
    writer.commit(failing(2)).await;
    assert!(alarm.recv().await.unwrap().contains("job"));
    other.execute_batch("ALTER TABLE away RENAME TO job").unwrap();
    // Already on its way when the commit failed: decided from a memory that nobody believes any more.
    writer.commit(failing(3)).await;
    let image = writer.reload().await.unwrap();
    assert_eq!(image.jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [1]);
    assert!(was_let_out.try_recv().is_err());
    commit(&writer, vec![Change::Job(job(4).into())], vec![]).await;
    writer.close().await;
}

#[tokio::test]
async fn the_state_is_not_loaded_again_before_the_disk_takes_something() {
    let state = tempfile::tempdir().unwrap();
    let (writer, _, mut alarm) = start(state.path());
    let other = rusqlite::Connection::open(database(state.path())).unwrap();
    let full = "BEFORE INSERT ON number BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    other.execute_batch(&format!("CREATE TRIGGER full {full}")).unwrap();
    let changes = vec![Change::Job(job(1).into())];
    writer.commit(Batch { changes, ..Batch::default() }).await;
    assert!(alarm.recv().await.unwrap().contains("full"));
    assert!(writer.reload().await.unwrap_err().to_string().contains("full"));
    other.execute_batch("DROP TRIGGER full").unwrap();
    writer.reload().await.unwrap();
    commit(&writer, vec![Change::Job(job(2).into())], vec![]).await;
    writer.close().await;
}

#[tokio::test]
async fn an_older_bramble_refuses_a_newer_file_with_a_sentence() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    writer.close().await;
    let db = rusqlite::Connection::open(database(state.path())).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let (alarm, _) = mpsc::channel(1);
    let Err(error) = Writer::start(state.path(), alarm) else { panic!("it was opened") };
    assert!(matches!(error, StoreError::Newer { found: 99, .. }));
    assert!(error.to_string().contains("newer"), "{error}");
}

/// Takes back what each step of the schema after this one has made, as far as it shows.
fn make_older(db: &rusqlite::Connection, version: usize) {
    const STEPS: [&str; 8] = [
        "DROP TABLE history",
        "",
        "DROP TABLE file",
        "ALTER TABLE job DROP COLUMN given",
        "ALTER TABLE file DROP COLUMN executable",
        "DROP TABLE result; DROP TABLE age",
        "DROP TABLE notice; DROP TABLE secret; ALTER TABLE person DROP COLUMN seen_at",
        "ALTER TABLE node DROP COLUMN ssh; DROP TABLE run; DROP TABLE answer; DROP TABLE script; DROP TABLE text; DROP TABLE granted",
    ];
    for step in STEPS[version - 1..].iter().rev() {
        db.execute_batch(step).unwrap();
    }
    db.pragma_update(None, "user_version", version as u32).unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_forward_with_all_that_is_in_it() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    let rows = rows();
    commit(&writer, changes(&rows), vec![event(41)]).await;
    writer.close().await;
    let db = rusqlite::Connection::open(database(state.path())).unwrap();
    make_older(&db, 1);
    drop(db);
    let (writer, loaded, _alarm) = start(state.path());
    assert_eq!((loaded.nodes.len(), loaded.tasks.len(), loaded.last_event), (1, 1, 41));
    assert_eq!(Reader::open(&database(state.path())).unwrap().history().unwrap(), []);
    writer.close().await;
}

#[tokio::test]
async fn a_file_from_before_jobs_were_given_files_is_brought_forward() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    commit(&writer, changes(&rows()), vec![]).await;
    writer.close().await;
    let db = rusqlite::Connection::open(database(state.path())).unwrap();
    make_older(&db, 4);
    drop(db);
    let (writer, loaded, _alarm) = start(state.path());
    assert!(loaded.jobs[0].given.is_empty() && !loaded.files[0].executable);
    writer.close().await;
}

#[tokio::test]
async fn a_file_from_before_there_were_results_is_brought_forward() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    commit(&writer, vec![Change::Job(job(7).into())], vec![]).await;
    writer.close().await;
    let db = rusqlite::Connection::open(database(state.path())).unwrap();
    make_older(&db, 6);
    drop(db);
    let (writer, loaded, _alarm) = start(state.path());
    assert_eq!((loaded.jobs.len(), loaded.results.len(), loaded.ages.len(), loaded.hours), (1, 0, 0, 0));
    let result = rows().results.remove(0);
    commit(&writer, vec![Change::Result(result.clone())], vec![]).await;
    writer.close().await;
    let (writer, loaded, _alarm) = start(state.path());
    assert_eq!(loaded.results, [result]);
    writer.close().await;
}

#[tokio::test]
async fn what_is_gone_of_results_is_not_loaded_again() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    let rows = rows();
    let (one, id) = (rows.results[0].clone(), rows.results[0].attempt);
    let other = ResultRow { attempt: TaskId::new(7, 4).attempt(2), collected: None, ..one.clone() };
    let kept = vec![Change::Result(one), Change::Result(other.clone()), Change::Age(JobId(7), Some(rows.ages[0].1))];
    commit(&writer, kept, vec![]).await;
    commit(&writer, vec![Change::ResultGone(id), Change::Age(JobId(7), None)], vec![]).await;
    let loaded = writer.reload().await.unwrap();
    assert_eq!((loaded.results, loaded.ages), (vec![other], vec![]));
    commit(&writer, vec![Change::JobGone(JobId(7))], vec![]).await;
    assert_eq!(writer.reload().await.unwrap().results, []);
    writer.close().await;
}

#[tokio::test]
async fn a_job_that_is_given_nothing_has_nothing_in_its_column() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    commit(&writer, vec![Change::Job(job(1).into()), Change::Job(job(2).into())], vec![]).await;
    writer.close().await;
    let db = rusqlite::Connection::open(database(state.path())).unwrap();
    let without: Vec<u32> = {
        let mut jobs = db.prepare("SELECT id FROM job WHERE given IS NULL").unwrap();
        jobs.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(without, [2]);
}

#[tokio::test]
async fn a_start_leaves_what_jobs_were_given_and_what_attempts_left() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    let result = rows().results.remove(0);
    let left = result.hash;
    commit(&writer, vec![Change::Job(job(1).into()), Change::Result(result)], vec![]).await;
    let contents = writer.contents();
    writer.close().await;
    let hashes = [job(1).given[0].hash, left, ContentHash([6; 32])];
    for hash in hashes {
        let name = hash.to_string();
        std::fs::create_dir_all(state.path().join("content").join(&name[..2])).unwrap();
        std::fs::write(state.path().join("content").join(&name[..2]).join(&name), "content").unwrap();
    }
    let (writer, ..) = start(state.path());
    assert_eq!(hashes.map(|hash| contents.open(&hash).is_ok()), [true, true, false]);
    writer.close().await;
}

#[tokio::test]
async fn pages_of_history_come_back_and_outdated_ones_go() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    let page = |no, outdates| {
        let end = Stamp { boot: "b".into(), boot_ms: 7 * no, wall: UnixMillis(9 * no) };
        Page { no, end, len: 10, data: vec![1, 2, 255], outdates }
    };
    for page in [page(1, 0), page(2, 0), page(0, 0), page(3, 1), page(0, 0)] {
        writer.commit(Batch { pages: vec![page], ..Batch::default() }).await;
    }
    writer.close().await;
    let kept = Reader::open(&database(state.path())).unwrap().history().unwrap();
    assert_eq!(kept, [page(0, 0), page(2, 0), page(3, 0)]);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let state = tempfile::tempdir().unwrap();
    std::fs::write(database(state.path()), "my thesis, all of it, in one file".repeat(200)).unwrap();
    let (alarm, _) = mpsc::channel(1);
    let Err(error) = Writer::start(state.path(), alarm) else { panic!("it was opened") };
    assert!(error.to_string().contains("bramble.db"), "{error}");
    assert!(std::fs::read_to_string(database(state.path())).unwrap().starts_with("my thesis"));
}

#[tokio::test]
async fn events_are_read_by_number_time_and_count() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    commit(&writer, vec![], (1..=20).map(event).collect()).await;
    let reader = Reader::open(&database(state.path())).unwrap();
    let numbers = |query: EventQuery| -> Vec<u64> { reader.events(&query).unwrap().iter().map(|e| e.no).collect() };
    assert_eq!(numbers(EventQuery { after: Some(17), ..Default::default() }), [18, 19, 20]);
    assert_eq!(numbers(EventQuery { since: Some(UnixMillis(190)), ..Default::default() }), [19, 20]);
    assert_eq!(numbers(EventQuery { limit: 2, ..Default::default() }), [19, 20]);
    let next = |no| -> Vec<u64> { reader.events_after(no).unwrap().iter().map(|e| e.no).collect() };
    assert_eq!(next(18), [19, 20]);
    commit(&writer, vec![], (21..=2500).map(event).collect()).await;
    assert_eq!((next(20).first(), next(20).len()), (Some(&21), 1000), "the oldest first: none is left out");
    writer.close().await;
}

#[tokio::test]
async fn outputs_come_back_and_silence_costs_no_row() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    let attempt = TaskId::new(1, 0).attempt(1);
    let stdout = Output { length: 5, dropped: 2, bytes: Some(Blob(b"\0\xffx".to_vec())) };
    let kept = Change::Output { attempt, stdout: stdout.clone(), stderr: Output::default() };
    let silent = TaskId::new(1, 1).attempt(1);
    let nothing = Change::Output { attempt: silent, stdout: Output::default(), stderr: Output::default() };
    commit(&writer, vec![kept, nothing], vec![]).await;
    let reader = Reader::open(&database(state.path())).unwrap();
    assert_eq!(reader.output(attempt).unwrap(), [stdout, Output::default()]);
    assert_eq!(reader.output(silent).unwrap(), [Output::default(), Output::default()]);
    let db = rusqlite::Connection::open(database(state.path())).unwrap();
    assert_eq!(db.query_row("SELECT count(*) FROM output", [], |row| row.get::<_, u32>(0)).unwrap(), 1);
    writer.close().await;
}

#[test]
fn an_output_file_counts_only_once_it_is_whole() {
    use std::io::{Read, Write};
    let state = tempfile::tempdir().unwrap();
    let outputs = Outputs::new(state.path());
    let (attempt, node) = (TaskId::new(1, 0).attempt(1), "pi-1");
    let mut arriving = outputs.arrive(attempt, &node, Stream::Stdout).unwrap();
    arriving.file.write_all(b"half").unwrap();
    assert!(outputs.open(attempt, &node, Stream::Stdout).is_err());
    arriving.keep().unwrap();
    let mut text = String::new();
    outputs.open(attempt, &node, Stream::Stdout).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "half");
    let liar = "pi-2";
    assert!(outputs.open(attempt, &liar, Stream::Stdout).is_err());
    outputs.forget(JobId(1));
    assert!(outputs.open(attempt, &node, Stream::Stdout).is_err());
}

#[test]
fn an_output_that_breaks_off_takes_no_room_and_disturbs_no_other() {
    use std::io::{Read, Write};
    let state = tempfile::tempdir().unwrap();
    let outputs = Outputs::new(state.path());
    let (attempt, node) = (TaskId::new(1, 0).attempt(1), "pi-1");
    let files = || std::fs::read_dir(state.path().join("outputs/1")).unwrap().count();
    let mut broken = outputs.arrive(attempt, &node, Stream::Stdout).unwrap();
    broken.file.write_all(b"the first ha").unwrap();
    // The agent has dialled again before the manager noticed that its first connection was gone.
    let mut again = outputs.arrive(attempt, &node, Stream::Stdout).unwrap();
    again.file.write_all(b"whole").unwrap();
    broken.file.write_all(b"lf").unwrap();
    drop(broken);
    again.keep().unwrap();
    assert_eq!(files(), 1);
    let mut text = String::new();
    outputs.open(attempt, &node, Stream::Stdout).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "whole");
}

#[tokio::test]
async fn what_a_crash_left_of_outputs_is_swept_away_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    commit(&writer, vec![Change::Job(job(7).into())], vec![]).await;
    writer.close().await;
    let outputs = Outputs::new(state.path());
    let node = "pi-1";
    for job in [7, 8] {
        let attempt = TaskId::new(job, 0).attempt(1);
        outputs.arrive(attempt, &node, Stream::Stdout).unwrap().keep().unwrap();
        // As if killed: nobody drops it.
        std::mem::forget(outputs.arrive(attempt, &node, Stream::Stderr).unwrap());
    }
    let (writer, ..) = start(state.path());
    let left = |folder: &str| std::fs::read_dir(state.path().join("outputs").join(folder)).map(Iterator::count).ok();
    assert_eq!((left("7"), left("8")), (Some(1), None));
    writer.close().await;
}

#[tokio::test]
async fn the_state_is_nobody_elses_to_read_whatever_its_folder_allows() {
    use std::os::unix::fs::PermissionsExt;
    let state = tempfile::tempdir().unwrap();
    std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Left open by an older version.
    std::fs::File::create(database(state.path())).unwrap();
    let (writer, ..) = start(state.path());
    commit(&writer, vec![Change::Job(job(1).into())], vec![]).await;
    let outputs = Outputs::new(state.path());
    outputs.arrive(TaskId::new(1, 0).attempt(1), &"pi-1", Stream::Stdout).unwrap().keep().unwrap();
    for name in ["bramble.db", "bramble.db-wal", "bramble.db-shm", "outputs"] {
        let mode = std::fs::metadata(state.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    writer.close().await;
}

#[tokio::test]
async fn a_secret_is_loaded_byte_for_byte() {
    let state = tempfile::tempdir().unwrap();
    let (writer, ..) = start(state.path());
    let binary: Vec<u8> = (0..=255).cycle().take(MOST_SECRET_BYTES).collect();
    let rows = vec![secret("a", binary), secret("b", b"quotes ' \" and\nlines".to_vec())];
    commit(&writer, rows.iter().cloned().map(Change::Secret).collect(), vec![]).await;
    writer.close().await;
    let (writer, loaded, _alarm) = start(state.path());
    assert_eq!(loaded.secrets, rows);
    writer.close().await;
}

#[tokio::test]
async fn nothing_is_left_in_the_file_of_a_secret_that_was_replaced_or_removed() {
    let state = tempfile::tempdir().unwrap();
    let long = |word: &str| word.repeat(MOST_SECRET_BYTES / word.len()).into_bytes();
    let (writer, ..) = start(state.path());
    let first = vec![secret("a", long("swordfish-one")), secret("b", long("swordfish-two"))];
    commit(&writer, first.into_iter().map(Change::Secret).collect(), vec![]).await;
    writer.close().await;
    let read = || std::fs::read(database(state.path())).unwrap();
    let finds = |words: &str| read().windows(words.len()).any(|bytes| bytes == words.as_bytes());
    assert!(finds("swordfish-one") && finds("swordfish-two"));
    let (writer, ..) = start(state.path());
    let gone = Change::SecretGone("ana".parse().unwrap(), "b".parse().unwrap());
    commit(&writer, vec![Change::Secret(secret("a", b"new".to_vec())), gone], vec![]).await;
    writer.close().await;
    assert!(!finds("swordfish"));
    let (writer, loaded, _alarm) = start(state.path());
    assert_eq!(loaded.secrets, [secret("a", b"new".to_vec())]);
    writer.close().await;
}
