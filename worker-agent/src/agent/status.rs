//! How the agent is, in the words that `worker-agent status` shows.

use std::time::SystemTime;

use protocol::name::NodeName;
use protocol::time::UnixMillis;
use serde::Serialize;
use serde_json::Value;

use super::control::{Control, Mood};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Status<'a> {
    /// `linked`, `dialling`, `resting` (until it dials again) or `joining`.
    link: &'static str,
    manager: &'a str,
    node: &'a NodeName,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
    /// Orders without a slot.
    waiting: usize,
}

/// Says a status only when it is another.
#[derive(Default)]
pub struct Teller {
    last: Value,
    link: &'static str,
    since: UnixMillis,
}

impl Teller {
    /// What to tell the keeper, if anything.
    pub fn of_link(&mut self, control: &Control, waiting: usize) -> Option<Value> {
        let home = control.home();
        let (link, retry_at) = match control.mood() {
            Mood::Linked => ("linked", None),
            Mood::Dialling => ("dialling", None),
            Mood::Resting(until) => ("resting", Some(until)),
        };
        let (manager, node, last_error) = (&home.address, &home.name, control.trouble());
        self.news(&Status { link, manager, node, retry_at, last_error, waiting })
    }

    pub fn of_joining(&mut self, manager: &str, node: &NodeName, retry_at: UnixMillis, error: &str) -> Option<Value> {
        let (link, retry_at, last_error) = ("joining", Some(retry_at), Some(error));
        self.news(&Status { link, manager, node, retry_at, last_error, waiting: 0 })
    }

    fn news(&mut self, status: &Status) -> Option<Value> {
        if self.link != status.link {
            (self.link, self.since) = (status.link, UnixMillis::of(SystemTime::now()));
        }
        let mut value = serde_json::to_value(status).ok()?;
        value["since"] = self.since.0.into();
        if value == self.last {
            return None;
        }
        self.last = value.clone();
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_status_is_said_once() {
        let mut teller = Teller::default();
        let node = "pi-1".parse().unwrap();
        let said = teller.of_joining("m:1", &node, UnixMillis(5), "no route").unwrap();
        assert_eq!((&said["link"], &said["last_error"]), (&"joining".into(), &"no route".into()));
        assert!(said["since"].as_u64() > Some(0));
        assert_eq!(teller.of_joining("m:1", &node, UnixMillis(5), "no route"), None);
        assert!(teller.of_joining("m:1", &node, UnixMillis(6), "no route").is_some());
    }
}
