//! Where it is told that a job has ended, and what.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{AttemptId, JobId, TaskId};
use crate::job::{Counts, TaskState};
use crate::name::{JobName, NodeName, PersonName};
use crate::time::UnixMillis;

/// The most places one job is told to.
pub const MOST_NOTIFY: usize = 10;
const LONGEST: usize = 2048;

/// `mail:ana@example.org` or `https://example.org/hook`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notify {
    /// To this address.
    Mail(String),
    /// By a POST of JSON to this URL.
    Web(String),
}

impl Notify {
    /// As it may be shown to everybody: of a URL only whose it is, for the rest is often as good as a password.
    pub fn shown(&self) -> Self {
        let Notify::Web(url) = self else { return self.clone() };
        let Some((scheme, rest)) = url.split_once("://") else { return self.clone() };
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let more = if path.is_empty() || path == "/" { path } else { "/…" };
        Notify::Web(format!("{scheme}://{host}{more}"))
    }
}

/// Why a text is none: one clear sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadNotify(String);

impl FromStr for Notify {
    type Err = BadNotify;

    fn from_str(text: &str) -> Result<Self, BadNotify> {
        let bad = |why: &str| Err(BadNotify(format!("{text:?} {why}; write mail:ana@example.org or https://…")));
        if text.len() > LONGEST {
            return Err(BadNotify(format!("where a job's end is told to has at most {LONGEST} bytes")));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return bad("has a space or a control character in it");
        }
        if let Some(address) = text.strip_prefix("mail:") {
            let good = |(user, host): (&str, &str)| !user.is_empty() && !host.is_empty();
            return match address.rsplit_once('@').is_some_and(good) {
                true => Ok(Self::Mail(address.to_owned())),
                false => bad("is no mail address"),
            };
        }
        match text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
            Some(rest) if !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']) => Ok(Self::Web(text.to_owned())),
            Some(_) => bad("names no host"),
            None => bad("is nowhere that can be told"),
        }
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notify::Mail(address) => write!(f, "mail:{address}"),
            Notify::Web(url) => f.write_str(url),
        }
    }
}

impl Serialize for Notify {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Notify {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One place that is told of one end of a job: as it was at that moment, whatever becomes of the job, its name, its tasks or its
/// results afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    pub to: Notify,
    pub end: Arc<JobEnd>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEnd {
    pub job: JobId,
    pub name: Option<JobName>,
    pub owner: PersonName,
    /// Its first words.
    pub command: Vec<String>,
    pub state: TaskState,
    pub counts: Counts,
    pub submitted_at: UnixMillis,
    pub started_at: Option<UnixMillis>,
    pub ended_at: UnixMillis,
    /// Of its one task, or from the first start of any to the last end.
    pub ran_ms: Option<u64>,
    /// Its one task, or the first few of those that did not succeed, the worst of them first.
    pub tasks: Vec<Ended>,
    /// Results that nobody has collected, and what they take.
    pub results: u32,
    pub results_size: u64,
}

/// How one task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub task: TaskId,
    /// The latest attempt, 0 where none ever began.
    pub attempt: u32,
    pub state: TaskState,
    pub node: Option<NodeName>,
    pub code: Option<i32>,
    pub reason: String,
}

impl JobEnd {
    /// The attempt whose stderr is worth quoting, and where it ran.
    pub fn quoted(&self) -> Option<(AttemptId, &NodeName)> {
        let ran = |ended: &&Ended| ended.attempt > 0 && ended.node.is_some();
        let failed = self.tasks.iter().filter(ran).find(|ended| ended.state == TaskState::Failed);
        let ended = failed.or_else(|| self.tasks.iter().find(ran))?;
        Some((ended.task.attempt(ended.attempt), ended.node.as_ref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for good in ["mail:ana@example.org", "https://example.org/hook?x=1", "http://10.0.0.7:8080/"] {
            let read: Notify = good.parse().unwrap();
            assert_eq!(read.to_string(), good);
            assert_eq!(serde_json::from_str::<Notify>(&serde_json::to_string(&read).unwrap()).unwrap(), read);
        }
    }

    #[test]
    fn what_only_its_owner_knows_of_an_address_is_not_shown() {
        for (whole, shown) in [
            ("mail:ana@example.org", "mail:ana@example.org"),
            ("https://example.org:8443/hooks/T0KEN?key=1", "https://example.org:8443/…"),
            ("https://ana:pass@example.org?key=1", "https://example.org/…"),
            ("https://ana@example.org/", "https://example.org/"),
            ("http://example.org", "http://example.org"),
        ] {
            let shown_of_it = whole.parse::<Notify>().unwrap().shown();
            assert_eq!(shown_of_it.to_string(), shown);
            assert_eq!(shown.parse(), Ok(shown_of_it), "it is an address itself");
        }
    }

    #[test]
    fn what_is_no_address_is_told_in_a_sentence() {
        let long = format!("https://{}", "x".repeat(LONGEST));
        for bad in [
            "",
            "ana@example.org",
            "mail:",
            "mail:ana",
            "mail:@x",
            "mail:a@b\r\nBcc: c@d",
            "ftp://x",
            "https://",
            &long,
        ] {
            let why = bad.parse::<Notify>().unwrap_err().to_string();
            assert!(why.contains("https://") || why.contains("bytes"), "{bad:?}: {why}");
        }
    }
}
