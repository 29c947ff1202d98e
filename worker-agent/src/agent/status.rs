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

/// What an agent last said, for a person. An agent of another version may have said less.
pub fn rows(status: &Value, now: UnixMillis) -> Vec<(&'static str, String)> {
    let text = |key: &str| status[key].as_str().map(str::to_owned);
    let time = |key: &str| status[key].as_u64().map(UnixMillis);
    let since = time("since").map(|since| format!(" for {}", duration(now.since(since)))).unwrap_or_default();
    let retry = time("retry_at").map(|at| format!(", tries again in {}", duration(at.since(now)))).unwrap_or_default();
    let waiting = status["waiting"].as_u64().filter(|&n| n > 0).map(|n| n.to_string());
    let rows = [
        ("link", text("link").map(|link| format!("{link}{since}{retry}"))),
        ("manager", text("manager")),
        ("node", text("node")),
        ("trouble", text("last_error")),
        ("waiting", waiting),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// In one unit: nobody waits for the seconds of a day.
fn duration(ms: u64) -> String {
    match ms / 1000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
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

    #[test]
    fn a_person_reads_how_long_and_why() {
        let status = serde_json::json!({"link": "resting", "manager": "m:1", "since": 1000, "retry_at": 66_000,
            "last_error": "cannot reach m:1", "waiting": 0});
        let rows = rows(&status, UnixMillis(61_000));
        assert_eq!(rows[0], ("link", "resting for 60 s, tries again in 5 s".to_owned()));
        assert_eq!(rows[2], ("trouble", "cannot reach m:1".to_owned()));
        assert_eq!(super::rows(&Value::Null, UnixMillis(0)), []);
        assert_eq!(duration(90 * 60_000), "90 min");
    }
}
