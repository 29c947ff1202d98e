//! Numbers people type: job `17`, task `17.3`, attempt `17.3#2`, range `17.0-99`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    pub job: JobId,
    pub index: u32,
}

/// One try at a task. The first is #1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    pub task: TaskId,
    pub number: u32,
}

/// What a verb takes: a job, a task, an attempt, or a range of a job's tasks (both ends included).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Job(JobId),
    Task(TaskId),
    Attempt(AttemptId),
    Range { job: JobId, first: u32, last: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}; write a job as 17, a task as 17.3, an attempt as 17.3#2, a range as 17.0-99")]
pub struct BadId {
    text: String,
    what: &'static str,
}

impl TaskId {
    pub fn new(job: u32, index: u32) -> Self {
        Self { job: JobId(job), index }
    }

    pub fn attempt(self, number: u32) -> AttemptId {
        AttemptId { task: self, number }
    }
}

impl Target {
    pub fn job(self) -> JobId {
        match self {
            Target::Job(job) | Target::Range { job, .. } => job,
            Target::Task(task) => task.job,
            Target::Attempt(attempt) => attempt.task.job,
        }
    }

    /// Whether a task is meant by this target.
    pub fn covers(self, task: TaskId) -> bool {
        match self {
            Target::Job(job) => task.job == job,
            Target::Task(one) => task == one,
            Target::Attempt(attempt) => task == attempt.task,
            Target::Range { job, first, last } => task.job == job && (first..=last).contains(&task.index),
        }
    }
}

/// Plain decimal digits only: no sign, no spaces, no leading `+` as `u32::from_str` would allow.
fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

fn parse_target(text: &str) -> Option<Target> {
    let Some((job, rest)) = text.split_once('.') else {
        return number(text).map(|job| Target::Job(JobId(job)));
    };
    let job = JobId(number(job)?);
    if let Some((first, last)) = rest.split_once('-') {
        let (first, last) = (number(first)?, number(last)?);
        return (first <= last).then_some(Target::Range { job, first, last });
    }
    match rest.split_once('#') {
        None => Some(Target::Task(TaskId { job, index: number(rest)? })),
        Some((index, attempt)) => {
            let task = TaskId { job, index: number(index)? };
            let number = number(attempt).filter(|&n| n > 0)?;
            Some(Target::Attempt(AttemptId { task, number }))
        }
    }
}

impl FromStr for JobId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        number(text).map(JobId).ok_or_else(|| BadId { text: text.into(), what: "a job" })
    }
}

impl FromStr for TaskId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        match parse_target(text) {
            Some(Target::Task(task)) => Ok(task),
            _ => Err(BadId { text: text.into(), what: "a task" }),
        }
    }
}

impl FromStr for AttemptId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        match parse_target(text) {
            Some(Target::Attempt(attempt)) => Ok(attempt),
            _ => Err(BadId { text: text.into(), what: "an attempt" }),
        }
    }
}

impl FromStr for Target {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        parse_target(text).ok_or_else(|| BadId { text: text.into(), what: "a job, task, attempt or range" })
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.job, self.index))
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}#{}", self.task, self.number))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Job(job) => fmt::Display::fmt(job, f),
            Target::Task(task) => fmt::Display::fmt(task, f),
            Target::Attempt(attempt) => fmt::Display::fmt(attempt, f),
            Target::Range { job, first, last } => f.pad(&format!("{job}.{first}-{last}")),
        }
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}
as_text!(TaskId, AttemptId, Target);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_was_written() {
        for text in ["17", "17.3", "17.3#2", "17.0-99", "0.0#1"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        assert_eq!("17.3#2".parse::<AttemptId>().unwrap(), TaskId::new(17, 3).attempt(2));
    }

    #[test]
    fn what_is_not_an_id_says_how_ids_are_written() {
        for text in ["", "x", "-1", "+1", "1.", ".1", "1.2.3", "1.2#0", "1.2#", "1.5-2", "99999999999", "1 ", "1.2-"] {
            let why = text.parse::<Target>().unwrap_err().to_string();
            assert!(why.contains("17.3#2"), "{why}");
        }
        assert!("17".parse::<TaskId>().is_err());
    }

    #[test]
    fn a_range_covers_both_its_ends_and_nothing_else() {
        let range: Target = "5.2-4".parse().unwrap();
        let covered: Vec<u32> = (0..8).filter(|&i| range.covers(TaskId::new(5, i))).collect();
        assert_eq!(covered, [2, 3, 4]);
        assert!(!range.covers(TaskId::new(6, 3)));
    }
}
