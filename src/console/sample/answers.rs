//! What the recorded manager answers.

use protocol::api::{
    AttemptView, JobView, LogChunk, LogQuery, Picture, Reply, Request, TaskQuery, TaskView, Why, WhyNode,
};
use protocol::file::ContentHash;
use protocol::id::{Target, TaskId};
use protocol::job::{Stream, TaskState};
use protocol::result::{Left, ResultView};
use protocol::time::UnixMillis;

use super::{attempts, history};
use crate::console::event::{Effect, Event, Printed};
use crate::console::state::State;

/// Answers what the console asks, and what it asks then, until it asks no more.
pub fn answer(state: &mut State, mut effects: Vec<Effect>) {
    while !effects.is_empty() {
        let mut next = vec![];
        for effect in effects {
            match effect {
                Effect::Ask(purpose, request) => {
                    if let Some(reply) = reply(&state.picture, &request) {
                        next.extend(state.update(Event::Answered(purpose, Ok(reply)), state.now));
                    }
                }
                Effect::Follow(no, query) => {
                    let latest = match query.target {
                        Target::Attempt(attempt) => {
                            known(&state.picture.jobs, attempt.task).filter(|task| task.attempt == attempt.number)
                        }
                        _ => None,
                    };
                    let end = latest.is_none_or(|task| task.state.ended()).then_some(Printed::End);
                    for printed in printed(&query).into_iter().chain(end) {
                        next.extend(state.update(Event::Printed(no, printed), state.now));
                    }
                }
                _ => {}
            }
        }
        next.extend(state.settle(state.now));
        effects = next;
    }
}

fn reply(picture: &Picture, request: &Request) -> Option<Reply> {
    let jobs = &picture.jobs;
    Some(match request {
        Request::History { node, span } => {
            let view = picture.nodes.iter().find(|view| view.name == *node)?;
            Reply::History(Box::new(history(view, *span)))
        }
        Request::Tasks(query) => listed(jobs, query),
        Request::Task { id } => {
            let task = known(jobs, *id)?;
            Reply::Task { attempts: tried(&task), results: left_by(&task).into_iter().collect(), task }
        }
        Request::Why { id } => Reply::Why(why(&known(jobs, *id)?)),
        _ => return None,
    })
}

/// All began soon after they were submitted, so that no time lies ahead.
fn tasks(job: &JobView) -> Vec<TaskView> {
    let mut tasks = super::tasks(job);
    for task in &mut tasks {
        let start = task.started_at.map(|_| UnixMillis(job.submitted_at.0 + 40 + u64::from(task.id.index % 10) * 190));
        task.started_at = start;
        task.ended_at = start.zip(task.ran_ms).map(|(at, ran)| UnixMillis(at.0 + ran));
    }
    tasks
}

fn known(jobs: &[JobView], id: TaskId) -> Option<TaskView> {
    let job = jobs.iter().find(|job| job.id == id.job)?;
    let mut task = tasks(job).into_iter().find(|task| task.id == id)?;
    // One in five was lost once, with its node.
    if task.attempt == 1 && id.index % 5 == 4 {
        task.attempt = 2;
    }
    Some(task)
}

/// Whatever ends there leaves something.
fn left_by(task: &TaskView) -> Option<ResultView> {
    Some(ResultView {
        attempt: task.id.attempt(task.attempt),
        name: task.name.clone(),
        owner: task.owner.clone(),
        left: Left { size: 1_258_291, entries: 3, left_out: 0 },
        hash: ContentHash([7; 32]),
        kept_at: task.ended_at?,
        collected_at: None,
        hours_left: Some(30 * 24 - 5),
    })
}

fn tried(task: &TaskView) -> Vec<AttemptView> {
    let mut all = attempts(task);
    if let Some(latest) = all.first().filter(|latest| latest.id.number > 1) {
        let start = task.started_at.map(|at| UnixMillis(at.0.saturating_sub(75_000)));
        let lost = AttemptView {
            id: task.id.attempt(1),
            state: TaskState::Lost,
            node: "pi-7".parse().ok(),
            started_at: start,
            ended_at: start.map(|at| UnixMillis(at.0 + 62_000)),
            ran_ms: Some(62_000),
            code: None,
            reason: "the node was away longer than its lease".into(),
            ..latest.clone()
        };
        all.insert(0, lost);
    }
    all
}

fn listed(jobs: &[JobView], query: &TaskQuery) -> Reply {
    let meant = |job: &&JobView| query.targets.is_empty() || query.targets.iter().any(|target| target.job() == job.id);
    let wanted = |task: &TaskView| {
        (query.states.is_empty() || query.states.contains(&task.state))
            && (query.node.is_none() || query.node == task.node)
            && (query.targets.is_empty() || query.targets.iter().any(|target| target.covers(task.id)))
    };
    let all: Vec<TaskView> = jobs.iter().filter(meant).flat_map(tasks).filter(wanted).collect();
    let total = all.len() as u32;
    let window = all.into_iter().skip(query.skip as usize).take(query.limit as usize);
    Reply::Tasks { total, tasks: window.collect() }
}

fn why(task: &TaskView) -> Why {
    let reason = |number: u32| match number {
        3 | 11 => "draining: it takes no new work".into(),
        7 => "down for 12m".into(),
        _ => "full: 4 of 4 busy".into(),
    };
    let waits = task.state == TaskState::Queued;
    let nodes = (1..=16)
        .filter(|_| waits)
        .filter_map(|number| Some(WhyNode { node: format!("pi-{number:02}").parse().ok()?, reason: reason(number) }));
    let summary = match (waits, task.reason.as_str()) {
        (true, _) => format!("waits for a free CPU: {} tasks are ahead", task.id.index % 60),
        (false, "") => task.state.word().into(),
        (false, reason) => format!("{}: {reason}", task.state),
    };
    Why {
        id: task.id,
        state: task.state,
        summary,
        ahead: if waits { task.id.index % 60 } else { 0 },
        nodes: nodes.collect(),
    }
}

/// A training run, in colours, with complaints and progress.
fn printed(query: &LogQuery) -> Vec<Printed> {
    let Target::Attempt(attempt) = query.target else { return vec![] };
    let mut stdout = String::from("\x1b[1mloading\x1b[0m data set\tcifar-10\n");
    for step in 1..=120u32 {
        let loss = 2_300 / (step + 9);
        stdout += &format!(
            "\x1b[32mstep {step:>3}\x1b[0m  loss \x1b[38;2;255;160;0m{}.{:03}\x1b[0m\n",
            loss / 1000,
            loss % 1000
        );
        if step % 40 == 0 {
            stdout += &format!(
                "checkpoint written to /var/tmp/bramble/{}/checkpoint-{step:04}.pt; keeping the last three of them and removing what is older than that\n",
                attempt.task
            );
        }
    }
    stdout += "\rsaving 10%\rsaving 60%";
    let stderr = "warning: swap is nearly full\nretrying \x1b[31mlater\x1b[0m\x07\n";
    let piece = |stream, offset, text: &str| {
        Printed::Piece(LogChunk { stream, offset, bytes: text.as_bytes().to_vec().into() })
    };
    let half = stdout.find("step  60").unwrap_or(0) - 5;
    let mut pieces = vec![];
    if query.stream != Some(Stream::Stderr) {
        pieces.push(piece(Stream::Stdout, 0, &stdout[..half]));
    }
    if query.stream != Some(Stream::Stdout) {
        pieces.push(piece(Stream::Stderr, 0, stderr));
    }
    pieces.push(Printed::Note("the node was away for a minute; what it printed meanwhile follows".into()));
    if query.stream != Some(Stream::Stderr) {
        pieces.push(piece(Stream::Stdout, half as u64, &stdout[half..]));
    }
    pieces
}
