//! The clients: what people and their scripts would do, at random, each on a thread of its own. Whatever they are told
//! goes into the book; that they are told nothing is no fault while a manager is dead.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bramble::client::{Client, ClientError, ManagerAddress};
use protocol::api::{EventQuery, JobQuery, More, RefusalKind, Reply, Request, TaskQuery};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::TaskState;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::told::{Ask, Book, Followed, Waited};
use super::work::{Kind, Work};
use crate::common;
use test_support::Dice;

/// So many tasks wait or run at most: enough for every slot, few enough to end soon.
const WAITING: u32 = 60;
/// Longer than any manager is away or frozen.
const ANSWER: Duration = Duration::from_secs(30);

/// What everybody has in common.
pub struct World {
    pub state: PathBuf,
    pub socket: PathBuf,
    pub ledger: String,
    pub book: Mutex<Book>,
    /// No new work.
    pub calm: AtomicBool,
    /// Nobody listens any more.
    pub over: AtomicBool,
    waiting: AtomicU32,
    tags: AtomicU32,
    /// Verbs under way: they end by themselves.
    pub verbs: Mutex<BTreeMap<u32, String>>,
}

impl World {
    pub fn new(state: PathBuf, socket: PathBuf, ledger: String) -> World {
        World {
            state,
            socket,
            ledger,
            book: Mutex::default(),
            calm: AtomicBool::new(false),
            over: AtomicBool::new(false),
            waiting: AtomicU32::new(0),
            tags: AtomicU32::new(1),
            verbs: Mutex::default(),
        }
    }

    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn wants_more(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) < WAITING
    }

    fn tag(&self) -> String {
        format!("work-{}", self.tags.fetch_add(1, Ordering::Relaxed))
    }

    /// A real verb, to its end.
    fn verb(&self, words: &[String]) -> Option<Output> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = common::verb(&self.socket, &words);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        self.verbs.lock().unwrap().insert(pid, words.join(" ").chars().take(60).collect());
        let done = child.wait_with_output();
        self.verbs.lock().unwrap().remove(&pid);
        done.ok()
    }
}

fn pause(dice: &mut Dice, ms: std::ops::Range<u64>) {
    std::thread::sleep(Duration::from_millis(dice.roll(ms))); // why: people and scripts pause
}

/// A connection that is made again when it is gone.
pub struct Line {
    runtime: Runtime,
    address: ManagerAddress,
    client: Option<Client>,
}

impl Line {
    pub fn new(world: &World) -> Line {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Line { runtime, address: ManagerAddress::Unix(world.socket.clone()), client: None }
    }

    /// `None`: no answer, whatever that means.
    pub fn ask(&mut self, request: Request) -> Option<Result<Reply, protocol::api::Refusal>> {
        self.ask_all(vec![request]).pop().flatten()
    }

    /// All at once, without waiting for one answer before the next question.
    fn ask_all(&mut self, requests: Vec<Request>) -> Vec<Option<Result<Reply, protocol::api::Refusal>>> {
        let (address, known) = (self.address.clone(), self.client.take());
        let count = requests.len();
        let mut answers = vec![None; count];
        let client = self.runtime.block_on(async {
            let client = match known {
                Some(client) => client,
                None => Client::connect(&address).await.ok()?,
            };
            let mut calls = JoinSet::new();
            for (n, request) in requests.into_iter().enumerate() {
                let client = client.clone();
                calls.spawn(async move { (n, timeout(ANSWER, client.call(request)).await) });
            }
            let mut whole = true;
            while let Some(Ok((n, answer))) = calls.join_next().await {
                answers[n] = match answer {
                    Ok(Ok(reply)) => Some(Ok(reply)),
                    Ok(Err(ClientError::Refused(refusal))) if refusal.kind != RefusalKind::Unavailable => {
                        Some(Err(refusal))
                    }
                    _ => None,
                };
                whole &= answers[n].is_some();
            }
            whole.then_some(client)
        });
        self.client = client;
        answers
    }
}

/// Submits, stops, retries and waits over the socket, and by `bramble run --json`.
pub fn script(world: &World, mut dice: Dice) {
    let mut line = Line::new(world);
    while !world.is_calm() {
        match dice.roll(0..100) {
            0..40 if world.wants_more() => submit(world, &mut line, &mut dice, 1),
            40..50 if world.wants_more() => submit(world, &mut line, &mut dice, 6),
            50..58 if world.wants_more() => submit_by_verb(world, &mut dice),
            58..76 => stop(world, &mut line, &mut dice),
            76..88 => retry(world, &mut line, &mut dice),
            88..94 => wait(world, &mut line, &mut dice),
            _ => {}
        }
        pause(&mut dice, 20..250);
    }
}

fn submit(world: &World, line: &mut Line, dice: &mut Dice, count: usize) {
    let works: Vec<Work> = (0..count).map(|_| Work::any(dice, world.tag())).collect();
    let requests = works.iter().map(|work| Request::Submit(work.spec(&world.ledger))).collect();
    let answers = line.ask_all(requests);
    let mut book = world.book();
    for (work, answer) in works.into_iter().zip(answers) {
        match answer {
            Some(Ok(Reply::Submitted { job, tasks })) => book.submitted(job, tasks, work),
            None => drop(book.unanswered.insert(work.tag.clone(), work)),
            Some(other) => book.wrong(format!("{} was submitted and answered with {other:?}", work.tag)),
        }
    }
}

fn submit_by_verb(world: &World, dice: &mut Dice) {
    let work = Work::any(dice, world.tag());
    let words = [vec!["run".to_owned(), "--json".into()], work.words(&world.ledger)].concat();
    let Some(done) = world.verb(&words) else { return };
    let mut book = world.book();
    match serde_json::from_slice::<serde_json::Value>(&done.stdout) {
        Ok(said) if done.status.success() => {
            let number = |key: &str| said[key].as_u64().unwrap_or(0) as u32;
            book.submitted(JobId(number("job")), number("tasks"), work);
        }
        _ if done.status.code() == Some(4) => drop(book.unanswered.insert(work.tag.clone(), work)),
        _ => book.wrong(format!("{} by `bramble run`: {}", work.tag, common::said(&done))),
    }
}

fn stop(world: &World, line: &mut Line, dice: &mut Dice) {
    let chosen = {
        let book = world.book();
        let endless = |job: &JobId| book.jobs[job].is_endless() && book.stops.get(job) != Some(&Ask::Acknowledged);
        let recent: Vec<JobId> = book.jobs.keys().rev().take(40).copied().collect();
        let open: Vec<JobId> = recent.iter().copied().filter(endless).collect();
        match (open.is_empty(), recent.is_empty()) {
            (_, true) => return,
            (false, _) if dice.chance(80) => *dice.pick(&open),
            _ => *dice.pick(&recent),
        }
    };
    stop_one(world, line, chosen);
}

pub fn stop_one(world: &World, line: &mut Line, job: JobId) {
    let request = Request::Stop { targets: vec![Target::Job(job)], reason: Some("enough".into()) };
    let how = match line.ask(request) {
        Some(Ok(Reply::Done { .. })) => Ask::Acknowledged,
        None => Ask::Unanswered,
        // It has ended already.
        Some(Err(refusal)) if refusal.kind == RefusalKind::Refused => return,
        Some(other) => return world.book().wrong(format!("the stop of job {job} was answered with {other:?}")),
    };
    Book::asked(&mut world.book().stops, job, how);
}

fn retry(world: &World, line: &mut Line, dice: &mut Dice) {
    let task = {
        let book = world.book();
        let again =
            |work: &Work, state| work.kind == Kind::Flaky || (!work.is_endless() && state != TaskState::Succeeded);
        let recent = book.ends.iter().rev().take(200);
        let known = recent.filter(|(at, end)| book.jobs.get(&at.task.job).is_some_and(|work| again(work, end.state)));
        let known: Vec<TaskId> = known.map(|(attempt, _)| attempt.task).collect();
        if known.is_empty() {
            return;
        }
        *dice.pick(&known)
    };
    let how = match line.ask(Request::Retry { targets: vec![Target::Task(task)] }) {
        Some(Ok(Reply::Done { .. })) => Ask::Acknowledged,
        None => Ask::Unanswered,
        // It runs again already.
        Some(Err(refusal)) if refusal.kind == RefusalKind::Refused => return,
        Some(other) => return world.book().wrong(format!("the retry of {task} was answered with {other:?}")),
    };
    Book::asked(&mut world.book().retries, task, how);
}

/// For the end of a task, as a script would: what it is told must be what is told later.
fn wait(world: &World, line: &mut Line, dice: &mut Dice) {
    let job = {
        let book = world.book();
        let one = |work: &Work| work.array.is_none() && !work.is_endless();
        let recent: Vec<JobId> = book.jobs.iter().rev().take(20).filter(|(_, w)| one(w)).map(|(job, _)| *job).collect();
        if recent.is_empty() {
            return;
        }
        *dice.pick(&recent)
    };
    let task = TaskId { job, index: 0 };
    if let Some(Ok(Reply::Waited(_))) = line.ask(Request::Wait { targets: vec![Target::Job(job)] })
        && let Some(Ok(Reply::Task { task, .. })) = line.ask(Request::Task { id: task })
    {
        let mut book = world.book();
        if !task.state.ended() && !book.retries.contains_key(&task.id) {
            book.wrong(format!("{} was waited for and had not ended: {}", task.id, task.state));
        }
        book.seen(&task, "a wait");
    }
}

/// `bramble run --wait`, one after the other.
pub fn waits(world: &World, mut dice: Dice) {
    while !world.is_calm() {
        let work = Work::waited_for(&mut dice, world.tag());
        let words = [vec!["run".to_owned(), "--wait".into()], work.words(&world.ledger)].concat();
        let Some(done) = world.verb(&words) else { continue };
        let mut book = world.book();
        // Whether its job exists is not said: the book knows it by its tag.
        let waited = Waited {
            tag: work.tag.clone(),
            code: done.status.code(),
            stdout: done.stdout,
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        };
        book.unanswered.insert(work.tag.clone(), work);
        book.waited.push(waited);
        drop(book);
        pause(&mut dice, 10..300);
    }
}

/// `bramble logs -f` of tasks that run, will run, or have run.
pub fn follows(world: &World, mut dice: Dice) {
    while !world.is_calm() {
        let task = {
            let book = world.book();
            let recent: Vec<(&JobId, &Work)> = book.jobs.iter().rev().take(12).collect();
            if recent.is_empty() {
                None
            } else {
                let (job, work) = dice.pick(&recent);
                let indices: Vec<u32> = work.indices().collect();
                Some(TaskId { job: **job, index: *dice.pick(&indices) })
            }
        };
        if let Some(task) = task
            && let Some(done) = world.verb(&["logs".into(), "-f".into(), task.to_string()])
        {
            let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
            let followed = Followed { task, code: done.status.code(), stdout: done.stdout, stderr };
            world.book().followed.push(followed);
        }
        pause(&mut dice, 50..400);
    }
}

/// Looks at lists again and again, as a person would who does not trust them.
pub fn looks(world: &World, mut dice: Dice) {
    let mut line = Line::new(world);
    let ended: Vec<TaskState> = TaskState::ALL.into_iter().filter(|state| state.ended()).collect();
    while !world.is_over() {
        let jobs = Request::Jobs(JobQuery { active: true, ..JobQuery::default() });
        if let Some(Ok(Reply::Jobs { jobs, .. })) = line.ask(jobs) {
            let waiting = jobs.iter().map(|job| job.counts.total() - job.counts.ended()).sum();
            world.waiting.store(waiting, Ordering::Relaxed);
        }
        let tasks = Request::Tasks(TaskQuery { states: ended.clone(), limit: 300, ..TaskQuery::default() });
        if let Some(Ok(Reply::Tasks { tasks, .. })) = line.ask(tasks) {
            let mut book = world.book();
            tasks.iter().for_each(|task| book.seen(task, "a list"));
        }
        pause(&mut dice, 100..500);
    }
}

/// Hears every event, however often the manager goes away.
pub fn hears(world: &World, mut dice: Dice) {
    let line = Line::new(world);
    while !world.is_over() {
        let after = world.book().events.keys().next_back().copied().unwrap_or(0);
        let query = EventQuery { after: Some(after), follow: true, limit: u32::MAX, ..EventQuery::default() };
        line.runtime.block_on(async {
            let Ok(client) = Client::connect(&line.address).await else { return };
            let Ok(mut flow) = client.stream(Request::Events(query)).await else { return };
            let mut last = after;
            while !world.is_over() {
                match timeout(Duration::from_millis(300), flow.next()).await {
                    Err(_) => {}
                    Ok(Ok(Some(More::Events(events)))) => {
                        let mut book = world.book();
                        for event in events {
                            if event.no <= last {
                                book.wrong(format!("event {} was told after event {last}", event.no));
                            }
                            last = event.no;
                            book.happened(event);
                        }
                    }
                    Ok(_) => return,
                }
            }
        });
        pause(&mut dice, 20..100);
    }
}
