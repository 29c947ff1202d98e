//! What must hold of a disk that a power cut has left: it opens, it holds everything that was told before, and what it
//! holds is the state after some event of the true history, all of it and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId};
use protocol::job::{Outcome, Stream};
use protocol::name::PersonName;

use crate::files;
use crate::history::{History, Standing};
use crate::image::{Image, Printed, Task};
use crate::ledger::{Book, Told};
use crate::print;

/// What was told, arranged for the checks.
pub struct Checker {
    pub book: Book,
    pub history: History,
    owners: HashMap<JobId, PersonName>,
}

/// Complaints, none where all is well.
type Found<'a> = &'a mut Vec<String>;

impl Checker {
    pub fn new(book: Book) -> Self {
        let history = History::of(&book.events);
        let owners = book.told.iter().filter_map(|(_, told)| match told {
            Told::Submitted { job, owner, .. } => Some((*job, owner.clone())),
            _ => None,
        });
        let owners = owners.collect();
        Self { book, history, owners }
    }

    /// What had been told before this point of the journal.
    pub fn told_before(&self, point: usize) -> impl Iterator<Item = &Told> {
        let end = self.book.told.partition_point(|(at, _)| *at <= point);
        self.book.told[..end].iter().map(|(_, told)| told)
    }

    pub fn host_key_before(&self, point: usize) -> Option<&str> {
        self.told_before(point).find_map(|told| match told {
            Told::HostKey(key) => Some(key.as_str()),
            _ => None,
        })
    }

    pub fn check(&self, point: usize, image: &Image, state: &Path) -> Vec<String> {
        let mut found = vec![];
        self.nothing_but_history(image, &mut found);
        for told in self.told_before(point) {
            self.holds(told, point, image, state, &mut found);
        }
        found.extend(contents(image, state, false));
        found
    }

    /// Only the files there are beside the database.
    pub fn outputs(&self, point: usize, image: &Image, state: &Path) -> Vec<String> {
        let mut found = vec![];
        for told in self.told_before(point).filter(|told| matches!(told, Told::OutputKept { .. })) {
            self.holds(told, point, image, state, &mut found);
        }
        found
    }

    /// The image is the state after its last event.
    fn nothing_but_history(&self, image: &Image, found: Found) {
        let last = image.last_event;
        if image.events != last {
            found.push(format!("{} events are there, and the last has number {last}", image.events));
        }
        for (no, text) in &image.newest_events {
            // Those that only the end of the run brought were heard by nobody.
            if *no <= self.history.len() && self.history.text(*no) != Some(text) {
                found.push(format!("event {no} is {text}, and was told as {:?}", self.history.text(*no)));
            }
        }
        if image.jobs.len() != self.history.jobs(last) {
            found.push(format!("{} jobs are there, {} should be", image.jobs.len(), self.history.jobs(last)));
        }
        for (id, (_, spec)) in &image.jobs {
            if !self.history.knows(*id, last) {
                found.push(format!("job {id} is there, which its events do not say"));
            }
            let name = spec.name.as_ref().map(ToString::to_string).unwrap_or_default();
            if self.book.asked.get(&name) != Some(spec) {
                found.push(format!("nobody ever asked for job {id}: {spec:?}"));
            }
            if id.0 > image.last_job {
                found.push(format!("the number {id} could be given again: the last is said to be {}", image.last_job));
            }
        }
        for (id, task) in &image.tasks {
            if !image.jobs.contains_key(&id.job) {
                found.push(format!("task {id} is there without its job"));
            }
            self.told_of_its_end(id.attempt(task.attempt), task, last, found);
        }
        let ends = &self.history.all_ends;
        for (no, attempt) in ends[..ends.partition_point(|(no, _)| *no <= last)].iter().rev().take(300) {
            let is_kept = image.past.contains_key(attempt)
                || image.tasks.get(&attempt.task).is_some_and(|task| task.attempt == attempt.number && ended(task));
            if !is_kept && !self.history.forgotten(attempt.task.job, last) {
                found.push(format!("event {no} says that {attempt} ended, and its row does not"));
            }
        }
        let files = self.history.files(last);
        if image.files != files {
            found.push(format!("the files are {:?}, and should be {files:?}", image.files));
        }
        let nodes = image.nodes.iter();
        let standing = |(name, node): (&_, &crate::image::Node)| {
            (Clone::clone(name), Standing { draining: node.draining, revoked: node.revoked })
        };
        let nodes: std::collections::BTreeMap<_, _> = nodes.map(standing).collect();
        if nodes != self.history.nodes(last) {
            found.push(format!("the nodes are {nodes:?}, and should be {:?}", self.history.nodes(last)));
        }
    }

    /// An end that is there is a true one, and its event is there too.
    fn told_of_its_end(&self, attempt: AttemptId, task: &Task, last: u64, found: Found) {
        let Some(outcome) = task.outcome.as_ref().filter(|_| ended(task)) else {
            if ended(task) {
                found.push(format!("{attempt} is {}, nobody knows how", task.state));
            }
            return;
        };
        let is_verdict = matches!(outcome, Outcome::Stopped { .. } | Outcome::Lost { .. });
        if self.book.truth.get(&attempt) != Some(outcome) && !is_verdict {
            let truth = self.book.truth.get(&attempt);
            found.push(format!("{attempt} is said to have ended as {outcome:?}, in truth {truth:?}"));
        }
        let event = self.history.ends.get(&attempt);
        // A task that was not under way ends with the request that ended it, and without an event.
        if task.node.is_some() && event.is_none_or(|(no, ..)| *no > last) && last <= self.history.len() {
            found.push(format!("{attempt} has ended, which its events do not say"));
        }
    }

    /// What was told is there.
    fn holds(&self, told: &Told, point: usize, image: &Image, state: &Path, found: Found) {
        match told {
            // A manager says it itself.
            Told::HostKey(_) => {}
            Told::Submitted { job, owner, spec } => {
                if image.last_job < job.0 {
                    found.push(format!("job {job} was submitted, and its number could be given again"));
                }
                let kept = image.jobs.get(job).is_some_and(|(by, what)| by == owner && what == spec);
                if !kept && !self.history.forgotten(*job, image.last_event) {
                    found.push(format!("job {job} of {owner} was submitted and is not there as it was"));
                }
            }
            Told::EndKept(attempt) => self.holds_end(*attempt, image, state, found),
            Told::OutputKept { attempt, node, stream } => {
                let is_forgotten = !image.jobs.contains_key(&attempt.task.job);
                if !is_forgotten && !file_is_right(state, *attempt, node.as_str(), *stream) {
                    found.push(format!("the {stream:?} of {attempt} was kept and is not there"));
                }
            }
            Told::Ended { attempt, state, code } => {
                let kept = match image.tasks.get(&attempt.task) {
                    Some(task) if task.attempt == attempt.number && ended(task) => task.outcome.as_ref(),
                    _ => image.past.get(attempt).map(|(outcome, _)| outcome),
                };
                let same = kept.is_some_and(|outcome| outcome.state() == *state && outcome.code() == *code);
                // What was stopped before it began has no attempt of its own to be remembered by.
                let unborn = attempt.number == 0 || self.is_retried(*attempt, point);
                if !same && !unborn && !self.history.forgotten(attempt.task.job, image.last_event) {
                    found.push(format!("{attempt} was seen as {state}, and is kept as {kept:?}"));
                }
            }
            Told::Stopped { tasks } => {
                for id in tasks {
                    let stopped = image.tasks.get(id).is_some_and(|task| ended(task) || task.stopping);
                    let excused =
                        self.is_retried(id.attempt(0), point) || self.history.forgotten(id.job, image.last_event);
                    if !stopped && !excused {
                        found.push(format!("{id} was stopped, and goes on"));
                    }
                }
            }
            Told::Retried { task } => {
                let again = image.tasks.contains_key(task);
                if !again && !self.history.forgotten(task.job, image.last_event) {
                    found.push(format!("{task} was to run again, and nothing is known of it"));
                }
            }
            Told::Token { hash } => {
                if !image.tokens.contains_key(hash) {
                    found.push("a join token was given out, and is not known".into());
                }
            }
            Told::Joined { node, key, hash } => {
                let used = image.tokens.get(hash).cloned().flatten();
                if used != Some((key.clone(), node.to_string())) {
                    found.push(format!("{node} has joined, and its token was used by {used:?}"));
                }
                // Whether it is still there, its events say.
                if image.nodes.get(node).is_some_and(|row| row.key != *key) {
                    found.push(format!("{node} has joined with another key"));
                }
            }
            Told::Uid { job, uid } => {
                let Some(owner) = self.owners.get(job) else { return };
                let serial = image.people.get(owner);
                if serial.map(|serial| 1_900_000_000 + serial) != Some(*uid) {
                    found.push(format!("tasks of {owner} ran under uid {uid}, and the serial is {serial:?}"));
                }
            }
            Told::FileKept { version } => {
                if !self.history.was_kept(*version, image.last_event) {
                    found.push(format!("version {version} of a file was kept, and nothing is known of it"));
                }
            }
            Told::Event(no) => {
                if *no > image.last_event {
                    found.push(format!("event {no} was told, and the last one is {}", image.last_event));
                }
            }
        }
    }

    fn is_retried(&self, attempt: AttemptId, point: usize) -> bool {
        self.book.retried.get(&attempt.task).is_some_and(|asked| *asked <= point)
    }

    fn holds_end(&self, attempt: AttemptId, image: &Image, state: &Path, found: Found) {
        if self.history.forgotten(attempt.task.job, image.last_event) {
            return;
        }
        let truth = self.book.truth.get(&attempt);
        let current = image.tasks.get(&attempt.task).filter(|task| task.attempt == attempt.number);
        let kept = [
            current.and_then(|task| task.outcome.as_ref()),
            image.past.get(&attempt).map(|(outcome, _)| outcome),
            image.past.get(&attempt).and_then(|(_, late)| late.as_ref()),
        ];
        if !kept.iter().any(|kept| kept.is_some() && *kept == truth) {
            return found.push(format!("the end of {attempt} was kept as {truth:?}, and is {kept:?}"));
        }
        let streams = [Stream::Stdout, Stream::Stderr];
        let none: Printed = [(0, None), (0, None)];
        let rows = image.outputs.get(&attempt).unwrap_or(&none);
        let node = current.and_then(|task| task.node.clone());
        for (stream, (length, bytes)) in streams.into_iter().zip(rows) {
            let printed = print::output(attempt, stream);
            let right = match (bytes, &node) {
                _ if *length != printed.len() as u64 => false,
                (Some(bytes), _) => *bytes == printed,
                (None, _) if printed.is_empty() => true,
                (None, Some(node)) => file_is_right(state, attempt, node, stream),
                // Of an attempt that another has replaced: what was told of the file itself is checked.
                (None, None) => print::is_large(attempt),
            };
            if !right {
                found.push(format!("the {stream:?} of {attempt} is not there as it was printed"));
            }
        }
    }
}

/// Every file that is in the table has its bytes. Once a manager has started there, nothing else is left.
pub fn contents(image: &Image, state: &Path, alone: bool) -> Vec<String> {
    let path = |hash: &ContentHash| state.join("content").join(&hash.to_string()[..2]).join(hash.to_string());
    let mut found = vec![];
    for (version, file) in &image.files {
        let whole = std::fs::read(path(&file.hash)).is_ok_and(|bytes| files::hash(&bytes) == file.hash);
        if !whole {
            found.push(format!("version {version}, {:?} of {}, is without its content", file.name, file.owner));
        }
    }
    let wanted: BTreeSet<PathBuf> = image.files.values().map(|file| path(&file.hash)).collect();
    let folders = std::fs::read_dir(state.join("content")).into_iter().flatten().flatten();
    let there = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    let nobodys = there.map(|file| file.path()).filter(|path| alone && !wanted.contains(path));
    found.extend(nobodys.map(|path| format!("nobody needs {}", path.display())));
    found
}

fn ended(task: &Task) -> bool {
    matches!(task.state.as_str(), "succeeded" | "failed" | "stopped" | "lost")
}

fn file_is_right(state: &Path, attempt: AttemptId, node: &str, stream: Stream) -> bool {
    let kind = if stream == Stream::Stdout { "out" } else { "err" };
    let name = format!("{}-{}@{node}.{kind}", attempt.task.index, attempt.number);
    let path = state.join("outputs").join(attempt.task.job.to_string()).join(name);
    std::fs::read(path).is_ok_and(|bytes| bytes == print::output(attempt, stream))
}
