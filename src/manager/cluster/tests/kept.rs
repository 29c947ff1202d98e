//! A store in memory: rows by their keys, as the real one keeps them, and an image to load the core from.

use std::collections::BTreeMap;

use protocol::agent::Output;
use protocol::event::Event;
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::name::{NodeName, PersonName, ScriptName, SecretName};
use protocol::notify::Notice;

use crate::manager::cluster::{
    Age, AnswerRow, AttemptRow, Change, FileRow, GrantRow, Image, JobRow, NodeRow, NoticeRow, PersonRow, ResultRow,
    RunRow, ScriptRow, SecretHash, SecretRow, TaskRow, TextRow, TokenRow,
};

#[derive(Debug, Clone, Default)]
pub struct Kept {
    pub people: BTreeMap<PersonName, PersonRow>,
    pub nodes: BTreeMap<NodeName, NodeRow>,
    pub tokens: BTreeMap<SecretHash, TokenRow>,
    pub jobs: BTreeMap<JobId, JobRow>,
    pub tasks: BTreeMap<TaskId, TaskRow>,
    pub attempts: BTreeMap<AttemptId, AttemptRow>,
    pub outputs: BTreeMap<AttemptId, (Output, Output)>,
    pub files: BTreeMap<u64, FileRow>,
    pub results: BTreeMap<AttemptId, ResultRow>,
    pub ages: BTreeMap<JobId, Age>,
    pub notices: BTreeMap<u64, NoticeRow>,
    pub secrets: BTreeMap<(PersonName, SecretName), SecretRow>,
    pub runs: BTreeMap<JobId, RunRow>,
    pub answers: BTreeMap<TaskId, AnswerRow>,
    pub scripts: BTreeMap<u64, ScriptRow>,
    pub texts: BTreeMap<ContentHash, TextRow>,
    pub grants: BTreeMap<(Option<PersonName>, ScriptName, ContentHash), GrantRow>,
    pub hours: u64,
    pub minutes: u64,
    pub last_job: u32,
    pub last_event: u64,
    pub last_file: u64,
    pub last_notice: u64,
    pub last_script: u64,
}

impl Kept {
    pub fn keep(&mut self, change: Change) {
        match change {
            Change::Person(row) => drop(self.people.insert(row.name.clone(), row)),
            Change::Node(row) => drop(self.nodes.insert(row.name.clone(), *row)),
            Change::NodeGone(name) => drop(self.nodes.remove(&name)),
            Change::Token(row) => drop(self.tokens.insert(row.hash.clone(), row)),
            Change::TokenGone(hash) => drop(self.tokens.remove(&hash)),
            Change::Job(row) => {
                self.last_job = self.last_job.max(row.id.0);
                self.jobs.insert(row.id, (*row).clone());
            }
            Change::JobGone(id) => {
                self.jobs.remove(&id);
                self.tasks.retain(|task, _| task.job != id);
                self.attempts.retain(|attempt, _| attempt.task.job != id);
                self.outputs.retain(|attempt, _| attempt.task.job != id);
                self.results.retain(|attempt, _| attempt.task.job != id);
                self.ages.remove(&id);
            }
            Change::Task(row) => drop(self.tasks.insert(row.id, row)),
            Change::Attempt(row) => drop(self.attempts.insert(row.id, row)),
            Change::Output { attempt, stdout, stderr } => drop(self.outputs.insert(attempt, (stdout, stderr))),
            Change::File(row) => {
                self.last_file = self.last_file.max(row.version);
                self.files.insert(row.version, row);
            }
            Change::FileGone(version) => drop(self.files.remove(&version)),
            Change::Result(row) => drop(self.results.insert(row.attempt, row)),
            Change::ResultGone(attempt) => drop(self.results.remove(&attempt)),
            Change::Age(job, Some(age)) => drop(self.ages.insert(job, age)),
            Change::Age(job, None) => drop(self.ages.remove(&job)),
            Change::Hours { hours, minutes } => {
                assert!((hours, minutes) > (self.hours, self.minutes), "hours are counted backwards");
                (self.hours, self.minutes) = (hours, minutes);
            }
            Change::Notice(row) => {
                assert!(row.no > self.last_notice, "a notice has the number of another: {row:?}");
                let written = serde_json::to_string(&row.notice).unwrap();
                assert_eq!(serde_json::from_str::<Notice>(&written).unwrap(), row.notice, "{written}");
                self.last_notice = row.no;
                self.notices.insert(row.no, (*row).clone());
            }
            Change::NoticeGone(no) => assert!(self.notices.remove(&no).is_some(), "notice {no} goes, and is not there"),
            Change::Secret(row) => drop(self.secrets.insert((row.owner.clone(), row.name.clone()), row)),
            Change::Run(row) => {
                self.last_job = self.last_job.max(row.id.0);
                self.runs.insert(row.id, (*row).clone());
            }
            Change::RunGone(id) => {
                assert!(self.runs.remove(&id).is_some(), "run {id} goes, and is not there");
                self.answers.retain(|answer, _| answer.job != id);
                self.outputs.retain(|attempt, _| attempt.task.job != id);
            }
            Change::Answer(row) => {
                assert!(self.runs.contains_key(&row.id.job), "an answer without its run");
                self.answers.insert(row.id, row);
            }
            Change::Script(row) => {
                self.last_script = self.last_script.max(row.version);
                self.scripts.insert(row.version, row);
            }
            Change::ScriptGone(version) => assert!(self.scripts.remove(&version).is_some(), "no version {version}"),
            Change::Text(row) => drop(self.texts.insert(row.text.hash, row)),
            Change::TextGone(hash) => {
                assert!(self.texts.remove(&hash).is_some(), "a text goes that is not there");
                let held = self.scripts.values().any(|row| row.hash == hash)
                    || self.runs.values().any(|row| row.text == Some(hash));
                assert!(!held, "a text goes that is referred to");
            }
            Change::Granted(row) => {
                let key = (row.owner.clone(), row.name.clone(), row.hash);
                match row.people.is_empty() {
                    true => drop(self.grants.remove(&key)),
                    false => drop(self.grants.insert(key, row)),
                }
            }
            Change::SecretGone(owner, name) => {
                let gone = self.secrets.remove(&(owner, name));
                assert!(gone.is_some(), "a secret goes that is not there");
            }
            Change::ContentGone(hash) => {
                assert!(!self.refers_to(&hash), "a content that is referred to is let go");
            }
        }
    }

    /// A version has it, a job was given it, or a result is this.
    pub fn refers_to(&self, hash: &ContentHash) -> bool {
        let mut given = self.jobs.values().flat_map(|job| job.given.iter());
        self.files.values().any(|row| row.hash == *hash)
            || given.any(|given| given.hash == *hash)
            || self.results.values().any(|row| row.hash == *hash)
    }

    pub fn event(&mut self, event: &Event) {
        assert_eq!(event.no, self.last_event + 1, "events are numbered without gaps: {event:?}");
        self.last_event = event.no;
    }

    pub fn image(&self) -> Image {
        Image {
            people: self.people.values().cloned().collect(),
            nodes: self.nodes.values().cloned().collect(),
            tokens: self.tokens.values().cloned().collect(),
            jobs: self.jobs.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
            attempts: self.attempts.values().cloned().collect(),
            files: self.files.values().cloned().collect(),
            results: self.results.values().cloned().collect(),
            ages: self.ages.iter().map(|(job, age)| (*job, *age)).collect(),
            notices: self.notices.values().cloned().collect(),
            secrets: self.secrets.values().cloned().collect(),
            runs: self.runs.values().cloned().collect(),
            answers: self.answers.values().cloned().collect(),
            scripts: self.scripts.values().cloned().collect(),
            texts: self.texts.values().cloned().collect(),
            grants: self.grants.values().cloned().collect(),
            hours: self.hours,
            minutes: self.minutes,
            last_job: self.last_job,
            last_event: self.last_event,
            last_file: self.last_file,
            last_notice: self.last_notice,
            last_script: self.last_script,
        }
    }
}
