//! Compares what clients were told with what is there, and both with what the definitions of the tasks predict. It
//! knows nothing of how the product works inside, and of the trouble only what can explain a loss.

use std::collections::{BTreeMap, BTreeSet};

use protocol::api::{AttemptView, TaskView};
use protocol::event::{Event, What};
use protocol::id::{AttemptId, JobId, Target, TaskId};
use protocol::job::TaskState;

use super::LEASE;
use super::found::{Entries, Found};
use super::told::{Ask, Book};
use super::trouble::{Deed, Done, name};
use super::work::Work;

/// How much clocks of two processes and the way of a message may differ.
const SLACK: u64 = 2_000;

pub struct Checker<'a> {
    book: &'a Book,
    found: &'a Found,
    trouble: &'a [Done],
    /// By what the job's name says, whoever was told its number.
    works: BTreeMap<JobId, &'a Work>,
    wrongs: Vec<String>,
}

/// All that is wrong, one sentence each.
pub fn check(book: &Book, found: &Found, trouble: &[Done]) -> Vec<String> {
    let mut checker = Checker { book, found, trouble, works: BTreeMap::new(), wrongs: book.wrongs.clone() };
    checker.jobs();
    checker.events();
    checker.wishes();
    for (id, (task, attempts)) in &found.tasks {
        match checker.works.get(&id.job).copied() {
            Some(work) => checker.task(work, task, attempts),
            None => checker.wrong(format!("{id} belongs to no job that anybody submitted")),
        }
    }
    checker.ledger();
    checker.ends_told();
    checker.waits();
    checker.followers();
    checker.wrongs
}

impl<'a> Checker<'a> {
    fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }

    /// What was acknowledged is there, what was not is there at most once, and nothing else.
    fn jobs(&mut self) {
        let (book, found) = (self.book, self.found);
        for (id, work) in &book.jobs {
            match found.jobs.get(id) {
                None => self.wrong(format!("job {id} ({}) was acknowledged and is not there", work.tag)),
                Some(job) if job.name.as_ref().is_none_or(|name| name.as_str() != work.tag) => {
                    self.wrong(format!("job {id} was acknowledged as {} and is {:?}", work.tag, job.name));
                }
                Some(_) => drop(self.works.insert(*id, work)),
            }
            for index in work.indices() {
                let id = TaskId { job: *id, index };
                if !found.tasks.contains_key(&id) {
                    self.wrong(format!("{id} was acknowledged and is not there"));
                }
            }
        }
        let mut seen = BTreeSet::new();
        for (id, job) in &found.jobs {
            if book.jobs.contains_key(id) {
                continue;
            }
            let tag = job.name.as_ref().map(|name| name.as_str()).unwrap_or_default();
            match book.unanswered.get(tag) {
                None => self.wrong(format!("job {id} ({tag}) was submitted by nobody")),
                Some(_) if !seen.insert(tag) => self.wrong(format!("{tag} was submitted once and is there twice")),
                Some(work) => drop(self.works.insert(*id, work)),
            }
        }
    }

    /// Whatever was told as an event stays told, and an attempt ends once.
    fn events(&mut self) {
        let (book, found) = (self.book, self.found);
        for (no, event) in &book.events {
            match found.events.get(no) {
                None => self.wrong(format!("event {no} was told and is not there any more: {event:?}")),
                Some(kept) if kept != event => {
                    self.wrong(format!("event {no} was told as {event:?} and is {kept:?}"));
                }
                Some(_) => {}
            }
        }
        let mut ends: BTreeMap<AttemptId, u32> = BTreeMap::new();
        for event in found.events.values() {
            if let What::TaskEnded { attempt, .. } = event.what {
                *ends.entry(attempt).or_default() += 1;
            }
        }
        for (attempt, count) in ends.iter().filter(|(_, count)| **count > 1) {
            self.wrong(format!("the end of {attempt} was told {count} times"));
        }
        // One that was stopped before it was given to a node has no attempt of its own, and no event.
        for (id, (task, _)) in found.tasks.iter().filter(|(_, (task, _))| task.state.ended() && task.node.is_some()) {
            if !ends.contains_key(&id.attempt(task.attempt)) {
                self.wrong(format!("{id} has ended ({}), and no event told it", task.state));
            }
        }
    }

    /// An acknowledged stop and an acknowledged retry were heard, and what was stopped is not given out again.
    fn wishes(&mut self) {
        let (book, found) = (self.book, self.found);
        let events = || found.events.values();
        for (job, _) in book.stops.iter().filter(|(_, ask)| **ask == Ask::Acknowledged) {
            let heard =
                |event: &Event| matches!(event.what, What::StopAsked { target: Target::Job(id), .. } if id == *job);
            if !events().any(heard) {
                self.wrong(format!("the stop of job {job} was acknowledged, and no event tells of it"));
            }
        }
        for (task, _) in book.retries.iter().filter(|(_, ask)| **ask == Ask::Acknowledged) {
            if !events().any(|event| matches!(event.what, What::TaskRetried { task: id } if id == *task)) {
                self.wrong(format!("the retry of {task} was acknowledged, and no event tells of it"));
            }
        }
        let mut stopped: BTreeSet<JobId> = BTreeSet::new();
        let mut again: BTreeSet<TaskId> = BTreeSet::new();
        for event in events() {
            match &event.what {
                What::StopAsked { target: Target::Job(job), .. } => {
                    stopped.insert(*job);
                    again.retain(|task| task.job != *job);
                }
                What::TaskRetried { task } => drop(again.insert(*task)),
                What::TaskRequeued { attempt, .. }
                    if stopped.contains(&attempt.task.job) && !again.contains(&attempt.task) =>
                {
                    self.wrong(format!("{attempt} was queued again although its stop had been asked for"));
                }
                _ => {}
            }
        }
    }

    fn task(&mut self, work: &Work, task: &TaskView, attempts: &[AttemptView]) {
        let id = task.id;
        if !task.state.ended() {
            return self.wrong(format!("{id} ({:?}) has not ended: it is {}", work.kind, task.state));
        }
        let in_the_queue = task.node.is_none();
        if in_the_queue && (task.state != TaskState::Stopped || !self.was_stopped(id)) {
            self.wrong(format!("{id} ended as {} without a node: {}", task.state, task.reason));
        }
        for (n, attempt) in attempts.iter().enumerate() {
            if attempt.id.number != n as u32 + 1 {
                self.wrong(format!("{id} has the attempt {} as number {}", attempt.id, n + 1));
            }
            let replaced = n + 1 < attempts.len() || in_the_queue;
            self.attempt(work, attempt, replaced);
        }
        if attempts.len() != task.attempt as usize {
            self.wrong(format!("{id} is at attempt {} and has {}", task.attempt, attempts.len()));
        }
    }

    fn was_stopped(&self, id: TaskId) -> bool {
        self.book.stops.contains_key(&id.job)
    }

    fn attempt(&mut self, work: &Work, attempt: &AttemptView, replaced: bool) {
        let id = attempt.id;
        let predicted = work.predict(id);
        let entries = self.found.ledger.get(&id).cloned().unwrap_or_default();
        // It was tried again: by itself after a loss, or because somebody wished so.
        let requeued = self.requeued(id);
        let lost = attempt.state == TaskState::Lost && requeued.is_some();
        if replaced && !lost && !self.retried(id.task) {
            self.wrong(format!("{id} ({}) was replaced, and nobody was told why", attempt.state));
        }
        match attempt.state {
            TaskState::Succeeded | TaskState::Failed => {
                if attempt.code != Some(predicted.code) {
                    let (code, reason, wanted) = (attempt.code, &attempt.reason, predicted.code);
                    self.wrong(format!("{id} ({:?}) ended with {code:?} ({reason}) instead of {wanted}", work.kind));
                }
                if work.is_endless() {
                    self.wrong(format!("{id} ended by itself, which it never does"));
                }
                self.whole(work, id, &entries);
            }
            TaskState::Stopped => {
                if !self.was_stopped(id.task) {
                    self.wrong(format!("{id} was stopped by nobody: {}", attempt.reason));
                }
                self.begins_well(work, id);
            }
            TaskState::Lost if requeued.is_some() => self.begins_well(work, id),
            TaskState::Lost if attempt.reason.contains("exit unknown") => {
                if !self.keeper_died(attempt) {
                    self.wrong(format!("{id} ended as lost ({}), and its keeper was not killed", attempt.reason));
                }
                if self.was_stopped(id.task) { self.begins_well(work, id) } else { self.whole(work, id, &entries) }
            }
            _ => self.wrong(format!("{id} ended as {}: {}", attempt.state, attempt.reason)),
        }
        if let Some((node, reason, at)) = requeued {
            self.explain(id, &node, &reason, at, &entries);
        }
    }

    /// It ran to its own end: once, with all of its output.
    fn whole(&mut self, work: &Work, id: AttemptId, entries: &Entries) {
        let wanted = if work.is_entered() { (1, 1) } else { (0, 0) };
        if (entries.begun, entries.ended) != wanted {
            self.wrong(format!(
                "{id} ({:?}) began {} times and ended {} times",
                work.kind, entries.begun, entries.ended
            ));
        }
        let Some(log) = self.found.logs.get(&id) else { return self.wrong(format!("{id} has no output")) };
        let predicted = work.predict(id);
        for (stream, is, wanted) in
            [("stdout", &log.stdout, &predicted.stdout), ("stderr", &log.stderr, &predicted.stderr)]
        {
            if is != wanted {
                let (notes, difference) = (&log.notes, differ(is, wanted));
                self.wrongs
                    .push(format!("{stream} of {id} ({:?}) is not what it printed: {difference} {notes:?}", work.kind));
            }
        }
    }

    /// It was stopped or lost on the way: what is there of its output is the beginning of it.
    fn begins_well(&mut self, work: &Work, id: AttemptId) {
        let Some(log) = self.found.logs.get(&id) else { return };
        let predicted = work.predict(id);
        if !predicted.stdout.starts_with(&log.stdout) {
            let difference = differ(&log.stdout, &predicted.stdout);
            self.wrongs
                .push(format!("stdout of {id} ({:?}) is not the beginning of what it prints: {difference}", work.kind));
        }
    }

    fn requeued(&self, id: AttemptId) -> Option<(String, String, u64)> {
        self.found.events.values().rev().find_map(|event| match &event.what {
            What::TaskRequeued { attempt, node, reason } if *attempt == id => {
                Some((node.to_string(), reason.clone(), event.at.0))
            }
            _ => None,
        })
    }

    fn retried(&self, id: TaskId) -> bool {
        self.book.retries.contains_key(&id)
    }

    fn done_to<'b>(&'b self, node: &'b str) -> impl Iterator<Item = &'b Done> {
        self.trouble.iter().filter(move |done| done.node.is_some_and(|number| name(number) == node))
    }

    fn keeper_died(&self, attempt: &AttemptView) -> bool {
        let node = attempt.node.as_ref().map(ToString::to_string).unwrap_or_default();
        let from = attempt.started_at.map_or(0, |at| at.0.saturating_sub(SLACK));
        let until = attempt.ended_at.map_or(u64::MAX, |at| at.0 + SLACK);
        self.done_to(&node).any(|done| done.deed == Deed::KillKeeper && (from..=until).contains(&done.from))
    }

    /// Only the death of a keeper, and a link that was away for as long as the lease, cost an attempt.
    fn explain(&mut self, id: AttemptId, node: &str, reason: &str, at: u64, entries: &Entries) {
        let lease = LEASE.as_millis() as u64;
        let explained = if reason.contains("before it began") {
            if entries.begun > 0 {
                self.wrong(format!("{id} was queued again because it had not begun, and it had"));
            }
            self.done_to(node).any(|done| done.deed == Deed::KillKeeper && done.from <= at)
        } else if reason.contains("did not come back") {
            // Out of touch in one piece, by one trouble or by several.
            self.done_to(node).any(|done| done.from + lease <= at + SLACK && done.until + 2 * lease >= at)
        } else {
            false
        };
        if !explained {
            self.wrong(format!("{id} was queued again on {node}, and nothing explains it: {reason}"));
        }
    }

    /// The tasks' own book: every attempt ran at most once, as what it was submitted as, and none is unknown.
    fn ledger(&mut self) {
        for (id, entries) in &self.found.ledger {
            if entries.begun != 1 || entries.ended > 1 {
                self.wrong(format!("{id} began {} times and ended {} times", entries.begun, entries.ended));
            }
            match self.found.tasks.get(&id.task) {
                Some((_, attempts)) if attempts.iter().any(|attempt| attempt.id == *id) => {}
                _ => self.wrong(format!("{id} ran, and nobody knows of it")),
            }
            let tag = self.works.get(&id.task.job).map(|work| work.tag.clone()).unwrap_or_default();
            if entries.tags != [tag.as_str()] {
                self.wrong(format!("{id} ran as {:?} and is {tag}", entries.tags));
            }
        }
    }

    /// What clients saw ended is still ended so.
    fn ends_told(&mut self) {
        for (id, end) in &self.book.ends {
            let attempts = self.found.tasks.get(&id.task).map(|(_, attempts)| &attempts[..]).unwrap_or_default();
            match attempts.iter().find(|attempt| attempt.id == *id) {
                None => self.wrong(format!("{id} was told as {end:?} and is not there")),
                Some(now) if (now.state, now.code, &now.reason) != (end.state, end.code, &end.reason) => {
                    let (state, code, reason) = (now.state, now.code, &now.reason);
                    self.wrong(format!("{id} was told as {end:?} and is {state} {code:?} {reason:?}"));
                }
                Some(_) => {}
            }
        }
    }

    /// `bramble run --wait` stood in for the program.
    fn waits(&mut self) {
        for waited in &self.book.waited {
            let Some((job, work)) = self.works.iter().find(|(_, work)| work.tag == waited.tag) else {
                // It was never taken in: then it said so.
                if waited.code != Some(125) {
                    let (tag, code) = (&waited.tag, waited.code);
                    self.wrongs.push(format!("{tag} ended as {code:?} for who waited, and there is no such job"));
                }
                continue;
            };
            let id = TaskId { job: *job, index: 0 };
            let Some((task, attempts)) = self.found.tasks.get(&id) else { continue };
            let wanted = task.code.unwrap_or(1);
            let gave_up = waited.code == Some(125) && waited.stderr.contains("went away");
            if waited.code != Some(wanted) && !gave_up {
                let (code, said) = (waited.code, &waited.stderr);
                self.wrongs.push(format!("{id} is {} {wanted} and was {code:?} for who waited: {said}", task.state));
            }
            let whole = attempts.len() == 1 && task.state != TaskState::Stopped && !gave_up;
            let predicted = work.predict(id.attempt(1)).stdout;
            if whole && waited.stdout != predicted {
                let difference = differ(&waited.stdout, &predicted);
                let said = &waited.stderr;
                self.wrongs
                    .push(format!("who waited for {id} ({:?}) saw something else: {difference} {said:?}", work.kind));
            }
        }
    }

    /// `bramble logs -f` that ended well has told all of it, each byte once.
    fn followers(&mut self) {
        for followed in &self.book.followed {
            let id = followed.task;
            let Some((task, attempts)) = self.found.tasks.get(&id) else { continue };
            let Some(work) = self.works.get(&id.job) else { continue };
            let predicted = work.predict(id.attempt(1)).stdout;
            if attempts.len() != 1 {
                continue;
            }
            let whole = followed.code == Some(0) && task.state != TaskState::Stopped;
            let fits = if whole { followed.stdout == predicted } else { predicted.starts_with(&followed.stdout) };
            if !fits {
                let (code, said, difference) = (followed.code, &followed.stderr, differ(&followed.stdout, &predicted));
                self.wrongs.push(format!(
                    "a follower of {id} ({:?}) saw something else: {difference} {code:?} {said:?}",
                    work.kind
                ));
            }
        }
    }
}

/// Where two outputs part, short enough to read, with a number for each to compare them by.
fn differ(is: &[u8], wanted: &[u8]) -> String {
    let hash = |bytes: &[u8]| {
        bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
    };
    let same = is.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let piece =
        |bytes: &[u8]| String::from_utf8_lossy(&bytes[same.min(bytes.len())..bytes.len().min(same + 60)]).into_owned();
    format!(
        "{} bytes ({:016x}) instead of {} ({:016x}); from byte {same}: {:?} instead of {:?};",
        is.len(),
        hash(is),
        wanted.len(),
        hash(wanted),
        piece(is),
        piece(wanted)
    )
}
