//! What is there in the end, by asking as any client could, and what the tasks themselves wrote down.

use std::collections::BTreeMap;

use bramble::client::{Client, ManagerAddress};
use protocol::api::{AttemptView, EventQuery, JobQuery, JobView, LogQuery, More, Reply, Request, TaskQuery, TaskView};
use protocol::event::Event;
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::Stream;

use super::load::World;

#[derive(Debug, Default)]
pub struct Found {
    pub jobs: BTreeMap<JobId, JobView>,
    pub tasks: BTreeMap<TaskId, (TaskView, Vec<AttemptView>)>,
    pub logs: BTreeMap<AttemptId, Log>,
    pub events: BTreeMap<u64, Event>,
    pub ledger: BTreeMap<AttemptId, Entries>,
}

#[derive(Debug, Default)]
pub struct Log {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub notes: Vec<String>,
}

/// What an attempt wrote into the ledger itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entries {
    pub begun: u32,
    pub ended: u32,
    pub tags: Vec<String>,
}

const PAGE: u32 = 500;

pub fn look(world: &World) -> Result<Found, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(ask(world))
}

async fn ask(world: &World) -> Result<Found, String> {
    let address = ManagerAddress::Unix(world.socket.clone());
    let client = Client::connect(&address).await.map_err(|error| error.to_string())?;
    let call = async |request| client.call(request).await.map_err(|error| error.to_string());
    let mut found = Found { ledger: ledger(&world.ledger)?, ..Found::default() };
    loop {
        let skip = found.jobs.len() as u32;
        let Reply::Jobs { total, jobs } =
            call(Request::Jobs(JobQuery { skip, limit: PAGE, ..JobQuery::default() })).await?
        else {
            return Err("no list of jobs".into());
        };
        found.jobs.extend(jobs.into_iter().map(|job| (job.id, job)));
        if found.jobs.len() as u32 >= total {
            break;
        }
    }
    let mut ids = vec![];
    loop {
        let query = TaskQuery { skip: ids.len() as u32, limit: PAGE, ..TaskQuery::default() };
        let Reply::Tasks { total, tasks } = call(Request::Tasks(query)).await? else {
            return Err("no list of tasks".into());
        };
        ids.extend(tasks.iter().map(|task| task.id));
        if ids.len() as u32 >= total || tasks.is_empty() {
            break;
        }
    }
    for id in ids {
        let Reply::Task { task, attempts, .. } = call(Request::Task { id }).await? else {
            return Err("no task".into());
        };
        for attempt in &attempts {
            found.logs.insert(attempt.id, log(&client, attempt.id).await?);
        }
        found.tasks.insert(id, (task, attempts));
    }
    let query = EventQuery { after: Some(0), limit: u32::MAX, ..EventQuery::default() };
    let mut flow = client.stream(Request::Events(query)).await.map_err(|error| error.to_string())?;
    while let Some(piece) = flow.next().await.map_err(|error| error.to_string())? {
        if let More::Events(events) = piece {
            found.events.extend(events.into_iter().map(|event| (event.no, event)));
        }
    }
    Ok(found)
}

async fn log(client: &Client, attempt: AttemptId) -> Result<Log, String> {
    let query = LogQuery { target: Target::Attempt(attempt), follow: false, stream: None };
    let mut flow = client.stream(Request::Logs(query)).await.map_err(|error| error.to_string())?;
    let mut log = Log::default();
    while let Some(piece) = flow.next().await.map_err(|error| format!("the output of {attempt}: {error}"))? {
        match piece {
            More::Log(chunk) => match chunk.stream {
                Stream::Stdout => log.stdout.extend_from_slice(&chunk.bytes.0),
                Stream::Stderr => log.stderr.extend_from_slice(&chunk.bytes.0),
            },
            More::LogNote { text } => log.notes.push(text),
            _ => {}
        }
    }
    Ok(log)
}

fn ledger(path: &str) -> Result<BTreeMap<AttemptId, Entries>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut entries: BTreeMap<AttemptId, Entries> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, attempt, tag] = words[..] else { return Err(format!("a torn line in the ledger: {line:?}")) };
        let attempt = attempt.parse().map_err(|_| format!("a torn line in the ledger: {line:?}"))?;
        let entry = entries.entry(attempt).or_default();
        match what {
            "begin" => entry.begun += 1,
            _ => entry.ended += 1,
        }
        if !entry.tags.iter().any(|known| known == tag) {
            entry.tags.push(tag.to_owned());
        }
    }
    Ok(entries)
}
